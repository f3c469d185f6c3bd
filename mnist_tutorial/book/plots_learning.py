"""Figures of chapters 4 and 5: what a network is made of, and how it learns.

Like those of `plots`, each function takes arrays and returns a Matplotlib `Figure`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from mnist_tutorial.book import plots
from mnist_tutorial.book.plots import BLUE, GREEN, ORANGE, RED, SKY, WIDTH, Values


def bend(points: np.ndarray, labels: np.ndarray, answers: Mapping[str, np.ndarray]) -> Figure:
    """Draws ReLU, then which points of the plane each network takes for which class.

    Args:
      points: (n, 2), what the networks learned from, between 0 and 1.
      labels: (n,), 0 or 1.
      answers: title → (rows, columns) of 0 and 1 over the unit square, first row at the bottom.
    """
    figure, axes = plots._figure(2.4, 1, 1 + len(answers))
    first, *others = axes[0]
    x = np.array([-2, 0, 2])
    first.plot(x, np.maximum(x, 0), color=BLUE, linewidth=2)
    first.set(xticks=[-2, 0, 2], yticks=[0, 1, 2], box_aspect=1)
    plots._label(first, "weighted sum", "", "ReLU")
    for ax, (title, answer) in zip(others, answers.items(), strict=True):
        ax.imshow(
            answer, cmap=ListedColormap(["#F9E3B4", "#BFDDF0"]), vmin=0, vmax=1,
            extent=(0, 1, 0, 1), origin="lower",
        )  # fmt: skip
        for value, marker, colour in ((0, "^", "#B06F00"), (1, "o", BLUE)):
            own = points[labels == value]
            ax.scatter(own[:, 0], own[:, 1], s=9, marker=marker, color=colour)
        ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
        plots._label(ax, " ", "", title)  # as tall a label as that of ReLU
    return figure


def scores_to_loss(logits: np.ndarray, probabilities: np.ndarray, label: int) -> Figure:
    """Draws scores, the probabilities made of them, and the curve that makes a loss of one.

    Args:
      logits: (classes,), any numbers.
      probabilities: (classes,), between 0 and 1.
      label: the true class, which is hatched on the left and marked on the curve.
    """
    figure = Figure(figsize=(WIDTH, 4.6), dpi=150, layout="constrained")
    above, below = np.asarray(figure.subfigures(2, 1)).tolist()
    for ax, values, title in zip(
        above.subplots(1, 2), (logits, probabilities), ("scores", "after softmax"), strict=True
    ):
        true = [k == label for k in range(len(values))]
        ax.bar(
            range(len(values)),
            values,
            color=[ORANGE if t else SKY for t in true],
            edgecolor=["black" if t else SKY for t in true],
            hatch=["//" if t else "" for t in true],
        )
        ax.axhline(0, color="0.3", linewidth=0.8)
        ax.set_xticks(range(len(values)))
        _plain(ax)
        plots._label(ax, "digit", "", title)
    ax = below.subplots()
    p = np.linspace(0.01, 1, 200)
    ax.plot(p, -np.log(p), color=BLUE)
    for value in (1.0, 0.5, 0.1):
        ax.plot(value, -np.log(value), "o", color=BLUE, markersize=6)
        _note(ax, f"{value:g} → {abs(np.log(value)):.2f}", (value, -np.log(value)))
    own = float(probabilities[label])
    ax.plot(own, -np.log(own), "^", color=RED, markersize=8)
    _note(ax, f"this image: {own:.3f} → {-np.log(own):.2f}", (own, -np.log(own)), RED, above=14)
    ax.set(xlim=(0, 1.12), ylim=(-0.15, 4.8))
    _plain(ax)
    plots._label(ax, "probability p of the true digit", "loss, −ln p")
    return figure


class Panel(NamedTuple):
    """What one setting does.

    Attributes:
      x: the setting, in words.
      lines: name → value of the setting → one result per seed; an empty name has no legend.
      log: "x" for a logarithmic axis.
      y: what the results are, in words.
      joined: False where there is nothing between two values.
    """

    x: str
    lines: Mapping[str, Mapping[Any, Sequence[float]]]
    log: str = ""
    y: str = "accuracy, %"
    joined: bool = True


def ingredients(several: Sequence[Panel]) -> Figure:
    """Draws a panel per setting: the means of some seeds, and their 95% intervals."""
    rows = -(-len(several) // 2)
    figure, axes = plots.panels(rows, 2, height=2.1 * rows)
    for ax, panel in zip(axes, several, strict=False):
        plots.intervals(panel.lines, panel.x, panel.y, panel.log, ax)
        for line in [] if panel.joined else ax.lines:
            line.set_linestyle("")
        ax.margins(0.1, 0.25 if ax.get_legend() else 0.12)
        if panel.log:
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_formatter(NullFormatter())
    return figure


def nudged(
    weights: Values, losses: Values, accuracies: Values, now: int, after: int, slope: float
) -> Figure:
    """Draws the loss and the accuracy of a batch against one weight.

    Args:
      weights, losses, accuracies: (n,), the accuracies between 0 and 1.
      now, after: positions of the weight before and after a step.
      slope: of the loss at `now`.
    """
    figure, (left, right) = plots.panels(1, 2, height=2.9)
    weights, losses = np.asarray(weights), np.asarray(losses)
    left.plot(weights, losses, color=BLUE)
    x = weights[now] + np.array([-1.0, 1.6])
    left.plot(x, losses[now] + slope * (x - weights[now]), color=ORANGE, linestyle="--")
    left.plot(weights[after], losses[after], "s", color=GREEN, markersize=7, label="after a step")
    right.plot(weights, 100 * np.asarray(accuracies), color=BLUE, drawstyle="steps-mid")
    for ax, values in ((left, losses), (right, 100 * np.asarray(accuracies))):
        ax.plot(weights[now], values[now], "o", color=RED, markersize=7, label="now")
    left.legend(fontsize=9.5, frameon=False)
    plots._label(left, "the weight", "", "loss")
    plots._label(right, "the weight", "", "accuracy, %")
    return figure


class Tiny(NamedTuple):
    """All numbers of a network with two pixels, two hidden units and two scores.

    Attributes:
      pixels, hidden, scores, probabilities: (2,), forward; the first class is the true one.
      w1, w2: (2, 2), weights from (row) to (column).
      at_scores, at_hidden: (2,), slopes of the loss with respect to scores and hidden units.
      at_w1, at_w2: (2, 2), slopes with respect to the weights.
    """

    pixels: np.ndarray
    w1: np.ndarray
    hidden: np.ndarray
    w2: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray
    at_scores: np.ndarray
    at_hidden: np.ndarray
    at_w1: np.ndarray
    at_w2: np.ndarray


def backpropagation(tiny: Tiny, names: Sequence[str]) -> Figure:
    """Draws a tiny network twice: values on the way forward, slopes on the way back.

    Args:
      names: of the two classes.
    """
    figure, (above, below) = plots.panels(2, 1, height=5.3)
    p = tiny.probabilities
    _network(above, (tiny.pixels, tiny.hidden, tiny.scores), (tiny.w1, tiny.w2), _value, BLUE)
    above.set_title("forward: values, up to the loss", fontsize=11)
    for y, name, chance in zip((1, 0), names, p, strict=True):
        above.text(2.3, y, f"“{name}”\np = {chance:.2f}", fontsize=10.5, va="center")
    above.text(2.3, 0.5, f"loss = −ln {p[0]:.2f} = {-np.log(p[0]):.2f}", fontsize=10.5, va="center")
    slopes = (np.full(2, np.nan), tiny.at_hidden, tiny.at_scores)
    _network(below, slopes, (tiny.at_w1, tiny.at_w2), _slope, ORANGE, back=True)
    below.set_title("backward: slopes of the loss", fontsize=11)
    for y, chance, truth in zip((1, 0), p, (1, 0), strict=True):
        below.text(2.3, y, f"p − {truth} =\n{_slope(chance - truth)}", fontsize=10.5, va="center")
    for x, name in enumerate(("pixels", "hidden units", "scores")):
        below.text(x, -0.52, name, ha="center", va="center", fontsize=10.5)
    return figure


def _network(
    ax: Axes,
    nodes: Sequence[np.ndarray],
    edges: Sequence[np.ndarray],
    write: Callable[[float], str],
    colour: str,
    back: bool = False,
) -> None:
    """Draws three columns of two nodes, with a number in each node and on each connection."""
    ax.set_axis_off()
    ax.set(xlim=(-0.3, 3.25), ylim=(-0.4, 1.35))
    for x, table in enumerate(edges):
        for (i, j), value in np.ndenumerate(table):
            start, end = np.array([x, 1 - i]), np.array([x + 1, 1 - j])
            unit = 0.17 * (end - start) / np.hypot(*(end - start))
            tail, head = (end - unit, start + unit) if back else (start + unit, end - unit)
            arrow = {"arrowstyle": "->", "color": "0.6", "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", head, tail, arrowprops=arrow)
            place = start + (0.5 if i == j else 0.3) * (end - start)
            ax.text(
                place[0], place[1], write(value), ha="center", va="center", fontsize=10,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
    for x, column in enumerate(nodes):
        for y, value in zip((1, 0), column, strict=True):
            known = not np.isnan(value)
            ax.scatter(x, y, s=900, color=colour if known else "0.9", zorder=2)
            ink = "black" if back else "white"
            words = write(value) if known else ""
            ax.text(x, y, words, ha="center", va="center", fontsize=10, color=ink, zorder=3)


def _value(number: float) -> str:
    return f"{number:.1f}".replace("-", "−")


def _slope(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−") if round(number, 2) else "0"


def _plain(ax: Axes) -> None:
    ax.tick_params(labelsize=10)
    ax.spines[["top", "right"]].set_visible(False)


def _note(
    ax: Axes, text: str, at: tuple[float, float], colour: str = "black", above: int = 6
) -> None:
    ax.annotate(text, at, (6, above), textcoords="offset points", fontsize=10, color=colour)

"""Figures of chapters 4 and 5: what a network is made of, and how it learns.

Like those of `plots`, each function takes arrays and returns a Matplotlib `Figure`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnist_tutorial.book import plots, style
from mnist_tutorial.book.plots import WIDTH, Values
from mnist_tutorial.book.style import ANSWER, INK, LINE, QUIET, TRUTH


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
    first.plot(x, np.maximum(x, 0), color=INK)
    first.set(xticks=[-2, 0, 2], yticks=[0, 1, 2], box_aspect=1)
    first.set(xlabel="weighted sum", title="ReLU")
    for ax, (title, answer) in zip(others, answers.items(), strict=True):
        ax.contourf(answer, [0.5, 1], colors=ANSWER, alpha=0.25, extent=(0, 1, 0, 1))
        for value, marker, colour in ((0, "^", QUIET), (1, "o", INK)):
            own = points[labels == value][::2]  # all of them would be a heap
            ax.scatter(own[:, 0], own[:, 1], s=9, marker=marker, color=colour)
        ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1), box_aspect=1, title=title)
    return figure


def scores_to_loss(logits: np.ndarray, probabilities: np.ndarray, label: int) -> Figure:
    """Draws scores, the probabilities made of them, and the curve that makes a loss of one.

    Args:
      logits: (classes,), any numbers.
      probabilities: (classes,), between 0 and 1.
      label: the true class, which is hatched on the left and marked on the curve.
    """
    with rc_context(style.RC):
        figure = Figure(figsize=(WIDTH, 4.6), dpi=150, layout="constrained")
        panels = figure.subplot_mosaic([["scores", "after softmax"], ["loss", "loss"]])
    for title, values in (("scores", logits), ("after softmax", probabilities)):
        ax, digits = panels[title], range(len(values))
        ax.bar(
            digits,
            values,
            color=[TRUTH if k == label else ANSWER for k in digits],
            hatch=["//" if k == label else "" for k in digits],
            edgecolor="white",
        )
        ax.axhline(0, color=QUIET, linewidth=0.8)
        ax.set(xticks=digits, xlabel="digit", title=title)
    ax = panels["loss"]
    p = np.linspace(0.01, 1, 200)
    ax.plot(p, -np.log(p), color=INK)
    for value in (1.0, 0.5, 0.1):
        ax.plot(value, -np.log(value), "o", color=INK, markersize=6)
        _note(ax, f"{value:g} → {abs(np.log(value)):.2f}", (value, -np.log(value)))
    own = float(probabilities[label])
    ax.plot(own, -np.log(own), "^", color=TRUTH, markersize=8)
    _note(ax, f"this image: {own:.3f} → {-np.log(own):.2f}", (own, -np.log(own)), TRUTH, (6, 14))
    ax.set(xlim=(0, 1.12), ylim=(-0.15, 4.8))
    ax.set(xlabel="probability p of the true digit", ylabel="loss, −ln p")
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
        ax.margins(0.1, 0.5 if ax.get_legend() else 0.12)
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
    left.plot(weights, losses, color=INK)
    x = weights[now] + np.array([-1.0, 1.6])
    left.plot(x, losses[now] + slope * (x - weights[now]), **plots.COMPARED)
    left.plot(weights[after], losses[after], "s", color=INK, markersize=7)
    _note(left, "after a step", (weights[after], losses[after]), offset=(-7, -14))
    right.plot(weights, 100 * np.asarray(accuracies), color=INK, drawstyle="steps-mid")
    for ax, values, side in ((left, losses, 1), (right, 100 * np.asarray(accuracies), -1)):
        ax.plot(weights[now], values[now], "o", color=INK, markersize=7)
        _note(ax, "now", (weights[now], values[now]), offset=(7 * side, 6))
    left.set(xlabel="the weight", title="loss")
    right.set(xlabel="the weight", title="accuracy, %")
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
    _network(above, (tiny.pixels, tiny.hidden, tiny.scores), (tiny.w1, tiny.w2), _value, INK)
    above.set_title("forward: values, up to the loss")
    for y, name, chance in zip((1, 0), names, p, strict=True):
        above.text(2.3, y, f"“{name}”\np = {chance:.2f}", va="center")
    above.text(2.3, 0.5, f"loss = −ln {p[0]:.2f} = {-np.log(p[0]):.2f}", va="center")
    slopes = (np.full(2, np.nan), tiny.at_hidden, tiny.at_scores)
    _network(below, slopes, (tiny.at_w1, tiny.at_w2), _slope, LINE, back=True)
    below.set_title("backward: slopes of the loss")
    for y, chance, truth in zip((1, 0), p, (1, 0), strict=True):
        below.text(2.3, y, f"p − {truth} =\n{_slope(chance - truth)}", va="center")
    for x, name in enumerate(("pixels", "hidden units", "scores")):
        below.text(x, -0.52, name, ha="center", va="center")
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
            unit = 0.19 * (end - start) / np.hypot(*(end - start))
            tail, head = (end - unit, start + unit) if back else (start + unit, end - unit)
            arrow = {"arrowstyle": "->", "color": QUIET, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", head, tail, arrowprops=arrow)
            place = start + (0.5 if i == j else 0.3) * (end - start)
            ax.text(
                place[0], place[1], write(value), ha="center", va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )  # fmt: skip
    for x, column in enumerate(nodes):
        for y, value in zip((1, 0), column, strict=True):
            known = not np.isnan(value)
            fill = colour if known else "none"
            ax.scatter(x, y, s=1200, facecolor=fill, edgecolor=colour, zorder=2)
            ink = INK if back else "white"
            words = write(value) if known else ""
            ax.text(x, y, words, ha="center", va="center", color=ink, zorder=3)


def _value(number: float) -> str:
    return f"{number:.1f}".replace("-", "−")


def _slope(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−") if round(number, 2) else "0"


def _note(
    ax: Axes,
    text: str,
    at: tuple[float, float],
    colour: str = INK,
    offset: tuple[float, float] = (6, 6),
) -> None:
    side = "left" if offset[0] > 0 else "right"
    ax.annotate(text, at, offset, textcoords="offset points", color=colour, ha=side)

"""Draws figures. Each function takes arrays and returns a Matplotlib `Figure`; none trains.

Letters are of one size, which can be read on a phone. Colours are those of `style`, each with its
meaning; what differs in colour differs in shape or dashes too, for colour-blind readers.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import jax
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter
from scipy.special import stdtrit

from mnist_tutorial.book import style
from mnist_tutorial.book.style import ANSWER, INK, LINE, MUTED, QUIET, SIZE, TRUTH, WORDS
from mnist_tutorial.training import History

MEANING = {"training": INK, "validation": ANSWER}  # as in the trainer of the pages
COMPARED: dict[str, Any] = {"color": QUIET, "linestyle": "--", "linewidth": 1.5, "zorder": 1}
MARKERS = "os^Dvp"
DASHES = ("-", "--", "-.", ":")
WIDTH = 5.2  # inches; 780 pixels
Values = Sequence[float] | np.ndarray


def _figure(
    height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, np.ndarray]:
    with rc_context(style.RC):
        figure = Figure(figsize=(WIDTH, height), dpi=150, layout="constrained")
        return figure, np.asarray(figure.subplots(rows, columns, squeeze=False, **options))


def _image(ax: Axes, image: np.ndarray, title: str = "", **options: Any) -> None:
    shown: dict[str, Any] = {"cmap": "gray_r", "vmin": 0, "vmax": 255} | options
    ax.imshow(image, **shown)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_title(title, loc="center", fontsize=10, weight="normal", pad=3)


def _wrong(ax: Axes, answer: str, truth: str) -> None:
    """Frames an image that was misread, with the answer above and the truth below."""
    ax.set_axis_on()
    ax.spines[:].set(visible=True, color=ANSWER, linewidth=2)
    colour = WORDS[ANSWER]
    ax.set_title(answer, loc="center", fontsize=10, weight="bold", pad=3, color=colour)
    ax.set_xlabel(truth, fontsize=10, labelpad=2, color=TRUTH)


def _name(ax: Axes, lines: Sequence[Line2D]) -> None:
    """Writes each line's name beside its end, in a column of its own where ends are close."""
    ax.autoscale_view()  # else the limits are still those of empty axes
    ends = np.array([np.asarray(line.get_xydata())[-1] for line in lines])
    order = ends[:, 1].argsort(kind="stable")
    heights = 72 / ax.figure.dpi * ax.transData.transform(ends)[order, 1]
    places = list(accumulate(heights, lambda below, own: max(below + 1.2 * SIZE, own)))
    down = np.mean(places) - np.mean(heights)
    for i, height, place in zip(order, heights, places, strict=True):
        colour = str(lines[i].get_color())
        ax.annotate(
            str(lines[i].get_label()), ends[i], (8, place - down - height), va="center",
            textcoords="offset points", color=WORDS.get(colour, colour),
        )  # fmt: skip


def _decimal(number: float, _: Any = None) -> str:
    """Writes a number as one would by hand: 0.00001, 0.5, 1,000."""
    return f"{number:,.7f}".rstrip("0").rstrip(".")


def images(
    pictures: np.ndarray,
    titles: Sequence[str] | None = None,
    columns: int = 10,
    room: float = 0.25,
    **options: Any,
) -> Figure:
    """Draws a grid of images, (n, rows, columns), each with its title in `room` inches above."""
    rows = -(-len(pictures) // columns)
    cell = WIDTH / columns
    figure, axes = _figure(rows * (cell + (room if titles else 0.02)), rows, columns)
    for ax in axes.flat:
        ax.set_axis_off()
    for i, (ax, picture) in enumerate(zip(axes.flat, pictures, strict=False)):
        _image(ax, picture, titles[i] if titles else "", **options)
    return figure


def answers(
    pictures: np.ndarray, labels: Sequence[int], probabilities: np.ndarray, columns: int = 6
) -> Figure:
    """Draws images with the network's answer and how sure it is.

    Wrong answers get a frame, a cross, and the truth below; a label of -1 stands for a
    picture that has no right answer.
    """
    predictions = probabilities.argmax(axis=1)
    titles = [f"{k}, {p:.0%}" for k, p in zip(predictions, probabilities.max(axis=1), strict=True)]
    figure = images(pictures, titles, columns, room=0.5)
    for ax, said, truth in zip(figure.axes, predictions, labels, strict=False):
        if said != truth:
            _wrong(ax, f"✗ {ax.get_title()}", f"is {truth if truth >= 0 else 'no digit'}")
    return figure


def pixels(image: np.ndarray) -> Figure:
    """Draws an image with the number of each pixel written into it."""
    figure, axes = _figure(WIDTH)
    ax = axes[0, 0]
    _image(ax, image)
    for (row, column), value in np.ndenumerate(image):
        colour = "white" if value > 127 else (INK if value else QUIET)
        ax.text(column, row, value, ha="center", va="center", fontsize=5.6, color=colour)
    return figure


def bars(values: Sequence[float], x: str, y: str, line: float | None = None) -> Figure:
    """Draws one bar for each class; a dashed line if there is a value to compare with."""
    figure, axes = _figure(2.7)
    ax = axes[0, 0]
    ax.bar(range(len(values)), values, color=INK)
    if line is not None:
        ax.axhline(line, **COMPARED | {"zorder": 3})
    ax.set(xticks=range(len(values)), xlabel=x, ylabel=y)
    ax.yaxis.set_major_formatter(_decimal)
    return figure


def reading(image: np.ndarray, probabilities: np.ndarray) -> Figure:
    """Draws one image as the network sees it, and the probability it gives to each digit."""
    figure, axes = _figure(2.8, 1, 2, width_ratios=[1, 1.6])
    left, right = axes[0]
    _image(left, image, "what the network sees")
    right.barh(range(10), 100 * np.asarray(probabilities), color=ANSWER)
    right.set(yticks=range(10), xlabel="probability, %")
    right.invert_yaxis()
    return figure


def splits(sizes: Mapping[str, int], below: Mapping[str, int] | None = None) -> Figure:
    """Draws how a data set is divided, as one bar in true proportion.

    Args:
      sizes: name → number of images, from left to right.
      below: the same images divided in a second way, as brackets under the bar.
    """
    figure, axes = _figure(1.7 if below else 1.3)
    ax, left = axes[0, 0], 0
    for (name, size), colour in zip(sizes.items(), (INK, ANSWER, QUIET), strict=False):
        ax.barh(0, size, left=left, color=colour)
        above = size < sum(sizes.values()) / 10
        ax.annotate(
            f"{name}\n{size:,}", (left + size / 2, 0.42 if above else 0), ha="center",
            va="bottom" if above else "center", color="white" if colour == INK else INK,
        )  # fmt: skip
        left += size
    left, gap = 0, sum(sizes.values()) / 150
    for name, size in (below or {}).items():
        ends = [left + gap, left + size - gap]
        ax.plot([ends[0], *ends, ends[1]], [-0.5, -0.62, -0.62, -0.5], color=QUIET, linewidth=1)
        ax.text(left + size / 2, -0.72, name, ha="center", va="top")
        left += size
    ax.set_ylim(-1.4 if below else -0.5, 1.25)
    ax.set_axis_off()
    return figure


def network(num_inputs: int, hidden_units: int, num_classes: int) -> Figure:
    """Draws a network with one hidden layer."""
    figure, axes = _figure(3.2)
    ax = axes[0, 0]
    ax.set_axis_off()
    ax.set(xlim=(-0.35, 2.35), ylim=(-0.75, 1.12))
    layers = [
        (num_inputs, "pixels", 9, INK),
        (hidden_units, "hidden units", 11, QUIET),
        (num_classes, "digits", 10, ANSWER),
    ]
    places = [np.linspace(0, 1, shown) for _, _, shown, _ in layers]
    for x in (0, 1):
        pairs = [((x, start), (x + 1, end)) for start in places[x] for end in places[x + 1]]
        ax.add_collection(LineCollection(pairs, color=LINE, linewidth=0.5, zorder=1))
    for x, ((count, name, shown, colour), heights) in enumerate(zip(layers, places, strict=True)):
        cut = count > shown  # dots stand for the many that are not drawn
        drawn = np.delete(heights, len(heights) // 2) if cut else heights
        ax.scatter(np.full(len(drawn), x), drawn, s=90, color=colour, zorder=2)
        if cut:
            ax.text(x, 0.5, "⋮", ha="center", va="center", fontsize=17, zorder=3)
        ax.text(x, -0.14, f"{count:,}\n{name}", ha="center", va="top")
    for k, y in enumerate(places[2][::-1]):
        ax.text(2.1, y, k, va="center")
    for x, (inputs, outputs) in enumerate(
        ((num_inputs, hidden_units), (hidden_units, num_classes))
    ):
        text = f"{inputs:,} × {outputs:,} weights\n+ {outputs:,} biases"
        ax.text(x + 0.5, -0.75, text, ha="center", va="bottom", color=MUTED)
    return figure


def curves(
    lines: Mapping[str, tuple[Values, Values]],
    x: str,
    y: str,
    log: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Draws lines from name → (x values, y values), with markers if there are few values.

    Args:
      log: "x", "y" or "xy" for logarithmic axes.
      ax: draw here instead of in a new figure.
    """
    if ax is None:
        ax = _figure(3.0)[1][0, 0]
    shades = style.shades(len(lines))
    for i, (name, (xs, ys)) in enumerate(lines.items()):
        marker = MARKERS[i % 6] if len(xs) <= 30 else ""
        dash = "-" if marker or name in MEANING else DASHES[i % 4]
        ax.plot(xs, ys, dash, color=MEANING.get(name, shades[i]), marker=marker, label=name)
    for letter in log:
        ax.set(**{f"{letter}scale": "log"})
        getattr(ax, f"{letter}axis").set(major_formatter=_decimal, minor_formatter=NullFormatter())
    ax.set(xlabel=x, ylabel=y)
    place = ax.get_subplotspec()
    if 1 < len(lines) <= 3 and place and place.get_gridspec().ncols == 1:
        _name(ax, list(ax.lines))
    elif len(lines) > 1:
        ax.legend()
    assert isinstance(ax.figure, Figure)
    return ax.figure


def valley(
    sizes: Sequence[float], losses: Sequence[float], steps: Mapping[str, tuple[float, float]]
) -> Figure:
    """Draws the loss along a line, with steps on it: name → (size of the step, loss)."""
    figure, axes = _figure(3.0)
    ax = axes[0, 0]
    ax.plot(sizes, losses, color=QUIET)
    for i, (name, (size, loss)) in enumerate(steps.items(), start=1):
        ax.plot(size, loss, MARKERS[i], color=INK, markersize=9)
        side = 1 if size < np.mean(sizes) else -1
        ax.annotate(
            name, (size, loss), (12 * side, 5), textcoords="offset points",
            ha="left" if side > 0 else "right",
        )  # fmt: skip
    ax.set(xlabel="size of the step", ylabel="loss of the batch")
    return figure


def panels(rows: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """Makes an empty figure of several panels, to be filled by `curves` with `ax`."""
    figure, axes = _figure(height, rows, columns)
    return figure, list(axes.flat)


def learning_curves(history: History) -> Figure:
    """Draws loss and accuracy after each epoch, on training and on validation images."""
    figure, (above, below) = panels(2, 1, height=4.4)
    epochs = range(1, len(history.seconds) + 1)
    lines = {
        "training": (epochs, history.train_loss),
        "validation": (epochs, history.validation_loss),
    }
    curves(lines, "", "loss", ax=above)
    lines = {
        "training": (epochs, 100 * history.train_accuracy),
        "validation": (epochs, 100 * history.validation_accuracy),
    }
    curves(lines, "epochs", "accuracy, %", ax=below)
    return figure


def races(runs: Mapping[str, Sequence[Mapping[str, Any]]], goal: float) -> Figure:
    """Draws validation accuracy against seconds of training, a line for each run of a recipe."""
    figure, axes = _figure(3.4)
    ax, named = axes[0, 0], []
    for (name, several), shade in zip(runs.items(), style.shades(len(runs)), strict=True):
        for run in several:
            accuracy = 100 * np.asarray(run["validation_accuracy"])
            ax.plot(run["seconds"], accuracy, color=shade, linewidth=1.2)
        named.append(max(ax.lines[-len(several) :], key=lambda line: line.get_xdata()[-1]))
        named[-1].set_label(name)
    ax.axhline(100 * goal, **COMPARED)
    ax.set(ylim=(94, 100), xlabel="seconds of training", ylabel="validation accuracy, %")
    _name(ax, named)
    return figure


def interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Computes the mean of some runs, and half of its 95% interval (Student's t); NaN for one."""
    runs = np.asarray(values, float)
    if len(runs) < 2:
        return float(runs.mean()), float("nan")
    half = stdtrit(len(runs) - 1, 0.975) * runs.std(ddof=1) / np.sqrt(len(runs))
    return float(runs.mean()), float(half)


def intervals(
    lines: Mapping[str, Mapping[float, Sequence[float]]],
    x: str,
    y: str,
    log: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Draws, like `curves`, name → (x → values of several runs): means with their intervals."""
    means = {
        name: (list(groups), [interval(values)[0] for values in groups.values()])
        for name, groups in lines.items()
    }
    figure = curves(means, x, y, log, ax)
    ax = ax or figure.axes[0]
    for line, (name, groups) in zip(ax.lines, lines.items(), strict=False):
        halves = [interval(values)[1] for values in groups.values()]
        ax.errorbar(*means[name], halves, fmt="none", color=line.get_color(), capsize=3)
    return figure


def descent(groups: Mapping[str, Sequence[float]], x: str, goal: float) -> Figure:
    """Draws a row for each group, first on top: its values as dots, their mean as a line.

    The axis is logarithmic, so that equal shares look alike; `goal` is a dashed line.
    """
    figure, axes = _figure(0.9 + 0.32 * len(groups))
    ax = axes[0, 0]
    for i, values in enumerate(map(np.asarray, groups.values())):
        spread = np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else [0]
        ax.scatter(values, i + np.asarray(spread), color=QUIET, s=18, zorder=2)
        ax.vlines(values.mean(), i - 0.3, i + 0.3, color=INK, linewidth=2, zorder=3)
    ax.axvline(goal, **COMPARED)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator([0.2, 0.3, 0.5, 1, 2, 3]))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks(range(len(groups)), list(groups))
    ax.invert_yaxis()
    ax.set_xlabel(x)
    return figure


def histograms(groups: Mapping[str, np.ndarray], x: str) -> Figure:
    """Draws one panel for each group of values, all on their own scale."""
    figure, axes = _figure(2.3, 1, len(groups))
    for ax, (name, values) in zip(axes.flat, groups.items(), strict=True):
        ax.hist(np.ravel(values), bins=40, color=INK, histtype="stepfilled")
        ax.set(yticks=[], title=name)
        ax.locator_params(axis="x", nbins=3)
    figure.supxlabel(x, fontsize=SIZE)
    return figure


def confusion(matrix: np.ndarray) -> Figure:
    """Draws a confusion matrix; colour shows the errors, the diagonal stays plain."""
    figure, axes = _figure(WIDTH)
    ax = axes[0, 0]
    errors = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    ax.imshow(errors, cmap=style.ERRORS, vmin=0, vmax=2 * max(errors.max(), 1))
    for (truth, answer), count in np.ndenumerate(matrix):
        colour = MUTED if truth == answer or not count else INK
        text = f"{count:,}" if count else "·"
        ax.text(answer, truth, text, ha="center", va="center", fontsize=10, color=colour)
    ax.set(xticks=range(len(matrix)), yticks=range(len(matrix)))
    ax.spines[:].set_visible(False)
    ax.set_xlabel("the network's answer", color=WORDS[ANSWER])
    ax.set_ylabel("the truth", color=TRUTH)
    return figure


def weights(kernels: np.ndarray, columns: int = 8, titles: Sequence[str] | None = None) -> Figure:
    """Draws units' weights as images (n, rows, columns): blue counts against, red counts for."""
    largest = np.abs(kernels).max()
    return images(kernels, titles, columns, cmap=style.WEIGHTS, vmin=-largest, vmax=largest)


def shards(arrays: Mapping[str, jax.Array]) -> Figure:
    """Draws which rows of each array every device holds: a row of boxes for each array, filled
    where the device has something."""
    rows, columns = len(arrays), max(len(array.sharding.device_set) for array in arrays.values())
    figure, axes = _figure(1.15 * rows + 0.2, rows, columns)
    for row, (name, array) in zip(axes, arrays.items(), strict=True):
        held = array.sharding.devices_indices_map(array.shape)
        for number, (ax, index) in enumerate(zip(row, held.values(), strict=True)):
            part = index[0] if index else slice(None)
            start, stop, _ = part.indices(len(array))
            ax.axhspan(start, stop, color=INK)
            ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(len(array), 0))
            ax.spines[:].set_visible(True)
            ax.set_title(f"device {number}", loc="center", fontsize=8, weight="normal", pad=2)
        row[0].set_ylabel(name)
    return figure

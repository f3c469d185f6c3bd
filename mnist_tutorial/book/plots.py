"""Figures. Each function takes arrays and returns a Matplotlib `Figure`; none trains.

Sizes are chosen so that the text can be read on a phone; colours can be told apart by
colour-blind readers (Okabe and Ito's palette), and right and wrong differ in shape too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter
from scipy.special import stdtrit

from mnist_tutorial.training import History

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
MARKERS = "os^Dvp"
WIDTH = 5.2  # inches; 780 pixels
Values = Sequence[float] | np.ndarray


def _figure(
    height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(WIDTH, height), dpi=150, layout="constrained")
    axes = np.asarray(figure.subplots(rows, columns, squeeze=False, **options))
    for ax in axes.flat:
        ax.tick_params(labelsize=10)
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _label(ax: Axes, x: str = "", y: str = "", title: str = "") -> None:
    ax.set_xlabel(x, fontsize=11)
    ax.set_ylabel(y, fontsize=11)
    ax.set_title(title, fontsize=11)


def _image(ax: Axes, image: np.ndarray, title: str = "", **options: Any) -> None:
    shown: dict[str, Any] = {"cmap": "gray_r", "vmin": 0, "vmax": 255} | options
    ax.imshow(image, **shown)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=9.5, pad=3)


def images(
    pictures: np.ndarray,
    titles: Sequence[str] | None = None,
    columns: int = 10,
    room: float = 0.25,
    **options: Any,
) -> Figure:
    """A grid of images, (n, rows, columns), each with its title in `room` inches above."""
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
    """Images with the network's answer and how sure it is.

    Wrong answers get a frame, a cross, and the truth below; a label of -1 stands for a
    picture that has no right answer.
    """
    predictions = probabilities.argmax(axis=1)
    titles = [f"{k}, {p:.0%}" for k, p in zip(predictions, probabilities.max(axis=1), strict=True)]
    figure = images(pictures, titles, columns, room=0.5)
    for ax, said, truth in zip(figure.axes, predictions, labels, strict=False):
        if said != truth:
            ax.set_axis_on()
            ax.spines[:].set(visible=True, color=RED, linewidth=2)
            ax.set_title(f"✗ {ax.get_title()}", fontsize=9.5, pad=3, color=RED, weight="bold")
            ax.set_xlabel(
                f"is {truth if truth >= 0 else 'no digit'}", fontsize=9.5, color=RED, labelpad=2
            )
    return figure


def pixels(image: np.ndarray) -> Figure:
    """An image with the number of each pixel written into it."""
    figure, axes = _figure(WIDTH)
    ax = axes[0, 0]
    _image(ax, image)
    for (row, column), value in np.ndenumerate(image):
        colour = "white" if value > 127 else ("black" if value else "0.75")
        ax.text(column, row, value, ha="center", va="center", fontsize=4.6, color=colour)
    return figure


def bars(values: Sequence[float], x: str, y: str, line: float | None = None) -> Figure:
    """One bar for each class; a dashed line where a value to compare with is given."""
    figure, axes = _figure(2.7)
    ax = axes[0, 0]
    ax.bar(range(len(values)), values, color=BLUE)
    if line is not None:
        ax.axhline(line, color="0.3", linestyle="--", linewidth=1)
    ax.set_xticks(range(len(values)))
    _label(ax, x, y)
    return figure


def reading(image: np.ndarray, probabilities: np.ndarray) -> Figure:
    """One image as the network sees it, and the probability it gives to each digit."""
    figure, axes = _figure(2.2, 1, 2, width_ratios=[1, 1.6])
    left, right = axes[0]
    _image(left, image, "what the network sees")
    right.barh(range(10), 100 * np.asarray(probabilities), color=BLUE)
    right.set_yticks(range(10))
    right.invert_yaxis()
    _label(right, "probability, %")
    return figure


def splits(sizes: Mapping[str, int], below: Mapping[str, int] | None = None) -> Figure:
    """Draws how a data set is divided, as one bar in true proportion.

    Args:
      sizes: name → number of images, from left to right.
      below: the same images divided in a second way, as brackets under the bar.
    """
    figure, axes = _figure(1.7 if below else 1.3)
    ax, left = axes[0, 0], 0
    for (name, size), colour in zip(sizes.items(), (BLUE, ORANGE, GREEN), strict=False):
        ax.barh(0, size, left=left, color=colour)
        above = size < sum(sizes.values()) / 10
        ax.annotate(
            f"{name}\n{size:,}", (left + size / 2, 0.42 if above else 0), fontsize=10.5,
            ha="center", va="bottom" if above else "center", color="black" if above else "white",
        )  # fmt: skip
        left += size
    left, gap = 0, sum(sizes.values()) / 150
    for name, size in (below or {}).items():
        ends = [left + gap, left + size - gap]
        ax.plot([ends[0], *ends, ends[1]], [-0.5, -0.62, -0.62, -0.5], color="0.3", linewidth=1)
        ax.text(left + size / 2, -0.72, name, fontsize=10.5, ha="center", va="top")
        left += size
    ax.set_ylim(-1.4 if below else -0.5, 1.25)
    ax.set_axis_off()
    return figure


def network(num_inputs: int, hidden_units: int, num_classes: int) -> Figure:
    """The drawing of a network with one hidden layer."""
    figure, axes = _figure(3.2)
    ax = axes[0, 0]
    ax.set_axis_off()
    ax.set(xlim=(-0.35, 2.35), ylim=(-0.75, 1.12))
    layers = [
        (num_inputs, "pixels", 9),
        (hidden_units, "hidden units", 11),
        (num_classes, "digits", 10),
    ]
    places = [np.linspace(0, 1, shown) for _, _, shown in layers]
    for x in (0, 1):
        for start in places[x]:
            for end in places[x + 1]:
                ax.plot([x, x + 1], [start, end], color="0.82", linewidth=0.5, zorder=1)
    for x, ((count, name, shown), heights) in enumerate(zip(layers, places, strict=True)):
        cut = count > shown  # dots stand for the many that are not drawn
        drawn = np.delete(heights, len(heights) // 2) if cut else heights
        ax.scatter(np.full(len(drawn), x), drawn, s=90, color=COLOURS[x], zorder=2)
        if cut:
            ax.text(x, 0.5, "⋮", ha="center", va="center", fontsize=17, zorder=3)
        ax.text(x, -0.14, f"{count:,}\n{name}", ha="center", va="top", fontsize=12)
    for k, y in enumerate(places[2][::-1]):
        ax.text(2.1, y, k, va="center", fontsize=10)
    for x, (inputs, outputs) in enumerate(
        ((num_inputs, hidden_units), (hidden_units, num_classes))
    ):
        text = f"{inputs:,} × {outputs:,} weights\n+ {outputs:,} biases"
        ax.text(x + 0.5, -0.75, text, ha="center", va="bottom", fontsize=9.5, color="0.25")
    return figure


def curves(
    lines: Mapping[str, tuple[Values, Values]],
    x: str,
    y: str,
    log: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Lines with markers, from name → (x values, y values).

    Args:
      log: "x", "y" or "xy" for logarithmic axes.
      ax: draw here instead of in a new figure.
    """
    if ax is None:
        ax = _figure(3.0)[1][0, 0]
    for i, (name, (xs, ys)) in enumerate(lines.items()):
        marker = MARKERS[i % 6] if len(xs) <= 30 else ""
        ax.plot(xs, ys, color=COLOURS[i % 6], marker=marker, markersize=4.5, label=name)
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log")
    _label(ax, x, y)
    if len(lines) > 1:
        ax.legend(fontsize=9.5, frameon=False)
    assert isinstance(ax.figure, Figure)
    return ax.figure


def valley(
    sizes: Sequence[float], losses: Sequence[float], steps: Mapping[str, tuple[float, float]]
) -> Figure:
    """The loss along a line, with steps on it: name → (size of the step, loss)."""
    figure, axes = _figure(3.0)
    ax = axes[0, 0]
    ax.plot(sizes, losses, color=BLUE)
    for i, (name, (size, loss)) in enumerate(steps.items(), start=1):
        ax.plot(size, loss, MARKERS[i], color=COLOURS[i], markersize=9, label=name)
    _label(ax, "size of the step", "loss of the batch")
    ax.legend(fontsize=10, frameon=False)
    return figure


def panels(rows: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """An empty figure of several panels, to be filled by `curves` with `ax`."""
    figure, axes = _figure(height, rows, columns)
    return figure, list(axes.flat)


def learning_curves(history: History) -> Figure:
    """Loss and accuracy after each epoch, on training and on validation images."""
    figure, (left, right) = panels(1, 2, height=3)
    epochs = range(1, len(history.seconds) + 1)
    lines = {
        "training": (epochs, history.train_loss),
        "validation": (epochs, history.validation_loss),
    }
    curves(lines, "epochs", "loss", ax=left)
    lines = {
        "training": (epochs, 100 * history.train_accuracy),
        "validation": (epochs, 100 * history.validation_accuracy),
    }
    curves(lines, "epochs", "accuracy, %", ax=right)
    return figure


def races(runs: Mapping[str, Sequence[Mapping[str, Any]]], goal: float) -> Figure:
    """Validation accuracy against seconds of training, a line for each run of each recipe."""
    figure, axes = _figure(3.4)
    ax = axes[0, 0]
    for i, (name, several) in enumerate(runs.items()):
        for run in several:
            accuracy = 100 * np.asarray(run["validation_accuracy"])
            ax.plot(run["seconds"], accuracy, color=COLOURS[i], marker=MARKERS[i], markersize=3)
        ax.lines[-1].set_label(name)
    ax.axhline(100 * goal, color="0.3", linestyle="--", linewidth=1)
    ax.set_ylim(94, 100)
    _label(ax, "seconds of training", "validation accuracy, %")
    ax.legend(fontsize=10, frameon=False, loc="lower right")
    return figure


def interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The mean of some runs, and half of its 95% interval (Student's t); NaN for one run."""
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
    """Like `curves`, from name → (x → values of several runs): means with their intervals."""
    means = {
        name: (list(groups), [interval(values)[0] for values in groups.values()])
        for name, groups in lines.items()
    }
    figure = curves(means, x, y, log, ax)
    ax = ax or figure.axes[0]
    for i, (name, groups) in enumerate(lines.items()):
        halves = [interval(values)[1] for values in groups.values()]
        ax.errorbar(*means[name], halves, fmt="none", color=COLOURS[i % 6], capsize=3)
    return figure


def descent(groups: Mapping[str, Sequence[float]], x: str, goal: float) -> Figure:
    """A row for each group, first on top: its values as dots, their mean as a line.

    The axis is logarithmic, so that equal shares look alike; `goal` is a dashed line.
    """
    figure, axes = _figure(0.9 + 0.32 * len(groups))
    ax = axes[0, 0]
    for i, values in enumerate(map(np.asarray, groups.values())):
        spread = np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else [0]
        ax.scatter(values, i + np.asarray(spread), color=BLUE, s=18, zorder=2)
        ax.vlines(values.mean(), i - 0.3, i + 0.3, color="black", linewidth=1.5)
    ax.axvline(goal, color="0.3", linestyle="--", linewidth=1)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator([0.2, 0.3, 0.5, 1, 2, 3]))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks(range(len(groups)), list(groups))
    ax.invert_yaxis()
    _label(ax, x)
    return figure


def histograms(groups: Mapping[str, np.ndarray], x: str) -> Figure:
    """One panel for each group of values, all on their own scale."""
    figure, axes = _figure(2.3, 1, len(groups))
    for ax, (name, values), colour in zip(axes.flat, groups.items(), COLOURS, strict=False):
        ax.hist(np.ravel(values), bins=40, color=colour)
        ax.set_yticks([])
        _label(ax, "", "", name)
    figure.supxlabel(x, fontsize=11)
    return figure


def confusion(matrix: np.ndarray) -> Figure:
    """A confusion matrix; colour shows the errors, the diagonal stays plain."""
    figure, axes = _figure(WIDTH)
    ax = axes[0, 0]
    errors = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    ax.imshow(errors, cmap="Oranges", vmin=0, vmax=2 * max(errors.max(), 1))
    for (truth, answer), count in np.ndenumerate(matrix):
        on_diagonal = truth == answer
        ax.text(
            answer, truth, f"{count:,}" if count else "·", ha="center", va="center",
            fontsize=9.5, color="0.55" if on_diagonal or not count else "black",
        )  # fmt: skip
    ax.set_xticks(range(len(matrix)))
    ax.set_yticks(range(len(matrix)))
    ax.spines[:].set_visible(False)
    _label(ax, "the network's answer", "the truth")
    return figure


def weights(kernels: np.ndarray, columns: int = 8, titles: Sequence[str] | None = None) -> Figure:
    """Units' weights as images (n, rows, columns): blue counts against, red counts for."""
    largest = np.abs(kernels).max()
    return images(kernels, titles, columns, cmap="RdBu_r", vmin=-largest, vmax=largest)


def shards(arrays: Mapping[str, jax.Array]) -> Figure:
    """Which rows of each array every device holds: a row of boxes for each array, filled where
    the device has something."""
    rows, columns = len(arrays), max(len(array.sharding.device_set) for array in arrays.values())
    figure, axes = _figure(1.15 * rows + 0.2, rows, columns)
    for row, (name, array) in zip(axes, arrays.items(), strict=True):
        held = array.sharding.devices_indices_map(array.shape)
        for number, (ax, index) in enumerate(zip(row, held.values(), strict=True)):
            part = index[0] if index else slice(None)
            start, stop, _ = part.indices(len(array))
            ax.axhspan(start, stop, color=COLOURS[number % 6])
            ax.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(len(array), 0))
            ax.spines[:].set_visible(True)
            ax.set_title(f"device {number}", fontsize=8, pad=2)
        row[0].set_ylabel(name, fontsize=9.5)
    return figure

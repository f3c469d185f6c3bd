"""Figures of chapters 6 and 7 and of the pages on certainty and on the settings.

As in `plots`, each function takes arrays and returns a Matplotlib `Figure`; none trains.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnist_tutorial.book import style
from mnist_tutorial.book.plots import (
    COMPARED,
    DASHES,
    MARKERS,
    Values,
    _figure,
    _image,
    _name,
    _wrong,
    images,
    interval,
)
from mnist_tutorial.book.style import INK, QUIET
from mnist_tutorial.evaluation import Evaluation, calibration, threshold_counts, wilson_interval


def threshold(scores: np.ndarray, positive: np.ndarray, x: str) -> Figure:
    """Draws precision, recall and accuracy of "yes" at every threshold.

    Args:
      scores: (n,) how sure we are of "yes".
      positive: (n,) bool, where "yes" is the truth.
      x: what the threshold is.
    """
    thresholds = np.linspace(0.01, 0.99, 99)
    counts = [threshold_counts(scores, positive, t) for t in thresholds]
    lines = {
        "precision": [tp / max(tp + fp, 1) for tp, fp, _, _ in counts],
        "recall": [tp / max(tp + fn, 1) for tp, _, fn, _ in counts],
        "accuracy": [(tp + tn) / len(scores) for tp, _, _, tn in counts],
    }
    figure, axes = _figure(3.0)
    ax = axes[0, 0]
    for (name, values), dash, shade in zip(lines.items(), DASHES, style.shades(3), strict=False):
        ax.plot(thresholds, 100 * np.array(values), dash, color=shade, label=name)
    ax.set(xlabel=x, ylabel="percent")
    _name(ax, list(ax.lines))
    return figure


def reliability(evaluation: Evaluation) -> Figure:
    """Draws how often the network is right against its confidence, in ten bins.

    Each bin of `calibration` is a dot with its 95% interval (Wilson); on the dashed line the
    network is right as often as it says.
    """
    confidence, right, counts = calibration(evaluation)
    bounds = np.array(
        [wilson_interval(round(r * n), n) for r, n in zip(right, counts.tolist(), strict=True)]
    )
    figure, axes = _figure(3.2)
    ax = axes[0, 0]
    ax.plot([0, 100], [0, 100], **COMPARED)
    errors = 100 * np.abs(bounds.T - right)
    ax.errorbar(100 * confidence, 100 * right, errors, fmt="o", color=INK, capsize=3)
    ax.set(xlim=(15, 102), ylim=(0, 104))
    ax.set(xlabel="how sure the network says it is, %", ylabel="how often it is right, %")
    return figure


def mistakes(
    pictures: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, columns: int = 5
) -> Figure:
    """Draws misread digits: the answer above, the label and the probability it got below.

    Args:
      pictures: (n, rows, columns) uint8.
      labels: (n,) the true digits.
      probabilities: (n, num_classes) float32.
    """
    figure = images(pictures, [f"✗ {k}" for k in probabilities.argmax(axis=1)], columns, room=0.5)
    for ax, label, given in zip(figure.axes, labels, probabilities, strict=False):
        truth = 100 * given[label]
        chance = f"{truth:.1f}%" if truth >= 0.05 else "<0.1%"
        _wrong(ax, ax.get_title(), f"is {label}: {chance}")
    return figure


def units(kernels: np.ndarray, digits: np.ndarray, labels: np.ndarray) -> Figure:
    """Draws a row for each hidden unit: its weights, then the digits that excite it most.

    Args:
      kernels: (units, rows, columns); red counts for the unit, blue against it, on a scale of
        its own for each.
      digits: (units, digits, rows, columns) uint8.
      labels: (units, digits) the labels of these digits.
    """
    rows, columns = labels.shape[0], labels.shape[1] + 1
    figure, axes = _figure(rows * 0.75, rows, columns, width_ratios=[1.5, *[1] * (columns - 1)])
    for row, kernel, pictures, names in zip(axes, kernels, digits, labels, strict=True):
        largest = np.abs(kernel).max()
        _image(row[0], kernel, cmap=style.WEIGHTS, vmin=-largest, vmax=largest)
        for ax, picture, name in zip(row[1:], pictures, names, strict=True):
            _image(ax, picture, str(name))
    return figure


def shifted(shifts: Sequence[int], as_it_is: Values, centred: Values) -> Figure:
    """Draws accuracy, in percent, against how far the digits were moved."""
    figure, axes = _figure(2.8)
    ax = axes[0, 0]
    ax.plot(shifts, centred, color=QUIET, marker=MARKERS[0], label="centred again")
    ax.plot(shifts, as_it_is, color=INK, marker=MARKERS[1], label="moved")
    ax.set(ylim=(0, 103), xlabel="pixels to the right", ylabel="validation accuracy, %")
    _name(ax, list(ax.lines))
    return figure


def gaps(smallest: Mapping[int, int], pairs: Mapping[str, Sequence[tuple[int, int]]]) -> Figure:
    """Draws pairs of networks: on how many images they differ, and by how many one leads.

    Args:
      smallest: number of discordant images → the smallest gap that luck seldom makes.
      pairs: name → (discordant images, gap in images) of each pair of networks.
    """
    figure, axes = _figure(3.2)
    ax = axes[0, 0]
    ax.plot(list(smallest), list(smallest.values()), **COMPARED)
    shades = style.shades(len(pairs))
    for (name, points), shade, marker in zip(pairs.items(), shades, MARKERS, strict=False):
        ax.scatter(*np.array(points).T, color=shade, marker=marker, s=30, label=name)
    ax.set(xlabel="images on which exactly one of the two is right", ylabel="gap in images")
    ax.legend(loc="upper left")
    return figure


def ranked(values: Sequence[float], y: str) -> Figure:
    """Draws runs in order of their result, with their mean and its 95% interval (Student's t)."""
    found = np.sort(np.asarray(values, float))
    figure, axes = _figure(2.8)
    ax = axes[0, 0]
    ax.scatter(range(1, len(found) + 1), found, color=QUIET, s=18)
    ax.errorbar(len(found) + 3, *interval(found), color=INK, marker="_", capsize=5)
    ax.set(xlabel="networks, sorted by their accuracy", ylabel=y)
    return figure


def paired_runs(groups: Mapping[str, Sequence[float]], x: str, y: str, ax: Axes) -> None:
    """Draws one setting: a column of dots for each value, and a line through each seed's dots.

    Args:
      groups: value of the setting → results of the same seeds, in the same order.
      x, y: what the axes show.
      ax: where to draw. Black marks are means with their 95% intervals (Student's t).
    """
    results = np.array(list(groups.values()), float)
    ax.plot(results, color=QUIET, linewidth=0.6, zorder=1)
    for i, values in enumerate(results):
        ax.scatter(np.full(len(values), i), values, color=QUIET, s=14, zorder=2)
        ax.errorbar(i + 0.18, *interval(values), color=INK, marker="_", capsize=3, zorder=3)
    ax.set_xticks(range(len(groups)), list(groups))
    ax.set(xlim=(-0.4, len(groups) - 0.4), xlabel=x, ylabel=y)

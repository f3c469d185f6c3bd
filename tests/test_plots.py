"""What a picture of the chapters can't hold: nbval compares the rest, picture by picture."""

import numpy as np
import pytest

from mnist_tutorial.book import plots
from mnist_tutorial.evaluation import Evaluation, confusion_matrix, metrics


def test_ink_is_dark():
    colours = plots.images(np.zeros((1, 2, 2))).axes[0].images[0].get_cmap()
    assert colours(0.0)[:3] == (1, 1, 1) and colours(1.0)[:3] == (0, 0, 0)


def test_answers_mark_exactly_the_wrong_ones():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.75, 0.25]])
    figure = plots.answers(np.zeros((3, 28, 28)), [0, 0, -1], probabilities, columns=3)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["0, 90%", "✗ 1, 80%", "✗ 0, 75%"]
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "is 0", "is no digit"]
    assert [ax.axison for ax in figure.axes] == [False, True, True]


def test_names_stand_at_the_ends_of_lines_and_never_on_one_another():
    ends = {"low": 1.0, "middle": 2.01, "close": 2.0}
    figure = plots.curves({name: ([0, 1], [0, y]) for name, y in ends.items()}, "x", "y")
    figure.canvas.draw()
    (ax,) = figure.axes
    assert {name.get_text(): name.xy[1] for name in ax.texts} == ends and not ax.get_legend()
    names = sorted(ax.texts, key=lambda name: name.get_window_extent().y0)
    assert [name.get_text() for name in names] == ["low", "close", "middle"]
    boxes = [name.get_window_extent() for name in names]
    assert all(below.y1 <= above.y0 for below, above in zip(boxes, boxes[1:], strict=False))


def test_many_lines_and_narrow_panels_have_a_legend():
    four = {name: ([0, 1], [0, 1]) for name in "abcd"}
    assert plots.curves(four, "x", "y").axes[0].get_legend()
    two = {name: ([0, 1], [0, 1]) for name in "ab"}
    figure, (left, _) = plots.panels(1, 2, height=3)
    plots.curves(two, "x", "y", ax=left)
    assert left.get_legend() and not left.texts


def test_a_race_has_a_line_for_each_run_and_a_name_for_each_recipe():
    run = {"seconds": [1, 2], "validation_accuracy": [0.95, 0.97]}
    later = {"seconds": [2, 4], "validation_accuracy": [0.95, 0.98]}
    ax = plots.races({"slow": [run, later], "fast": [run]}, goal=0.971).axes[0]
    assert [list(line.get_ydata()) for line in ax.lines[:3]] == [[95, 97], [95, 98], [95, 97]]
    assert {name.get_text(): tuple(name.xy) for name in ax.texts} == {
        "slow": (4, 98),
        "fast": (2, 97),
    }


def test_numbers_on_logarithmic_axes_are_written_out():
    numbers = [1e-5, 0.006, 0.5, 10, 65_536]
    assert [plots._decimal(n) for n in numbers] == ["0.00001", "0.006", "0.5", "10", "65,536"]


def test_intervals_are_those_of_student_around_the_means():
    values = [1.0, 2.0, 3.0, 4.0]
    figure = plots.intervals({"a": {8: values, 16: [5.0, 7.0]}, "b": {8: [9.0]}}, "x", "y", "x")
    ax = figure.axes[0]
    assert list(ax.lines[0].get_xdata()) == [8, 16] and list(ax.lines[0].get_ydata()) == [2.5, 6]
    assert ax.get_xscale() == "log"
    first, second = (bar.lines[2][0].get_segments() for bar in ax.containers)
    half = 3.182 * np.std(values, ddof=1) / 2
    assert list(first[0][:, 1]) == pytest.approx([2.5 - half, 2.5 + half], rel=1e-3)
    assert list(first[1][:, 1]) == pytest.approx([6 - 12.706, 6 + 12.706], rel=1e-3)
    assert np.size(second) == 0  # one run has no interval


@pytest.fixture
def evaluation():
    labels = np.array([0, 0, 1, 1, 1, 2])
    predictions = np.array([0, 1, 1, 1, 2, 2])
    probabilities = np.full((6, 3), 0.1)
    probabilities[np.arange(6), predictions] = 0.8
    confusion = confusion_matrix(labels, predictions, 3)
    losses = -np.log(probabilities[np.arange(6), labels])
    return Evaluation(labels, probabilities, predictions, losses, confusion, metrics(confusion))


def test_confusion_is_written_out_and_only_errors_are_coloured(evaluation):
    ax = plots.confusion(evaluation.confusion).axes[0]
    written = {text.get_position(): text.get_text() for text in ax.texts}
    for (truth, answer), count in np.ndenumerate(evaluation.confusion):
        assert written[answer, truth] == (str(count) if count else "·")
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("the network's answer", "the truth")


def test_weights_share_one_scale_that_is_even_around_zero():
    kernels = np.stack([np.full((28, 28), -1.0), np.full((28, 28), 3.0)])
    figure = plots.weights(kernels, 2)
    assert {ax.images[0].get_clim() for ax in figure.axes} == {(-3.0, 3.0)}


class Device:
    def __init__(self, number):
        self.id = number


class Sharded:
    """What `shards` asks of an array whose rows two devices share."""

    shape = (6, 2)

    def __init__(self, *rows):
        self.held = {Device(number): (part, slice(None)) for number, part in enumerate(rows)}
        self.sharding = self
        self.device_set = set(self.held)

    def devices_indices_map(self, shape):
        return self.held

    def __len__(self):
        return 6


def test_shards_are_filled_where_a_device_holds_rows():
    everything = slice(None)
    arrays = {
        "cut": Sharded(slice(0, 2), slice(2, 6)),
        "whole": Sharded(everything, everything),
    }
    axes = plots.shards(arrays).axes
    spans = [(ax.patches[0].get_y(), ax.patches[0].get_height()) for ax in axes]
    assert spans == [(0, 2), (2, 4), (0, 6), (0, 6)]
    assert [ax.get_ylabel() for ax in axes] == ["cut", "", "whole", ""]
    assert [ax.get_title() for ax in axes] == ["device 0", "device 1"] * 2
    assert axes[0].get_ylim() == (6, 0)  # the first rows stand on top

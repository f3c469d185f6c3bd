"""nbval compares pictures; these tests say that a picture shows its data."""

import numpy as np
import pytest

from mnist_tutorial.book import plots
from mnist_tutorial.evaluation import Evaluation, confusion_matrix, metrics
from mnist_tutorial.training import History


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_images_stand_in_order_with_their_titles():
    pictures = np.arange(5)[:, None, None] * np.ones((5, 28, 28))
    figure = plots.images(pictures, list("abcde"), columns=3)
    shown = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in shown] == list("abcde")
    assert [ax.images[0].get_array().max() for ax in shown] == [0, 1, 2, 3, 4]
    assert len(figure.axes) == 6 and shown[0].images[0].get_clim() == (0, 255)


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


def test_pixels_are_written_where_they_are():
    image = np.arange(784).reshape(28, 28) % 256
    ax = plots.pixels(image).axes[0]
    for text in ax.texts:
        column, row = text.get_position()
        assert text.get_text() == str(image[row, column])
    assert len(ax.texts) == 784


def test_bars_have_the_heights_of_their_values():
    ax = plots.bars([3, 1, 2], "digit", "count", line=2).axes[0]
    assert [bar.get_height() for bar in ax.patches] == [3, 1, 2]
    assert ax.get_xlabel() == "digit" and ax.get_ylabel() == "count"
    assert ax.lines[0].get_ydata()[0] == 2


def test_splits_are_in_true_proportion():
    ax = plots.splits({"train": 55_000, "validation": 5_000, "test": 10_000}).axes[0]
    assert [bar.get_width() for bar in ax.patches] == [55_000, 5_000, 10_000]
    assert [bar.get_x() for bar in ax.patches] == [0, 55_000, 60_000]
    assert texts(ax) == ["train\n55,000", "validation\n5,000", "test\n10,000"]


def test_the_drawing_names_its_sizes():
    words = texts(plots.network(784, 1000, 10).axes[0])
    assert {"784\npixels", "1,000\nhidden units", "10\ndigits"} <= set(words)
    assert "784 × 1,000 weights\n+ 1,000 biases" in words
    assert "1,000 × 10 weights\n+ 10 biases" in words
    assert [w for w in words if w.isdigit()] == [str(k) for k in range(10)]


def test_curves_show_their_points_under_their_names():
    figure = plots.curves({"a": ([1, 2], [3, 4]), "b": ([1, 2], [5, 6])}, "x", "y", log="xy")
    ax = figure.axes[0]
    assert [list(line.get_ydata()) for line in ax.lines] == [[3, 4], [5, 6]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert len({line.get_marker() for line in ax.lines}) == 2  # not by colour alone
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_curves_fill_a_given_panel():
    figure, (first, second) = plots.panels(1, 2, height=3)
    assert plots.curves({"a": ([1], [2])}, "x", "y", ax=second) is figure
    assert not first.lines and len(second.lines) == 1 and second.get_legend() is None


def test_learning_curves_show_the_history():
    update_loss = np.zeros((2, 3))
    history = History(update_loss, *np.array([[3, 2], [0.5, 0.6], [4, 5], [0.3, 0.4], [1, 1]]))
    loss, accuracy = plots.learning_curves(history).axes
    assert [list(line.get_ydata()) for line in loss.lines] == [[3, 2], [4, 5]]
    assert [list(line.get_ydata()) for line in accuracy.lines] == [[50, 60], [30, 40]]
    assert [t.get_text() for t in loss.get_legend().get_texts()] == ["training", "validation"]
    assert list(loss.lines[0].get_xdata()) == [1, 2] and loss.get_ylabel() == "loss"


def test_the_valley_has_its_steps_on_it():
    ax = plots.valley([0, 1], [5, 4], {"small": (0.1, 4.9), "large": (0.9, 4.2)}).axes[0]
    assert [tuple(np.ravel(line.get_xydata())) for line in ax.lines[1:]] == [(0.1, 4.9), (0.9, 4.2)]


def test_dots_show_every_value_with_mean_and_interval():
    values = [1.0, 2.0, 3.0, 4.0]
    ax = plots.dots({"seeds": values}, "accuracy").axes[0]
    assert list(ax.collections[0].get_offsets()[:, 1]) == values
    bar = ax.containers[0]
    assert bar.lines[0].get_ydata()[0] == 2.5
    low, high = bar.lines[2][0].get_segments()[0][:, 1]
    half = 3.182 * np.std(values, ddof=1) / 2  # Student's t for three degrees of freedom
    assert (low, high) == pytest.approx((2.5 - half, 2.5 + half), rel=1e-3)


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


def test_histograms_count_all_values():
    figure = plots.histograms({"a": np.arange(10), "b": np.ones((3, 4))}, "value")
    assert [sum(bar.get_height() for bar in ax.patches) for ax in figure.axes] == [10, 12]
    assert [ax.get_title() for ax in figure.axes] == ["a", "b"]


def test_logits_and_probabilities_mark_the_truth():
    figure = plots.three_steps(np.array([1.0, -2.0]), np.array([0.95, 0.05]), label=1)
    for ax, heights in zip(figure.axes, ([1, -2], [0.95, 0.05]), strict=True):
        assert [bar.get_height() for bar in ax.patches] == heights
        assert [bool(bar.get_hatch()) for bar in ax.patches] == [False, True]


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


def test_threshold_shows_precision_and_recall():
    scores, positive = np.array([0.9, 0.6, 0.4, 0.2]), np.array([True, False, True, False])
    precision, recall = plots.threshold(scores, positive, "x").axes[0].lines
    at_half = list(precision.get_xdata()).index(0.5)
    assert (precision.get_label(), recall.get_label()) == ("precision", "recall")
    assert (precision.get_ydata()[at_half], recall.get_ydata()[at_half]) == (0.5, 0.5)
    assert (precision.get_ydata()[0], recall.get_ydata()[0]) == (0.5, 1)
    assert recall.get_linestyle() != precision.get_linestyle()


def test_reliability_shows_confidence_and_share(evaluation):
    points = plots.reliability(evaluation).axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(points, [[0.8, 4 / 6]])


def test_weights_share_one_scale_that_is_even_around_zero():
    kernels = np.stack([np.full((28, 28), -1.0), np.full((28, 28), 3.0)])
    figure = plots.weights(kernels, 2)
    assert {ax.images[0].get_clim() for ax in figure.axes} == {(-3.0, 3.0)}


def test_a_reading_shows_the_image_and_all_ten_probabilities():
    image, probabilities = np.arange(784).reshape(28, 28) / 4, np.linspace(0, 0.2, 10)
    left, right = plots.reading(image, probabilities).axes
    np.testing.assert_array_equal(left.images[0].get_array(), image)
    assert [bar.get_width() for bar in right.patches] == pytest.approx(list(100 * probabilities))
    assert right.yaxis_inverted()  # 0 stands on top


def test_races_draw_every_run_and_name_each_recipe_once():
    run = {"seconds": [1.0, 2.0], "validation_accuracy": [0.95, 0.97]}
    ax = plots.races({"slow": [run, run], "fast": [run]}, goal=0.971).axes[0]
    *runs, goal = ax.lines
    assert len(runs) == 3 and runs[0].get_ydata().tolist() == [95, 97]
    assert goal.get_ydata()[0] == pytest.approx(97.1)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["slow", "fast"]


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


def test_a_descent_draws_every_value_and_each_mean_from_top_to_bottom():
    ax = plots.descent({"first": [2.0, 4.0], "second": [0.5]}, "errors, %", goal=0.3).axes[0]
    dots = [path.get_offsets() for path in ax.collections[0::2]]
    assert dots[0][:, 0].tolist() == [2, 4] and dots[1].tolist() == [[0.5, 1]]
    means = [path.get_segments()[0][:, 0].tolist() for path in ax.collections[1::2]]
    assert means == [[3, 3], [0.5, 0.5]]
    assert ax.lines[0].get_xdata() == [0.3, 0.3] and ax.get_xscale() == "log"
    assert ax.yaxis_inverted()
    assert [text.get_text() for text in ax.get_yticklabels()] == ["first", "second"]

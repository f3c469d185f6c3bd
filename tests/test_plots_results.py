import numpy as np
import pytest
from matplotlib.colors import to_rgba

from mnist_tutorial.book import plots, plots_results, style
from mnist_tutorial.evaluation import evaluate_probabilities, wilson_interval


@pytest.fixture(scope="module")
def evaluation():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(300, 10)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return evaluate_probabilities(probabilities.astype(np.float32), rng.integers(0, 10, 300))


def test_threshold_shows_precision_recall_and_accuracy():
    scores, positive = np.array([0.2, 0.6, 0.9]), np.array([False, False, True])
    lines = plots_results.threshold(scores, positive, "x").axes[0].lines
    at = {
        line.get_label(): dict(zip(line.get_xdata().round(2), line.get_ydata(), strict=True))
        for line in lines
    }
    assert at["precision"][0.5] == 50 and at["recall"][0.5] == 100
    assert at["accuracy"][0.5] == pytest.approx(200 / 3) and at["accuracy"][0.7] == 100
    assert at["recall"][0.95] == 0


def test_reliability_has_wilsons_intervals(evaluation):
    ax = plots_results.reliability(evaluation).axes[0]
    (bars,) = ax.collections
    sure = evaluation.probabilities.max(axis=1)
    last = sure >= 0.9
    right = (evaluation.predictions == evaluation.labels)[last]
    low, high = bars.get_segments()[-1][:, 1]
    wanted = wilson_interval(int(right.sum()), int(last.sum()))
    np.testing.assert_allclose([low, high], 100 * np.array(wanted), rtol=1e-6)


def test_mistakes_name_the_answer_the_label_and_what_the_label_got():
    probabilities = np.array([[0.7, 0.3], [0.9999, 0.0001]])
    figure = plots_results.mistakes(np.zeros((2, 28, 28)), np.array([1, 1]), probabilities, 2)
    first, second = figure.axes
    assert first.get_title() == "✗ 0" and first.get_xlabel() == "is 1: 30.0%"
    assert second.get_xlabel() == "is 1: <0.1%"
    assert first.xaxis.label.get_color() == style.TRUTH
    assert first.spines["top"].get_edgecolor() == to_rgba(style.ANSWER)


def test_units_are_rows_of_weights_and_labelled_digits():
    kernels = np.arange(8.0).reshape(2, 2, 2) - 6
    figure = plots_results.units(kernels, np.zeros((2, 3, 4, 4)), np.arange(6).reshape(2, 3))
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["", "0", "1", "2", "", "3", "4", "5"]
    assert [figure.axes[i].images[0].get_clim() for i in (0, 4)] == [(-6, 6), (-2, 2)]


def test_ranked_values_rise():
    ax = plots_results.ranked([3.0, 1.0, 2.0], "y").axes[0]
    assert ax.collections[0].get_offsets()[:, 1].tolist() == [1, 2, 3]


def test_paired_runs_join_the_dots_of_each_seed():
    figure, (ax,) = plots.panels(1, 1, height=2)
    plots_results.paired_runs({"a": [1.0, 2.0], "b": [3.0, 5.0]}, "setting", "accuracy", ax)
    assert [line.get_ydata().tolist() for line in ax.lines[:2]] == [[1, 3], [2, 5]]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b"]


def test_gaps_and_shifts_are_drawn_where_they_are():
    ax = plots_results.gaps({10: 8, 20: 12}, {"seeds": [(11, 3), (15, 1)]}).axes[0]
    assert ax.lines[0].get_ydata().tolist() == [8, 12]
    assert ax.collections[0].get_offsets().tolist() == [[11, 3], [15, 1]]
    ax = plots_results.shifted([0, 1], [97, 90], [97, 96]).axes[0]
    assert [line.get_ydata()[-1] for line in ax.lines] == [96, 90]

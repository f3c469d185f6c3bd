"""The figures of chapters 4 and 5 show their data."""

import numpy as np
import pytest

from mnist_tutorial.book import plots_learning
from mnist_tutorial.book.plots_learning import Panel, Tiny


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_the_bend_is_relu_and_each_border_has_its_points():
    points = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8], [0.9, 1.0]])
    answers = {"left": np.array([[0, 1], [0, 1]]), "below": np.array([[1, 1], [0, 0]])}
    relu, *others = plots_learning.bend(points, np.array([0, 1, 0, 1, 0]), answers).axes
    x, y = relu.lines[0].get_data()
    assert (y == np.maximum(x, 0)).all() and x.min() < 0 < x.max()
    for ax, (title, answer) in zip(others, answers.items(), strict=True):
        assert ax.get_title() == title
        area, *marks = ax.collections
        for inside in ((0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9)):
            taken = answer[round(inside[1]), round(inside[0])]
            assert area.get_paths()[0].contains_point(inside) == taken
        no, yes = (np.asarray(each.get_offsets()) for each in marks)
        np.testing.assert_array_equal(no, points[[0, 4]])  # every second one
        np.testing.assert_array_equal(yes, points[[1]])


def test_scores_become_probabilities_become_a_loss():
    probabilities = np.array([0.2, 0.8])
    figure = plots_learning.scores_to_loss(np.array([1.0, -2.0]), probabilities, label=0)
    scores, after, curve = figure.axes
    assert [bar.get_height() for bar in scores.patches] == [1.0, -2.0]
    assert [bar.get_height() for bar in after.patches] == [0.2, 0.8]
    assert [bool(bar.get_hatch()) for bar in after.patches] == [True, False]
    for line in curve.lines:
        p, loss = line.get_data()
        np.testing.assert_allclose(loss, -np.log(p))
    assert curve.lines[-1].get_xdata() == [0.2]
    assert "this image: 0.200 → 1.61" in words(curve) and "1 → 0.00" in words(curve)


def test_each_ingredient_has_a_panel_with_the_means_of_its_seeds():
    first = Panel("rate", {"": {0.1: [1.0, 3.0], 1.0: [5.0, 7.0]}}, log="x")
    second = Panel("bend", {"a": {"no": [1.0, 1.0]}, "b": {"no": [2.0, 2.0]}}, joined=False)
    figure = plots_learning.ingredients([first, second])
    left, right = figure.axes
    assert left.get_xlabel() == "rate" and left.get_xscale() == "log"
    assert list(left.lines[0].get_ydata()) == [2.0, 6.0] and left.get_legend() is None
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["a", "b"]
    assert {line.get_linestyle() for line in right.lines} == {"None"}


def test_the_nudge_shows_where_we_are_and_where_the_step_leads():
    weights, losses, accuracies = [0.0, 1.0, 2.0], [5.0, 3.0, 4.0], [0.1, 0.1, 0.5]
    left, right = plots_learning.nudged(weights, losses, accuracies, 0, 1, slope=-2.0).axes
    curve, tangent, after, now = left.lines
    assert list(curve.get_ydata()) == losses
    (x0, x1), (y0, y1) = tangent.get_data()
    assert (y1 - y0) / (x1 - x0) == pytest.approx(-2.0)
    assert (after.get_xdata()[0], after.get_ydata()[0]) == (1.0, 3.0)
    assert (now.get_xdata()[0], now.get_ydata()[0]) == (0.0, 5.0)
    assert list(right.lines[0].get_ydata()) == [10.0, 10.0, 50.0]


def test_backpropagation_writes_values_forward_and_slopes_backward():
    tiny = Tiny(
        pixels=np.array([1.0, 0.5]),
        w1=np.array([[0.1, 0.2], [0.3, 0.4]]),
        hidden=np.array([0.6, 0.0]),
        w2=np.array([[0.7, 0.8], [0.9, -1.1]]),
        scores=np.array([1.2, 1.3]),
        probabilities=np.array([0.25, 0.75]),
        at_scores=np.array([-0.75, 0.75]),
        at_hidden=np.array([0.11, 0.0]),
        at_w1=np.array([[0.12, 0.0], [0.13, 0.0]]),
        at_w2=np.array([[-0.14, 0.15], [0.0, 0.0]]),
    )
    forward, backward = (words(ax) for ax in plots_learning.backpropagation(tiny, "49").axes)
    for value in "1.0 0.5 0.1 0.2 0.3 0.4 0.6 0.0 0.7 0.8 0.9 −1.1 1.2 1.3".split():
        assert value in forward
    assert "loss = −ln 0.25 = 1.39" in forward and "“4”\np = 0.25" in forward
    for slope in "−0.75 +0.75 +0.11 +0.12 +0.13 −0.14 +0.15".split():
        assert slope in backward
    assert backward.count("0") == 5  # the silent unit, and all that leads to it and from it
    assert "p − 1 =\n−0.75" in backward and "p − 0 =\n+0.75" in backward

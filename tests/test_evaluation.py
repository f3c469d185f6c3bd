"""Metrics against scikit-learn, statistics against their definitions."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from mnist_tutorial.config import Config
from mnist_tutorial.data import Examples
from mnist_tutorial.evaluation import (
    calibration,
    confusion_matrix,
    evaluate,
    metrics,
    report,
    threshold_counts,
    wilson_interval,
    worst_mistakes,
)
from mnist_tutorial.model import create_model


def cases():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 500)
    yield "random", labels, rng.integers(0, 10, 500)
    yield "mostly right", labels, np.where(rng.random(500) < 0.9, labels, 3)
    yield "all right", labels, labels
    yield "all wrong", labels, (labels + 1) % 10
    yield "one answer only", labels, np.full(500, 7)
    yield "one class only", np.full(20, 2), rng.integers(0, 10, 20)
    yield "a class is absent from both", labels % 9, rng.integers(0, 9, 500)
    yield "one example", np.array([4]), np.array([4])
    yield "one wrong example", np.array([4]), np.array([5])


@pytest.mark.parametrize("labels, answers", [pytest.param(*c[1:], id=c[0]) for c in cases()])
def test_metrics_equal_scikit_learn(labels, answers):
    confusion = confusion_matrix(labels, answers, 10)
    classes = range(10)
    expected = sklearn_metrics.confusion_matrix(labels, answers, labels=classes)
    np.testing.assert_array_equal(confusion, expected)
    found = metrics(confusion)
    assert found.accuracy == pytest.approx(sklearn_metrics.accuracy_score(labels, answers))
    for average, ours in (
        (None, (found.precision, found.recall, found.f1)),
        ("macro", (found.macro_precision, found.macro_recall, found.macro_f1)),
    ):
        theirs = sklearn_metrics.precision_recall_fscore_support(
            labels, answers, labels=classes, average=average, zero_division=0
        )
        for a, b in zip(ours, theirs, strict=False):
            np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize(
    "labels, answers, words",
    [
        ([], [], "labels has no examples"),
        ([1, 2], [1], r"predictions needs an array of 2 .* \(1,\)"),
        ([1, 10], [1, 2], "labels has the label 10"),
        ([1, 2], [1, -1], "predictions has the label -1"),
        ([1.0, 2.0], [1, 2], "whole numbers .* got float64"),
    ],
)
def test_what_cannot_be_counted_is_refused(labels, answers, words):
    with pytest.raises(ValueError, match=words):
        confusion_matrix(labels, answers, 10)


def test_wilson_interval_solves_its_equation():
    """Its ends are the rates p with |observed - p| = z * sqrt(p (1 - p) / n)."""
    for successes, trials in ((9710, 10_000), (3, 10), (1, 1000)):
        for end in wilson_interval(successes, trials):
            distance = abs(successes / trials - end)
            assert distance == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / trials))
    low, high = wilson_interval(9710, 10_000)
    assert low < 0.971 < high and high - low == pytest.approx(0.0066, abs=2e-4)
    assert wilson_interval(0, 10)[0] == pytest.approx(0) and wilson_interval(10, 10)[1] <= 1


@pytest.mark.parametrize("successes, trials", [(0, 0), (2, 1), (-1, 5)])
def test_no_rate_without_trials(successes, trials):
    with pytest.raises(ValueError, match=f"{successes} successes in {trials} trials"):
        wilson_interval(successes, trials)


def test_threshold_counts_by_hand():
    scores, positive = [0.9, 0.8, 0.5, 0.2, 0.1], [True, False, True, True, False]
    assert threshold_counts(scores, positive, 0.5) == (2, 1, 1, 1)
    assert threshold_counts(scores, positive, 0.0) == (3, 2, 0, 0)
    assert threshold_counts(scores, positive, 1.0) == (0, 0, 3, 2)


@pytest.fixture
def evaluation(few):
    return evaluate(create_model(Config(hidden_units=16)), few.train)


def test_evaluation_agrees_with_itself_and_with_scikit_learn(evaluation, few):
    labels = few.train.labels
    np.testing.assert_array_equal(evaluation.predictions, evaluation.probabilities.argmax(1))
    assert evaluation.num_examples == 200
    assert evaluation.num_errors == (evaluation.predictions != labels).sum()
    loss = sklearn_metrics.log_loss(labels, evaluation.probabilities.astype(float))
    assert evaluation.losses.mean() == pytest.approx(loss, rel=1e-4)


def test_worst_mistakes_are_wrong_and_in_order(evaluation, few):
    worst = worst_mistakes(evaluation, 5)
    wrong = np.flatnonzero(evaluation.predictions != few.train.labels)
    assert set(worst) <= set(wrong) and len(worst) == 5
    assert list(evaluation.losses[worst]) == sorted(evaluation.losses[wrong])[::-1][:5]


def test_calibration_by_hand(evaluation):
    confidence = np.array([0.95, 0.93, 0.55, 0.52, 1.0])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    made = evaluation._replace(
        probabilities=probabilities, predictions=np.zeros(5, int), labels=np.array([0, 1, 0, 1, 0])
    )
    mean, right, counts = calibration(made)
    np.testing.assert_allclose(mean, [0.535, 0.96])
    np.testing.assert_allclose(right, [0.5, 2 / 3])
    np.testing.assert_array_equal(counts, [2, 3])


def test_a_certain_and_wrong_answer_has_a_finite_loss():
    model = create_model(Config(hidden_units=4, init_scale=1e5))
    images = np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)
    found = evaluate(model, Examples(images, np.arange(50, dtype=np.int32) % 10))
    assert np.isfinite(found.losses).all() and found.losses.max() > 50


def test_report_says_what_was_counted(evaluation):
    text = report(evaluation)
    assert f"{evaluation.num_errors} errors in 200 (95% interval:" in text
    assert f"Macro F1         {evaluation.metrics.macro_f1:.2%}" in text
    rows = [[int(n.replace(",", "")) for n in line.split()[1:]] for line in text.split("\n")[-10:]]
    np.testing.assert_array_equal(rows, evaluation.confusion)

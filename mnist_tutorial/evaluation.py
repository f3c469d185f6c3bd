"""Chapter 6: how good the network is, and how sure we can be of it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mnist_tutorial.data import Examples, check_labels
from mnist_tutorial.model import MLP, predict


class Metrics(NamedTuple):
    """Summarises a confusion matrix.

    Attributes:
      accuracy: the fraction of all answers that are correct.
      precision: (num_classes,) of the answers "k", the fraction that are k.
      recall: (num_classes,) of the true k, the fraction that are answered "k".
      f1: (num_classes,) the harmonic mean of precision and recall.
      macro_precision, macro_recall, macro_f1: plain means over the classes.

    A fraction of nothing counts as 0, as in scikit-learn with `zero_division=0`.
    """

    accuracy: float
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    macro_precision: float
    macro_recall: float
    macro_f1: float


class Evaluation(NamedTuple):
    """Holds a network's answers to a set of examples.

    Attributes:
      labels: (n,) the true class.
      probabilities: (n, num_classes) float32.
      predictions: (n,) the most probable class.
      losses: (n,) float32, minus the log of the probability given to the true class.
      confusion: (num_classes, num_classes) counts; rows are true classes, columns are answers.
      metrics: what follows from `confusion`.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    predictions: np.ndarray
    losses: np.ndarray
    confusion: np.ndarray
    metrics: Metrics

    @property
    def num_examples(self) -> int:
        """Counts the examples that were answered."""
        return int(self.confusion.sum())

    @property
    def num_errors(self) -> int:
        """Counts the wrong answers."""
        return self.num_examples - int(np.trace(self.confusion))


def evaluate(model: MLP, examples: Examples) -> Evaluation:
    """Runs a network on examples and compares its answers with their labels.

    Raises:
      DataError: if there are no examples, pixels or labels are invalid, or the images have the
        wrong size.
      FloatingPointError: if the network's weights are no longer numbers.
    """
    return evaluate_probabilities(predict(model, examples.images), examples.labels)


def evaluate_probabilities(probabilities: ArrayLike, labels: np.ndarray) -> Evaluation:
    """Compares answers with the true classes.

    Args:
      probabilities: (n, num_classes) float32.
      labels: (n,) integers.

    Raises:
      DataError: if there are no examples, or a label doesn't name a class.
      FloatingPointError: if a probability isn't a number.
    """
    probabilities = np.asarray(probabilities)
    num_images, num_classes = probabilities.shape
    check_labels(labels, num_images, num_classes, "the set to evaluate")
    if not np.isfinite(probabilities).all():
        raise FloatingPointError(
            "the network's answers aren't numbers, because its training diverged. Train it again "
            "with a lower learning_rate"
        )
    predictions = probabilities.argmax(axis=1)
    true_probability = probabilities[np.arange(len(labels)), labels]
    # The smallest float32 stands in for a probability that was rounded to 0.
    losses = -np.log(np.maximum(true_probability, np.finfo(np.float32).tiny))
    confusion = confusion_matrix(labels, predictions, num_classes)
    return Evaluation(labels, probabilities, predictions, losses, confusion, metrics(confusion))


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, num_classes: int) -> np.ndarray:
    """Counts how often each true class got each answer.

    Args:
      labels, predictions: (n,) integers from 0 to num_classes - 1.

    Returns:
      (num_classes, num_classes) integers: row = true class, column = answer.

    Raises:
      DataError: if there is nothing to count, the lengths differ, or a class doesn't exist.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    for name, classes in (("the list of labels", labels), ("the list of predictions", predictions)):
        check_labels(classes, labels.size, num_classes, name)
    cells = labels.astype(np.int64) * num_classes + predictions
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def metrics(confusion: np.ndarray) -> Metrics:
    """Computes accuracy, precision, recall and F1 from a confusion matrix."""
    right = np.diag(confusion)
    precision = _share(right, confusion.sum(axis=0))
    recall = _share(right, confusion.sum(axis=1))
    f1 = _share(2 * precision * recall, precision + recall)
    return Metrics(
        accuracy=float(right.sum() / confusion.sum()),
        precision=precision,
        recall=recall,
        f1=f1,
        macro_precision=float(precision.mean()),
        macro_recall=float(recall.mean()),
        macro_f1=float(f1.mean()),
    )


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    shares = np.zeros(len(part))
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Computes where the true rate can be, given what was counted (Wilson 1927).

    Returns:
      The lowest and the highest plausible rate.

    Raises:
      ValueError: if there are no trials, or more successes than trials.
    """
    from scipy.stats import binomtest  # slow to import

    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"can't compute a rate from {successes} successes in {trials} trials")
    low, high = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(low), float(high)


def threshold_counts(
    scores: ArrayLike, positive: ArrayLike, threshold: float
) -> tuple[int, int, int, int]:
    """Counts the four outcomes of saying "yes" wherever a score reaches a threshold.

    Args:
      scores: (n,) how sure we are of "yes".
      positive: (n,) bool, True where "yes" is the true answer.

    Returns:
      True positives, false positives, false negatives, true negatives.
    """
    predicted, positive = np.asarray(scores) >= threshold, np.asarray(positive, bool)
    cells = confusion_matrix(positive.astype(int), predicted.astype(int), 2)
    (tn, fp), (fn, tp) = cells.tolist()
    return tp, fp, fn, tn


def worst_mistakes(evaluation: Evaluation, count: int) -> np.ndarray:
    """Finds the positions of the wrong answers with the highest losses, worst first."""
    wrong = np.flatnonzero(evaluation.predictions != evaluation.labels)
    return wrong[np.argsort(-evaluation.losses[wrong], kind="stable")][:count]


def calibration(evaluation: Evaluation, num_bins: int = 10) -> tuple[np.ndarray, ...]:
    """Compares how sure the network was with how often it was right.

    Returns:
      For each bin of confidence that isn't empty: the mean confidence, the fraction of correct
      answers, and the number of answers; each (bins,).
    """
    confidence = evaluation.probabilities.max(axis=1)
    right = evaluation.predictions == evaluation.labels
    bins = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    full = counts > 0
    sums = [np.bincount(bins, values, num_bins) for values in (confidence, right)]
    return *(total[full] / counts[full] for total in sums), counts[full]


def report(evaluation: Evaluation) -> str:
    """Summarises an evaluation for people to read."""
    total, errors, shares = evaluation.num_examples, evaluation.num_errors, evaluation.metrics
    low, high = wilson_interval(total - errors, total)
    classes = range(len(evaluation.confusion))
    lines = [
        f"Accuracy         {shares.accuracy:.2%}: {errors:,} errors in {total:,} "
        f"(95% interval: {low:.2%} to {high:.2%})",
        f"Macro precision  {shares.macro_precision:.2%}",
        f"Macro recall     {shares.macro_recall:.2%}",
        f"Macro F1         {shares.macro_f1:.2%}",
        "",
        "Confusion matrix (rows: the true class, columns: the network's answer)",
        "   " + "".join(f"{k:>6}" for k in classes),
        *(f"{k:>3}" + "".join(f"{n:>6,}" for n in evaluation.confusion[k]) for k in classes),
    ]
    return "\n".join(lines)

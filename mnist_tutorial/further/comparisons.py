"""Is one result better than another, or luckier? Tests for networks and for recipes.

Two networks that answered the same images are compared by the images on which exactly one of
them is right (`discordant`, `mcnemar`). Two recipes are compared by several networks of each:
pair by pair if they start from the same weights (`paired`), otherwise as two groups
(`unpaired`).
"""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.special import bdtr, stdtr


def discordant(first_wrong: Iterable[int], second_wrong: Iterable[int]) -> tuple[int, int]:
    """Counts the images on which exactly one of two networks is right.

    Args:
      first_wrong, second_wrong: positions of the images that each network got wrong, among
        the same images.

    Returns:
      How many images only the first got right, and how many only the second.
    """
    first, second = set(map(int, first_wrong)), set(map(int, second_wrong))
    return len(second - first), len(first - second)


def mcnemar(only_first: int, only_second: int) -> float:
    """Computes the exact p-value of McNemar's test (1947).

    If two networks are equally good, each discordant image is the toss of a fair coin. The
    p-value says how often such tosses come out at least as uneven as they did.

    Args:
      only_first, only_second: what `discordant` returns.

    Returns:
      A probability from 0 to 1; 1 if there are no discordant images.

    Raises:
      ValueError: if a count is negative.
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"counts of images can't be negative, got {only_first}, {only_second}")
    tosses, fewer = only_first + only_second, min(only_first, only_second)
    return min(1.0, 2 * float(bdtr(fewer, tosses, 0.5)))  # both tails, and they are alike


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Compares runs that share their seeds, pair by pair (Student's paired t-test).

    Args:
      first, second: one value for each seed, in the same order; at least two.

    Returns:
      The mean of second - first, and the p-value: how often a difference at least so large
      would come up if both settings were equally good.

    Raises:
      ValueError: if the two differ in length or hold fewer than two runs.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(
            f"paired runs need the same seeds, at least two; got {len(first)} and {len(second)}"
        )
    from scipy.stats import ttest_rel  # slow to import

    differences = np.asarray(second, float) - np.asarray(first, float)
    return float(differences.mean()), float(ttest_rel(second, first).pvalue)


def unpaired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Compares two groups of runs that have nothing in common (Welch's t-test, 1947).

    The same seed doesn't make a pair if two programs draw different weights from it.

    Args:
      first, second: one value for each run, in any order; at least two in each group, and not
        all alike in both.

    Returns:
      The mean of second less the mean of first, and the p-value: how often a difference at
      least so large would come up if both settings were equally good.

    Raises:
      ValueError: if a group holds fewer than two runs, or neither varies.
    """
    groups = [np.asarray(group, float) for group in (first, second)]
    if min(len(first), len(second)) < 2 or all(np.ptp(group) == 0 for group in groups):
        raise ValueError(
            "each group needs at least two runs, and one of them has to vary; "
            f"got {len(first)} and {len(second)} runs"
        )
    # the squared standard error of each mean, and Welch's degrees of freedom
    errors = [float(group.var(ddof=1)) / len(group) for group in groups]
    freedom = sum(errors) ** 2 / sum(
        error**2 / (len(group) - 1) for error, group in zip(errors, groups, strict=True)
    )
    difference = float(groups[1].mean() - groups[0].mean())
    return difference, 2 * float(stdtr(freedom, -abs(difference) / sum(errors) ** 0.5))

"""Is one result better than another, or luckier? Tests for networks and for recipes.

Two networks that answered the same images are compared by the images on which exactly one of
them is right (`discordant`, `mcnemar`). Two recipes are compared by several networks of each,
trained from the same seeds (`paired`).
"""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.special import bdtr


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

"""Comparisons of networks and recipes, against numbers worked out by hand and by other means."""

import math

import numpy as np
import pytest

from mnist_tutorial.further import road
from mnist_tutorial.further.comparisons import discordant, mcnemar, paired, unpaired


def test_discordant_images_are_those_that_exactly_one_got_right():
    assert discordant([1, 2, 3], [3, 4]) == (1, 2)
    assert discordant(np.array([5]), {5}) == (0, 0)
    assert discordant([], [7, 8]) == (2, 0)


@pytest.mark.parametrize("first, second", [(30, 50), (50, 30), (0, 8), (3, 4), (12, 12)])
def test_mcnemar_counts_the_tosses_that_are_at_least_as_uneven(first, second):
    tosses, least = first + second, abs(first - second)
    ways = sum(
        math.comb(tosses, heads) for heads in range(tosses + 1) if abs(2 * heads - tosses) >= least
    )
    assert mcnemar(first, second) == pytest.approx(ways / 2**tosses)


def test_the_gap_of_twenty_in_eighty_is_hardly_luck():
    assert mcnemar(50, 30) == pytest.approx(0.033, abs=0.001)
    assert mcnemar(0, 0) == 1
    with pytest.raises(ValueError, match="can't be negative, got -1, 3"):
        mcnemar(-1, 3)


def test_pairs_are_compared_by_their_differences():
    mean, p = paired([1.0, 2.0, 3.0], [2.0, 2.5, 4.5])
    assert mean == pytest.approx(1.0)
    # t = 1 / (0.5 / sqrt(3)) with two degrees of freedom
    t = 1 / (0.5 / math.sqrt(3))
    assert p == pytest.approx(1 - t / math.sqrt(2 + t**2))
    with pytest.raises(ValueError, match="same seeds, at least two; got 1 and 1"):
        paired([1.0], [2.0])
    with pytest.raises(ValueError, match="got 3 and 2"):
        paired([1.0, 2.0, 3.0], [2.0, 3.0])


def test_groups_without_pairs_are_compared_as_welch_did():
    from scipy.stats import ttest_1samp, ttest_ind

    for first, second in (
        ([1.0, 2.0, 3.0], [2.0, 2.5, 4.5]),
        ([97.1, 97.3, 97.2, 97.0], [97.25, 97.3]),
    ):
        mean, p = unpaired(first, second)
        assert mean == pytest.approx(np.mean(second) - np.mean(first))
        assert p == pytest.approx(ttest_ind(second, first, equal_var=False).pvalue)
        assert unpaired(second, first) == pytest.approx((-mean, p))  # the order is no matter
    # a group that doesn't vary is a fixed number for the other
    p = unpaired([4.0, 4.0], [1.0, 2.0, 2.5])[1]
    assert p == pytest.approx(ttest_1samp([1.0, 2.0, 2.5], 4.0).pvalue)
    with pytest.raises(ValueError, match="at least two runs, .* got 1 and 2"):
        unpaired([1.0], [2.0, 3.0])
    with pytest.raises(ValueError, match="has to vary; got 2 and 3 runs"):
        unpaired([1.0, 1.0], [2.0, 2.0, 2.0])


def test_the_stored_seeds_differ_by_luck_only():
    """What chapter 6 says: on some eighty images one is right and the other isn't."""
    wrong = [run["wrong"] for run in road.measured()["steps"]["original"]["runs"]]
    for i, first in enumerate(wrong):
        for second in wrong[i + 1 :]:
            counts = discordant(first, second)
            assert 60 < sum(counts) < 100 and mcnemar(*counts) > 0.05

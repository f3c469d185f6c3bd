"""Every check tells right from wrong, and never gives the answer away."""

import numpy as np
import pytest

from mnist_tutorial import exercises
from mnist_tutorial.config import Config
from mnist_tutorial.exercises import check

PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
CONFUSION = np.array([[50, 1, 2], [0, 60, 7], [3, 0, 70]])
SCORES = np.array([0.95, 0.7, 0.3, 0.99, 0.6])
POSITIVE = np.array([True, True, True, False, False])


def centre(image):
    ink = image.astype(float)
    rows, columns = np.indices(image.shape)
    return (rows * ink).sum() / ink.sum(), (columns * ink).sum() / ink.sum()


def centred(image):
    row, column = centre(image)
    return np.roll(image, (round(13.5 - row), round(13.5 - column)), axis=(0, 1))


CASES = [
    (
        "centre it",
        [],
        centred,
        [
            (lambda image: ..., "No answer yet"),
            (lambda image: image, "off the middle"),
            (lambda image: image[1:], "28 × 28"),
            (lambda image: image // 2, "ink was lost"),
        ],
    ),
    (
        "two tenths of a percent",
        [],
        20,
        [(270, "one of them"), (290, "one of them"), (0.2, "Not yet")],
    ),
    (
        "least sure",
        [PROBABILITIES],
        1,
        [(0, "of 2 other digits"), (2, "of 1 other digit "), (7, "0 to 2")],
    ),
    (
        "centre of mass",
        [],
        centre,
        [
            (lambda image: ..., "No answer yet"),
            (lambda image: centre(image)[::-1], "changed places"),
            (lambda image: np.round(centre(image)), "don't round"),
            (lambda image: (image.argmax(0).mean(), image.argmax(1).mean()), "Not yet"),
            (lambda image: 14.0, "two numbers"),
            (lambda image: np.multiply(centre(image), image.sum()), "outside the image"),
            (3, "can't be read"),
        ],
    ),
    (
        "ambiguous digits",
        [],
        [7, 4, 9],
        [([1, 6, 4], "on 0 of 3"), ([7, 4, 4], "on 2 of 3"), ([1], "are 3")],
    ),
    (
        "updates at batch 32",
        [],
        1719,
        [(1718, "Nearly"), (1718.75, "Nearly"), (1875, "60,000"), (430, "Not yet")],
    ),
    (
        "only the seed",
        [],
        (Config(hidden_units=256, seed=1), Config(hidden_units=256, seed=2)),
        [
            ((Config(), Config()), "the same in everything"),
            ((Config(seed=1), Config(seed=2)), "1000 hidden units"),
            ((Config(l2=0.1), Config(seed=2)), "differ in seed, l2"),
            (5, "can't be read"),
        ],
    ),
    (
        "parameters at 256 units",
        [],
        203_530,
        [(203_264, "bias"), (200_960, "after it"), (256, "Not yet")],
    ),
    ("all weights zero", [], 10, [(0, "Nearly"), (101_770, "Not yet")]),
    (
        "best of three rates",
        [],
        0.06,
        [(0.006, "Not this one"), (0.0006, "Not this one"), (1, "one of the three")],
    ),
    (
        "shuffled labels",
        [],
        ("goes up", "stays low"),
        [(("stays low", "stays low"), "memorise"), (("goes up", "goes up"), "Right for training")],
    ),
    (
        "most confused",
        [CONFUSION],
        (1, 2),
        [
            ((2, 1), "the truth comes first"),
            ((1, 1), "diagonal"),
            ((0, 2), "2 errors"),
            ((8, 9), "can't be read"),
        ],
    ),
    (
        "recall above 0.9",
        [SCORES, POSITIVE],
        1 / 3,
        [(0.5, "precision"), (2 / 3, "threshold 0.5"), (0.9, "Not yet")],
    ),
]


@pytest.mark.parametrize("name, given, right, wrong", CASES, ids=[case[0] for case in CASES])
def test_right_answers_are_right_and_wrong_ones_get_a_hint(name, given, right, wrong):
    assert check(name, right, *given).data.startswith(exercises.RIGHT)
    for answer, words in wrong:
        said = check(name, answer, *given).data
        assert words in said and not said.startswith(exercises.RIGHT), (answer, said)
        if isinstance(right, int) and right > 99:  # a hint must not name the number
            assert str(right) not in said.replace(",", "")
    assert "No answer yet" in check(name, ..., *given).data


def test_every_exercise_is_tried():
    assert sorted(case[0] for case in CASES) == sorted(exercises._CHECKS)


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="no exercise is called 'exam'"):
        check("exam", 1)


def test_a_pair_of_arrays_is_read_as_an_answer():
    said = check("most confused", (np.array([4, 7]), np.array([9, 2])), np.eye(10)).data
    assert "No answer yet" not in said and not said.startswith(exercises.RIGHT)


def test_two_dots_of_a_pair_are_no_answer():
    assert "No answer yet" in check("only the seed", (..., ...)).data

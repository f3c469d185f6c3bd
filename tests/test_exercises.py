"""Every check tells right from wrong, and never gives the answer away.

`pages/test_exercises.py` tries the same cases on a page.
"""

import json
import time

import jax
import numpy as np
import pytest

from mnist_tutorial.book import exercises
from mnist_tutorial.book.exercises import check
from mnist_tutorial.config import Config
from mnist_tutorial.data import Examples
from mnist_tutorial.training import cross_entropy

PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
CONFUSION = np.array([[50, 1, 2], [0, 60, 7], [3, 0, 70]])
SCORES = np.array([0.95, 0.7, 0.3, 0.99, 0.6])
POSITIVE = np.array([True, True, True, False, False])
INKED = Examples(np.full((3, 28, 28), 200, np.uint8), np.arange(3, dtype=np.int32))


def centre(image):
    ink = image.astype(float)
    rows, columns = np.indices(image.shape)
    return (rows * ink).sum() / ink.sum(), (columns * ink).sum() / ink.sum()


def clock(compiles=True, waits_first=True, waits=True, restarts=True):
    """Makes a way to time a function, right or with a mistake."""

    def seconds(function):
        start = time.perf_counter()
        if compiles:
            result = function()
            if waits_first:
                jax.block_until_ready(result)
        if restarts:
            start = time.perf_counter()
        result = function()
        if waits:
            jax.block_until_ready(result)
        return time.perf_counter() - start

    return seconds


def centred(image):
    row, column = centre(image)
    return np.roll(image, (round(14 - row), round(14 - column)), axis=(0, 1))


SOFTMAX = [0.042, 0.114, 0.844]


def loop_loss(weights, images, labels):
    """The loss of a small network, as chapter 5's exercise defines it."""
    pixels = images.reshape(len(images), -1) / 255
    hidden = jax.nn.relu(pixels @ weights["w1"] + weights["b1"])
    return cross_entropy(hidden @ weights["w2"] + weights["b2"], labels).mean()


def loop(epochs=None, batches=None, sign=-1, rate=None, stale=False, size=None, names=None):
    """A training loop, right or with a mistake."""
    gradient = jax.jit(jax.grad(loop_loss))

    def train(weights, images, labels, learning_rate, batch_size, num_epochs):
        first, step = weights, size or batch_size
        for _ in range(epochs or num_epochs):
            for start in range(0, len(labels), step)[:batches]:
                batch = slice(start, start + step)
                slopes = gradient(first if stale else weights, images[batch], labels[batch])
                moved = {
                    k: weights[k] + sign * (rate or learning_rate) * slopes[k]
                    for k in names or weights
                }
                weights = {**weights, **moved}
        return weights

    return train


_rng = np.random.default_rng(0)
WEIGHTS = {
    "model.hidden.kernel": _rng.normal(size=(784, 5)).astype(np.float32),
    "model.hidden.bias": _rng.normal(size=5).astype(np.float32),
    "model.output.kernel": _rng.normal(size=(5, 10)).astype(np.float32),
    "model.output.bias": _rng.normal(size=10).astype(np.float32),
}


def by_hand(scale=255, corner=0.0, b1=1, b2=1, first=10):
    """The network without JAX, right or with a mistake."""

    def scores(weights, images):
        w1, c1, w2, c2 = weights.values()
        hidden = np.maximum(images.reshape(-1, 784) / scale @ w1 + b1 * c1, corner)
        return (hidden @ w2 + b2 * c2)[:, :first]

    return scores


CASES = [
    (
        "waiting time",
        [64, 800.0],
        80,
        [(0.08, "in seconds"), (1.25, "from one answer"), (64, "Not yet")],
    ),
    (
        "without JAX",
        [WEIGHTS],
        by_hand(),
        [
            (lambda weights, images: ..., "No answer yet"),
            (by_hand(scale=1), "trained on ink"),
            (by_hand(corner=-np.inf), "negative numbers"),
            (by_hand(b1=0), "biases"),
            (by_hand(b2=0), "biases"),
            (by_hand(b1=0, b2=0), "biases"),
            (by_hand(first=9), "ten scores"),
            (by_hand(scale=100), "Not yet"),
        ],
    ),
    (
        "balanced batch",
        [],
        150.7,
        [(1 / 150.7, "upside down"), (128, "Not yet")],
    ),
    (
        "honest clock",
        [],
        clock(),
        [
            (lambda function: ..., "No answer yet"),
            (clock(compiles=False), "the first call compiles"),
            (clock(restarts=False), "includes the compilation"),
            (clock(waits=False), "before you stopped the clock"),
            (lambda function: 2 * clock()(function), "wait for the first call too"),
        ],
    ),
    (
        "bytes on the ring",
        [],
        2 * 3 * 795_010,
        [
            (795_010 * 4, "the gradient itself"),
            (3 * 795_010, "once round the ring"),
            (8 * 795_010, "of four parts"),
            (1, "Not yet"),
        ],
    ),
    (
        "nine tenths",
        [1_000.0],
        9_000,
        [(10_000, "Nearly"), (900, "tenths must"), (1_000, "grows")],
    ),
    (
        "numbers of a ConvNet",
        [],
        9_698,
        [(9_554, "two numbers"), (9_688, "biases too"), (9_000, "Not yet")],
    ),
    (
        "centre it",
        [],
        centred,
        [
            (lambda image: ..., "No answer yet"),
            (lambda image: image, "columns off"),
            (lambda image: image[1:], "28 × 28"),
            (lambda image: image // 2, "ink was lost"),
        ],
    ),
    (
        "eighty images",
        [],
        50,
        [(30, "the other network"), (20, "the gap"), (80, "Not yet")],
    ),
    (
        "fewest discordant images",
        [],
        6,
        [(5, "Count both"), (20, "Not yet"), ("all", "checked")],
    ),
    (
        "same stride",
        [],
        0.5,
        [(0.06, "the stride"), (0.9, "Not yet"), ("all", "checked")],
    ),
    (
        "least sure",
        [PROBABILITIES],
        1,
        [(0, "of 2 other digits"), (2, "of 1 other digit."), (7, "0 to 2")],
    ),
    (
        "centre of mass",
        [],
        centre,
        [
            (lambda image: ..., "No answer yet"),
            (lambda image: centre(image)[::-1], "swapped"),
            (lambda image: np.round(centre(image)), "don't round"),
            (lambda image: (image.argmax(0).mean(), image.argmax(1).mean()), "Not yet"),
            (lambda image: 14.0, "two numbers"),
            (lambda image: np.multiply(centre(image), image.sum()), "outside the image"),
            (3, "can't be checked"),
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
            ((Config(), Config()), "identical"),
            ((Config(seed=1), Config(seed=2)), "1000 hidden units"),
            ((Config(l2=0.1), Config(seed=2)), "differ in seed, l2"),
            (5, "can't be checked"),
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
        "softmax by hand",
        [],
        ([0.042, 0.114, 0.844], 2.17),
        [
            (([0.25, 0.75], 2.17), "three probabilities"),
            (([4.2, 11.4, 84.4], 2.17), "percentages"),
            (([0, 0.25, 0.75], 2.17), "divided the scores"),
            ((np.exp([0, 1, 3]), 2.17), "their total"),
            (([0.3, 0.3, 0.4], 2.17), "raise e"),
            ((SOFTMAX, -2.17), "minus sign"),
            ((SOFTMAX, 0.943), "natural logarithm"),
            ((SOFTMAX, 0.17), "isn't the true one"),
            ((SOFTMAX, 0.886), "take the logarithm"),
            ((SOFTMAX, 5), "minus the natural logarithm"),
            ((SOFTMAX, ...), "No answer yet"),
        ],
    ),
    (
        "one step by hand",
        [],
        (1.41, [1.335, 1.755, -0.09], 0.60),
        [
            ((0.41, [1.335, 1.755, -0.09], 0.60), "the first loss. Not yet"),
            ((1.41, [1.335, 1.755], 0.60), "three numbers"),
            ((1.41, [2.665, 0.245, 0.09], 0.60), "up the slope"),
            ((1.41, [1.335, 0.755, -0.09], 0.60), "minus 1"),
            ((1.41, [-0.665, 0.755, -0.09], 0.60), "the changes"),
            ((1.41, [1, 2, 0], 0.60), "minus its slope"),
            ((1.41, [1.335, 1.755, -0.09], 1.41), "Now look at the loss"),
            ((1.41, ..., ...), "No answer yet"),
        ],
    ),
    (
        "training loop",
        [loop_loss],
        loop(),
        [
            (lambda *_: ..., "No answer yet"),
            (lambda weights, *_: weights, "unchanged"),
            (lambda weights, *_: list(weights.values()), "a dictionary"),
            (lambda weights, *_: {k: w[:1] for k, w in weights.items()}, "its shape"),
            (lambda weights, *_: {k: w * np.nan for k, w in weights.items()}, "finite"),
            (loop(sign=1), "Subtract"),
            (loop(epochs=1), "single epoch"),
            (loop(epochs=1, batches=1), "single batch"),
            (loop(batches=1), "first batch"),
            (loop(batches=2), "smaller, has been left out"),
            (loop(rate=1.0), "learning rate"),
            (loop(stale=True), "initial weights"),
            (loop(size=300), "all the images"),
            (loop(names=("w1", "w2", "b2")), "at least one"),
            (loop(rate=0.05), "the nine updates"),
            (3, "can't be checked"),
        ],
    ),
    (
        "slope of tanh",
        [],
        lambda units: 1 - units**2,
        [
            (lambda units: ..., "No answer yet"),
            (lambda units: units > 0, "slope of ReLU"),
            (lambda units: 1 - np.tanh(units) ** 2, "twice"),
            (lambda units: units, "Not yet"),
            (lambda units: 1.0, "one slope for each unit"),
        ],
    ),
    (
        "shuffled labels",
        [],
        ("goes up", "stays low"),
        [
            (("stays low", "stays low"), "memorise"),
            (("goes up", "goes up"), "about training"),
            (("rises", "falls"), "Each of the two"),
            ("goes up", "Each of the two"),
        ],
    ),
    (
        "most confused",
        [CONFUSION],
        (1, 2),
        [
            ((1, 1), "diagonal"),
            ((0, 2), "5 errors, counted both ways"),
            ((8, 9), "from 0 to 2"),
            (1, "two digits"),
        ],
    ),
    (
        "recall at 0.8",
        [SCORES, POSITIVE],
        1 / 3,
        [(0.5, "precision"), (2 / 3, "threshold of 0.5"), (0.9, "Not yet")],
    ),
    (
        "forgotten ReLU",
        [],
        {"w1", "b1"},
        [
            ({"w2", "b2"}, "after ReLU"),
            ("w1", "Nearly"),
            ({"w1", "w3"}, "The names"),
            (3, "The names"),
        ],
    ),
    (
        "images to the goal",
        [{16: 600.0, 64: 160.0, 4096: 30.0}],
        12.8,
        [(20.0, "fewer updates"), (1 / 12.8, "other way"), (3, "Not yet"), ("many", "checked")],
    ),
    (
        "widths that memorise",
        [],
        [64, 256],
        [([256], "Nearly"), ([16, 64, 256], "too small"), (5, "The widths"), ("all", "The widths")],
    ),
    (
        "dark ink",
        [INKED],
        (INKED, list("0123456789")),
        [
            ((INKED._replace(images=255 - INKED.images), []), "Nearly"),
            ((INKED._replace(images=INKED.images // 2), []), "different images"),
            ((INKED._replace(images=INKED.images[1:]), []), "3 images"),
            (3, "checked"),
        ],
    ),
    (
        "three classes",
        [],
        788_003,
        [(795_010, "ten classes"), (788_000, "biases"), (3, "which layer"), ("all", "checked")],
    ),
    (
        "ordinary momentum",
        [],
        lambda w, v, g: (w - 0.006 * (0.9 * v + g), 0.9 * v + g),
        [
            (lambda w, v, g: ..., "No answer yet"),
            (lambda w, v, g: (w - 0.006 * (g + 0.9 * (0.9 * v + g)), 0.9 * v + g), "Nesterov"),
            (lambda w, v, g: (w - 0.006 * g, v), "keeps 0.9"),
            (lambda w, v, g: (w + 0.006 * (0.9 * v + g), 0.9 * v + g), "Now subtract"),
        ],
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
    assert sorted(case[0] for case in CASES) == exercises.names()


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="no exercise is called 'exam'"):
        check("exam", 1)


def test_a_pair_of_arrays_is_read_as_an_answer():
    said = check("most confused", (np.array([4, 7]), np.array([9, 2])), np.eye(10)).data
    assert "No answer yet" not in said and not said.startswith(exercises.RIGHT)


def test_two_dots_of_a_pair_are_no_answer():
    assert "No answer yet" in check("only the seed", (..., ...)).data


def test_the_labels_of_the_hard_digits_are_mnists(mnist):
    labels = mnist.validation.labels[exercises.AMBIGUOUS].tolist()
    assert check("ambiguous digits", labels).data.startswith(exercises.RIGHT)


@pytest.mark.parametrize("name, given, right, wrong", CASES, ids=[case[0] for case in CASES])
def test_a_question_survives_the_notebook_and_the_page(name, given, right, wrong):
    """Both are JSON: the notebook holds the facts, the page the question."""
    kept = json.loads(json.dumps(check(name, ..., *given)._repr_markdown_()))
    known = kept[1]["facts"] if isinstance(kept, list) else []
    if asked := exercises.question(name, known):
        assert asked.reply(right) == check(name, right, *given).data
        replies = json.loads(json.dumps(asked.exported()))["replies"]
        assert all(len(wanted) == len(asked.parts) for wanted, _ in replies)
        assert set(replies[-1][0]) == {None}

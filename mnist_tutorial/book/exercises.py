"""Asks the exercises, and says in words what is right or wrong, never the solution.

Where the answer is a number, a choice or a few of them, the exercise is data, a `Question`: the
book's pages ask it too, by the same rule and with the same hints (`_ext/book_exercises.py`). Where
the answer is code, a function here looks at it.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from IPython.display import Markdown

from mnist_tutorial.config import Config
from mnist_tutorial.data import load_mnist
from mnist_tutorial.further.comparisons import mcnemar

# Validation images that are hard to read.
AMBIGUOUS = [86, 2709, 825]

RIGHT = "Right."
_Check = Callable[..., str]
_CHECKS: dict[str, _Check] = {}  # where the answer is code


class Question(NamedTuple):
    """An exercise whose answer is typed in.

    Attributes:
      replies: answers and what the reader is told of them; the first that fits counts, and the last
        fits all. An answer is a number, or one number for each part; None stands for any.
      parts: what each number of the answer is.
      misfit: what is told of an answer that doesn't have these parts.
      choices: where a part isn't a number, it is one of these; its position is the number.
      several: whether the answer is a set of some of the parts; each number is then 1 or 0.
      atol: how far off a number may be, beside `rtol` times itself, as in `np.isclose`.
    """

    replies: Sequence[tuple[Any, str]]
    parts: Sequence[str | int] = ("Your answer",)
    misfit: str = "The answer is one number."
    choices: Sequence[str] = ()
    several: bool = False
    atol: float = 1e-6
    rtol: float = 0.0

    def numbers(self, answer: Any) -> list[float]:
        """Returns an answer as its numbers; none if a choice isn't among those that there are.

        Raises:
          ValueError, TypeError: if it isn't made of numbers where numbers are asked for.
        """
        if self.several:
            chosen = np.ravel(list(answer) if isinstance(answer, set) else answer).tolist()
            return [part in chosen for part in self.parts] if {*chosen} <= {*self.parts} else []
        parts = answer if isinstance(answer, tuple | list) else [answer]
        if self.choices:  # "up" will do for "goes up"
            last = [choice.split()[-1] for choice in self.choices]
            found = [
                [i for i, word in enumerate(last) if word in str(part).lower()] for part in parts
            ]
            return [each[0] for each in found] if all(found) else []
        return [float(number) for part in parts for number in np.ravel(part)]

    def reply(self, answer: Any) -> str:
        """Returns what the reader is told of an answer, as `exercise.mjs` does on a page.

        Raises:
          ValueError, TypeError: as `numbers`.
        """
        numbers = self.numbers(answer)
        if len(numbers) != len(self.parts):
            return self.misfit
        for wanted, words in self.exported()["replies"]:
            right = [a if b is None else b for a, b in zip(numbers, wanted, strict=True)]
            if np.allclose(numbers, right, self.rtol, self.atol):
                return str(words)
        raise ValueError("a part of it isn't a number")

    def exported(self) -> dict[str, Any]:
        """Returns the question ready for JSON: in all replies, each part has its number or None."""

        def listed(answer: Any) -> list[float | None]:
            parts = answer if isinstance(answer, Sequence) else [answer] * len(self.parts)
            return [None if part is None else float(part) for part in parts]

        return self._asdict() | {"replies": [(listed(a), words) for a, words in self.replies]}


def check(exercise: str, answer: Any, *given: Any) -> Markdown:
    """Tells whether an answer to an exercise is right, without giving it away.

    Args:
      exercise: the name of the exercise, as the chapter gives it.
      answer: the reader's answer; `...` if there is none yet.
      given: what the chapter has computed and the check needs.

    Returns:
      A sentence for the reader. If there is no answer yet, its metadata hold the facts that
      `question` needs: the page is made of the stored notebook.

    Raises:
      ValueError: if no exercise has that name.
    """
    if exercise not in names():
        raise ValueError(f"no exercise is called {exercise!r}; the names are {names()}")
    facts = _GIVEN[exercise][0](*given) if exercise in _GIVEN else []
    if answer is ... or (isinstance(answer, tuple) and any(part is ... for part in answer)):
        words = "No answer yet: put yours in place of the three dots, and run the cell."
        return Markdown(words, metadata={"facts": facts} if facts else None)
    try:
        if asked := question(exercise, facts):
            return Markdown(asked.reply(answer))
        return Markdown(_CHECKS[exercise](answer, *given))
    except Exception as error:  # whatever a reader has typed
        return Markdown(
            f"This answer can't be checked ({error}). "
            "What kind of answer does the exercise ask for?"
        )


def question(exercise: str, facts: Sequence[Any] = ()) -> Question | None:
    """Returns what an exercise asks for, or None if the answer is code.

    Args:
      exercise: its name.
      facts: what it has to know of the chapter's results, as `check` leaves it in the notebook.
    """
    if exercise in _GIVEN:
        return _GIVEN[exercise][1](*facts)
    return _QUESTIONS.get(exercise)


def names() -> list[str]:
    """Returns the names of all exercises."""
    return sorted([*_QUESTIONS, *_GIVEN, *_CHECKS])


# Answers that are typed in -----------------------------------------------------------------------

_BALANCE = 24 * 795_010 / 320e9 * 8.1e12 / (4 * 784_000 + 6 * 10_000)  # images
_KERNELS, _NORMS, _OUTPUT = 8_264, 144, 1_290  # parameters of a ConvNet
_HIDDEN = 784 * 1_000 + 1_000  # parameters of the hidden layer

_NUMBERS: dict[str, list[tuple[float | None, str]]] = {
    "updates at batch 32": [
        (1_719, f"{RIGHT} 1,719 updates."),
        (1_718, "Nearly: what happens to the images that don't fill a batch?"),
        (55_000 / 32, "Nearly: what happens to the images that don't fill a batch?"),
        (1_875, "That's the number for 60,000 images. Here, 5,000 of them are held out."),
        (None, "Not yet: how many batches of 32 does it take to see every image?"),
    ],
    "parameters at 256 units": [
        (203_530, f"{RIGHT} 203,530."),
        (203_264, "Nearly: those are the weights. Each unit has a bias as well."),
        (200_960, "Nearly: that's the hidden layer. What comes after it?"),
        (None, "Not yet: count the lines in the drawing, then the units they lead to."),
    ],
    "all weights zero": [
        (
            10,
            f"{RIGHT} Only the ten biases of the output layer. Hidden units and output weights are "
            "all 0, and they are factors in the slope of every other parameter.",
        ),
        (0, "Nearly: which numbers still get a slope when all hidden units give 0?"),
        (None, "Not yet: what do the hidden units give when all their weights are 0?"),
    ],
    "eighty images": [
        (
            50,
            f"{RIGHT} It's 50 against 30. Fair coins (chapter 6) fall at least that "
            f"unevenly in {mcnemar(50, 30):.1%} of cases, so this gap is hardly luck.",
        ),
        (30, "Nearly: that's the number of the other network."),
        (20, "That's the gap. How do 80 images split so that one part is 20 larger?"),
        (None, "Not yet: two numbers add up to 80 and differ by 20. Which is the larger?"),
    ],
    "bytes on the ring": [
        (4_770_060, f"{RIGHT} 4,770,060 bytes, in six messages of a quarter of the gradient."),
        (
            3_180_040,
            "That's the gradient itself. How often, and how much of it, does a device send?",
        ),
        (
            2_385_030,
            "Nearly: that's once round the ring. The finished sums have to go round as well.",
        ),
        (6_360_080, "Nearly: of four parts, how many does a device send each time round?"),
        (1_192_515, "Nearly: of four parts, how many does a device send each time round?"),
        (None, "Not yet: it's four bytes per number, and twice round the ring in four parts."),
    ],
    "numbers of a ConvNet": [
        (_KERNELS + _NORMS + _OUTPUT, f"{RIGHT} Less than an eightieth of chapter 5's network."),
        (_KERNELS + _OUTPUT, "Nearly: batch norm learns two numbers for each channel."),
        (_KERNELS + _NORMS + _OUTPUT - 10, "Nearly: the output layer has biases too."),
        (None, "Not yet: a kernel has one layer of weights for every input channel."),
    ],
    "three classes": [
        (_HIDDEN + 3_003, f"{RIGHT} {_HIDDEN + 3_003:,}: only the output layer became smaller."),
        (_HIDDEN + 10_010, "That's the network with ten classes."),
        (_HIDDEN + 3_000, "Nearly: the output layer has biases too."),
        (None, "Not yet: which layer knows how many classes there are?"),
    ],
    "fewest discordant images": [
        (6, f"{RIGHT} Six coins all fall on one side in {mcnemar(0, 6):.1%} of cases."),
        (5, "Nearly: five coins can all fall on one side or on the other. Count both."),
        (None, "Not yet: how often do that many fair coins all fall on the same side?"),
    ],
    "same stride": [
        (0.5, f"{RIGHT} 0.03 / (1 − 0.5) is 0.06, and so is 0.006 / (1 − 0.9)."),
        (0.06, "That's the stride. Which momentum m makes 0.03 / (1 − m) as large?"),
        (None, "Not yet: rate / (1 − momentum) should be the same for both."),
    ],
}
_QUESTIONS = {name: Question(replies) for name, replies in _NUMBERS.items()}

_QUESTIONS["balanced batch"] = Question(
    [
        (_BALANCE, f"{RIGHT} It's about {_BALANCE:.0f} images, more than the original's 128."),
        (1 / _BALANCE, "Nearly: you have it upside down."),
        (None, "Not yet: divide the seconds for the bytes by the seconds for one image."),
    ],
    rtol=0.03,
)
_QUESTIONS["shuffled labels"] = Question(
    [
        (
            (0, 1),
            f"{RIGHT} It memorises the noise. Training accuracy alone says nothing about new "
            "images.",
        ),
        (
            (0, 0),
            "You're right about training. What could meaningless labels teach about new images?",
        ),
        (None, "Look at the training accuracy after more epochs: is there nothing to memorise?"),
    ],
    ("Training accuracy", "Validation accuracy"),
    "Each of the two either goes up or stays low.",
    choices=("goes up", "stays low"),
)
_QUESTIONS["forgotten ReLU"] = Question(
    [
        ((1, 1, 0, 0), f"{RIGHT} On the way back, ReLU lies between the output and these two."),
        (
            (None, None, 1, None),
            "Not yet: what comes after ReLU doesn't pass through it on the way back.",
        ),
        (
            (None, None, None, 1),
            "Not yet: what comes after ReLU doesn't pass through it on the way back.",
        ),
        (None, "Nearly: what about the other array of that layer?"),
    ],
    ("w1", "b1", "w2", "b2"),
    "The names are w1, b1, w2 and b2.",
    several=True,
)
_QUESTIONS["widths that memorise"] = Question(
    [
        (
            (0, 0, 1, 1),
            f"{RIGHT} With 64 hidden units the network has some fifty thousand parameters for a "
            "thousand labels.",
        ),
        (
            (1, None, None, None),
            "Not yet: one of these is too small. Look at the final training accuracy of each.",
        ),
        (
            (None, 1, None, None),
            "Not yet: one of these is too small. Look at the final training accuracy of each.",
        ),
        (None, "Nearly: there's one more that can."),
    ],
    (4, 16, 64, 256),
    "The widths are 4, 16, 64 and 256.",
    several=True,
)


def _ambiguous_digits() -> Question:
    labels = (7, 4, 9)
    replies: list[tuple[Any, str]] = [(labels, f"{RIGHT} The labels say 7, 4, 9.")]
    for same in sorted(product([True, False], repeat=3), key=sum, reverse=True)[1:]:
        agreed = [label if yes else None for label, yes in zip(labels, same, strict=True)]
        words = f"You agree with the labels on {sum(same)} of 3. Are you sure they are right?"
        replies.append((agreed, words))
    parts = ("First digit", "Second digit", "Third digit")
    return Question(replies, parts, "There are 3 digits.")


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers: np.ndarray = np.exp(scores) / np.exp(scores).sum()
    return powers


def _wrong_loss(p: np.ndarray, truth: int) -> list[tuple[float | None, str]]:
    """Returns losses that come of a mistake, and what they are told."""
    other = "Not yet: you took the probability of a class that isn't the true one."
    no_logarithm = "Not yet: take the logarithm of the true class's probability."
    return [
        (np.log(p[truth]), "Nearly: a loss isn't negative. The formula has a minus sign."),
        (
            -np.log10(p[truth]),
            "Nearly: use the natural logarithm (`np.log`, or the key “ln”), not base 10.",
        ),
        *((-np.log(each), other) for each in np.delete(p, truth)),
        (p[truth], no_logarithm),
        (1 - p[truth], no_logarithm),
        (None, "Not yet: the loss is minus the natural logarithm of the true class's probability."),
    ]


def _softmax_by_hand() -> Question:
    scores, truth = np.array([0.0, 1.0, 3.0]), 1
    p = _softmax(scores)
    loss = -np.log(p[truth])
    return Question(
        [
            (
                (*p, loss),
                f"{RIGHT} The true class got {p[truth]:.3f}, and the loss is {loss:.2f}.",
            ),
            *(((*p, wrong), words) for wrong, words in _wrong_loss(p, truth)),
            (
                (*(100 * p), None),
                "Nearly: those are percentages. Give probabilities between 0 and 1.",
            ),
            (
                (*(scores / scores.sum()), None),
                "Not yet: you divided the scores themselves. What does softmax do to them first?",
            ),
            (
                (*np.exp(scores), None),
                "Nearly: those are the powers of e. Now divide by their total.",
            ),
            (None, "Not yet: raise e to each score, then divide by the total of all three."),
        ],
        ("First probability", "Second probability", "Third probability", "Loss"),
        "There are three classes, so softmax gives three probabilities; the loss is one number.",
        atol=0.005,
        rtol=0.01,
    )


def _one_step_by_hand() -> Question:
    scores, truth, some = np.array([2.0, 1.0, 0.0]), 1, (None, None, None)
    p = _softmax(scores)
    slopes = p - np.eye(3)[truth]
    moved = scores - slopes
    before, after = -np.log(p[truth]), -np.log(_softmax(moved)[truth])
    return Question(
        [
            (
                (before, *moved, after),
                f"{RIGHT} One step, and the loss fell from {before:.2f} to {after:.2f}.",
            ),
            *(
                (
                    (before, *moved, wrong),
                    f"The new scores are right. Now look at the loss they give. {words}",
                )
                for wrong, words in _wrong_loss(_softmax(moved), truth)
            ),
            (
                (before, *(scores + slopes), None),
                "Nearly: that's a step up the slope. Which sign makes the loss smaller?",
            ),
            (
                (before, *(scores - p), None),
                "Nearly: the slope at the true class is its probability minus 1.",
            ),
            (
                (before, *-slopes, None),
                "Nearly: those are the changes. Add them to the old scores.",
            ),
            (
                (before, *some, None),
                "Not yet: each score moves by minus its slope, which is probability minus truth.",
            ),
            *(
                ((wrong, *some, None), f"Look at the first loss. {words}")
                for wrong, words in _wrong_loss(p, truth)
            ),
        ],
        ("Loss before", "First new score", "Second new score", "Third new score", "Loss after"),
        "The new scores are three numbers, and each loss is one.",
        atol=0.005,
        rtol=0.01,
    )


_QUESTIONS["ambiguous digits"] = _ambiguous_digits()
_QUESTIONS["softmax by hand"] = _softmax_by_hand()
_QUESTIONS["one step by hand"] = _one_step_by_hand()


# Answers that depend on what a chapter has computed ----------------------------------------------

# Of each: what it has to know of that, and the question that this makes.
_GIVEN: dict[str, tuple[Callable[..., list[Any]], Callable[..., Question]]] = {}
_Maker = Callable[..., Question]


def _given(name: str, facts: Callable[..., list[Any]]) -> Callable[[_Maker], _Maker]:
    def register(function: _Maker) -> _Maker:
        _GIVEN[name] = facts, function
        return function

    return register


@_given("least sure", lambda probabilities: np.max(probabilities, axis=1).tolist())
def _least_sure(*sure: float) -> Question:
    replies: list[tuple[Any, str]] = []
    for position, each in enumerate(sure):
        surer = sum(other < each for other in sure)
        wrong = f"Not yet: it was even less sure of {surer} other digit{'s' * (surer > 1)}."
        right = f"{RIGHT} It's number {position}, counting from 0."
        replies.append((position, wrong if surer else right))
    return Question([*replies, (None, f"Positions go from 0 to {len(sure) - 1}.")])


@_given("most confused", lambda confusion: np.asarray(confusion).tolist())
def _most_confused(*confusion: Sequence[int]) -> Question:
    errors = np.array(confusion) * ~np.eye(len(confusion), dtype=bool)
    replies: list[tuple[Any, str]] = []
    for (one, other), both_ways in np.ndenumerate(errors + errors.T):
        count = f"{both_ways} errors, counted both ways"
        words = f"Not yet: {count}, but another pair has more."
        if one == other:
            words = "That's on the diagonal, where the network was right."
        elif both_ways == (errors + errors.T).max():
            words = (
                f"{RIGHT} {one} and {other}: {count}. Look at how people write these two, and "
                "you'll see why."
            )
        replies.append(((one, other), words))
    return Question(
        [*replies, (None, f"The digits go from 0 to {len(errors) - 1}.")],
        ("One digit", "The other digit"),
        "The answer is two digits.",
    )


def _recalls(scores: Any, positive: Any) -> list[float]:
    scores, positive = np.asarray(scores), np.asarray(positive)
    recall, at_half = ((scores[positive] >= threshold).mean() for threshold in (0.8, 0.5))
    return [float(recall), float(positive[scores >= 0.8].mean()), float(at_half)]


@_given("recall at 0.8", _recalls)
def _recall_at(recall: float, precision: float, at_half: float) -> Question:
    return Question(
        [
            (recall, f"{RIGHT} It finds {recall:.1%} of the 9s."),
            (
                precision,
                "That's the precision, because you divided by the number of images called 9.",
            ),
            (at_half, "That's the recall at a threshold of 0.5."),
            (None, "Not yet: of all true 9s, how many have a probability of at least 0.8?"),
        ],
        atol=0.002,
    )


@_given("nine tenths", lambda equal: [float(equal)])
def _nine_tenths(equal: float) -> Question:
    return Question(
        [
            (9 * equal, f"{RIGHT} That's nine times as many as when both take equally long."),
            (
                10 * equal,
                "Nearly: the exchange is one tenth of the time. What about the other nine?",
            ),
            (
                0.9 * equal,
                "Not yet: if the exchange is one tenth, how many tenths must the rest be?",
            ),
            (
                None,
                "Not yet: the exchange takes the same time for any batch, but computing grows with "
                "it.",
            ),
        ],
        rtol=0.02,
    )


def _ends(mean: Mapping[int, float]) -> list[float]:
    return [float(number) for size in (min(mean), max(mean)) for number in (size, mean[size])]


@_given("images to the goal", _ends)
def _images_to_the_goal(small: float, many: float, large: float, few: float) -> Question:
    ratio = large * few / (small * many)
    return Question(
        [
            (
                ratio,
                f"{RIGHT} {ratio:.0f} times as many. That pays only where a large batch takes "
                "hardly longer than a small one.",
            ),
            (
                many / few,
                "That's how many times fewer updates it takes. How many images does each look at?",
            ),
            (1 / ratio, "Nearly: it's the other way round."),
            (None, "Not yet: each update looks at one batch. Multiply, then divide."),
        ],
        rtol=0.05,
    )


@_given("waiting time", lambda connections, per_second: [float(connections), float(per_second)])
def _waiting_time(connections: float, per_second: float) -> Question:
    wait = connections / per_second
    return Question(
        [
            (1_000 * wait, f"{RIGHT} The longer the queue, the longer the wait, in proportion."),
            (wait, "That's right in seconds; the question asks for milliseconds."),
            (
                1_000 / per_second,
                "Nearly: that's the time from one answer to the next. How many wait for theirs?",
            ),
            (
                None,
                "Not yet: that many requests are answered per second. How long does it take until "
                "everyone in the queue has been answered?",
            ),
        ],
        rtol=0.02,
    )


# Answers that are code ---------------------------------------------------------------------------


def _exercise(name: str) -> Callable[[_Check], _Check]:
    def register(function: _Check) -> _Check:
        _CHECKS[name] = function
        return function

    return register


@_exercise("centre of mass")
def _centre_of_mass(function: Any) -> str:
    images = load_mnist(Config()).train.images[:20].astype(float)
    rows, columns = np.indices(images.shape[1:])
    total = images.sum(axis=(1, 2))
    expected = np.stack(
        [(images * rows).sum(axis=(1, 2)) / total, (images * columns).sum(axis=(1, 2)) / total], 1
    )
    first = function(images[0].astype(np.uint8))
    if first is ...:
        return "No answer yet: the function returns three dots."
    found = np.array([function(image.astype(np.uint8)) for image in images], float)
    if found.shape != expected.shape:
        return "The function should return two numbers: (row, column)."
    if np.allclose(found, expected, atol=0.01):
        return (
            f"{RIGHT} In all twenty images tried, the centre lies within half a pixel of row 14, "
            "column 14."
        )
    if np.allclose(found[:, ::-1], expected, atol=0.01):
        return "Nearly: you've swapped row and column."
    if np.allclose(found, np.round(expected), atol=0.51):
        return "Nearly: don't round."
    if np.abs(found).max() > 28 or np.abs(found).min() < 1:
        return "Not yet: that's outside the image. Did you divide by all the ink?"
    return "Not yet: is each row number weighted by the ink in its row?"


@_exercise("only the seed")
def _only_the_seed(answer: Any) -> str:
    first, second = (vars(config) for config in answer)
    different = [name for name in first if first[name] != second[name]]
    if different == ["seed"]:
        if first["hidden_units"] != 256:
            return f"They differ only in the seed, but have {first['hidden_units']} hidden units."
        return f"{RIGHT} Any difference between their results is luck."
    if not different:
        return "They're identical, even in the seed."
    return f"They differ in {', '.join(different)}."


@_exercise("training loop")
def _training_loop(function: Any, loss: Any) -> str:
    images, labels = (array[:300] for array in load_mnist(Config()).validation)
    rate, batch_size, num_epochs = 0.1, 128, 3
    rng = np.random.default_rng(0)
    start = {
        "w1": jnp.asarray(rng.normal(0, 0.05, (784, 16)), jnp.float32),
        "b1": jnp.zeros(16),
        "w2": jnp.asarray(rng.normal(0, 0.3, (16, 10)), jnp.float32),
        "b2": jnp.zeros(10),
    }
    found = function(dict(start), images, labels, rate, batch_size, num_epochs)
    if found is ...:
        return "No answer yet: the function returns three dots."
    if not isinstance(found, Mapping) or set(found) != set(start):
        return "The function should return the weights: a dictionary with w1, b1, w2 and b2."
    found = {name: jnp.asarray(found[name]) for name in start}
    if any(found[name].shape != start[name].shape for name in start):
        return "Not yet: an array has changed its shape. Subtract the slope of the same name."
    if not all(np.isfinite(array).all() for array in found.values()):
        return "Not yet: some weights are no longer finite numbers. Is a step too large?"

    gradient = jax.jit(jax.grad(loss))
    every = [(images[i : i + batch_size], labels[i : i + batch_size]) for i in range(0, 300, 128)]

    def trained(batches: Sequence[Any], rate: float = rate, stale: bool = False) -> dict[str, Any]:
        weights = start
        for batch in batches:
            slopes = gradient(start if stale else weights, *batch)
            weights = {name: weights[name] - rate * slopes[name] for name in start}
        return weights

    def same(weights: Mapping[str, Any]) -> bool:
        return all(np.allclose(found[name], weights[name], atol=1e-5) for name in start)

    before, after = (float(loss(weights, images, labels)) for weights in (start, found))
    if same(trained(num_epochs * every)):
        return (
            f"{RIGHT} Nine updates took the loss from {before:.2f} to {after:.2f}, and this is "
            "all that training is."
        )
    mistakes: list[tuple[list[Any], dict[str, Any], str]] = [
        ([], {}, "Not yet: the weights come back unchanged. Do you keep the corrected ones?"),
        (
            num_epochs * every,
            {"rate": -rate},
            "Nearly: you step up the slope. Subtract instead of adding.",
        ),
        (every, {}, "Nearly: that's a single epoch. Is `return` inside the outer loop?"),
        (every[:1], {}, "Nearly: that's a single batch. Is `return` inside the loops?"),
        (
            num_epochs * every[:1],
            {},
            "Not yet: every step sees the first batch. Move on to the next.",
        ),
        (
            num_epochs * every[:-1],
            {},
            "Nearly: the last batch, which is smaller, has been left out.",
        ),
        (
            num_epochs * every,
            {"rate": 1.0},
            "Nearly: the slopes aren't multiplied by the learning rate.",
        ),
        (
            num_epochs * every,
            {"stale": True},
            "Not yet: the slopes are those of the initial weights. They change with every step.",
        ),
        (
            num_epochs * [(images, labels)],
            {},
            "Not yet: each step looks at all the images. Take one batch at a time.",
        ),
    ]
    for batches, changed, words in mistakes:
        if same(trained(batches, **changed)):
            return words
    if any(np.array_equal(found[name], start[name]) for name in start):
        return "Not yet: at least one of the four arrays hasn't changed."
    return (
        f"Not yet: the loss went from {before:.2f} to {after:.2f}, but these aren't the weights "
        "that the nine updates lead to. Does each step subtract the learning rate times the slope?"
    )


@_exercise("slope of tanh")
def _slope_of_tanh(function: Any) -> str:
    units = np.tanh(np.linspace(-2, 2, 9))
    found = function(units.copy())
    if found is ...:
        return "No answer yet: the function returns three dots."
    found = np.asarray(found, float)
    if found.shape != units.shape:
        return "The function should return one slope for each unit."
    if np.allclose(found, 1 - units**2, atol=1e-6):
        return f"{RIGHT} Where a unit is close to 1 or −1, hardly any blame gets through."
    if np.allclose(found, units > 0):
        return "That's the slope of ReLU, which is 1 where a unit is active. How steep is tanh?"
    if np.allclose(found, 1 - np.tanh(units) ** 2, atol=1e-6):
        return "Nearly: `units` has been through tanh already. Don't apply it twice."
    return "Not yet: look at tanh near 0, where it is steepest, and far out, where it is flat."


@_exercise("centre it")
def _centre_it(function: Any) -> str:
    images = load_mnist(Config()).validation.images[:20]
    moved = np.pad(images, [(0, 0), (3, 0), (0, 4)])[:, :28, 4:]
    rows, columns = np.indices((28, 28))
    for image in moved:
        found = function(image.copy())
        if found is ...:
            return "No answer yet: the function returns three dots."
        found = np.asarray(found, float)
        if found.shape != (28, 28):
            return "The function should return an image of 28 × 28 pixels."
        if not np.isclose(found.sum(), image.sum()):
            return "Not yet: some ink was lost or added on the way."
        far = [(axis * found).sum() / found.sum() - 14 for axis in (rows, columns)]
        if np.abs(far).max() > 0.51:
            return (
                f"Not yet: one image is still {abs(far[0]):.1f} rows and {abs(far[1]):.1f} "
                "columns off."
            )
    return f"{RIGHT} All the centres now lie within half a pixel of row 14 and column 14."


@_exercise("ordinary momentum")
def _ordinary_momentum(function: Any) -> str:
    rng = np.random.default_rng(0)
    w, v = rng.normal(size=(2, 5))
    expected = [w, v]
    for gradient in rng.normal(size=(3, 5)):
        found = function(w, v, gradient)
        if found is ...:
            return "No answer yet: the function returns three dots."
        w, v = found
        velocity = 0.9 * expected[1] + gradient
        ahead = expected[0] - 0.006 * (gradient + 0.9 * velocity)
        expected = [expected[0] - 0.006 * velocity, velocity]
        if np.allclose(w, ahead, atol=1e-6):
            return "That's Nesterov's step. Ordinary momentum doesn't look ahead."
        if not np.allclose(v, velocity, atol=1e-6):
            return "Not yet: the velocity keeps 0.9 of itself and adds the gradient."
        if not np.allclose(w, expected[0], atol=1e-6):
            return (
                "The velocity is right. Now subtract the learning rate times the velocity from the "
                "weights."
            )
    return f"{RIGHT} Three steps in a row match those of ordinary momentum."


class _Work:
    """Acts as a function on its own clock: compiling takes 100 s, and each result 1 s."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, 0

    def __call__(self) -> "_Work":
        self.now += 0 if self.calls else 100
        self.calls += 1
        return self

    def block_until_ready(self) -> "_Work":
        self.now += 1
        return self


@_exercise("honest clock")
def _honest_clock(function: Any) -> str:
    work = _Work()
    with mock.patch("time.perf_counter", lambda: work.now):
        found = function(work)
    if found is ...:
        return "No answer yet: the function returns three dots."
    if work.calls < 2:
        return "Not yet: the first call compiles. Time a second one."
    if found >= 100:
        return "Not yet: your time includes the compilation."
    if found < 1:
        return (
            "Not yet: did you wait for the result before you stopped the clock? (The clock is "
            "`time.perf_counter`.)"
        )
    if found > 1:
        return "Nearly: wait for the first call too, before you start the clock."
    return f"{RIGHT} You compiled first and waited at the end."


@_exercise("dark ink")
def _dark_ink(answer: Any, examples: Any) -> str:
    images = np.asarray(getattr(answer[0], "images", answer[0]))
    if images.shape != examples.images.shape:
        return f"Not yet: that folder has {len(examples.images)} images of 28 × 28 pixels."
    if np.array_equal(images, 255 - examples.images):
        return "Nearly: the paper is still white, and the network would take it for ink."
    if np.array_equal(images, examples.images):
        return f"{RIGHT} These are the drawn digits again, pixel for pixel."
    return "Not yet: these are different images."


@_exercise("without JAX")
def _without_jax(function: Any, weights: dict[str, np.ndarray]) -> str:
    images = load_mnist(Config()).validation.images[:100]
    found = function(weights, images.copy())
    if found is ...:
        return "No answer yet: the function returns three dots."
    found = np.asarray(found, float)
    if found.shape != (len(images), 10):
        return "The function should return ten scores for each image."
    names = ("hidden.kernel", "hidden.bias", "output.kernel", "output.bias")
    w1, b1, w2, b2 = (np.float64(weights[f"model.{name}"]) for name in names)

    def is_made_by(scale: float = 255, corner: float = 0, b1: Any = b1, b2: Any = b2) -> bool:
        hidden = np.maximum(images.reshape(len(images), -1) / scale @ w1 + b1, corner)
        return np.allclose(found, hidden @ w2 + b2, rtol=1e-3, atol=1e-3)

    if is_made_by():
        return f"{RIGHT} These are the scores that softmax turns into probabilities."
    if is_made_by(scale=1):
        return "Nearly: the network was trained on ink from 0 to 1, and the pixels go to 255."
    if is_made_by(corner=-np.inf):
        return "Nearly: what happens to negative numbers between the two layers?"
    if is_made_by(b1=0) or is_made_by(b2=0) or is_made_by(b1=0, b2=0):
        return "Nearly: each layer has biases, too."
    return "Not yet: divide by 255, multiply and add, cut off below 0, multiply and add."

"""Checks the reader's answers, and says in words what is right or wrong, never the solution."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
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
_CHECKS: dict[str, _Check] = {}


def check(exercise: str, answer: Any, *given: Any) -> Markdown:
    """Tells whether an answer to an exercise is right, without giving it away.

    Args:
      exercise: the name of the exercise, as the chapter gives it.
      answer: the reader's answer; `...` if there is none yet.
      given: what the chapter has computed and the check needs.

    Returns:
      A sentence for the reader.

    Raises:
      ValueError: if no exercise has that name.
    """
    if exercise not in _CHECKS:
        raise ValueError(f"no exercise is called {exercise!r}; the names are {sorted(_CHECKS)}")
    if answer is ... or (isinstance(answer, tuple) and any(part is ... for part in answer)):
        return Markdown("No answer yet: put yours in place of the three dots, and run the cell.")
    try:
        return Markdown(_CHECKS[exercise](answer, *given))
    except Exception as error:  # whatever a reader has typed
        return Markdown(
            f"This answer can't be checked ({error}). "
            "What kind of answer does the exercise ask for?"
        )


def _exercise(name: str) -> Callable[[_Check], _Check]:
    def register(function: _Check) -> _Check:
        _CHECKS[name] = function
        return function

    return register


@_exercise("least sure")
def _least_sure(answer: Any, probabilities: Any) -> str:
    sure = np.asarray(probabilities).max(axis=1)
    if not 0 <= int(answer) < len(sure):
        return f"Positions go from 0 to {len(sure) - 1}."
    if sure[int(answer)] == sure.min():
        return f"{RIGHT} It's number {int(answer)}, counting from 0."
    surer = int((sure < sure[int(answer)]).sum())
    return f"Not yet: it was even less sure of {surer} other digit{'s' * (surer > 1)}."


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
        return f"{RIGHT} All twenty centres lie within half a pixel of row 14, column 14."
    if np.allclose(found[:, ::-1], expected, atol=0.01):
        return "Nearly: you've swapped row and column."
    if np.allclose(found, np.round(expected), atol=0.51):
        return "Nearly: don't round."
    if np.abs(found).max() > 28 or np.abs(found).min() < 1:
        return "Not yet: that's outside the image. Did you divide by all the ink?"
    return "Not yet: is each row number weighted by the ink in its row?"


@_exercise("ambiguous digits")
def _ambiguous(answer: Any) -> str:
    labels = load_mnist(Config()).validation.labels[AMBIGUOUS]
    if len(answer) != len(labels):
        return f"There are {len(labels)} digits."
    same = int((np.asarray(answer) == labels).sum())
    if same == len(labels):
        return f"{RIGHT} The labels say {', '.join(map(str, labels))}."
    return f"You agree with the labels on {same} of {len(labels)}. Are you sure they are right?"


@_exercise("updates at batch 32")
def _updates(answer: Any) -> str:
    if answer == 1_719:
        return f"{RIGHT} 1,719 updates."
    if answer == 1_718 or answer == 55_000 / 32:
        return "Nearly: what happens to the images that don't fill a batch?"
    if answer == 1_875:
        return "That's the number for 60,000 images. Here, 5,000 of them are held out."
    return "Not yet: how many batches of 32 does it take to see every image?"


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


@_exercise("parameters at 256 units")
def _parameters(answer: Any) -> str:
    if answer == 203_530:
        return f"{RIGHT} 203,530."
    if answer == 203_264:
        return "Nearly: those are the weights. Each unit has a bias as well."
    if answer == 200_960:
        return "Nearly: that's the hidden layer. What comes after it?"
    return "Not yet: count the lines in the drawing, then the units they lead to."


@_exercise("softmax by hand")
def _softmax_by_hand(answer: Any) -> str:
    scores, truth = np.array([0.0, 1.0, 3.0]), 1
    given, loss = np.asarray(answer[0], float), float(answer[1])
    p = _softmax(scores)
    if given.shape != (3,):
        return "There are three classes, so softmax gives three probabilities."
    if np.allclose(given, 100 * p, atol=0.5):
        return "Nearly: those are percentages. Give probabilities between 0 and 1."
    if np.allclose(given, scores / scores.sum(), atol=0.005):
        return "Not yet: you divided the scores themselves. What does softmax do to them first?"
    if np.allclose(given, np.exp(scores), rtol=0.01):
        return "Nearly: those are the powers of e. Now divide by their total."
    if not np.allclose(given, p, atol=0.005):
        return "Not yet: raise e to each score, then divide by the total of all three."
    return _wrong_loss(loss, p, truth) or (
        f"{RIGHT} The true class got {p[truth]:.3f}, and the loss is {-np.log(p[truth]):.2f}."
    )


@_exercise("one step by hand")
def _one_step_by_hand(answer: Any) -> str:
    scores, truth = np.array([2.0, 1.0, 0.0]), 1
    p = _softmax(scores)
    slopes = p - np.eye(3)[truth]
    before, moved, after = float(answer[0]), np.asarray(answer[1], float), float(answer[2])
    wrong = _wrong_loss(before, p, truth)
    if wrong:
        return f"Look at the first loss. {wrong}"
    if moved.shape != (3,):
        return "The loss before the step is right. The new scores are three numbers."
    if np.allclose(moved, scores + slopes, atol=0.005):
        return "Nearly: that's a step up the slope. Which sign makes the loss smaller?"
    if np.allclose(moved, scores - p, atol=0.005):
        return "Nearly: the slope at the true class is its probability minus 1."
    if np.allclose(moved, -slopes, atol=0.005):
        return "Nearly: those are the changes. Add them to the old scores."
    if not np.allclose(moved, scores - slopes, atol=0.005):
        return "Not yet: each score moves by minus its slope, which is probability minus truth."
    wrong = _wrong_loss(after, _softmax(moved), truth)
    if wrong:
        return f"The new scores are right. Now look at the loss they give. {wrong}"
    return f"{RIGHT} One step, and the loss fell from {before:.2f} to {after:.2f}."


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers: np.ndarray = np.exp(scores) / np.exp(scores).sum()
    return powers


def _wrong_loss(loss: float, p: np.ndarray, truth: int) -> str:
    """Says what is wrong with a loss; empty if it's right."""
    if np.isclose(loss, -np.log(p[truth]), atol=0.01):
        return ""
    if np.isclose(loss, np.log(p[truth]), atol=0.01):
        return "Nearly: a loss isn't negative. The formula has a minus sign."
    if np.isclose(loss, -np.log10(p[truth]), atol=0.01):
        return "Nearly: use the natural logarithm (`np.log`, or the key “ln”), not base 10."
    if np.isclose(loss, -np.log(p), atol=0.01).any():
        return "Not yet: you took the probability of a class that isn't the true one."
    if np.isclose(loss, p[truth], atol=0.01) or np.isclose(loss, 1 - p[truth], atol=0.01):
        return "Not yet: take the logarithm of the true class's probability."
    return "Not yet: the loss is minus the natural logarithm of the true class's probability."


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


@_exercise("all weights zero")
def _all_weights_zero(answer: Any) -> str:
    if answer == 10:
        return (
            f"{RIGHT} Only the ten biases of the output layer. Hidden units and output weights are "
            "all 0, and the slope of each weight is a product with one of them."
        )
    if answer == 0:
        return "Nearly: which numbers still get a slope when all hidden units give 0?"
    return "Not yet: what do the hidden units give when all their weights are 0?"


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


@_exercise("shuffled labels")
def _shuffled_labels(answer: Any) -> str:
    training, validation = (str(words).lower() for words in answer)
    if "up" in training and ("low" in validation or "down" in validation):
        return (
            f"{RIGHT} It memorises the noise. Training accuracy alone says nothing about new "
            "images."
        )
    if "up" not in training:
        return "Look at the training accuracy after more epochs: is there nothing to memorise?"
    return "You're right about training. What could meaningless labels teach about new images?"


@_exercise("most confused")
def _most_confused(answer: Any, confusion: Any) -> str:
    errors = np.asarray(confusion) * ~np.eye(len(confusion), dtype=bool)
    both_ways = errors + errors.T
    one, other = (int(digit) for digit in answer)
    if one == other:
        return "That's on the diagonal, where the network was right."
    count = f"{both_ways[one, other]} errors, counted both ways"
    if both_ways[one, other] == both_ways.max():
        return f"{RIGHT} {count}. Look at how people write these two, and you'll see why."
    return f"Not yet: {count}, but another pair has more."


@_exercise("recall at 0.8")
def _recall_at(answer: Any, scores: Any, positive: Any) -> str:
    scores, positive = np.asarray(scores), np.asarray(positive)
    if np.isclose(answer, (scores[positive] >= 0.8).mean(), atol=0.002):
        return f"{RIGHT} It finds {float(answer):.1%} of the 9s."
    if np.isclose(answer, positive[scores >= 0.8].mean(), atol=0.002):
        return "That's the precision, because you divided by the number of images called 9."
    if np.isclose(answer, (scores[positive] >= 0.5).mean(), atol=0.002):
        return "That's the recall at a threshold of 0.5."
    return "Not yet: of all true 9s, how many have a probability of at least 0.8?"


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
    return f"{RIGHT} All of them lie within half a pixel of row 14 and column 14."


@_exercise("eighty images")
def _eighty_images(answer: Any) -> str:
    if answer == 50:
        return (
            f"{RIGHT} 50 against 30, the coins of chapter 6. Fair ones fall at least that "
            f"unevenly in {mcnemar(50, 30):.1%} of cases, so this gap is hardly luck."
        )
    if answer == 30:
        return "Nearly: that's the number of the other network."
    if answer == 20:
        return "That's the gap. How do 80 images split so that one part is 20 larger?"
    return "Not yet: two numbers add up to 80 and differ by 20. Which is the larger?"


@_exercise("forgotten ReLU")
def _forgotten_relu(answer: Any) -> str:
    names = {answer} if isinstance(answer, str) else set(answer)
    if not names <= {"w1", "b1", "w2", "b2"}:
        return "The names are w1, b1, w2 and b2."
    if names == {"w1", "b1"}:
        return f"{RIGHT} On the way back, ReLU lies between the output and these two."
    if names & {"w2", "b2"}:
        return "Not yet: what comes after ReLU doesn't pass through it on the way back."
    return "Nearly: what about the other array of that layer?"


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


@_exercise("bytes on the ring")
def _bytes_on_the_ring(answer: Any) -> str:
    if answer == 4_770_060:
        return f"{RIGHT} 4,770,060 bytes, in six messages of a quarter of the gradient."
    if answer == 3_180_040:
        return "That's the gradient itself. How often, and how much of it, does a device send?"
    if answer == 2_385_030:
        return "Nearly: that's once round the ring. The finished sums have to go round as well."
    if answer in (6_360_080, 1_192_515):
        return "Nearly: of four parts, how many does a device send each time round?"
    return "Not yet: it's four bytes per number, and twice round the ring in four parts."


@_exercise("nine tenths")
def _nine_tenths(answer: Any, equal: float) -> str:
    if np.isclose(answer, 9 * equal, rtol=0.02):
        return f"{RIGHT} That's nine times as many as when both take equally long."
    if np.isclose(answer, 10 * equal, rtol=0.02):
        return "Nearly: the exchange is one tenth of the time. What about the other nine?"
    if np.isclose(answer, 0.9 * equal, rtol=0.02):
        return "Not yet: if the exchange is one tenth, how many tenths must the rest be?"
    return "Not yet: the exchange takes the same time for any batch, but computing grows with it."


@_exercise("balanced batch")
def _balanced_batch(answer: Any) -> str:
    images = 24 * 795_010 / 320e9 * 8.1e12 / (4 * 784_000 + 6 * 10_000)
    if np.isclose(answer, images, rtol=0.03):
        return f"{RIGHT} It's about {images:.0f} images, more than the original's 128."
    if np.isclose(answer, 1 / images, rtol=0.03):
        return "Nearly: you have it upside down."
    return "Not yet: divide the seconds for the bytes by the seconds for one image."


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


@_exercise("numbers of a ConvNet")
def _numbers_of_a_convnet(answer: Any) -> str:
    kernels, norms, output = 8_264, 144, 1_290
    if int(answer) == kernels + norms + output:
        return f"{RIGHT} Less than an eightieth of chapter 5's network."
    if int(answer) == kernels + output:
        return "Nearly: batch norm learns two numbers for each channel."
    if int(answer) == kernels + norms + output - 10:
        return "Nearly: the output layer has biases too."
    return "Not yet: a kernel has one layer of weights for every input channel."


@_exercise("images to the goal")
def _images_to_the_goal(answer: Any, mean: Any) -> str:
    sizes, updates = sorted(mean), [mean[size] for size in sorted(mean)]
    ratio = sizes[-1] * updates[-1] / (sizes[0] * updates[0])
    if np.isclose(float(answer), ratio, rtol=0.05):
        return f"{RIGHT} {ratio:.0f} times as many: that pays only where a large batch is as quick."
    if np.isclose(float(answer), updates[0] / updates[-1], rtol=0.05):
        return "That's how many times fewer updates it takes. How many images does each look at?"
    if np.isclose(float(answer), 1 / ratio, rtol=0.05):
        return "Nearly: it's the other way round."
    return "Not yet: each update looks at one batch. Multiply, then divide."


@_exercise("widths that memorise")
def _widths_that_memorise(answer: Any) -> str:
    widths = {int(units) for units in np.atleast_1d(answer)}
    if not widths <= {4, 16, 64, 256}:
        return "The widths are 4, 16, 64 and 256."
    if widths == {64, 256}:
        return (
            f"{RIGHT} With 64 hidden units the network has some fifty thousand parameters for a "
            "thousand labels."
        )
    if widths & {4, 16}:
        return "Not yet: one of these is too small. Look at the final training accuracy of each."
    return "Nearly: there's one more that can."


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


@_exercise("three classes")
def _three_classes(answer: Any) -> str:
    hidden = 784 * 1_000 + 1_000
    if int(answer) == hidden + 1_000 * 3 + 3:
        return f"{RIGHT} {int(answer):,}: only the output layer became smaller."
    if int(answer) == hidden + 1_000 * 10 + 10:
        return "That's the network with ten classes."
    if int(answer) == hidden + 1_000 * 3:
        return "Nearly: the output layer has biases too."
    return "Not yet: which layer knows how many classes there are?"


@_exercise("waiting time")
def _waiting_time(answer: Any, connections: int, per_second: float) -> str:
    wait = connections / per_second
    if np.isclose(answer, 1_000 * wait, rtol=0.02):
        return f"{RIGHT} The longer the queue, the longer the wait, in proportion."
    if np.isclose(answer, wait, rtol=0.02):
        return "That's right in seconds; the question asks for milliseconds."
    if np.isclose(answer, 1_000 / per_second, rtol=0.02):
        return "Nearly: that's the time from one answer to the next. How many wait for theirs?"
    return (
        "Not yet: that many requests are answered per second. How long does it take until everyone "
        "in the queue has been answered?"
    )


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


@_exercise("fewest discordant images")
def _fewest_discordant(answer: Any) -> str:
    if answer == 6:
        return f"{RIGHT} Six coins all fall on one side in {mcnemar(0, 6):.1%} of cases."
    if answer == 5:
        return "Nearly: five coins can all fall on one side or on the other. Count both."
    return "Not yet: how often do that many fair coins all fall on the same side?"


@_exercise("same stride")
def _same_stride(answer: Any) -> str:
    if np.isclose(float(answer), 0.5):
        return f"{RIGHT} 0.03 / (1 − 0.5) is 0.06, and so is 0.006 / (1 − 0.9)."
    if np.isclose(float(answer), 0.06):
        return "That's the stride. Which momentum m makes 0.03 / (1 − m) as large?"
    return "Not yet: rate / (1 − momentum) should be the same for both."

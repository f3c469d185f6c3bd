"""Checks of the reader's answers: what is right or wrong in words, never the solution."""

from collections.abc import Callable
from typing import Any

import numpy as np
from IPython.display import Markdown

from mnist_tutorial.config import Config
from mnist_tutorial.data import load_mnist

# Validation images that are hard to read.
AMBIGUOUS = [86, 2709, 825]

RIGHT = "Right."
_CHECKS: dict[str, Callable[..., str]] = {}


def check(exercise: str, answer: Any, *given: Any) -> Markdown:
    """Tells whether an answer to an exercise is right, without giving it away.

    Args:
      exercise: its name, as it stands in the chapter.
      answer: the reader's answer; `...` where there is none yet.
      given: what the chapter has computed and the check needs.

    Returns:
      A sentence for the reader.

    Raises:
      ValueError: there is no exercise of that name.
    """
    if exercise not in _CHECKS:
        raise ValueError(f"no exercise is called {exercise!r}; there are {sorted(_CHECKS)}")
    if answer is ... or (isinstance(answer, tuple) and any(part is ... for part in answer)):
        return Markdown("No answer yet: put yours in place of the three dots, and run the cell.")
    try:
        return Markdown(_CHECKS[exercise](answer, *given))
    except Exception as error:  # whatever a reader may have typed
        return Markdown(f"This answer can't be read ({error}). What kind of answer is asked for?")


def _exercise(name: str) -> Callable:
    def register(function: Callable[..., str]) -> Callable[..., str]:
        _CHECKS[name] = function
        return function

    return register


@_exercise("least sure")
def _least_sure(answer, probabilities):
    sure = np.asarray(probabilities).max(axis=1)
    if not 0 <= int(answer) < len(sure):
        return f"Positions go from 0 to {len(sure) - 1}."
    if sure[int(answer)] == sure.min():
        return f"{RIGHT} It is number {int(answer)}, counted from 0."
    surer = int((sure < sure[int(answer)]).sum())
    return f"Not yet: of {surer} other digit{'s' * (surer > 1)} it was even less sure."


@_exercise("centre of mass")
def _centre_of_mass(function):
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
        return f"{RIGHT} All of them lie within a pixel and a half of the middle, 13.5."
    if np.allclose(found[:, ::-1], expected, atol=0.01):
        return "Nearly: row and column have changed places."
    if np.allclose(found, np.round(expected), atol=0.51):
        return "Nearly: don't round."
    if np.abs(found).max() > 28 or np.abs(found).min() < 1:
        return "Not yet: that is outside the image. Did you divide by all the ink?"
    return "Not yet: does each row number count as often as its row has ink?"


@_exercise("ambiguous digits")
def _ambiguous(answer):
    labels = load_mnist(Config()).validation.labels[AMBIGUOUS]
    if len(answer) != len(labels):
        return f"There are {len(labels)} digits."
    same = int((np.asarray(answer) == labels).sum())
    if same == len(labels):
        return f"{RIGHT} The labels say {', '.join(map(str, labels))}."
    return f"You agree with the labels on {same} of {len(labels)}. Are you sure they are right?"


@_exercise("updates at batch 32")
def _updates(answer):
    if answer == 1_719:
        return f"{RIGHT} 1,719 updates."
    if answer == 1_718 or answer == 55_000 / 32:
        return "Nearly: what becomes of the images that don't fill a batch?"
    if answer == 1_875:
        return "That is for 60,000 images. Here, 5,000 are held out."
    return "Not yet: how many batches of 32 does it take until every image was seen?"


@_exercise("only the seed")
def _only_the_seed(answer):
    first, second = (vars(config) for config in answer)
    different = [name for name in first if first[name] != second[name]]
    if different == ["seed"]:
        if first["hidden_units"] != 256:
            return f"They differ in the seed alone, but have {first['hidden_units']} hidden units."
        return f"{RIGHT} Whatever differs between their results is luck."
    if not different:
        return "They are the same in everything, the seed too."
    return f"They differ in {', '.join(different)}."


@_exercise("parameters at 256 units")
def _parameters(answer):
    if answer == 203_530:
        return f"{RIGHT} 203,530."
    if answer == 203_264:
        return "Nearly: these are the weights. Each unit has a bias as well."
    if answer == 200_960:
        return "Nearly: that is the hidden layer. What comes after it?"
    return "Not yet: count the lines in the drawing, then the units they lead to."


@_exercise("all weights zero")
def _all_weights_zero(answer):
    if answer == 10:
        return (
            f"{RIGHT} Only the ten biases of the output. Every hidden unit gives 0, and the "
            "gradient of every weight is a product with one of these zeros."
        )
    if answer == 0:
        return "Nearly: which numbers still get a gradient when all hidden units give 0?"
    return "Not yet: what do the hidden units give when all their weights are 0?"


@_exercise("best of three rates")
def _best_rate(answer):
    if answer == 0.06:
        return f"{RIGHT} In three epochs the larger steps get further. Would ten times more?"
    if answer in (0.006, 0.0006):
        return "Not this one. Did all three runs have the same seed and the same epochs?"
    return "The answer is one of the three rates: 0.0006, 0.006 or 0.06."


@_exercise("shuffled labels")
def _shuffled_labels(answer):
    training, validation = (str(words).lower() for words in answer)
    if "up" in training and ("low" in validation or "down" in validation):
        return (
            f"{RIGHT} It learns the noise by heart. A training accuracy alone says nothing about "
            "new images."
        )
    if "up" not in training:
        return "Look at the training accuracy after more epochs: is there nothing to memorise?"
    return "Right for training. What could labels without meaning teach about new images?"


@_exercise("most confused")
def _most_confused(answer, confusion):
    errors = np.asarray(confusion) * ~np.eye(len(confusion), dtype=bool)
    truth, said = (int(k) for k in answer)
    if truth == said:
        return "That is on the diagonal: these were answered right."
    if errors[truth, said] == errors.max():
        return f"{RIGHT} Look at how people write them."
    if errors[said, truth] == errors.max():
        return "Nearly: the truth comes first, then the network's answer."
    return f"Not yet: {errors[truth, said]} errors, and there is a pair with more."


@_exercise("recall above 0.9")
def _recall_above(answer, scores, positive):
    scores, positive = np.asarray(scores), np.asarray(positive)
    if np.isclose(answer, (scores[positive] > 0.9).mean(), atol=0.002):
        return f"{RIGHT} {float(answer):.1%} of the 9s."
    if np.isclose(answer, positive[scores > 0.9].mean(), atol=0.002):
        return "That is the precision: you divided by what was called 9."
    if np.isclose(answer, (scores[positive] > 0.5).mean(), atol=0.002):
        return "That is the recall at the threshold 0.5."
    return "Not yet: of all true 9s, how many have a probability above 0.9?"


@_exercise("centre it")
def _centre_it(function):
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
        far = [(axis * found).sum() / found.sum() - 13.5 for axis in (rows, columns)]
        if np.abs(far).max() > 0.51:
            return (
                f"Not yet: one image still lies {abs(far[0]):.1f} rows and {abs(far[1]):.1f} "
                "columns off the middle."
            )
    return f"{RIGHT} All of them lie within half a pixel of the middle."


@_exercise("two tenths of a percent")
def _two_tenths(answer):
    if answer == 20:
        return f"{RIGHT} 20 images."
    if answer in (270, 290):
        return "That is how many one of them got wrong. And the difference?"
    return "Not yet: what is 0.2 % of 10,000?"

"""Going further: clothes in place of digits, and which means of training carry over to them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mnist_tutorial.data import Dataset, Examples
from mnist_tutorial.further.recipes import RECIPES, Recipe

RESULTS = Path(__file__).parent / "results"
MEASURED, PICTURES = RESULTS / "fashion.json", RESULTS / "fashion.png"
# In the order of the labels, in words for the titles of pictures.
CLASSES = (
    "T-shirt", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


class Way(NamedTuple):
    """How to train on clothes.

    Attributes:
      recipe: None trains by the original's figures.
      mirrored: whether every training image is shown mirrored too. That doubles an epoch's
        updates, so these recipes have half as many epochs.
    """

    recipe: Recipe | None
    mirrored: bool = False


BETTER = RECIPES["better"]
STILL = replace(BETTER, shift=0.0, rotation=0.0, scale=0.0)
SHORT = replace(STILL, config=replace(STILL.config, num_epochs=8))
WAYS = {
    "original": Way(None),
    "better": Way(BETTER),
    "better, not moved": Way(STILL),
    "better, moved by a pixel": Way(replace(STILL, shift=1.0)),
    "better, mirrored": Way(SHORT, mirrored=True),
    "better, mirrored and moved by a pixel": Way(replace(SHORT, shift=1.0), mirrored=True),
}
CHOSEN = "better, not moved"  # by validation images


def mirror(data: Dataset) -> Dataset:
    """Adds the mirror image of every training image."""
    images, labels = data.train
    both = Examples(np.concatenate([images, images[:, :, ::-1]]), np.tile(labels, 2))
    return data._replace(train=both)


def pictures() -> np.ndarray:
    """Reads the first training image of each class, (10, 28, 28) uint8, without the data set."""
    with Image.open(PICTURES) as row:
        return np.asarray(row).reshape(28, 10, 28).swapaxes(0, 1)


def measured() -> dict[str, Any]:
    """Reads what `python -m benchmarks.fashion --save` found.

    Returns:
      `num_train`, what it ran on, and `runs`: of each way and seed the `train_accuracy` and the
      `validation_accuracy` in the last epoch.
    """
    found: dict[str, Any] = json.loads(MEASURED.read_text())
    return found

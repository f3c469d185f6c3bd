"""Two published findings on a small scale: what is run, and what was found.

Each of EXPERIMENTS is run by `python -m benchmarks.lab`, minutes in all, and its results are
stored in `results/experiments` in the form in which `sweeps.run` stores them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, Examples
from mnist_tutorial.further.sweeps import Row, grid, load_rows, subset

STORED = Path(__file__).parent / "results" / "experiments"


class Experiment(NamedTuple):
    """What `sweeps.run` needs: the configurations, the data, and what to keep."""

    configs: list[Config]
    data: Dataset
    keep: tuple[str, ...]


GOAL = 0.9  # validation accuracy
# Epochs for each batch size: enough for the slower optimiser to reach the goal.
BATCHES = {16: 6, 32: 6, 64: 8, 128: 10, 256: 14, 512: 20, 1024: 36, 2048: 60, 4096: 120}
# The rates tried with each momentum, for batches up to 128 and for larger ones. A step with
# momentum 0.9 goes on ten times as far.
RATES = {
    0.0: ([0.1, 0.2, 0.4, 0.8], [0.2, 0.4, 0.8, 1.6]),
    0.9: ([0.01, 0.02, 0.04, 0.08, 0.16, 0.32], [0.08, 0.16, 0.32, 0.64]),
}


def batch_sizes(data: Dataset) -> Experiment:
    """Updates needed against batch size, with and without momentum (Shallue et al. 2019)."""
    base = Config(hidden_units=32, l2=0.0)
    configs = [
        config
        for size, epochs in BATCHES.items()
        for momentum, rates in RATES.items()
        for config in grid(
            base,
            batch_size=size,
            num_epochs=epochs,
            momentum=momentum,
            learning_rate=rates[size > 128],
            seed=range(5),
        )
    ]
    return Experiment(configs, subset(data, num_train=4_096), ("validation_accuracy",))


def memorise(data: Dataset, change: Callable[[Examples], Examples]) -> Experiment:
    """Memorises 1,000 examples after something was done to them (Zhang et al. 2017)."""
    base = Config(hidden_units=256, batch_size=20, num_epochs=40, learning_rate=0.02, l2=0.0)
    few = subset(data, num_train=1_000)
    keep = ("train_loss", "train_accuracy", "validation_accuracy")
    return Experiment(grid(base, seed=range(5)), few._replace(train=change(few.train)), keep)


def corrupted(share: float) -> Callable[[Examples], Examples]:
    """Gives each image, with this probability, a label drawn at random."""

    def change(examples: Examples) -> Examples:
        rng = np.random.default_rng(0)
        anew = rng.random(len(examples.labels)) < share
        drawn = rng.integers(10, size=len(examples.labels), dtype=np.int32)
        return examples._replace(labels=np.where(anew, drawn, examples.labels))

    return change


def shuffled_pixels(examples: Examples) -> Examples:
    """The same new order of pixels for all images."""
    flat = examples.images.reshape(len(examples.images), -1)
    order = np.random.default_rng(0).permutation(flat.shape[1])
    return examples._replace(images=flat[:, order].reshape(examples.images.shape))


def noise(examples: Examples) -> Examples:
    """Normal noise with the mean and deviation of all pixels, cut off at black and white."""
    images = examples.images
    drawn = np.random.default_rng(0).normal(images.mean(), images.std(), images.shape)
    return examples._replace(images=drawn.clip(0, 255).astype(np.uint8))


EXPERIMENTS: dict[str, Callable[[Dataset], Experiment]] = {
    "batch-sizes": batch_sizes,
    "shuffled-pixels": lambda data: memorise(data, shuffled_pixels),
    "noise": lambda data: memorise(data, noise),
} | {
    f"random-labels-{percent}": lambda data, percent=percent: memorise(
        data, corrupted(percent / 100)
    )
    for percent in (0, 25, 50, 75, 100)
}


def stored(name: str) -> list[Row]:
    """What `python -m benchmarks.lab --save` found in one of EXPERIMENTS, here or in `settings`.

    Raises:
      CheckpointError: it isn't there, or damaged.
    """
    return load_rows(STORED / f"{name}.json")[0]


def epochs_until(curve: list[float], goal: float) -> float:
    """When a curve of one value for each epoch first reaches the goal; infinity where never.

    Between two epochs the curve is taken as straight; it starts at 0.
    """
    reached = np.array(curve) >= goal
    if not reached.any():
        return np.inf
    epoch = int(reached.argmax())
    before = curve[epoch - 1] if epoch else 0.0
    return epoch + (goal - before) / (curve[epoch] - before)

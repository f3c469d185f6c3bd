"""Going further: the road to 99.7%, step by step.

`STAGES` holds all of its stages. Each adds what its name says to the one before; all of them
train for fifteen epochs on batches of 128, as chapter 5 does. No choice was made on test images.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from mnist_tutorial.config import Config, field
from mnist_tutorial.data import Dataset, Examples
from mnist_tutorial.further.convolution import ConvNet
from mnist_tutorial.further.recipes import (
    Network,
    Recipe,
    count_updates,
    make_optimizer,
    make_update,
    with_seed,
)
from mnist_tutorial.model import MLP, create_model, make_keys, predict
from mnist_tutorial.training import History, TrainState, check_training, fit, train_epoch

RESULTS = Path(__file__).parent / "results" / "road.json"


@dataclasses.dataclass(frozen=True)
class Stage(Recipe):
    """How to train at one stage of the road. It is checked when it is made, as `Config` is."""

    ema_decay: float = field(
        0.0, "share of the averaged weights that an update keeps", low=0, below=1
    )
    channels: tuple[int, ...] = field(
        (), "channels of each convolution; none: the network of chapter 5"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        jax.eval_shape(lambda: create_network(self, self.config))  # complains about channels


class AveragedState(NamedTuple):
    """A `TrainState` beside which the average of the network over its updates is kept."""

    model: Network
    opt_state: optax.OptState
    epoch: jax.Array
    averaged: Network


def create_network(stage: Stage, config: Config) -> Network:
    """Makes a new network. The same `config.seed` gives the same weights."""
    if not stage.channels:
        mlp: MLP = create_model(config)
        return mlp
    return ConvNet(config, stage.channels, rngs=nnx.Rngs(make_keys(config.seed).init))


_ADAMW = Stage(Config(learning_rate=0.004, l2=0.0), label_smoothing=0.0)
_DISTORTED = dataclasses.replace(_ADAMW, shift=2.0, rotation=10.0, scale=0.1)
_AVERAGED = dataclasses.replace(_DISTORTED, label_smoothing=0.05, ema_decay=0.998)
STAGES = {
    "original": Config(),
    "rate 0.06": Config(learning_rate=0.06),
    "AdamW, one cycle": _ADAMW,
    "distortion": _DISTORTED,
    "smoothing, averaging": _AVERAGED,
    "convolution": dataclasses.replace(_AVERAGED, channels=(8, 16, 16, 32)),
    "wider": dataclasses.replace(_AVERAGED, channels=(16, 48, 64, 128)),
}
SEEDS = dict.fromkeys(STAGES, (123, 1, 2, 3, 4)) | {"wider": tuple(range(1, 13))}
TOGETHER = 3  # members of an ensemble


def create_averaged(stage: Stage, num_updates: int, config: Config) -> AveragedState:
    """Makes a new network, ready to train."""
    model = create_network(stage, config)
    opt_state = make_optimizer(stage, num_updates).init(nnx.state(model, nnx.Param))
    return AveragedState(model, opt_state, jnp.int32(0), jax.tree.map(jnp.copy, model))


@cache
def make_averaging_update(stage: Stage, num_updates: int) -> Callable[..., Any]:
    """Makes what happens to each batch: the recipe's update, then the new average.

    In the beginning the average keeps less, so that it soon forgets the first random weights.
    The function is made once for each stage. The seed that counts is the one in the `config` it
    is called with; `recipes.make_update` explains why.
    """
    update = make_update(stage, num_updates)

    def average(
        state: AveragedState, images: jax.Array, labels: jax.Array, config: Config
    ) -> tuple[AveragedState, tuple[jax.Array, jax.Array]]:
        *before, averaged = state
        num_done = state.opt_state[0].count
        keep = jnp.minimum(stage.ema_decay, (1 + num_done) / (10 + num_done))
        after, metrics = update(TrainState(*before), images, labels, config)
        averaged = optax.incremental_update(after.model, averaged, 1 - keep)
        return AveragedState(*after, averaged), metrics

    return average


def fit_stage(
    stage: Stage,
    data: Dataset,
    on_epoch: Callable[[Any, History], None] | None = None,
) -> tuple[Network, History]:
    """Trains as `fit` does, but by the stage.

    Returns:
      The averaged network, and the history of the one that was trained.

    Raises:
      DataError, ConfigError, FloatingPointError: as `fit`.
    """
    num_updates = count_updates(stage, data)
    start: Any = create_averaged(stage, num_updates, stage.config)
    update = make_averaging_update(with_seed(stage, 0), num_updates)
    state: Any
    state, history = fit(stage.config, data, (start, None), on_epoch, update)
    return state.averaged, history


@partial(jax.jit, static_argnames="update", donate_argnames="states")
def _epoch_of_many(
    states: AveragedState, train: Examples, configs: Config, update: Callable[..., Any]
) -> AveragedState:
    def one(state: Any, config: Config) -> Any:
        return train_epoch(state, *train, config, update)[0]

    many: AveragedState = jax.vmap(one)(states, configs)
    return many


def fit_together(stage: Stage, seeds: Sequence[int], data: Dataset) -> Network:
    """Trains one network for each seed, all in one compiled program.

    Returns:
      One network whose every array has the members as an extra axis in front.

    Raises:
      DataError, ConfigError: as `fit`.
    """
    check_training(stage.config, data)
    configs = [with_seed(stage, seed).config for seed in seeds]
    stacked = jax.tree.map(lambda *values: jnp.stack(values), *configs)
    num_updates = count_updates(stage, data)
    states = jax.vmap(partial(create_averaged, stage, num_updates))(stacked)
    train = jax.tree.map(jnp.asarray, data.train)
    update = make_averaging_update(with_seed(stage, 0), num_updates)
    for _ in range(stage.config.num_epochs):
        states = _epoch_of_many(states, train, stacked, update)
    return states.averaged


def members(together: Network) -> list[Network]:
    """The networks of `train_together`, one by one."""
    count = len(jax.tree.leaves(together)[0])
    return [jax.tree.map(lambda array, i=i: array[i], together) for i in range(count)]


SHIFTS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))


def move(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Images, (n, rows, columns), moved by whole pixels; what comes in is background."""
    _, rows, columns = images.shape
    padded = np.pad(images, ((0, 0), (abs(down),) * 2, (abs(right),) * 2))
    top, left = abs(down) - down, abs(right) - right
    return padded[:, top : top + rows, left : left + columns]


def answer(
    models: Iterable[Network],
    images: np.ndarray,
    shifts: Sequence[tuple[int, int]] = ((0, 0),),
    batch_size: int = 500,
) -> np.ndarray:
    """The mean of all networks' probabilities, of each image moved by all shifts.

    Args:
      images: (n, rows, columns), pixels from 0 to 255.
      shifts: pixels (down, right).
      batch_size: images in one call; more need more memory.

    Returns:
      (n, num_classes) float32.
    """
    opinions = []
    for model in models:
        for shift in shifts:
            moved = move(images, *shift)
            parts = [moved[i : i + batch_size] for i in range(0, len(moved), batch_size)]
            opinions.append(np.concatenate([predict(model, part) for part in parts]))
    mean: np.ndarray = np.mean(opinions, axis=0)
    return mean


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Share of images whose most probable class is the true one."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def measured() -> dict[str, Any]:
    """What `python -m benchmarks.road --save` found.

    Returns:
      What it ran on, and `steps`: for each its configuration, number of parameters and
      `runs`, one for each seed, with the accuracy on validation and test images and the
      seconds. Steps with convolutions also have `together`: several networks as one.
    """
    found: dict[str, Any] = json.loads(RESULTS.read_text())
    return found

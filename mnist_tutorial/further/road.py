"""Going further: the road to 99.7 %, step by step.

`STEPS` holds every station of it. Each adds what its name says to the one before; all of them
train for fifteen epochs on batches of 128, as chapter 5 does. No choice was made on test images.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from mnist_tutorial.config import Config, variable
from mnist_tutorial.data import Dataset, Examples
from mnist_tutorial.further.convolution import ConvNet
from mnist_tutorial.further.recipes import Recipe, distort, make_optimizer
from mnist_tutorial.model import MLP, create_model, predict
from mnist_tutorial.training import History, TrainState, Updated, fit, measure, train_epoch

RESULTS = Path(__file__).parent / "results" / "road.json"
Network = MLP | ConvNet


@dataclasses.dataclass(frozen=True)
class Step(Recipe):
    """How to train at one station of the road. It is checked when it is made, as `Config` is."""

    averaging: float = variable(
        0.0, "share of the averaged weights that an update keeps", low=0, below=1
    )
    channels: tuple[int, ...] = variable(
        (), "channels of each convolution; none: the network of chapter 5"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        jax.eval_shape(lambda: create_network(self, self.config))  # complains about channels


def with_seed(step: Step, seed: int) -> Step:
    """The same step, trained from another seed."""
    return dataclasses.replace(step, config=dataclasses.replace(step.config, seed=seed))


def create_network(step: Step, config: Config) -> Network:
    """Makes a new network. The same `config.seed` gives the same weights."""
    if not step.channels:
        return create_model(config)  # type: ignore[no-any-return]
    init_key, _ = jax.random.split(jax.random.key(config.seed))
    return ConvNet(config, step.channels, rngs=nnx.Rngs(init_key))


_ADAMW = Step(Config(learning_rate=0.004, l2=0.0), label_smoothing=0.0)
_DISTORTED = dataclasses.replace(_ADAMW, shift=2.0, rotation=10.0, scale=0.1)
_AVERAGED = dataclasses.replace(_DISTORTED, label_smoothing=0.05, averaging=0.998)
STEPS = {
    "original": Config(),
    "AdamW, one cycle": _ADAMW,
    "distortion": _DISTORTED,
    "smoothing, averaging": _AVERAGED,
    "convolution": dataclasses.replace(_AVERAGED, channels=(8, 16, 16, 32)),
    "wider": dataclasses.replace(_AVERAGED, channels=(16, 48, 64, 128)),
}
SEEDS = dict.fromkeys(STEPS, (123, 1, 2, 3, 4)) | {"wider": tuple(range(1, 13))}
TOGETHER = 3  # members of an ensemble


def num_parameters(model: Network) -> int:
    """How many numbers training may change; what batch norm remembers is none of them."""
    return sum(weights.size for weights in jax.tree.leaves(nnx.state(model, nnx.Param)))


def scores(model: Network, images: jax.Array) -> jax.Array:
    """Logits while training: a `ConvNet` then normalises by the batch."""
    if isinstance(model, ConvNet):
        return model(images, training=True)
    return model(images)


def start(step: Step, num_updates: int, config: Config) -> TrainState:
    """A new training; its `opt_state` is AdamW's own and the averaged network."""
    model = create_network(step, config)
    opt_state = make_optimizer(step, num_updates).init(model), jax.tree.map(jnp.copy, model)
    return TrainState(model, opt_state, jnp.int32(0))  # type: ignore[arg-type]


@cache
def make_update(step: Step, num_updates: int) -> Callable[..., Updated]:
    """What happens to each batch, for `fit`: distort, correct the weights, average them.

    Made once for each step, so that its program is compiled once. The seed is that of the
    configuration which the update is given, not the step's.
    """
    optimizer = make_optimizer(step, num_updates)

    def loss_fn(
        model: Network, images: jax.Array, labels: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, Network]]:
        logits = scores(model, images)
        targets = jax.nn.one_hot(labels, step.config.num_classes)
        targets = optax.smooth_labels(targets, step.label_smoothing)
        return optax.softmax_cross_entropy(logits, targets).mean(), (logits, model)

    def update(state: TrainState, images: jax.Array, labels: jax.Array, config: Config) -> Updated:
        model, (adam, averaged), epoch = state
        num_done = adam[0].count
        if step.shift or step.rotation or step.scale:
            # The first two keys draw the weights and the batches.
            distort_key = jax.random.split(jax.random.key(config.seed), 3)[2]
            images = distort(jax.random.fold_in(distort_key, num_done), images, step)
        # The model comes back with the means and variances that it now remembers.
        grads, (logits, model) = jax.grad(loss_fn, has_aux=True)(model, images, labels)
        changes, adam = optimizer.update(grads, adam, model)
        model = optax.apply_updates(model, changes)
        averaged = average(averaged, model, step.averaging, num_done)
        return TrainState(model, (adam, averaged), epoch), measure(logits, labels)

    return update


def average(averaged: Network, model: Network, share: float, num_done: jax.Array) -> Network:
    """The averaged network after one more update: `share` of it stays, the rest is new.

    In the beginning less stays, so that the first random weights are soon forgotten.
    """
    keep = jnp.minimum(share, (1 + num_done) / (10 + num_done))
    mixed: Network = jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, averaged, model)
    return mixed


def train(
    step: Step,
    data: Dataset,
    on_epoch: Callable[[TrainState, History], None] | None = None,
) -> tuple[Network, History]:
    """Trains as `fit` does, but by the step.

    Returns:
      The averaged network, and the history of the one that was trained.

    Raises:
      ValueError, FloatingPointError: as `fit`.
    """
    config = step.config
    num_updates = config.num_epochs * config.updates_per_epoch(len(data.train.labels))
    state = start(step, num_updates, config)
    update = make_update(with_seed(step, 0), num_updates)
    state, history = fit(config, data, (state, None), on_epoch, update)
    return state.opt_state[1], history


@partial(jax.jit, static_argnames="update", donate_argnames="states")
def _epoch_of_many(
    states: TrainState, train: Examples, configs: Config, update: Callable[..., Updated]
) -> TrainState:
    def one(state: TrainState, config: Config) -> TrainState:
        return train_epoch(state, *train, config, update)[0]  # type: ignore[no-any-return]

    return jax.vmap(one)(states, configs)


def train_together(step: Step, seeds: Sequence[int], data: Dataset) -> Network:
    """Trains one network for each seed, all in one compiled program.

    Returns:
      One network whose every array has the members as an extra axis in front.
    """
    configs = [with_seed(step, seed).config for seed in seeds]
    stacked = jax.tree.map(lambda *values: jnp.stack(values), *configs)
    num_updates = step.config.num_epochs * step.config.updates_per_epoch(len(data.train.labels))
    states = jax.vmap(partial(start, step, num_updates))(stacked)
    train, update = (
        jax.tree.map(jnp.asarray, data.train),
        make_update(with_seed(step, 0), num_updates),
    )
    for _ in range(step.config.num_epochs):
        states = _epoch_of_many(states, train, stacked, update)
    return states.opt_state[1]  # type: ignore[no-any-return]


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
    at_once: int = 500,
) -> np.ndarray:
    """The mean of all networks' probabilities, of each image moved by all shifts.

    Args:
      images: (n, rows, columns), pixels from 0 to 255.
      shifts: pixels (down, right).
      at_once: images in one call; more need more memory.

    Returns:
      (n, num_classes) float32.
    """
    opinions = []
    for model in models:
        for shift in shifts:
            moved = move(images, *shift)
            parts = [moved[i : i + at_once] for i in range(0, len(moved), at_once)]
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

"""Many networks trained at once: what one knob does, all else being equal."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, Examples
from mnist_tutorial.model import MLP, SHAPES
from mnist_tutorial.training import batch_sizes, create_state, train_epoch, validate


class Sweep(NamedTuple):
    """What `train_many` saw. The first axis of every array is the network.

    Attributes:
      models: one `MLP` whose every array has that extra axis in front.
      train_loss, train_accuracy: (networks, epochs) float32, over the epoch's batches.
      validation_loss, validation_accuracy: (networks, epochs) float32, after it.
    """

    models: MLP
    train_loss: np.ndarray
    train_accuracy: np.ndarray
    validation_loss: np.ndarray
    validation_accuracy: np.ndarray


def small(data: Dataset, num_train: int, num_validation: int = 2_000) -> Dataset:
    """The first images of each split only: a set on which a training takes a second."""
    return Dataset(
        train=Examples(*(array[:num_train] for array in data.train)),
        validation=Examples(*(array[:num_validation] for array in data.validation)),
        test=data.test,
    )


@partial(jax.jit, donate_argnums=0)
def _epoch_of_many(states, train, validation, configs):
    def one(state, config):
        state, metrics = train_epoch(state, *train, config)
        return state, (*metrics, *validate(state.model, *validation))

    return jax.vmap(one)(states, configs)


def train_many(configs: Sequence[Config], data: Dataset) -> Sweep:
    """Trains one network for each configuration, all in one compiled program.

    `jax.vmap` turns the program that trains one network into one that trains many.

    Args:
      configs: may differ in seed, learning_rate, momentum, l2 and init_scale; what
        shapes the program must be the same, and so must num_epochs.

    Raises:
      ValueError: the configurations differ in more than that.
    """
    for name in (*SHAPES, "num_epochs"):
        values = {getattr(config, name) for config in configs}
        if len(values) != 1:
            raise ValueError(
                f"networks trained at once need the same {name}, got {sorted(map(str, values))}; "
                "train them one after the other"
            )
    stacked = jax.tree.map(lambda *values: jnp.stack(values), *configs)
    train, validation = jax.tree.map(jnp.asarray, (data.train, data.validation))
    states = jax.vmap(create_state)(stacked)
    epochs = []
    for _ in range(configs[0].num_epochs):
        states, metrics = _epoch_of_many(states, train, validation, stacked)
        epochs.append(metrics)
    losses, accuracies, *held_out = (np.stack(m, axis=1) for m in zip(*epochs, strict=True))
    sizes = batch_sizes(configs[0], len(train.labels))
    means = [np.average(values, axis=2, weights=sizes) for values in (losses, accuracies)]
    return Sweep(states.model, *np.float32(means), *held_out)

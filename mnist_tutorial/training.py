"""Chapter 5: the loss, one update, one epoch, and a whole training run."""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from mnist_tutorial.config import Config, ConfigError
from mnist_tutorial.data import Dataset, check_examples
from mnist_tutorial.model import MLP, create_model, make_keys


class TrainState(NamedTuple):
    """Holds all that training changes, enough to stop and resume as if nothing had happened.

    Attributes:
      model: the network.
      opt_state: what the optimiser remembers, here the momentum.
      epoch: () int32, the number of epochs done.
    """

    model: MLP
    opt_state: optax.OptState
    epoch: jax.Array


# An update takes what `train_step` below takes, and returns the new state together with what was
# measured before the update.
Updated = tuple[TrainState, tuple[jax.Array, jax.Array]]
Update = Callable[[TrainState, jax.Array, jax.Array, Config], Updated]
Validate = Callable[[MLP, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


class History(NamedTuple):
    """Holds what was measured while training; the first axis of each array is the epoch.

    Attributes:
      update_loss: (epochs, updates) float32, the cross-entropy of each batch before its
        update; here and below without the L2 penalty.
      train_loss, train_accuracy: (epochs,) float32, over the epoch's batches.
      validation_loss, validation_accuracy: (epochs,) float32, after the epoch; NaN
        if there are no validation images.
      seconds: (epochs,) float32, wall-clock time; the first includes compilation.
    """

    update_loss: np.ndarray
    train_loss: np.ndarray
    train_accuracy: np.ndarray
    validation_loss: np.ndarray
    validation_accuracy: np.ndarray
    seconds: np.ndarray


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """Makes stochastic gradient descent with (Nesterov) momentum."""
    return optax.sgd(config.learning_rate, config.momentum, config.nesterov)


@jax.jit
def create_state(config: Config) -> TrainState:
    """Makes a new network, ready to train."""
    model = create_model(config)
    opt_state = make_optimizer(config).init(nnx.state(model, nnx.Param))
    return TrainState(model, opt_state, jnp.int32(0))


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Computes minus the log of the probability given to the true class, (n,) float32."""
    losses: jax.Array = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses


def l2_penalty(model: nnx.Module) -> jax.Array:
    """Computes half the sum of all squared weights, () float32; biases aren't penalised."""
    weights = jax.tree.leaves(nnx.state(model, nnx.Param))
    kernels = [array for array in weights if array.ndim > 1]
    return sum((jnp.sum(kernel**2) for kernel in kernels), jnp.float32(0)) / 2


def loss_fn(
    model: MLP, images: jax.Array, labels: jax.Array, l2: float
) -> tuple[jax.Array, jax.Array]:
    """Computes the number that training makes small, and the logits it's computed from."""
    logits = model(images)
    return cross_entropy(logits, labels).mean() + l2 * l2_penalty(model), logits


def loss_and_accuracy(logits: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Computes the mean cross-entropy and the accuracy, both () float32."""
    return cross_entropy(logits, labels).mean(), jnp.mean(logits.argmax(-1) == labels)


@jax.jit
def train_step(
    state: TrainState, images: jax.Array, labels: jax.Array, config: Config
) -> tuple[TrainState, tuple[jax.Array, jax.Array]]:
    """Makes one update: it looks at a batch, guesses, and corrects every weight a little.

    Args:
      images: (n, num_rows, num_columns), pixels from 0 to 255.
      labels: (n,) integers.

    Returns:
      The new state, and the batch's (cross-entropy, accuracy) before the update.
    """
    model, opt_state, epoch = state
    grads, logits = nnx.grad(loss_fn, has_aux=True)(model, images, labels, config.l2)
    params = nnx.state(model, nnx.Param)
    updates, opt_state = make_optimizer(config).update(grads, opt_state)
    nnx.update(model, optax.apply_updates(params, updates))
    return TrainState(model, opt_state, epoch), loss_and_accuracy(logits, labels)


@partial(jax.jit, static_argnames="update", donate_argnames="state")
def train_epoch(
    state: TrainState,
    images: jax.Array,
    labels: jax.Array,
    config: Config,
    update: Update = train_step,
) -> Updated:
    """Passes over all images once, in a new order and in one compiled call.

    The order depends only on `config.seed` and the epoch, so training that was stopped
    resumes with the batches it would have had. The last batch holds what is left.
    `update` is applied to each batch.

    Returns:
      The new state, and (losses, accuracies) of all batches, each (updates,) float32.
    """
    key = jax.random.fold_in(make_keys(config.seed).shuffle, state.epoch)
    order = jax.random.permutation(key, len(images))

    def step(state: TrainState, batch: jax.Array) -> Updated:
        return update(state, images[batch], labels[batch], config)

    full = len(images) // config.batch_size * config.batch_size
    state, metrics = jax.lax.scan(step, state, order[:full].reshape(-1, config.batch_size))
    if full < len(images):
        state, last = step(state, order[full:])
        metrics = jax.tree.map(jnp.append, metrics, last)
    return state._replace(epoch=state.epoch + 1), metrics


def batch_sizes(config: Config, num_images: int) -> np.ndarray:
    """Counts the images in each update of an epoch; all but the last are equal."""
    sizes = np.full(config.updates_per_epoch(num_images), config.batch_size)
    sizes[-1] = num_images - sizes[:-1].sum()
    return sizes


@jax.jit
def validate(model: MLP, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Computes a network's loss and accuracy on images it isn't trained on."""
    model.eval()  # type: ignore[no-untyped-call]  # a copy; jit leaves its arguments alone
    return loss_and_accuracy(model(images), labels)


def check_training(config: Config, data: Dataset) -> None:
    """Checks that a network with this configuration can be trained on these data.

    Raises:
      DataError: if images or labels don't fit the configuration.
      ConfigError: if the batch is larger than the training set.
    """
    check_examples(data.train, config, "the training set")
    if len(data.validation.labels):
        check_examples(data.validation, config, "the validation set")
    if config.batch_size > len(data.train.labels):
        raise ConfigError(
            f"batch_size {config.batch_size} is larger than the {len(data.train.labels)} training "
            "images; choose a smaller one"
        )


def fit(
    config: Config,
    data: Dataset,
    resume: tuple[TrainState, History | None] | None = None,
    on_epoch: Callable[[TrainState, History], None] | None = None,
    update: Update = train_step,
    validation_step: Validate = validate,
) -> tuple[TrainState, History]:
    """Trains a network until it has seen `config.num_epochs` epochs.

    Args:
      data: what `load_mnist` returns; the test images aren't touched.
      resume: the training state to resume, which is used up; if None, a new network is made.
      on_epoch: called after each epoch with the state and the history so far. The next
        epoch uses up the state's arrays, so copy anything you want to keep.
      update: the update to apply to each batch; if you pass your own, pass its initial state
        too, as `resume=(state, None)`.
      validation_step: computes loss and accuracy on the validation images.

    Returns:
      The final state, and the history of all epochs.

    Raises:
      DataError, ConfigError: if `check_training` raises them.
      FloatingPointError: if the loss is no longer a finite number; the message says which
        settings to lower.
    """
    check_training(config, data)
    train, validation = jax.tree.map(jnp.asarray, (data.train, data.validation))
    num_images = len(train.labels)
    state, history = resume or (create_state(config), None)
    epochs = list(zip(*history, strict=True)) if history else []
    sizes = batch_sizes(config, num_images)
    while len(epochs) < config.num_epochs:
        start = time.perf_counter()
        state, (losses, accuracies) = train_epoch(state, *train, config, update)
        held_out = validation_step(state.model, *validation) if len(validation.labels) else ()
        seen = (losses, *held_out, *jax.tree.leaves(nnx.state(state.model, nnx.Param)))
        if not all(np.isfinite(values).all() for values in seen):
            raise FloatingPointError(
                f"the loss is no longer a finite number in epoch {len(epochs) + 1}, because the "
                f"steps are too large. Lower learning_rate ({config.learning_rate}), momentum "
                f"({config.momentum}) or init_scale ({config.init_scale})"
            )
        means = [np.average(values, weights=sizes) for values in (losses, accuracies)]
        epochs.append((losses, *means, *(held_out or [np.nan] * 2), time.perf_counter() - start))
        history = History(*(np.array(c, np.float32) for c in zip(*epochs, strict=True)))
        if on_epoch:
            on_epoch(state, history)
    assert history, "num_epochs is at least 1"
    return state, history

"""Plain JAX in sixty lines does what the package does."""

import ast
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mnist_tutorial.config import Config
from mnist_tutorial.further import plain
from mnist_tutorial.model import create_model
from mnist_tutorial.training import fit
from tests.numpy_network import NumpyNetwork

SOURCE = Path(plain.__file__).read_text()


def named(model):
    kernels = {"w1": model.hidden.kernel, "w2": model.output.kernel}
    biases = {"b1": model.hidden.bias, "b2": model.output.bias}
    return {name: np.asarray(array) for name, array in (kernels | biases).items()}


def reference(weights):
    """The same network in float64."""
    arrays = [np.asarray(weights[name]) for name in ("w1", "b1", "w2", "b2")]
    return NumpyNetwork(*arrays, plain.RATE, plain.MOMENTUM, plain.L2)


def test_it_is_sixty_lines_of_jax_and_nothing_else():
    assert len(SOURCE.splitlines()) <= 60
    modules = [
        name
        for node in ast.walk(ast.parse(SOURCE))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
        )
    ]
    assert {name.split(".")[0] for name in modules} == {"jax"}


def test_its_figures_are_those_of_chapter_3():
    c = Config()
    assert (c.hidden_units, c.batch_size, c.learning_rate, c.momentum, c.l2) == (
        plain.UNITS, plain.BATCH, plain.RATE, plain.MOMENTUM, plain.L2,
    )  # fmt: skip


@pytest.mark.parametrize("seed", [0, 123])
def test_first_weights_are_the_packages(seed):
    weights = plain.init(seed)
    for name, array in named(create_model(Config(seed=seed))).items():
        np.testing.assert_allclose(weights[name], array, rtol=1e-6, atol=1e-8)


def test_gradients_by_hand_are_those_of_jax_and_of_float64(few):
    weights = plain.init(5)
    weights["b1"] += 0.1  # no gradient may be right only at zero
    images, labels = jnp.asarray(few.train.images[:100]), jnp.asarray(few.train.labels[:100])
    by_hand = plain.gradients(weights, images, labels)
    by_jax = jax.grad(plain.loss)(weights, images, labels)
    exact = reference(weights).gradients(few.train.images[:100], few.train.labels[:100])
    for name, double in zip(("w1", "b1", "w2", "b2"), exact, strict=True):
        np.testing.assert_allclose(by_hand[name], by_jax[name], rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(by_hand[name], double, rtol=1e-4, atol=1e-7)


def test_the_loss_is_the_packages_with_its_penalty(few):
    weights = plain.init(5)
    found = plain.loss(weights, few.train.images, few.train.labels)
    prices = [(np.asarray(weights[name], np.float64) ** 2).sum() for name in ("w1", "w2")]
    wanted = reference(weights).loss(*few.train) + plain.L2 / 2 * sum(prices)
    assert float(found) == pytest.approx(wanted, rel=1e-6)


def test_every_image_comes_once_an_epoch_in_another_order_each_time():
    first, second = (np.concatenate(plain.batches(1, epoch, 300)) for epoch in (0, 1))
    assert [len(batch) for batch in plain.batches(1, 0, 300)] == [128, 128, 44]
    assert sorted(first) == sorted(second) == list(range(300))
    assert (first != second).any()


def test_training_is_the_packages_to_rounding(few):
    """The same seed and batches; the second batch of an epoch isn't full."""
    config = Config(num_epochs=3, seed=7)
    state, history = fit(config, few)
    weights = plain.init(7)
    velocities = {name: jnp.zeros_like(w) for name, w in weights.items()}
    losses = []
    for epoch in range(3):
        for batch in plain.batches(7, epoch, 200):
            images, labels = few.train.images[batch], few.train.labels[batch]
            log_p = plain.forward(weights, images)[2]
            losses.append(-log_p[np.arange(len(batch)), labels].mean())
            weights, velocities = plain.update(weights, velocities, images, labels)
    np.testing.assert_allclose(losses, history.update_loss.ravel(), rtol=1e-5)
    for name, array in named(state.model).items():
        np.testing.assert_allclose(weights[name], array, rtol=1e-4, atol=1e-6)

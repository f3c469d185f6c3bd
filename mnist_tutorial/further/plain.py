"""The tutorial's network in plain JAX, without Flax or Optax; gradients by hand."""

import jax
import jax.numpy as jnp
from jax import Array

UNITS, BATCH, RATE, MOMENTUM, L2 = 1_000, 128, 0.006, 0.9, 1e-4  # chapter 3
Arrays = dict[str, Array]  # w1 (784, UNITS), b1, w2 (UNITS, 10), b2


def init(seed: int) -> Arrays:
    """Draws Glorot's initial weights, variance 2 / (inputs + outputs); biases are 0."""
    key, _ = jax.random.split(jax.random.key(seed))  # the other key shuffles

    def draw(number: int, *shape: int) -> Array:
        own_key = jax.random.fold_in(key, number)  # Flax numbers biases too: 1, 3
        normal = jax.random.truncated_normal(own_key, -2, 2, shape)
        return normal / 0.8796257 * jnp.sqrt(2 / sum(shape))  # the cut left sd 0.88

    w1, w2 = draw(0, 784, UNITS), draw(2, UNITS, 10)
    return {"w1": w1, "b1": jnp.zeros(UNITS), "w2": w2, "b2": jnp.zeros(10)}


def forward(w: Arrays, images: Array) -> tuple[Array, Array, Array]:
    """Computes pixels (n, 784), hidden units (n, UNITS), log-probabilities (n, 10)."""
    pixels = images.reshape(-1, 784) / 255
    hidden = jnp.maximum(pixels @ w["w1"] + w["b1"], 0)
    logits = hidden @ w["w2"] + w["b2"]
    logits -= logits.max(axis=1, keepdims=True)  # so that exp can't overflow
    return pixels, hidden, logits - jnp.log(jnp.exp(logits).sum(axis=1, keepdims=True))


def loss(w: Arrays, images: Array, labels: Array) -> Array:
    """Computes the mean cross-entropy, plus the penalty on large weights."""
    cross_entropy = -forward(w, images)[2][jnp.arange(len(labels)), labels]
    return cross_entropy.mean() + L2 / 2 * sum((w[k] ** 2).sum() for k in ("w1", "w2"))


def gradients(w: Arrays, images: Array, labels: Array) -> Arrays:
    """Computes how fast the loss rises with each number, by the chain rule."""
    pixels, hidden, log_p = forward(w, images)
    at_logits = (jnp.exp(log_p) - jnp.eye(10)[labels]) / len(labels)
    at_hidden = at_logits @ w["w2"].T * (hidden > 0)  # where ReLU let it through
    g1, g2 = pixels.T @ at_hidden + L2 * w["w1"], hidden.T @ at_logits + L2 * w["w2"]
    return {"w1": g1, "b1": at_hidden.sum(0), "w2": g2, "b2": at_logits.sum(0)}


@jax.jit
def update(w: Arrays, v: Arrays, images: Array, labels: Array) -> tuple[Arrays, Arrays]:
    """Adds the gradients to the velocities v, then takes Nesterov's step ahead."""
    g = gradients(w, images, labels)
    v = {name: MOMENTUM * v[name] + g[name] for name in w}
    return {name: w[name] - RATE * (g[name] + MOMENTUM * v[name]) for name in w}, v


def batches(seed: int, epoch: int, num_images: int) -> list[Array]:
    """Chooses which images come together, in a new order per epoch (0, 1, ...)."""
    key = jax.random.fold_in(jax.random.split(jax.random.key(seed))[1], epoch)
    order = jax.random.permutation(key, num_images)
    return [order[start : start + BATCH] for start in range(0, num_images, BATCH)]

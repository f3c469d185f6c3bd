import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mnist_tutorial.config import Config
from mnist_tutorial.further.convolution import ConvNet, convolve, max_pool

CHANNELS = (3, 4, 5, 6)


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def reference(images, kernel):
    """XLA's own convolution."""
    return jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "VALID", dimension_numbers=("CHWN", "HWIO", "CHWN")
    )


def network(seed=0, **variables):
    return ConvNet(Config(**variables), CHANNELS, rngs=nnx.Rngs(seed))


@pytest.mark.parametrize(
    "shape, size, detectors",
    [((1, 28, 28, 7), (5, 5), 3), ((4, 6, 9, 2), (3, 3), 5), ((2, 5, 4, 3), (2, 4), 1)],
)
def test_convolution_and_its_gradients_are_those_of_xla(shape, size, detectors):
    images, kernel = draw(*shape), draw(*size, shape[0], detectors, seed=1)
    weights = draw(*reference(images, kernel).shape, seed=2)
    np.testing.assert_allclose(
        jax.jit(convolve)(images, kernel), reference(images, kernel), rtol=1e-4, atol=1e-4
    )
    found, wanted = (
        jax.jit(jax.grad(lambda *both, f=f: jnp.sum(weights * f(*both)), (0, 1)))(images, kernel)
        for f in (convolve, reference)
    )
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("rows, columns", [(8, 6), (7, 5)])
def test_halving_takes_the_largest_of_four(rows, columns):
    images = draw(2, rows, columns, 3)
    wanted = jax.lax.reduce_window(
        images, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
    )
    np.testing.assert_array_equal(max_pool(images), wanted)


@pytest.mark.parametrize("training", [True, False])
def test_the_network_against_float64(training):
    """Written again with loops over windows, images first, in NumPy."""
    model = network()
    rng = np.random.default_rng(3)
    for norm in model.norms:
        for variable in (norm.scale, norm.bias, norm.mean, norm.var):
            variable[...] = jnp.asarray(rng.uniform(0.5, 1.5, variable.shape), jnp.float32)
    images = rng.integers(0, 256, (6, 28, 28)).astype(np.uint8)
    x = images[..., None] / 255.0
    for i, (kernel, norm) in enumerate(zip(model.kernels, model.norms, strict=True)):
        kernel, size = np.asarray(kernel[...], np.float64), kernel.shape[0]
        windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
        x = np.einsum("nyxcij,ijco->nyxo", windows, kernel)
        if i in (0, 2):
            n, rows, columns, channels = x.shape
            x = x.reshape(n, rows // 2, 2, columns // 2, 2, channels).max(axis=(2, 4))
        mean, var = np.asarray(norm.mean[...]), np.asarray(norm.var[...])
        if training:
            mean, var = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
        x = (x - mean) / np.sqrt(var + 1e-5) * np.asarray(norm.scale[...])
        x = np.maximum(x + np.asarray(norm.bias[...]), 0)
    assert x.shape == (6, 2, 2, CHANNELS[-1])
    flat = x.transpose(0, 3, 1, 2).reshape(6, -1)
    wanted = flat @ np.asarray(model.output.kernel[...]) + np.asarray(model.output.bias[...])
    model.train() if training else model.eval()
    found = jax.jit(lambda model: model(images))(model)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_only_training_changes_what_batch_norm_remembers():
    model, images = network(), np.full((2, 28, 28), 255, np.uint8)
    images[1, 10:18, 10:18] = 0
    before = np.array(model.norms[0].mean[...])
    model.eval()
    model(images)
    np.testing.assert_array_equal(model.norms[0].mean[...], before)
    model.train()
    model(images)
    x = convolve(jnp.asarray(images, jnp.float32).transpose(1, 2, 0)[None] / 255, model.kernels[0])
    np.testing.assert_allclose(
        model.norms[0].mean[...], 0.9 * before + 0.1 * max_pool(x).mean((1, 2, 3)), rtol=1e-4
    )


def test_first_weights_have_hes_variance():
    model = ConvNet(Config(), (64, 64, 64, 64), rngs=nnx.Rngs(0))
    for kernel in model.kernels:
        inputs = np.prod(kernel.shape[:3])
        assert np.var(kernel[...]) == pytest.approx(2 / inputs, rel=0.1)


@pytest.mark.parametrize("channels", [(8, 16), (8, 16, 16, 0)])
def test_other_numbers_of_channels_are_refused(channels):
    with pytest.raises(ValueError, match="channels must be 4 numbers of at least 1, got"):
        ConvNet(Config(), channels, rngs=nnx.Rngs(0))


def test_images_too_small_for_the_convolutions_are_refused():
    assert network(num_rows=24, num_columns=24)(np.zeros((2, 24, 24))).shape == (2, 10)
    with pytest.raises(ValueError, match="images of 28 × 23 pixels are too small"):
        network(num_columns=23)

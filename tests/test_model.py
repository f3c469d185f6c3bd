import dataclasses
import math

import jax
import numpy as np
import pytest
import scipy.special

from mnist_tutorial.config import Config
from mnist_tutorial.model import _predict, count_parameters, create_model, predict
from mnist_tutorial.training import cross_entropy


def test_parameter_count_of_the_original():
    assert count_parameters(create_model(Config())) == 795_010


@pytest.mark.parametrize("layers, expected", [(1, 6_370), (3, 6_514)])
def test_parameter_count_of_other_shapes(layers, expected):
    config = Config(hidden_units=8, num_hidden_layers=layers)
    assert count_parameters(create_model(config)) == expected


def test_untrained_loss_is_near_ln_10(mnist):
    model = create_model(Config())
    loss = cross_entropy(model(mnist.validation.images), mnist.validation.labels).mean()
    assert abs(float(loss) - math.log(10)) < 0.15


def test_same_seed_same_weights_other_seed_other_weights():
    first, again, other = (create_model(Config(seed=s)).hidden.kernel for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(np.asarray(first) - np.asarray(other)).max() > 0.01


@pytest.mark.parametrize(
    "name, variance", [("glorot_normal", 2 / (784 + 1000)), ("he_normal", 2 / 784)]
)
def test_first_weights_have_the_variance_of_their_formula(name, variance):
    model = create_model(Config(weight_init=name))
    kernel = np.asarray(model.hidden.kernel)
    assert kernel.var() == pytest.approx(variance, rel=0.01)
    assert abs(kernel.mean()) < 1e-4
    assert not np.asarray(model.hidden.bias).any() and not np.asarray(model.output.bias).any()


def test_init_scale_multiplies_the_first_weights():
    plain, scaled = create_model(Config()), create_model(Config(init_scale=0.5))
    np.testing.assert_allclose(scaled.hidden.kernel, np.asarray(plain.hidden.kernel) / 2)


@pytest.mark.parametrize("activation", ["relu", "tanh", "identity"])
@pytest.mark.parametrize("layers", [1, 3])
def test_forward_pass_against_numpy(activation, layers):
    config = Config(
        num_rows=5, num_columns=4, num_classes=3, hidden_units=7,
        num_hidden_layers=layers, activation=activation,
    )  # fmt: skip
    model = create_model(config)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
    function = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh, "identity": lambda x: x}
    x = pixels.reshape(6, 20) / 255.0
    for layer in (model.hidden, *model.deeper.layers):
        x = function[activation](x @ np.asarray(layer.kernel) + np.asarray(layer.bias))
    expected = x @ np.asarray(model.output.kernel) + np.asarray(model.output.bias)
    np.testing.assert_allclose(model(pixels), expected, rtol=1e-4, atol=1e-5)


def test_pixels_may_be_bytes_or_floats(few):
    model = create_model(Config(hidden_units=8))
    images = few.train.images[:3]
    np.testing.assert_array_equal(model(images), model(images.astype(np.float32)))


def test_probabilities_sum_to_one_and_order_like_logits(few):
    model = create_model(Config(hidden_units=8))
    probabilities = np.asarray(predict(model, few.train.images))
    assert probabilities.shape == (200, 10) and probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    logits = np.asarray(model(few.train.images))
    np.testing.assert_array_equal(probabilities.argmax(1), logits.argmax(1))
    np.testing.assert_allclose(probabilities, scipy.special.softmax(logits, axis=1), rtol=1e-5)


def test_two_networks_share_compiled_code(few):
    config = Config(hidden_units=9)
    predict(create_model(config), few.train.images)
    compiled = _predict._cache_size()
    predict(create_model(dataclasses.replace(config, seed=5)), few.train.images)
    assert _predict._cache_size() == compiled


def test_a_model_is_a_tree_of_arrays():
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(create_model(Config())))

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mnist_tutorial import training
from mnist_tutorial.config import Config
from mnist_tutorial.further.augment import augment
from mnist_tutorial.further.recipes import (
    RECIPES,
    Recipe,
    fit_recipe,
    make_optimizer,
    with_seed,
)
from mnist_tutorial.further.sweeps import subset
from mnist_tutorial.model import create_model


def test_adamw_and_its_schedule_against_float64():
    """The formulas of Loshchilov and Hutter 2019, algorithm 2, with biases undecayed."""
    recipe = Recipe(
        Config(learning_rate=0.01, hidden_units=4), weight_decay=0.1, warmup_fraction=0.25
    )
    model = create_model(recipe.config)
    optimizer = make_optimizer(recipe, num_updates=20)
    params = nnx.state(model, nnx.Param)
    state = optimizer.init(params)
    rng = np.random.default_rng(0)
    kernel, bias = (np.asarray(w, np.float64) for w in (model.output.kernel, model.output.bias))
    first, second = [0.0, 0.0], [0.0, 0.0]
    for t in range(20):
        grads = jax.tree.map(lambda w: rng.standard_normal(w.shape).astype(np.float32), params)
        changes, state = optimizer.update(grads, state, params)
        params = jax.tree.map(jnp.add, params, changes)
        turn = 0.25 * 20  # rises from 1/25 of the peak until here, then falls to almost nothing
        low, high, share = (1 / 25, 1, t / turn) if t < turn else (1, 4e-6, (t - turn) / 15)
        rate = 0.01 * (low + (high - low) * (1 - np.cos(np.pi * share)) / 2)
        for i, g in enumerate((grads["output"]["kernel"][...], grads["output"]["bias"][...])):
            g = np.asarray(g, np.float64)
            first[i] = 0.9 * first[i] + 0.1 * g
            second[i] = 0.99 * second[i] + 0.01 * g**2
            step = (first[i] / (1 - 0.9 ** (t + 1))) / (
                np.sqrt(second[i] / (1 - 0.99 ** (t + 1))) + 1e-8
            )
            if i == 0:
                kernel = kernel - rate * (step + 0.1 * kernel)
            else:
                bias = bias - rate * step
    for name, expected in (("kernel", kernel), ("bias", bias)):
        np.testing.assert_allclose(params["output"][name][...], expected, rtol=1e-4, atol=1e-5)


def test_a_recipe_is_checked_like_a_config():
    with pytest.raises(ValueError, match="warmup_fraction must be below 1, got 1.5"):
        Recipe(warmup_fraction=1.5)
    with pytest.raises(ValueError, match="label_smoothing must be below 1, got 1"):
        Recipe(label_smoothing=1)
    with pytest.raises(TypeError, match="config must be of type Config, got {}"):
        Recipe(config={})


def test_training_by_a_recipe_repeats_itself_and_learns(mnist):
    data = subset(mnist, 4_000)
    recipe = RECIPES["fast"]
    seen = []
    state, history = fit_recipe(recipe, data, lambda state, history: seen.append(int(state.epoch)))
    assert seen == [1, 2, 3]
    assert history.validation_accuracy[-1] > 0.9
    again, _ = fit_recipe(recipe, data)
    for a, b in zip(jax.tree.leaves(state.model), jax.tree.leaves(again.model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_smoothing_keeps_the_network_from_being_certain(few):
    def most_certain(label_smoothing):
        config = Config(hidden_units=64, batch_size=32, num_epochs=30, learning_rate=0.005)
        recipe = Recipe(config, label_smoothing=label_smoothing)
        state, _ = fit_recipe(recipe, few)
        probabilities = jax.nn.softmax(state.model(few.train.images))
        return probabilities[np.arange(200), few.train.labels].mean()

    assert most_certain(0.0) > 0.98
    assert 0.80 < most_certain(0.2) < 0.88  # the truth is told to be 0.82


def test_every_update_distorts_anew(few, monkeypatch):
    keys = []

    def spy(key, images, *amounts):
        jax.debug.callback(
            lambda data: keys.append(tuple(np.asarray(data))), jax.random.key_data(key)
        )
        return augment(key, images, *amounts)

    monkeypatch.setattr("mnist_tutorial.further.recipes.augment", spy)
    config = Config(hidden_units=8, batch_size=32, num_epochs=2)
    fit_recipe(Recipe(config, shift=1.0), few)
    jax.effects_barrier()
    assert len(keys) == len(set(keys)) == 14


@pytest.mark.parametrize("means", ["shift", "rotation", "scale"])
def test_the_distorted_images_are_what_it_learns_from(few, means):
    config = Config(hidden_units=8, batch_size=32, num_epochs=1)
    plain, _ = fit_recipe(Recipe(config), few)
    distorted, _ = fit_recipe(Recipe(config, **{means: 0.5}), few)
    assert not np.array_equal(plain.model.hidden.kernel, distorted.model.hidden.kernel)


def test_no_distortion_shares_its_randomness_with_weights_or_batches(few, monkeypatch):
    keys = []

    def spy(key, images, *amounts):
        jax.debug.callback(lambda data: keys.append(data.tolist()), jax.random.key_data(key))
        return augment(key, images, *amounts)

    monkeypatch.setattr("mnist_tutorial.further.recipes.augment", spy)
    fit_recipe(Recipe(Config(hidden_units=8, batch_size=32, num_epochs=1), shift=1.0), few)
    jax.effects_barrier()
    init_key, shuffle_key = jax.random.split(jax.random.key(Config().seed))
    taken = [init_key, shuffle_key, *(jax.random.fold_in(shuffle_key, e) for e in range(15))]
    assert not any(jax.random.key_data(key).tolist() in keys for key in taken)
    monkeypatch.undo()


def test_a_recipe_without_images_to_fill_a_batch_is_refused(few):
    recipe = Recipe(dataclasses.replace(RECIPES["fast"].config, batch_size=500))
    with pytest.raises(ValueError, match="batch_size 500 is larger than the 200"):
        fit_recipe(recipe, few)


def test_a_recipe_is_compiled_once_for_all_seeds(few):
    recipe = Recipe(Config(hidden_units=9, batch_size=32, num_epochs=1), shift=1.0)
    fit_recipe(recipe, few)
    before = training.train_epoch._cache_size()
    fit_recipe(recipe, few)
    fit_recipe(with_seed(recipe, 5), few)
    assert training.train_epoch._cache_size() == before

import dataclasses

import jax
import numpy as np
import pytest

from mnist_tutorial.config import Config
from mnist_tutorial.experiments import small, train_many
from mnist_tutorial.training import fit

SMALL = Config(hidden_units=16, batch_size=32, num_epochs=2, learning_rate=0.05)


def test_networks_trained_at_once_equal_networks_trained_alone(few):
    configs = [
        SMALL,
        dataclasses.replace(SMALL, seed=1),
        dataclasses.replace(SMALL, learning_rate=0.01, momentum=0.5, l2=0.1),
        dataclasses.replace(SMALL, init_scale=2.0),
    ]
    sweep = train_many(configs, few)
    for i, config in enumerate(configs):
        state, history = fit(config, few)
        np.testing.assert_allclose(sweep.train_loss[i], history.train_loss, rtol=1e-4)
        np.testing.assert_allclose(sweep.validation_loss[i], history.validation_loss, rtol=1e-4)
        np.testing.assert_allclose(sweep.train_accuracy[i], history.train_accuracy, atol=1e-6)
        alone, together = jax.tree.leaves(state.model), jax.tree.leaves(sweep.models)
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(a, b[i], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "other, name", [(dict(batch_size=16), "batch_size"), (dict(num_epochs=3), "num_epochs")]
)
def test_what_cannot_be_trained_at_once_is_refused(few, other, name):
    with pytest.raises(ValueError, match=f"need the same {name}"):
        train_many([SMALL, dataclasses.replace(SMALL, **other)], few)


def test_small_keeps_the_first_images(mnist):
    few = small(mnist, 20, 10)
    np.testing.assert_array_equal(few.train.images, mnist.train.images[:20])
    np.testing.assert_array_equal(few.validation.labels, mnist.validation.labels[:10])

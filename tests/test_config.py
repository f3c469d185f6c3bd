import dataclasses

import pytest

from mnist_tutorial.config import Config


def test_defaults_are_the_originals_figures():
    original = dict(
        num_rows=28, num_columns=28, num_classes=10, batch_size=128, seed=123, num_epochs=15,
        hidden_units=1000, num_hidden_layers=1, activation="relu", weight_init="glorot_normal",
        learning_rate=0.006, momentum=0.9, nesterov=True, l2=1e-4,
    )  # fmt: skip
    found = dataclasses.asdict(Config())
    assert {name: found[name] for name in original} == original
    assert Config().num_pixels == 784


@pytest.mark.parametrize("images, updates", [(60_000, 469), (128, 1), (129, 2), (1, 1)])
def test_the_last_batch_counts_as_an_update(images, updates):
    assert Config().updates_per_epoch(images) == updates


@pytest.mark.parametrize(
    "bad, words",
    [
        (dict(batch_size=0), "batch_size must be at least 1, got 0"),
        (dict(num_epochs=2**31), "num_epochs must be at most 2147483647"),
        (dict(learning_rate=0.0), "learning_rate must be above 0, got 0.0"),
        (dict(momentum=1.0), "momentum must be below 1, got 1.0"),
        (dict(l2=float("nan")), "l2 must be a finite number, got nan"),
        (dict(activation="sigmoid"), "activation must be one of .*relu.* got 'sigmoid'"),
        (dict(nesterov=1), "nesterov must be of type bool, got 1"),
    ],
)
def test_bad_values_are_named_with_what_is_allowed(bad, words):
    """One of each kind; test_properties.py has the rule of every setting."""
    with pytest.raises((ValueError, TypeError), match=words):
        Config(**bad)


def test_whole_numbers_may_stand_for_real_ones():
    assert type(Config(learning_rate=1).learning_rate) is float


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().batch_size = 1

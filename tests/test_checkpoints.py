import dataclasses
import json

import jax
import numpy as np
import pytest
import safetensors.numpy

from mnist_tutorial.checkpoints import (
    CheckpointError,
    load_model,
    load_training,
    save_model,
    save_training,
)
from mnist_tutorial.config import Config
from mnist_tutorial.model import create_model
from mnist_tutorial.training import fit

SMALL = Config(hidden_units=16, batch_size=32, num_epochs=2, num_hidden_layers=2)


def assert_equal_trees(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_loaded_network_is_the_saved_one(tmp_path, few):
    model = create_model(SMALL)
    save_model(tmp_path / "model", model, SMALL)
    loaded, config = load_model(tmp_path / "model")
    assert config == SMALL
    assert_equal_trees(model, loaded)
    np.testing.assert_array_equal(model(few.train.images), loaded(few.train.images))


def test_names_in_the_file_are_plain(tmp_path):
    config = Config(hidden_units=4)
    save_model(tmp_path / "model", create_model(config), config)
    names = safetensors.numpy.load_file(tmp_path / "model")
    parts = [f"model.{layer}.{p}" for layer in ("hidden", "output") for p in ("bias", "kernel")]
    assert sorted(names) == parts


def test_a_resumed_training_is_bit_exact(tmp_path, few):
    whole = dataclasses.replace(SMALL, num_epochs=5)
    expected, expected_history = fit(whole, few)
    state, history = fit(SMALL, few)
    save_training(tmp_path / "training", state, history, SMALL, few)
    resumed, resumed_history = fit(whole, few, load_training(tmp_path / "training", whole, few))
    assert_equal_trees(expected, resumed)
    for name in ("update_loss", "train_accuracy", "validation_loss"):
        before, after = getattr(expected_history, name), getattr(resumed_history, name)
        np.testing.assert_array_equal(before, after)


def test_a_kept_training_can_be_read_as_weights(tmp_path, few):
    state, history = fit(SMALL, few)
    save_training(tmp_path / "training", state, history, SMALL, few)
    assert_equal_trees(load_model(tmp_path / "training")[0], state.model)


def test_a_training_of_another_configuration_is_refused(tmp_path, few):
    save_training(tmp_path / "training", *fit(SMALL, few), SMALL, few)
    other = dataclasses.replace(SMALL, learning_rate=0.1, seed=1)
    with pytest.raises(CheckpointError, match=r"different seed \(123, now 1\), learning_rate"):
        load_training(tmp_path / "training", other, few)


def rewrite(path, change=None, metadata=None):
    arrays = safetensors.numpy.load_file(path)
    if change:
        change(arrays)
    config = {"config": json.dumps(dataclasses.asdict(SMALL))}
    path.write_bytes(safetensors.numpy.save(arrays, config if metadata is None else metadata))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda a: a.update({"model.hidden.bias": np.zeros(3, np.float32)}),
         r"model.hidden.bias must be float32\[16\], found float32\[3\]"),
        (lambda a: a.update({"model.hidden.bias": np.zeros(16)}), "found float64"),
        (lambda a: a.pop("model.output.kernel"), "model.output.kernel must be .* found nothing"),
        (lambda a: a["model.hidden.kernel"].fill(np.nan), "aren't finite numbers"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused(tmp_path, change, words):
    path = tmp_path / "model"
    save_model(path, create_model(SMALL), SMALL)
    rewrite(path, change)
    with pytest.raises(CheckpointError, match=words):
        load_model(path)


@pytest.mark.parametrize(
    "metadata",
    [{}, {"config": "{"}, {"config": '{"batch_size": 0}'}, {"config": '{"bach_size": 1}'},
     {"config": "[]"}, {"config": f'{{"l2": 1{400 * "0"}}}'}],
)  # fmt: skip
def test_a_file_without_a_good_configuration_is_refused(tmp_path, metadata):
    path = tmp_path / "model"
    save_model(path, create_model(SMALL), SMALL)
    rewrite(path, metadata=metadata)
    with pytest.raises(CheckpointError, match="holds no network"):
        load_model(path)


@pytest.mark.parametrize("content", [b"", b"not a file of weights", b"\xff" * 100])
def test_damaged_files_are_refused(tmp_path, content):
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(CheckpointError, match="holds no network"):
        load_model(tmp_path / "model")


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "model"
    save_model(path, create_model(SMALL), SMALL)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="holds no network"):
        load_model(path)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nothing doesn't exist"):
        load_model(tmp_path / "nothing")


def test_a_training_past_the_epochs_asked_for_is_refused(tmp_path, few):
    path = tmp_path / "training"
    save_training(path, *fit(SMALL, few), SMALL, few)
    with pytest.raises(CheckpointError, match="2 epochs, more than num_epochs 1"):
        load_training(path, dataclasses.replace(SMALL, num_epochs=1), few)


def test_weights_alone_are_no_training(tmp_path, few):
    save_model(tmp_path / "model", create_model(SMALL), SMALL)
    with pytest.raises(CheckpointError, match="opt_state.* found nothing"):
        load_training(tmp_path / "model", SMALL, few)


def test_a_training_without_its_history_is_refused(tmp_path, few):
    path = tmp_path / "training"
    save_training(path, *fit(SMALL, few), SMALL, few)
    rewrite(path, lambda arrays: arrays.pop("history.seconds"))
    with pytest.raises(CheckpointError, match="no valid seconds for its 2 epochs"):
        load_training(path, SMALL, few)


def test_a_training_on_other_data_is_not_gone_on_with(tmp_path, few):
    path = tmp_path / "training"
    save_training(path, *fit(SMALL, few), SMALL, few)
    labels = np.roll(few.train.labels, 1)
    other = few._replace(train=few.train._replace(labels=labels))
    with pytest.raises(CheckpointError, match="different images or labels"):
        load_training(path, SMALL, other)

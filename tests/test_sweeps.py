import dataclasses

import jax
import numpy as np
import pytest

from mnist_tutorial.checkpoints import CheckpointError
from mnist_tutorial.config import Config, ConfigError
from mnist_tutorial.data import Examples
from mnist_tutorial.further import sweeps
from mnist_tutorial.further.sweeps import METRICS, collect, grid, load_rows, run, subset, train_many
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
    few = subset(mnist, 20, 10)
    np.testing.assert_array_equal(few.train.images, mnist.train.images[:20])
    np.testing.assert_array_equal(few.validation.labels, mnist.validation.labels[:10])


TINY = Config(hidden_units=4, batch_size=100, num_epochs=2, learning_rate=0.05)


def curves(rows):
    """All of the rows but their seconds, which no two runs share."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_a_grid_has_every_combination_in_order():
    configs = grid(TINY, batch_size=[50, 100], seed=range(3))
    assert [(c.batch_size, c.seed) for c in configs] == [
        (50, 0), (50, 1), (50, 2), (100, 0), (100, 1), (100, 2),
    ]  # fmt: skip
    assert {dataclasses.replace(c, batch_size=100, seed=123) for c in configs} == {TINY}
    rates = grid(TINY, learning_rate=np.logspace(-2, -1, 2), activation="tanh")
    assert [(c.learning_rate, c.activation) for c in rates] == [(0.01, "tanh"), (0.1, "tanh")]
    assert grid(TINY) == [TINY]


def test_a_grid_over_what_a_config_has_not_is_refused():
    with pytest.raises(ValueError, match="a Config has no rate; it has .*learning_rate"):
        grid(TINY, rate=[0.1])
    with pytest.raises(ValueError, match="seed has no values"):
        grid(TINY, seed=[])
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        grid(TINY, batch_size=[0, 1])


def test_a_row_is_what_fit_gives(few):
    configs = grid(TINY, hidden_units=[4, 6], seed=[1, 2])
    rows = run(configs, few)
    for config, row in zip(configs, rows, strict=True):
        history = fit(config, few)[1]
        assert {k: row[k] for k in vars(config)} == dataclasses.asdict(config)
        for name in METRICS:
            np.testing.assert_allclose(row[name], getattr(history, name), rtol=1e-4, atol=2e-6)
        assert row["seconds"] > 0
    assert collect(rows, "hidden_units", lambda row: row["seed"]) == {4: [1, 2], 6: [1, 2]}


def test_networks_of_one_shape_are_trained_at_once(few, monkeypatch):
    groups = []

    def counted(configs, data):
        groups.append(len(configs))
        return train_many(configs, data)

    monkeypatch.setattr(sweeps, "train_many", counted)
    configs = [
        *grid(TINY, learning_rate=[0.1, 0.2], l2=[0.0, 0.1], batch_size=[50, 100]),
        dataclasses.replace(TINY, num_epochs=1),
    ]
    seen = []
    run([*configs, configs[0]], few, on_group=lambda *done: seen.append(done))  # twice is once
    assert groups == [4, 4, 1] and seen == [(0, 9), (4, 9), (8, 9), (9, 9)]


class Stopped(Exception):
    pass


def test_a_stopped_run_goes_on_and_gives_the_same_table(few, tmp_path, monkeypatch):
    configs, store = grid(TINY, hidden_units=[3, 4, 5], seed=[0, 1]), tmp_path / "sub" / "rows.json"
    whole = run(configs, few)
    trained = []

    def stops(configs, data):
        if len(trained) == 2:
            raise Stopped
        trained.append(configs[0].hidden_units)
        return train_many(configs, data)

    monkeypatch.setattr(sweeps, "train_many", stops)
    with pytest.raises(Stopped):
        run(configs, few, store)
    monkeypatch.undo()
    monkeypatch.setattr(
        sweeps, "train_many", lambda *a: trained.append(a[0][0].hidden_units) or train_many(*a)
    )
    resumed = run(configs, few, store)
    assert trained == [3, 4, 5]  # each once
    assert curves(resumed) == curves(whole)
    assert run(configs, few, store) == resumed and trained == [3, 4, 5]  # nothing left to do
    assert [row["seed"] for row in run(configs[::-1], few, store)] == [1, 0] * 3
    rows, made_by = load_rows(store)
    assert rows == resumed and made_by["jax"] == jax.__version__
    assert list(store.parent.iterdir()) == [store]


def test_more_seeds_train_only_what_is_new(few, tmp_path, monkeypatch):
    run(grid(TINY, seed=[0]), few, tmp_path / "rows")
    seeds = []
    monkeypatch.setattr(
        sweeps, "train_many", lambda *a: seeds.extend(c.seed for c in a[0]) or train_many(*a)
    )
    run(grid(TINY, seed=[0, 1, 2]), few, tmp_path / "rows")
    assert seeds == [1, 2]


def test_a_diverged_training_is_stored_too(few, tmp_path):
    (row,) = run([dataclasses.replace(TINY, learning_rate=1e9)], few, tmp_path / "rows")
    assert row["train_loss"][-1] is None and 0 <= row["train_accuracy"][-1] < 0.5
    assert "NaN" not in (tmp_path / "rows").read_text()


def test_results_of_other_data_or_versions_are_not_mixed(few, mnist, tmp_path):
    store = tmp_path / "rows"
    run([TINY], few, store)
    with pytest.raises(CheckpointError, match=r"data .*, now .*\); delete it"):
        run([TINY], subset(mnist, 201, 50), store)
    store.write_text(store.read_text().replace(jax.__version__, "0.0.1"))
    with pytest.raises(CheckpointError, match=f"jax 0.0.1, now {jax.__version__}"):
        run([TINY], few, store)


def test_a_store_that_kept_less_is_no_substitute(few, tmp_path):
    other = dataclasses.replace(TINY, seed=5)
    run([TINY, other], few, tmp_path / "rows", keep=["train_loss"])
    (row,) = run([TINY], few, tmp_path / "rows", keep=iter(["train_loss", "train_accuracy"]))
    assert {"train_loss", "train_accuracy"} <= row.keys()
    assert len(load_rows(tmp_path / "rows")[0]) == 2  # what wasn't asked for stays


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"rows": []}', "\0\1", '{"a": ', '{"made_by": [1], "common": {}, "rows": []}'],
)
def test_a_damaged_store_is_named(few, tmp_path, content):
    store = tmp_path / "rows"
    store.write_text(content)
    with pytest.raises(CheckpointError, match="rows holds no results of experiments"):
        run([TINY], few, store)
    assert store.read_text() == content
    with pytest.raises(CheckpointError, match="absent holds no results"):
        load_rows(tmp_path / "absent")


def test_rows_that_are_no_configuration_are_named(few, tmp_path):
    store = tmp_path / "rows"
    run([TINY], few, store)
    store.write_text(store.read_text().replace('"batch_size": 100', '"batch_size": 0'))
    with pytest.raises(CheckpointError, match="without a configuration .*batch_size must be"):
        run([TINY], few, store)


def test_what_fit_refuses_is_refused_for_many_too(few):
    large = dataclasses.replace(TINY, batch_size=201)
    for train in (lambda: train_many([large], few), lambda: fit(large, few)):
        with pytest.raises(ConfigError, match="batch_size 201 is larger than the 200"):
            train()


def test_without_validation_images_many_say_nan_as_fit_does(few):
    none = few._replace(validation=Examples(*(array[:0] for array in few.validation)))
    sweep = train_many([TINY], none)
    _, history = fit(TINY, none)
    assert np.isnan(sweep.validation_loss).all() and np.isnan(history.validation_loss).all()
    np.testing.assert_allclose(sweep.train_loss[0], history.train_loss, rtol=1e-4)


def test_an_unknown_metric_is_refused_before_anything_is_trained(few, monkeypatch):
    monkeypatch.setattr(sweeps, "train_many", None)  # must not be reached
    with pytest.raises(ConfigError, match="keep must be some of train_loss.*, got typo"):
        run([TINY], few, keep=["typo"])

"""What the chapters use to talk to their reader."""

import dataclasses
import inspect

import jax
import matplotlib
import numpy as np
import pytest

from mnist_tutorial import training
from mnist_tutorial.book import notebook, plots
from mnist_tutorial.config import Config
from mnist_tutorial.model import MLP
from mnist_tutorial.training import fit

TINY = Config(hidden_units=3, num_epochs=2)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(notebook, "cache_dir", lambda: tmp_path)
    return tmp_path


def test_a_table_has_numbers_on_the_right():
    found = notebook.table(["digit", "errors"], [["one", 3], ["two", 14]])
    assert found.data.split("\n") == [
        "| digit | errors |", "| :--- | ---: |", "| one | 3 |", "| two | 14 |",
    ]  # fmt: skip
    assert notebook.say("**3** errors").data == "**3** errors"


def test_the_source_shown_is_that_of_what_is_called():
    @jax.jit
    def double(x):
        return 2 * x

    shown = notebook.show_source(double, MLP.__call__).data.removeprefix("```python\n")
    assert shown.startswith("@jax.jit\ndef double(x):\n    return 2 * x\n\ndef __call__(")
    last = inspect.getsource(MLP.__call__).rstrip().split("\n")[-1]
    assert shown.endswith(f"{last[4:]}\n```")  # as far to the left as a function stands


def test_docstrings_can_be_left_out_and_nothing_else():
    shown = notebook.show_source(MLP, docstrings=False).data
    assert "multilayer perceptron" not in shown and "nnx.Linear(inputs" in shown
    assert '"""Scores images.' in shown  # that of a method stays
    source = inspect.getsource(MLP)
    assert shown.count("\n") < source.count("\n")
    without = notebook.show_source(notebook.say, notebook.table, docstrings=False).data
    assert "return Markdown(text)" in without and '"""' not in without


def test_a_drawing_is_the_same_in_every_run_and_names_no_version():
    lines = {"a": ([1, 2, 3], [3, 1, 2]), "b": ([1, 2, 3], [1, 2, 3])}
    one, other = (notebook.as_svg(plots.curves(lines, "x", "y")) for _ in range(2))
    assert one == other and "<path" in one
    assert "metadata" not in one and matplotlib.__version__ not in one


def test_a_chapter_trains_once_and_the_next_reads_the_same_network(cache, few, monkeypatch, capsys):
    heard = []
    state, history = notebook.train(
        TINY, few, lambda state, history: heard.append(int(state.epoch))
    )
    assert heard == [1, 2]
    assert "0/2" in capsys.readouterr().out
    monkeypatch.setattr(notebook, "fit", None)  # must not be needed
    again, remembered = notebook.load_or_train(TINY, few)
    for one, other in zip(jax.tree.leaves(state), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(history.validation_loss, remembered.validation_loss)


def test_a_network_that_cannot_be_kept_is_trained_all_the_same(cache, few, monkeypatch, capsys):
    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(notebook, "save_training", full)
    state, _ = notebook.load_or_train(TINY, few)
    assert int(state.epoch) == 2 and not list(cache.iterdir())
    assert "could not be kept (no space left); other chapters will train" in capsys.readouterr().out


def test_a_kept_network_belongs_to_its_configuration_data_and_code(few, tmp_path, monkeypatch):
    usual = notebook.trained_path(TINY, few)
    assert usual == notebook.trained_path(TINY, few)
    for other in (dataclasses.replace(TINY, seed=1), dataclasses.replace(TINY, num_epochs=1)):
        assert usual != notebook.trained_path(other, few)
    labels = np.roll(few.train.labels, 1)
    assert usual != notebook.trained_path(
        TINY, few._replace(train=few.train._replace(labels=labels))
    )
    changed = tmp_path / "training.py"
    changed.write_text("# other code")
    monkeypatch.setattr(training, "__file__", str(changed))
    assert usual != notebook.trained_path(TINY, few)


def test_a_chapter_with_other_data_never_gets_the_network_of_the_chapter_before(cache, few):
    """The seam between two notebooks: same configuration, shuffled labels."""
    labels = np.roll(few.train.labels, 1)
    shuffled = few._replace(train=few.train._replace(labels=labels))
    notebook.train(TINY, shuffled)
    state, _ = notebook.load_or_train(TINY, few)
    expected, _ = fit(TINY, few)
    for ours, theirs in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(ours, theirs)

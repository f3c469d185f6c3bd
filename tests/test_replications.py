"""The published findings: what is stored is what the code would run, and shows what is said."""

import json

import numpy as np
import pytest

from benchmarks import lab
from benchmarks.lab import EXPERIMENTS
from mnist_tutorial.config import Config
from mnist_tutorial.further import replications, sweeps
from mnist_tutorial.further.replications import STORED, epochs_until, stored
from mnist_tutorial.further.sweeps import load_rows, run

VARIABLES = Config.__dataclass_fields__


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_is_stored_is_what_the_code_would_run(mnist, name):
    configs, data, keep = EXPERIMENTS[name](mnist)
    rows, made_by = load_rows(STORED / f"{name}.json")
    assert [Config(**{k: row[k] for k in VARIABLES}) for row in rows] == configs
    assert {"jax", "flax", "optax"} <= made_by.keys()  # whatever their versions were
    assert made_by["data"] == sweeps._versions(data)["data"]
    for row, config in zip(rows, configs, strict=True):
        assert set(row) - set(VARIABLES) == {*keep, "seconds"} and row["seconds"] > 0
        assert all(len(row[metric]) == config.num_epochs for metric in keep)


def test_the_code_still_gives_what_is_stored(mnist):
    """One network of each finding, trained anew."""
    for name, place in (("random-labels-50", 1), ("batch-sizes", 8 * 40 + 3)):
        configs, data, keep = EXPERIMENTS[name](mnist)
        (row,) = run([configs[place]], data, keep=keep)
        for metric in keep:
            np.testing.assert_allclose(row[metric], stored(name)[place][metric], atol=0.02)


def test_files_are_those_of_the_experiments():
    assert {file.stem for file in STORED.iterdir()} == set(EXPERIMENTS)
    assert sum(file.stat().st_size for file in STORED.iterdir()) < 500_000


def test_labels_are_corrupted_as_often_as_said(mnist):
    for percent in (0, 25, 50, 75, 100):
        data = EXPERIMENTS[f"random-labels-{percent}"](mnist).data
        changed = np.mean(data.train.labels != mnist.train.labels[:1000])
        assert changed == pytest.approx(0.9 * percent / 100, abs=0.04)  # one in ten stays by luck
        np.testing.assert_array_equal(data.train.images, mnist.train.images[:1000])
        np.testing.assert_array_equal(data.validation.labels, mnist.validation.labels[:2000])
    drawn = np.bincount(data.train.labels, minlength=10)
    assert drawn.min() > 70 and data.train.labels.dtype == np.int32


def test_shuffled_pixels_are_shuffled_alike_in_all_images(mnist):
    few = mnist.train.images[:1000].reshape(1000, -1)
    shuffled = EXPERIMENTS["shuffled-pixels"](mnist).data.train
    pixels = shuffled.images.reshape(1000, -1)
    assert (pixels != few).any()
    np.testing.assert_array_equal(np.sort(pixels), np.sort(few))
    columns = {column.tobytes() for column in few.T}
    assert {column.tobytes() for column in pixels.T} == columns
    np.testing.assert_array_equal(shuffled.labels, mnist.train.labels[:1000])


def test_noise_has_nothing_of_the_images_but_their_brightness(mnist):
    few, noise = mnist.train.images[:1000], EXPERIMENTS["noise"](mnist).data.train.images
    assert noise.dtype == np.uint8 and noise.shape == few.shape
    # Half of a normal curve around a mean of 33 lies below black, and is cut off there.
    assert noise.mean() == pytest.approx(few.mean() + 18, abs=3)
    assert abs(np.corrcoef(noise.mean(0).ravel(), few.mean(0).ravel())[0, 1]) < 0.1


def test_epochs_until_a_goal():
    assert epochs_until([0.2, 0.6, 0.8], 0.7) == pytest.approx(2.5)
    assert epochs_until([0.8], 0.4) == pytest.approx(0.5)
    assert epochs_until([0.2, 0.8, 0.1], 0.8) == 2
    assert epochs_until([0.2, 0.6], 0.7) == np.inf


def test_the_command_resumes_and_saves(few, tmp_path, monkeypatch, capsys):
    config = Config(hidden_units=4, batch_size=100, num_epochs=1)
    monkeypatch.setattr(lab, "load_mnist", lambda: few)
    monkeypatch.setattr(lab, "WORK", tmp_path / "work")
    monkeypatch.setattr(lab, "STORED", tmp_path / "stored")
    tiny = {"tiny": lambda data: replications.Experiment([config], data, ("train_loss",))}
    monkeypatch.setattr(lab, "EXPERIMENTS", tiny)
    lab.main([])
    first = (tmp_path / "work/tiny.json").read_bytes()
    lab.main(["--save"])
    assert "1 of 1 networks" in capsys.readouterr().err
    assert (tmp_path / "stored/tiny.json").read_bytes() == first
    assert len(json.loads(first)["rows"]) == 1
    assert not list((tmp_path / "work").iterdir())  # the next run begins anew
    with pytest.raises(SystemExit):
        lab.main(["--names", "other"])


def steps(rows, batch_size, momentum):
    """The best rate's mean updates to the goal, and whether both its neighbours were tried."""
    rates = replications.RATES[momentum][batch_size > 128]
    means = [
        np.mean(
            [
                epochs_until(row["validation_accuracy"], replications.GOAL) * 4_096 / batch_size
                for row in rows
                if (row["batch_size"], row["momentum"], row["learning_rate"])
                == (batch_size, momentum, rate)
            ]
        )
        for rate in rates
    ]
    place = int(np.argmin(means))
    return min(means), 0 < place < len(rates) - 1


def test_the_findings_show_what_the_chapter_says():
    rows = stored("batch-sizes")
    for momentum in replications.RATES:
        found = [steps(rows, size, momentum) for size in replications.BATCHES]
        assert all(inside for _, inside in found)  # no best rate is the first or last tried
        updates = [each for each, _ in found]
        assert updates[0] / updates[2] > 3 and updates[-3] / updates[-1] < 1.3
    assert updates[-1] < steps(rows, 4_096, 0.0)[0] / 1.5  # with momentum, and without
    curves = [stored(f"random-labels-{percent}") for percent in (0, 25, 50, 75, 100)]
    fitted = [
        np.mean([epochs_until(row["train_accuracy"], 0.99) for row in several])
        for several in curves
    ]
    assert fitted[0] < min(fitted[1:]) / 3 and max(fitted) < 40  # all are fitted
    held_out = [np.mean([row["validation_accuracy"][-1] for row in several]) for several in curves]
    assert held_out == sorted(held_out, reverse=True) and held_out[-1] < 0.15

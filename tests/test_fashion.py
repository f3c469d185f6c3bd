"""Clothes: what is stored of them, and the command that measures it."""

import json

import numpy as np
import pytest

from benchmarks import fashion as benchmark
from mnist_tutorial.config import Config
from mnist_tutorial.further import fashion
from mnist_tutorial.further.recipes import Recipe


def test_what_is_stored_was_measured_by_todays_recipes():
    found = fashion.measured()
    assert found["ways"] == {name: benchmark.about(way) for name, way in fashion.WAYS.items()}
    assert list(found["tries"]) == list(fashion.WAYS)
    assert list(found["runs"]) == list(benchmark.COMPARED)
    tried = {name: run["validation_accuracy"][-1] for name, run in found["tries"].items()}
    assert max(tried, key=tried.get) == fashion.CHOSEN
    assert not any("test_accuracy" in run for run in found["tries"].values())
    seeds = {tuple(run["seed"] for run in runs) for runs in found["runs"].values()}
    assert len(seeds) == 1 and len(*seeds) >= 2


def test_a_picture_of_each_class_is_stored():
    pictures = fashion.pictures()
    assert pictures.shape == (len(fashion.CLASSES), 28, 28) and pictures.dtype == np.uint8
    assert (pictures.max(axis=(1, 2)) > 200).all()


def test_mirroring_adds_every_image_turned_over(few):
    both = fashion.mirror(few).train
    assert len(both.labels) == 400 and (both.labels[200:] == few.train.labels).all()
    np.testing.assert_array_equal(both.images[:200], few.train.images)
    np.testing.assert_array_equal(both.images[203, :, 0], few.train.images[3, :, -1])


def test_the_command_chooses_without_the_test_images(few, tmp_path, monkeypatch, capsys):
    tiny = Recipe(Config(hidden_units=4, batch_size=50, num_epochs=1))
    ways = {
        name: fashion.Way(tiny, mirrored=name != "better")
        for name in ("original", "better", fashion.CHOSEN)
    }
    monkeypatch.setattr(benchmark, "WAYS", ways)
    monkeypatch.setattr(benchmark, "load_mnist", lambda config, data_dir: few)
    monkeypatch.setattr(benchmark, "MEASURED", tmp_path / "fashion.json")
    monkeypatch.setattr(benchmark, "PICTURES", tmp_path / "fashion.png")
    benchmark.main(["--seeds", "5", "6", "--save"])
    found = json.loads((tmp_path / "fashion.json").read_text())
    assert all("test_accuracy" not in run for run in found["tries"].values())
    for runs in found["runs"].values():
        assert [run["seed"] for run in runs] == [5, 6]
        assert all(0 <= run["test_accuracy"] <= 1 for run in runs)
    assert fashion.CHOSEN in capsys.readouterr().out
    monkeypatch.setattr(fashion, "PICTURES", tmp_path / "fashion.png")
    first = few.train.images[np.argmax(few.train.labels == 3)]
    np.testing.assert_array_equal(fashion.pictures()[3], first)


def test_bad_seeds_are_refused():
    with pytest.raises(SystemExit):
        benchmark.main(["--seeds", "one"])

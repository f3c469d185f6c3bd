"""Clothes: what is stored of them, and the command that measures it."""

import json

import numpy as np

from benchmarks import fashion as benchmark
from mnist_tutorial.config import Config
from mnist_tutorial.further import fashion
from mnist_tutorial.further.recipes import Recipe


def test_what_is_stored_was_measured_by_todays_recipes():
    found = fashion.measured()
    assert found["ways"] == {name: benchmark.about(way) for name, way in fashion.WAYS.items()}
    runs = {
        name: [run["validation_accuracy"] for run in each] for name, each in found["runs"].items()
    }
    assert max(runs, key=lambda name: np.mean(runs[name])) == fashion.CHOSEN


def test_a_picture_of_each_class_is_stored():
    pictures = fashion.pictures()
    assert pictures.shape == (len(fashion.CLASSES), 28, 28) and pictures.dtype == np.uint8
    assert (pictures.max(axis=(1, 2)) > 200).all()


def test_mirroring_adds_every_image_turned_over(few):
    both = fashion.mirror(few).train
    assert len(both.labels) == 400 and (both.labels[200:] == few.train.labels).all()
    np.testing.assert_array_equal(both.images[:200], few.train.images)
    np.testing.assert_array_equal(both.images[203, :, 0], few.train.images[3, :, -1])


def test_the_command_measures_every_way_and_leaves_the_test_images_closed(
    few, tmp_path, monkeypatch, capsys
):
    tiny = Recipe(Config(hidden_units=4, batch_size=50, num_epochs=1))
    ways = {"original": fashion.Way(None), "other": fashion.Way(tiny, mirrored=True)}
    monkeypatch.setattr(benchmark, "WAYS", ways)
    data = few._replace(test=None)
    monkeypatch.setattr(benchmark, "load_mnist", lambda config, data_dir: data)
    monkeypatch.setattr(benchmark, "MEASURED", tmp_path / "fashion.json")
    monkeypatch.setattr(benchmark, "PICTURES", tmp_path / "fashion.png")
    benchmark.main(["--seeds", "5", "6", "--save"])
    found = json.loads((tmp_path / "fashion.json").read_text())
    for runs in found["runs"].values():
        assert [run["seed"] for run in runs] == [5, 6]
        assert all(0 < run["validation_accuracy"] < 1 for run in runs)
    assert found["ways"]["other"]["mirrored"] and "other" in capsys.readouterr().out
    monkeypatch.setattr(fashion, "PICTURES", tmp_path / "fashion.png")
    first = few.train.images[np.argmax(few.train.labels == 3)]
    np.testing.assert_array_equal(fashion.pictures()[3], first)

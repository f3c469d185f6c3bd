"""Other data: prepared sets by name, the reader's own folder, and MNIST's own preparation."""

import io
import json

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image

from mnist_tutorial import data as data_module
from mnist_tutorial.config import Config
from mnist_tutorial.data import PREPARED, DataError, Examples, load_mnist
from mnist_tutorial.further.own_data import DRAWN, centred, load_folder, split

RNG = np.random.default_rng(0)
TWO = Config(num_classes=2)


def prepared_copy(folder, name, splits):
    """A small copy in the format of TensorFlow Datasets, made without TensorFlow."""
    data_module._tensorflow_datasets()  # which knows how to import it on Colab
    from tensorflow_datasets.proto import tf_example_pb2

    home = folder / name / "3.0.1"
    home.mkdir(parents=True)
    original = PREPARED / "mnist/3.0.1"
    (home / "features.json").write_bytes((original / "features.json").read_bytes())
    info = json.loads((original / "dataset_info.json").read_text()) | {"name": name}
    for described in info["splits"]:
        examples = splits[described["name"]]
        described["shardLengths"] = [str(len(examples.labels))]
        file = home / f"{name}-{described['name']}.array_record-00000-of-00001"
        writer = ArrayRecordWriter(str(file), "group_size:1")
        for image, label in zip(*examples, strict=True):
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG")
            example = tf_example_pb2.Example()
            example.features.feature["image"].bytes_list.value.append(png.getvalue())
            example.features.feature["label"].int64_list.value.append(int(label))
            writer.write(example.SerializeToString())
        writer.close()
    (home / "dataset_info.json").write_text(json.dumps(info))


@pytest.mark.parametrize("name", ["fashion_mnist", "kmnist"])
def test_another_set_is_read_by_its_name(tmp_path, monkeypatch, name):
    monkeypatch.setattr(data_module, "cache_dir", lambda: tmp_path / "cache")
    splits = {
        split: Examples(
            RNG.integers(0, 256, (size, 28, 28), np.uint8), RNG.integers(0, 10, size, np.int32)
        )
        for split, size in (("train", 30), ("test", 7))
    }
    prepared_copy(tmp_path / "sets", name, splits)
    config = Config(dataset=name, num_validation=10)
    for _ in range(2):  # decoded, then from the cache
        train, validation, test = load_mnist(config, tmp_path / "sets")
        for field in ("images", "labels"):
            both = np.concatenate([getattr(train, field), getattr(validation, field)])
            np.testing.assert_array_equal(both, getattr(splits["train"], field))
            np.testing.assert_array_equal(getattr(test, field), getattr(splits["test"], field))
    assert len(validation.labels) == 10
    assert [file.name.split("-")[0] for file in (tmp_path / "cache").iterdir()] == [name]


@pytest.fixture
def folder(tmp_path):
    """Two classes; `put(name, pixels)` adds an image, or what stands for one."""

    def put(name, pixels, mode=None):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        if isinstance(pixels, bytes):
            file.write_bytes(pixels)
        else:
            Image.fromarray(pixels, mode).save(file)

    put("cat/2.png", np.full((28, 28), 20, np.uint8))
    put("ant/1.png", np.full((28, 28), 10, np.uint8))
    put("cat/1.PNG", np.full((28, 28), 30, np.uint8))
    put("cat/.DS_Store", b"unseen")
    return tmp_path, put


def test_a_folder_has_a_subfolder_for_each_class(folder):
    examples, names = load_folder(folder[0], TWO)
    assert names == ["ant", "cat"]
    assert examples.images.dtype == np.uint8 and examples.images.shape == (3, 28, 28)
    assert examples.labels.dtype == np.int32 and examples.labels.tolist() == [0, 1, 1]
    assert examples.images[:, 0, 0].tolist() == [10, 30, 20]


def test_images_keep_their_pixels_exactly_where_they_fit(folder, mnist):
    place, put = folder
    put("ant/2.png", mnist.test.images[0])
    put("ant/3.png", np.dstack([mnist.test.images[0]] * 3))
    put("ant/4.png", np.dstack([mnist.test.images[0]] * 3 + [np.full((28, 28), 255, np.uint8)]))
    images = load_folder(place, TWO)[0].images
    for image in images[1:4]:
        np.testing.assert_array_equal(image, mnist.test.images[0])


def test_dark_ink_is_turned_over_and_what_is_transparent_is_paper(folder):
    place, put = folder
    ink = np.zeros((28, 28, 4), np.uint8)
    ink[10:18, 10:18, 3] = 255  # black, on nothing
    put("ant/1.png", ink)
    dark = load_folder(place, TWO, dark_ink=True)[0].images
    expected = np.zeros((28, 28), np.uint8)
    expected[10:18, 10:18] = 255
    np.testing.assert_array_equal(dark[0], expected)
    assert dark[1:, 0, 0].tolist() == [225, 235]
    assert load_folder(place, TWO)[0].images[0].max() == 0


def test_a_wide_image_is_scaled_as_a_whole_with_background_above_and_below(folder):
    place, put = folder
    put("ant/1.jpg", np.full((50, 100), 200, np.uint8))
    wide = load_folder(place, TWO)[0].images[0]  # 1.jpg, before 1.png
    assert np.abs(wide[9:19].astype(int) - 200).max() <= 2 and wide.shape == (28, 28)
    assert wide[:6].max() == wide[22:].max() == 0
    small = load_folder(place, Config(num_classes=2, num_rows=10, num_columns=20))[0].images
    assert small.shape == (4, 10, 20)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("dog/1.png", np.zeros((8, 8), np.uint8), "2 since num_classes = 2; it has 3: ant, cat, d"),
        ("ant/1.gif", np.zeros((8, 8), np.uint8), r"1.gif can't be read as a PNG or JPEG"),
        ("ant/notes.txt", b"no image", r"notes.txt can't be read"),
        ("ant/5.png", b"", r"5.png can't be read"),
        ("ant/5.png", np.zeros((8, 8), np.uint16), "its mode is I.*: save it with 8 bits"),
    ],
)
def test_what_cannot_be_read_is_named(folder, name, content, message):
    place, put = folder
    put(name, content)
    with pytest.raises(DataError, match=message):
        load_folder(place, TWO)


def test_folders_that_are_none_or_empty_are_named(folder, tmp_path):
    place, _ = folder
    with pytest.raises(DataError, match="there is no folder .*absent"):
        load_folder(tmp_path / "absent")
    with pytest.raises(DataError, match="cat needs one subfolder .* it has 0: none"):
        load_folder(place / "cat", TWO)
    (place / "ant/1.png").unlink()
    with pytest.raises(DataError, match="ant holds no images"):
        load_folder(place, TWO)


def test_a_split_takes_every_example_once(few):
    examples = few.train._replace(images=np.arange(200))
    sets = split(examples, num_validation=30, num_test=50)
    assert [len(part.labels) for part in sets] == [120, 30, 50]
    everything = np.concatenate([part.images for part in sets])
    assert sorted(everything) == list(range(200)) and list(everything) != list(range(200))
    for part in sets:
        np.testing.assert_array_equal(part.labels, examples.labels[part.images])
    again, other = (split(examples, 30, 50, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(sets.test.images, again.test.images)
    assert (sets.test.images != other.test.images).any()
    with pytest.raises(DataError, match="200 examples leave nothing .* after 200 are taken"):
        split(examples, 100, 100)


def test_mnists_own_digits_are_centred_already(mnist):
    images = mnist.test.images[:200]
    apart = np.abs(centred(images).astype(float) - images).mean(axis=(1, 2))
    moved = np.abs(np.roll(images, 1, axis=2).astype(float) - images).mean(axis=(1, 2))
    assert np.median(apart) < np.median(moved) / 2


def test_moved_and_smaller_digits_come_back(mnist):
    images = mnist.test.images[:50]
    np.testing.assert_array_equal(centred(np.roll(images, (-1, 1), axis=(1, 2))), centred(images))
    halves = np.zeros_like(images)
    for half, image in zip(halves, images, strict=True):
        half[14:, :14] = Image.fromarray(image).resize((14, 14), Image.Resampling.BOX)
    far = np.abs(halves.astype(float) - images).mean()
    assert np.abs(centred(halves).astype(float) - images).mean() < far / 2


def test_a_bar_becomes_twenty_pixels_long_around_the_middle():
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 2:12, 1:4] = 255
    (bar,) = centred(image)
    rows, columns = np.flatnonzero(bar.any(axis=1)), np.flatnonzero(bar.any(axis=0))
    assert len(rows) == 20 and len(columns) == 6
    assert rows[0] in (4, 5) and columns[0] in (11, 12)  # half a pixel can't be
    assert not centred(np.zeros((1, 28, 28), np.uint8)).any()
    specks = np.zeros((1, 28, 2_800), np.uint8)
    specks[0, 0, 0] = specks[0, 27, 2_799] = 14
    assert not centred(specks).any()  # nothing is left when they fit into the box
    with pytest.raises(DataError, match="must be an array"):
        centred(image[0])


def test_the_drawn_set_has_three_of_each_digit():
    examples, names = load_folder(DRAWN)
    assert names == list("0123456789") and np.bincount(examples.labels).tolist() == [3] * 10
    ink = (examples.images > 127).mean(axis=(1, 2))
    assert 0.03 < ink.min() and ink.max() < 0.4  # light on black, as in MNIST


@pytest.mark.parametrize("upper", [False, True])
def test_folders_named_by_digits_are_labelled_as_those_digits(tmp_path, upper):
    """In the order of the alphabet, "eight" would be 0."""
    words = "zero one two three four five six seven eight nine".split()
    for digit, word in enumerate(words):
        folder = tmp_path / (word.upper() if upper else word)
        folder.mkdir()
        Image.new("L", (28, 28), 20 * digit).save(folder / "a.png")
        (folder / "Desktop.INI").write_text("[.ShellClassInfo]")
        (folder / "thumbs.db").write_bytes(b"")
    examples, names = load_folder(tmp_path)
    assert [name.lower() for name in names] == words
    assert examples.labels.tolist() == list(range(10))
    assert examples.images[:, 0, 0].tolist() == [20 * digit for digit in range(10)]

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
from mnist_tutorial.further.handwriting import Scene, picture
from mnist_tutorial.further.own_data import DRAWN, load_folder, split

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
    examples, names = load_folder(folder[0], TWO, dark_ink=False, whole=True)
    assert names == ["ant", "cat"]
    assert examples.images.dtype == np.uint8 and examples.images.shape == (3, 28, 28)
    assert examples.labels.dtype == np.int32 and examples.labels.tolist() == [0, 1, 1]
    assert examples.images[:, 0, 0].tolist() == [10, 30, 20]


@pytest.mark.parametrize("whole", [True, False])
def test_images_keep_their_pixels_exactly_where_they_fit(tmp_path, mnist, whole):
    image = mnist.test.images[0]
    opaque = np.full((28, 28), 255, np.uint8)
    (tmp_path / "a").mkdir()
    for i, pixels in enumerate([image, np.dstack([image] * 3), np.dstack([image] * 3 + [opaque])]):
        Image.fromarray(pixels).save(tmp_path / f"a/{i}.png")
    Image.fromarray(255 - image).save(tmp_path / "a/3.bmp")
    (tmp_path / "b").mkdir()
    Image.fromarray(image).save(tmp_path / "b/1.webp", lossless=True)
    for image_read in load_folder(tmp_path, TWO, whole=whole)[0].images:
        np.testing.assert_array_equal(image_read, image)


def test_ink_may_be_dark_or_light_and_what_is_transparent_is_paper(folder):
    place, put = folder
    ink = np.zeros((28, 28, 4), np.uint8)
    ink[10:18, 10:18, 3] = 255  # black, on nothing
    put("ant/1.png", ink)
    expected = np.zeros((28, 28), np.uint8)
    expected[10:18, 10:18] = 255
    dark = load_folder(place, TWO, dark_ink=True, whole=True)[0].images
    np.testing.assert_array_equal(dark[0], expected)
    assert dark[1:, 0, 0].tolist() == [225, 235]
    itself = load_folder(place, TWO, whole=True)[0].images
    np.testing.assert_array_equal(itself[0], expected)


def test_a_wide_image_is_scaled_as_a_whole_with_background_above_and_below(folder):
    place, put = folder
    put("ant/1.jpg", np.full((50, 100), 200, np.uint8))
    wide = load_folder(place, TWO, dark_ink=False, whole=True)[0].images[0]  # 1.jpg, before 1.png
    assert np.abs(wide[9:19].astype(int) - 200).max() <= 2 and wide.shape == (28, 28)
    assert wide[:6].max() == wide[22:].max() == 0
    config = Config(num_classes=2, num_rows=10, num_columns=20)
    assert load_folder(place, config, whole=True)[0].images.shape == (4, 10, 20)
    with pytest.raises(DataError, match=r"num_columns = \(10, 20\); pass whole=True"):
        load_folder(place, config)


def test_every_digit_on_a_picture_of_handwriting_is_an_example(tmp_path):
    for name, text in (("one", "11 1"), ("seven", "77")):
        (tmp_path / name).mkdir()
        picture(text, Scene(paper=(200, 198, 190), noise=3))[0].save(tmp_path / name / "sheet.jpg")
    examples, names = load_folder(tmp_path, TWO)
    assert names == ["one", "seven"] and examples.labels.tolist() == [0, 0, 0, 1, 1]
    assert examples.images.shape == (5, 28, 28) and examples.images.max(axis=(1, 2)).min() > 200


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("dog/1.png", np.zeros((8, 8), np.uint8), "num_classes is 2; it has 3: ant, cat, d"),
        ("ant/0.txt", b"no image", r"0.txt can't be read: it isn't a picture of a kind"),
        ("ant/0.png", b"", r"0.png can't be read: it isn't a picture"),
        ("ant/0.png", np.full((50, 50), 255, np.uint8), r"0.png can't be read: no ink on it"),
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
    with pytest.raises(DataError, match="200 of 200 examples .* none is left to train on"):
        split(examples, 100, 100)


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
    examples, names = load_folder(tmp_path, dark_ink=False, whole=True)
    assert [name.lower() for name in names] == words
    assert examples.labels.tolist() == list(range(10))
    assert examples.images[:, 0, 0].tolist() == [20 * digit for digit in range(10)]

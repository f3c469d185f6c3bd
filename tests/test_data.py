"""The data are the original MNIST, and a bad copy is met with a clear error.

The digests below were made from the four original downloads, whose SHA-256 sums are those
that TensorFlow Datasets registers for mnist/3.0.1. Where MNIST_IDX names a folder with
these downloads, they are made again from them.
"""

import gzip
import hashlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mnist_tutorial import data as data_module
from mnist_tutorial.config import Config
from mnist_tutorial.data import PREPARED, DataError, Examples, load_mnist

IDX = {
    "train": ("train", 60_000, "386a0fff07efe9ae3f934853780556ca1fe630371d4964508a3e3256c2063b0e"),
    "test": ("t10k", 10_000, "292a2c8e9008782f6c6c94df46012a17c808c2666413d175e62502bbcf68dd61"),
}
FIRST_ORIGINALS = {"train": [16399, 1680, 47917], "test": [9933, 5669, 163]}


def digest(images, labels):
    """One hash of all examples, whatever their order."""
    rows = np.concatenate([images.reshape(len(images), -1), labels[:, None]], axis=1)
    rows = rows.astype(np.uint8)
    return hashlib.sha256(b"".join(sorted(row.tobytes() for row in rows))).hexdigest()


def read_idx(folder, stem):
    """The originals, read by their format's definition."""
    images, labels = (
        gzip.decompress((Path(folder) / f"{stem}-{kind}-ubyte.gz").read_bytes())
        for kind in ("images-idx3", "labels-idx1")
    )
    return (
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28),
        np.frombuffer(labels, np.uint8, offset=8),
    )


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(data_module, "cache_dir", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def copy_of_data(tmp_path):
    """A copy that a test may damage."""
    shutil.copytree(PREPARED, tmp_path / "prepared")
    return tmp_path / "prepared"


def whole(data, split):
    """A split as it was before some training images were held out."""
    if split == "test":
        return data.test
    return [np.concatenate(pair) for pair in zip(data.train, data.validation, strict=True)]


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_prepared_copy_holds_the_original_examples(mnist, split):
    images, labels = whole(mnist, split)
    assert len(images) == IDX[split][1]
    assert digest(images, labels) == IDX[split][2]


@pytest.mark.skipif("MNIST_IDX" not in os.environ, reason="MNIST_IDX names no folder of originals")
@pytest.mark.parametrize("split", ["train", "test"])
def test_against_the_original_files(mnist, split):
    stem, _, expected = IDX[split]
    originals = read_idx(os.environ["MNIST_IDX"], stem)
    assert digest(*originals) == expected
    images, labels = whole(mnist, split)
    for place, original in enumerate(FIRST_ORIGINALS[split]):
        np.testing.assert_array_equal(images[place], originals[0][original])
        assert labels[place] == originals[1][original]


def test_order_of_the_examples_is_that_of_tensorflow_datasets(mnist):
    ordered = hashlib.sha256(np.concatenate(mnist.train.images).tobytes()).hexdigest()
    assert ordered == "a4ec9f9ce4ccf1228140e1322414b4b30465baf8ca0a160948be5045d12c630e"


def test_shapes_and_types(mnist):
    for examples, size in zip(mnist, (55_000, 5_000, 10_000), strict=True):
        assert examples.images.shape == (size, 28, 28) and examples.images.dtype == np.uint8
        assert examples.labels.shape == (size,) and examples.labels.dtype == np.int32
        assert set(examples.labels) == set(range(10))


def test_validation_is_the_end_of_the_training_images(mnist):
    original = load_mnist(Config(num_validation=0))
    assert len(original.train.labels) == 60_000 and len(original.validation.labels) == 0
    np.testing.assert_array_equal(original.train.images[55_000:], mnist.validation.images)
    np.testing.assert_array_equal(original.train.labels[:55_000], mnist.train.labels)
    np.testing.assert_array_equal(original.test.labels, mnist.test.labels)


def test_no_image_is_in_two_splits(mnist):
    seen = [{image.tobytes() for image in examples.images} for examples in mnist]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


@pytest.mark.parametrize("name", ["minst", "../mnist", "", "kmnist"])
def test_an_unknown_data_set_is_named_with_the_remedy(name):
    with pytest.raises(DataError, match=f"no prepared copy of the data set '{name}'.*tfds.builder"):
        load_mnist(Config(dataset=name))


@pytest.mark.parametrize("count", [60_000, 70_000])
def test_nothing_left_to_train_on(count):
    with pytest.raises(ValueError, match=f"num_validation {count} leaves nothing to train on"):
        load_mnist(Config(num_validation=count))


@pytest.mark.parametrize("wrong", [dict(num_rows=32), dict(num_columns=14)])
def test_images_of_another_shape(wrong):
    with pytest.raises(DataError, match=r"images of \(28, 28\) pixels"):
        load_mnist(Config(**wrong))


def test_labels_beyond_the_classes():
    with pytest.raises(DataError, match="has the label 9, but .* num_classes = 5"):
        load_mnist(Config(num_classes=5))


def damage(folder, kind):
    file = next(folder.glob("mnist/3.0.1/mnist-test*"))
    content = bytearray(file.read_bytes())
    match kind:
        case "absent":
            file.unlink()
            return
        case "truncated":
            content = content[: len(content) // 2]
        case "empty":
            content = b""
        case "bit-flipped":
            content[1_000_000] ^= 4
    file.write_bytes(content)


@pytest.mark.parametrize("kind", ["absent", "truncated", "empty", "bit-flipped"])
def test_a_damaged_copy_gives_an_error_and_no_cache(empty_cache, copy_of_data, kind, monkeypatch):
    damage(copy_of_data, kind)
    monkeypatch.setattr(data_module, "SPLITS", ("test",))  # the damaged one alone: faster
    with pytest.raises(DataError, match="test split .* damaged or incomplete"):
        data_module._read_cached(copy_of_data / "mnist/3.0.1")
    assert not list(empty_cache.glob("*"))


def test_a_missing_copy_gives_an_error_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(data_module, "PREPARED", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DataError, match="no prepared copy of the data set 'mnist'"):
        load_mnist()


def test_cache_is_written_read_and_made_again_when_damaged(
    empty_cache, copy_of_data, mnist, monkeypatch
):
    monkeypatch.setattr(data_module, "SPLITS", ("test",))
    folder = copy_of_data / "mnist/3.0.1"
    (decoded,) = data_module._read_cached(folder)
    np.testing.assert_array_equal(decoded.images, mnist.test.images)
    np.testing.assert_array_equal(decoded.labels, mnist.test.labels)
    (cached,) = empty_cache.iterdir()
    content = bytearray(cached.read_bytes())
    monkeypatch.setattr(data_module, "_decode", None)  # must not be needed
    (again,) = data_module._read_cached(folder)
    np.testing.assert_array_equal(again.images, decoded.images)
    monkeypatch.undo()
    monkeypatch.setattr(data_module, "cache_dir", lambda: empty_cache)
    monkeypatch.setattr(data_module, "SPLITS", ("test",))
    for bad in (content[:1000], b"", content[:5000] + b"\1" + content[5001:]):
        cached.write_bytes(bad)
        with pytest.warns(UserWarning, match="is damaged"):
            (repaired,) = data_module._read_cached(folder)
        np.testing.assert_array_equal(repaired.images, decoded.images)
        assert cached.read_bytes() == bytes(content)


def test_images_in_colour_are_refused_before_they_are_cached(
    empty_cache, copy_of_data, monkeypatch
):
    colour = Examples(np.zeros((2, 32, 32, 3), np.uint8), np.zeros(2, np.int32))
    monkeypatch.setattr(data_module, "_decode", lambda folder, split: colour)
    with pytest.raises(DataError, match="must be an array"):
        data_module._read_cached(copy_of_data / "mnist/3.0.1")
    assert not list(empty_cache.glob("*"))


def test_another_copy_has_another_cache(empty_cache, copy_of_data, monkeypatch):
    monkeypatch.setattr(data_module, "SPLITS", ("test",))
    folder = copy_of_data / "mnist/3.0.1"
    data_module._read_cached(folder)
    info = folder / "dataset_info.json"
    info.write_text(info.read_text().replace("handwritten", "HANDWRITTEN"))  # as long
    data_module._read_cached(folder)
    assert len(list(empty_cache.iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch, copy_of_data):
    blocked = tmp_path / "file"
    blocked.write_text("a file stands where the folder should be")
    monkeypatch.setattr(data_module, "cache_dir", lambda: blocked / "cache")
    monkeypatch.setattr(data_module, "SPLITS", ("test",))
    with pytest.warns(UserWarning, match="can't keep the decoded images in .*decoded again"):
        (test,) = data_module._read_cached(copy_of_data / "mnist/3.0.1")
    assert len(test.labels) == 10_000


def test_a_package_made_for_a_newer_protobuf_is_no_obstacle(monkeypatch):
    """Colab had one in August 2026, and TensorFlow Datasets could not be imported."""
    from google.protobuf import runtime_version as protobuf

    newer = (protobuf.DOMAIN, protobuf.MAJOR + 1, 0, 0, "", "some.proto")
    monkeypatch.delenv("TEMPORARILY_DISABLE_PROTOBUF_VERSION_CHECK", raising=False)
    with pytest.raises(protobuf.VersionError):
        protobuf.ValidateProtobufRuntimeVersion(*newer)
    data_module._tensorflow_datasets()
    protobuf.ValidateProtobufRuntimeVersion(*newer)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        data_module.write_whole(file, b"new")
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]


def test_no_network_is_asked_for(empty_cache, monkeypatch):
    def refuse(*arguments, **_):
        raise AssertionError(f"asked for the network: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(load_mnist().train.labels) == 55_000


def test_tensorflow_is_not_imported():
    code = (
        "import sys, mnist_tutorial.data as d; d._decode(d.find_prepared('mnist'), 'test');"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_newest_copy_is_read(tmp_path):
    for version in ("9.0.1", "10.0.0", "3.0.1", "old.0.0"):
        (tmp_path / "set" / version).mkdir(parents=True)
        (tmp_path / "set" / version / "dataset_info.json").touch()
    assert data_module.find_prepared("set", tmp_path).name == "10.0.0"


def test_a_link_stays_a_link_and_a_file_keeps_its_permissions(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "file", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    data_module.write_whole(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
    usual = os.umask(0o077)
    try:
        data_module.write_whole(tmp_path / "private", b"new")
    finally:
        os.umask(usual)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600


def test_a_set_with_a_builders_configuration_is_found(tmp_path):
    prepared = PREPARED / "mnist" / "3.0.1"
    shutil.copytree(prepared, tmp_path / "emnist" / "letters" / "3.1.0")
    found = data_module.find_prepared("emnist/letters", tmp_path)
    assert found == tmp_path / "emnist" / "letters" / "3.1.0"
    for name in ("../mnist", "mnist/..", "/mnist", "emnist/letters/3.1.0", "mnist/../mnist", ""):
        with pytest.raises(DataError, match="no prepared copy"):
            data_module.find_prepared(name, tmp_path)


def test_the_variable_of_tensorflow_datasets_names_a_folder_too(tmp_path, monkeypatch):
    shutil.copytree(PREPARED / "mnist" / "3.0.1", tmp_path / "kmnist" / "3.0.1")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert data_module.find_prepared("kmnist") == tmp_path / "kmnist" / "3.0.1"
    monkeypatch.delenv("TFDS_DATA_DIR")
    with pytest.raises(DataError, match="tfds.builder"):
        data_module.find_prepared("kmnist")


def test_a_home_that_nobody_knows_is_no_folder_called_tilde(monkeypatch):
    """Older platformdirs leave it as it is."""
    monkeypatch.setattr(data_module.platformdirs, "user_cache_dir", lambda name: f"~/.cache/{name}")
    assert data_module.cache_dir().is_absolute()


def test_a_user_without_name_and_home_has_a_cache_all_the_same():
    """As in a container that was started with a bare number for its user."""
    if os.geteuid():
        pytest.skip("only root can become a user that doesn't exist")
    code = "from mnist_tutorial.data import cache_dir; import os; os.setuid(54321); "
    code += "print(cache_dir())"
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    environment = {k: v for k, v in environment.items() if not k.startswith("XDG_")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.strip().endswith("mnist_tutorial-54321"), done.stderr

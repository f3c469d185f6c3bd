"""Chapter 2: the images and labels, split into train, validation and test."""

import hashlib
import io
import os
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import platformdirs

from mnist_tutorial.config import Config

PREPARED = Path(__file__).parent / "datasets"
SPLITS = ("train", "test")


class DataError(Exception):
    """The data are absent, damaged, or not what the configuration asks for."""


class Examples(NamedTuple):
    """Images with their labels.

    Attributes:
      images: (n, num_rows, num_columns) uint8; 0 is background, 255 full ink.
      labels: (n,) int32, the class of each image.
    """

    images: np.ndarray
    labels: np.ndarray


class Dataset(NamedTuple):
    """The three splits: learn from `train`, choose by `validation`, judge by `test`."""

    train: Examples
    validation: Examples
    test: Examples


def load_mnist(config: Config = Config(), data_dir: str | Path | None = None) -> Dataset:
    """Reads the data set that `config.dataset` names.

    The images come from a copy that TensorFlow Datasets has prepared; the package
    carries MNIST. Decoding takes some seconds and is done once: after that a file in
    the user's cache directory answers.

    Args:
      data_dir: a folder of prepared data sets, searched before the package's own and
        TensorFlow Datasets' usual `~/tensorflow_datasets`.

    Returns:
      The splits; validation is the last `config.num_validation` training images.

    Raises:
      DataError: no prepared copy, a damaged one, or images of another shape.
      ValueError: `config.num_validation` leaves nothing to train on.
    """
    folder = find_prepared(config.dataset, data_dir)
    train, test = _read_cached(folder)
    for name, examples in zip(SPLITS, (train, test), strict=True):
        _check(examples, config, f"the {name} split of {config.dataset}")
    cut = len(train.labels) - config.num_validation
    if cut < 1:
        raise ValueError(
            f"num_validation {config.num_validation} leaves nothing to train on: "
            f"{config.dataset} has {len(train.labels)} training images"
        )
    return Dataset(
        train=Examples(train.images[:cut], train.labels[:cut]),
        validation=Examples(train.images[cut:], train.labels[cut:]),
        test=test,
    )


def find_prepared(name: str, data_dir: str | Path | None = None) -> Path:
    """The folder of the newest prepared copy of a data set.

    Raises:
      DataError: there is none; the message says where it looked and how to make one.
    """
    usual = Path(os.path.expanduser("~/tensorflow_datasets"))  # as it is where no home is known
    places = [Path(data_dir)] if data_dir else []
    places += [PREPARED, usual]
    for place in places:
        found = place.glob(f"{name}/*.*.*/dataset_info.json") if name.isidentifier() else ()
        versions = sorted(found, key=lambda path: _version(path.parent.name))
        if versions:
            return versions[-1].parent
    raise DataError(
        f"no prepared copy of the data set {name!r} in {', '.join(map(str, places))}. "
        "The package carries 'mnist'; another set of TensorFlow Datasets is prepared once, "
        "where TensorFlow is installed, with: python tools/prepare_data.py NAME"
    )


def _version(text: str) -> list[int]:
    return [int(part) if part.isdigit() else -1 for part in text.split(".")]


def _check(examples: Examples, config: Config, what: str) -> None:
    shape = (config.num_rows, config.num_columns)
    if examples.images.shape[1:] != shape:
        raise DataError(
            f"{what} has images of {examples.images.shape[1:]} pixels, but the "
            f"configuration says num_rows, num_columns = {shape}"
        )
    if examples.labels.max() >= config.num_classes:
        raise DataError(
            f"{what} has the label {examples.labels.max()}, but the configuration says "
            f"num_classes = {config.num_classes}"
        )


def _read_cached(folder: Path) -> list[Examples]:
    """The two splits from the cache, or decoded and then cached."""
    identity = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        identity.update(f"{file.name} {file.stat().st_size}".encode())
    identity.update((folder / "dataset_info.json").read_bytes())
    name = f"{folder.parent.name}-{folder.name}-{identity.hexdigest()[:16]}.npz"
    cached = cache_dir() / name
    try:
        # Every array in the archive carries a checksum, which reading verifies.
        with np.load(cached, allow_pickle=False) as arrays:
            return [
                Examples(arrays[f"{split}_images"], arrays[f"{split}_labels"]) for split in SPLITS
            ]
    except OSError:  # absent, or a place that can't be read
        pass
    except Exception as error:
        warnings.warn(f"{cached} is damaged ({error}); decoding the images again", stacklevel=3)
    splits = [_decode(folder, split) for split in SPLITS]
    buffer = io.BytesIO()
    arrays = {
        f"{split}_{field}": array
        for split, examples in zip(SPLITS, splits, strict=True)
        for field, array in examples._asdict().items()
    }
    np.savez(buffer, **arrays)
    try:
        write_whole(cached, buffer.getbuffer())
    except OSError as error:
        warnings.warn(
            f"can't keep the decoded images in {cached.parent} ({error.strerror}): they are "
            "decoded anew each time. Set XDG_CACHE_HOME to a folder you may write to",
            stacklevel=3,
        )
    return splits


def _decode(folder: Path, split: str) -> Examples:
    """Reads one split with TensorFlow Datasets; TensorFlow itself is not needed."""
    import tensorflow_datasets as tfds  # here, since it is slow to import and rarely needed
    from PIL import Image

    try:
        builder = tfds.builder_from_directory(folder)
        # Decoding the PNG files here takes half the time that it takes in the library.
        decoders = {"image": tfds.decode.SkipDecoding()}
        source = builder.as_data_source(split=split, decoders=decoders)
        examples = source.__getitems__(range(builder.info.splits[split].num_examples))
        images = np.stack([np.asarray(Image.open(io.BytesIO(e["image"]))) for e in examples])
        labels = np.array([example["label"] for example in examples], np.int32)
    except Exception as error:
        raise DataError(
            f"the {split} split in {folder} is damaged or incomplete ({error}). Install the "
            "package again, or prepare the copy again with tools/prepare_data.py"
        ) from error
    return Examples(images, labels)


def cache_dir() -> Path:
    """The user's cache directory for this package; it need not exist."""
    return Path(platformdirs.user_cache_dir("mnist_tutorial"))


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Writes a file so that it appears complete or not at all.

    Raises:
      OSError: the folder can't be written to or the disk is full; an older file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # temporary files are their owner's alone
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise

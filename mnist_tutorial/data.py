"""Chapter 2: the images and labels, split into train, validation and test."""

import contextlib
import glob
import hashlib
import io
import math
import os
import tempfile
import time
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import platformdirs

from mnist_tutorial.config import Config

if TYPE_CHECKING:
    import jax

PREPARED = Path(__file__).parent / "datasets"
SPLITS = ("train", "test")


class DataError(ValueError):
    """The data are absent, damaged, or not what the network and the configuration ask for."""


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
        check_examples(examples, config, f"the {name} split of {config.dataset}")
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


def check_images(images: "np.ndarray | jax.Array", what: str = "images") -> None:
    """Refuses what a network would answer without sense. Bytes are always in range.

    Args:
      images: a NumPy or JAX array.

    Raises:
      DataError: not (n, rows, columns) with n at least 1, no numbers, or pixels that aren't
        from 0 to 255.
    """
    shape, dtype = np.shape(images), np.dtype(getattr(images, "dtype", object))
    if len(shape) != 3 or 0 in shape:
        raise DataError(
            f"{what} must be an array (n, rows, columns) of at least one image, got the shape "
            f"{shape}; a single image becomes such an array by image[None]"
        )
    if dtype.kind not in "uif" and "float" not in dtype.name:
        raise DataError(f"{what} must be an array of real numbers, got {dtype}")
    if dtype == np.uint8:
        return
    low, high = float(images.min()), float(images.max())
    if not (0 <= low and high <= 255):
        raise DataError(
            f"{what} must have pixels from 0, background, to 255, full ink; "
            f"got {low if not low >= 0 else high}"
        )
    if 0 < high <= 1:
        raise DataError(
            f"{what} must have pixels from 0, background, to 255, full ink; the largest here is "
            f"{high}. Multiply what was scaled to 1 by 255"
        )


def check_labels(labels: np.ndarray, num_images: int, num_classes: int, what: str) -> None:
    """Refuses labels that don't name a class for each image.

    Raises:
      DataError: another number than there are images, none, no integers, or no such class.
    """
    dtype = getattr(labels, "dtype", np.dtype(object))
    if np.shape(labels) != (num_images,) or dtype.kind not in "ui":
        raise DataError(
            f"{what} needs an array of {num_images} whole numbers as labels, one for each image, "
            f"got {dtype} of shape {np.shape(labels)}"
        )
    if not num_images:
        raise DataError(f"{what} has no examples")
    for label in (int(labels.min()), int(labels.max())):
        if not 0 <= label < num_classes:
            raise DataError(
                f"{what} has the label {label}, but the classes go from 0 to "
                f"{num_classes - 1}, since num_classes = {num_classes}"
            )


def check_examples(examples: Examples, config: Config, what: str) -> None:
    """Refuses examples that a network of this configuration can't learn from.

    Raises:
      DataError: as `check_images` and `check_labels`, or images of another size.
    """
    check_images(examples.images, f"the images of {what}")
    shape = (config.num_rows, config.num_columns)
    if examples.images.shape[1:] != shape:
        raise DataError(
            f"{what} has images of {examples.images.shape[1:]} pixels, but the "
            f"configuration says num_rows, num_columns = {shape}"
        )
    check_labels(examples.labels, len(examples.images), config.num_classes, what)


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
            _check_archive(arrays.zip)
            splits = [
                Examples(arrays[f"{split}_images"], arrays[f"{split}_labels"]) for split in SPLITS
            ]
        for images, labels in splits:
            check_images(images)
            types = (str(images.dtype), str(labels.dtype))
            if types != ("uint8", "int32") or labels.shape != images.shape[:1]:
                raise ValueError(f"it holds {types} of {images.shape} and {labels.shape}")
        return splits
    except OSError:  # absent, or a place that can't be read
        pass
    except Exception as error:
        warnings.warn(f"{cached} is damaged ({error}); decoding the images again", stacklevel=3)
    splits = [_decode(folder, split) for split in SPLITS]
    for images, _ in splits:
        check_images(images)
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


def _check_archive(archive: zipfile.ZipFile) -> None:
    """Refuses arrays that would take more memory than the file has bytes."""
    for part in archive.infolist():
        with archive.open(part) as file:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if part.compress_type or math.prod(shape) * dtype.itemsize > part.file_size:
            raise ValueError(f"{part.filename} is larger than its file")


def _decode(folder: Path, split: str) -> Examples:
    """Reads one split with TensorFlow Datasets; TensorFlow itself is not needed."""
    tfds = _tensorflow_datasets()
    try:
        builder = tfds.builder_from_directory(folder)
        # Decoding the PNG files here takes half the time that it takes in the library.
        decoders = {"image": tfds.decode.SkipDecoding()}
        source = builder.as_data_source(split=split, decoders=decoders)
        examples = source.__getitems__(range(builder.info.splits[split].num_examples))
        size = builder.info.features["image"].shape[1::-1]
        images = np.stack([_picture(example["image"], size) for example in examples])
        labels = np.array([example["label"] for example in examples], np.int32)
    except Exception as error:
        raise DataError(
            f"the {split} split in {folder} is damaged or incomplete ({error}). Install the "
            "package again, or prepare the copy again with tools/prepare_data.py"
        ) from error
    return Examples(images, labels)


def _tensorflow_datasets() -> Any:
    """TensorFlow Datasets; it is slow to import and rarely needed.

    On Colab (August 2026) a package that it uses was made for a newer protobuf than is there,
    and would be refused. What is read here is read alike with both.
    """
    os.environ.setdefault("TEMPORARILY_DISABLE_PROTOBUF_VERSION_CHECK", "true")
    import tensorflow_datasets

    return tensorflow_datasets


def _picture(content: bytes, size: tuple[int, int]) -> np.ndarray:
    """The pixels of a PNG or JPEG, which are decoded only where it has the promised size."""
    from PIL import Image

    picture = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
    if picture.size != size:
        raise ValueError(f"an image has {picture.size} pixels, not {size}")
    return np.asarray(picture)


def cache_dir() -> Path:
    """The user's cache directory for this package; it need not exist."""
    return Path(platformdirs.user_cache_dir("mnist_tutorial"))


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Writes a file so that it appears complete or not at all.

    What writers that were killed have left behind is removed after an hour.

    Raises:
      OSError: the folder can't be written to or the disk is full; an older file stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        with contextlib.suppress(OSError):  # another process may be quicker
            if time.time() - left.stat().st_mtime > 3600:
                left.unlink()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # temporary files are their owner's alone
        os.replace(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            error.filename = str(path)  # a full disk doesn't say which file
        raise

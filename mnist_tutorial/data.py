"""Chapter 2: the images and labels, split into train, validation and test."""

import contextlib
import glob
import hashlib
import io
import os
import re
import secrets
import stat
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import platformdirs

from mnist_tutorial.config import Config, ConfigError

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
    carries MNIST. Decoding takes a few seconds and is done only once; after that, the
    images come from a file in the user's cache directory.

    Args:
      data_dir: a folder of prepared data sets, searched before all others; see
        `find_prepared`.

    Returns:
      The splits; validation is the last `config.num_validation` training images.

    Raises:
      DataError: if the prepared copy is missing or damaged, or its images have the wrong shape.
      ConfigError: if `config.num_validation` leaves nothing to train on.
    """
    folder = find_prepared(config.dataset, data_dir)
    train, test = _read_cached(folder)
    for name, examples in zip(SPLITS, (train, test), strict=True):
        check_examples(examples, config, f"the {name} split of {config.dataset}")
    cut = len(train.labels) - config.num_validation
    if cut < 1:
        raise ConfigError(
            f"num_validation {config.num_validation} leaves nothing to train on: "
            f"{config.dataset} has {len(train.labels)} training images"
        )
    return Dataset(
        train=Examples(train.images[:cut], train.labels[:cut]),
        validation=Examples(train.images[cut:], train.labels[cut:]),
        test=test,
    )


def find_prepared(name: str, data_dir: str | Path | None = None) -> Path:
    """Finds the newest prepared copy of a data set.

    It looks in `data_dir`, in the package, in the folder that the environment variable
    `TFDS_DATA_DIR` names, and in TensorFlow Datasets' usual `~/tensorflow_datasets`.

    Args:
      name: as in TensorFlow Datasets, such as "mnist" or, with a builder's configuration,
        "emnist/letters".

    Raises:
      DataError: if there is none; the message says where it looked and how to make one.
    """
    usual = Path(os.path.expanduser("~/tensorflow_datasets"))  # as it is where no home is known
    given = [data_dir, PREPARED, os.environ.get("TFDS_DATA_DIR"), usual]
    places = [Path(place) for place in given if place]
    if re.fullmatch(r"\w+(/\w[\w.-]*)?", name):
        for place in places:
            versions = list(place.glob(f"{name}/*.*.*/dataset_info.json"))
            if versions:
                return max(versions, key=lambda path: _version(path.parent.name)).parent
    raise DataError(
        f"no prepared copy of the data set {name!r} in {', '.join(map(str, places))}. "
        "The package carries 'mnist'. Where TensorFlow is installed, TensorFlow Datasets prepares "
        'another set once: python -c "import tensorflow_datasets as tfds; '
        f"tfds.builder('{name}', file_format='array_record').download_and_prepare()\""
    )


def _version(text: str) -> list[int]:
    return [int(part) if part.isdigit() else -1 for part in text.split(".")]


def check_images(images: "np.ndarray | jax.Array", what: str = "images") -> None:
    """Refuses images to which a network's answer would make no sense.

    Args:
      images: a NumPy or JAX array.

    Raises:
      DataError: if they aren't (n, rows, columns) with n at least 1, aren't numbers, or have
        pixels that aren't from 0 to 255. Pixels from 0 to 1 are taken for a mistake.
    """
    shape, dtype = np.shape(images), np.dtype(getattr(images, "dtype", object))
    if len(shape) != 3 or 0 in shape:
        raise DataError(
            f"{what} must be an array (n, rows, columns) of at least one image, got the shape "
            f"{shape}; a single image becomes such an array by image[None]"
        )
    if dtype.kind not in "uif" and "float" not in dtype.name:
        raise DataError(f"{what} must be an array of real numbers, got {dtype}")
    low, high = float(images.min()), float(images.max())
    if not (0 <= low and high <= 255) or 0 < high <= 1:
        remedy = ". Multiply what was scaled to 1 by 255" if 0 < high <= 1 else ""
        raise DataError(
            f"{what} must have pixels from 0, background, to 255, full ink; "
            f"here they go from {low} to {high}{remedy}"
        )


def check_labels(labels: np.ndarray, num_images: int, num_classes: int, what: str) -> None:
    """Refuses labels that don't name a class for each image.

    Raises:
      DataError: if there are none, or another number than images, or they aren't integers, or
        there is no such class.
    """
    if not num_images:
        raise DataError(f"{what} has no examples")
    dtype = getattr(labels, "dtype", np.dtype(object))
    if np.shape(labels) != (num_images,) or dtype.kind not in "ui":
        raise DataError(
            f"{what} needs an array of {num_images} whole numbers as labels, one for each image, "
            f"got {dtype} of shape {np.shape(labels)}"
        )
    for label in (int(labels.min()), int(labels.max())):
        if not 0 <= label < num_classes:
            raise DataError(
                f"{what} has the label {label}, but the classes go from 0 to "
                f"{num_classes - 1}, since num_classes = {num_classes}"
            )


def check_examples(examples: Examples, config: Config, what: str) -> None:
    """Refuses examples that a network of this configuration can't learn from.

    Raises:
      DataError: as `check_images` and `check_labels`, or if the images have another size.
    """
    check_images(examples.images, f"the images of {what}")
    shape = (config.num_rows, config.num_columns)
    if examples.images.shape[1:] != shape:
        raise DataError(
            f"{what} has images of {examples.images.shape[1:]} pixels, but the "
            f"configuration says num_rows, num_columns = {shape}"
        )
    check_labels(examples.labels, len(examples.images), config.num_classes, what)


def fingerprint(data: Dataset) -> str:
    """Computes 16 hexadecimal digits that differ where training or validation examples do."""
    digest = hashlib.sha256()
    for examples in (data.train, data.validation):
        for array in examples:
            digest.update(f"{array.shape} {array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _read_cached(folder: Path) -> list[Examples]:
    """Reads the two splits from the cache, or decodes them and keeps them there."""
    identity = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        identity.update(f"{file.name} {file.stat().st_size}".encode())
    identity.update((folder / "dataset_info.json").read_bytes())
    cached = cache_dir() / f"{'-'.join(folder.parts[-2:])}-{identity.hexdigest()[:16]}.npz"
    try:
        # Every array in the archive carries a checksum, which reading verifies.
        with np.load(cached, allow_pickle=False) as arrays:
            return [Examples(arrays[f"{s}_images"], arrays[f"{s}_labels"]) for s in SPLITS]
    except OSError:  # absent, or a place that can't be read
        pass
    except Exception as error:
        warnings.warn(f"{cached} is damaged ({error}); decoding the images again", stacklevel=3)
    splits = [_decode(folder, split) for split in SPLITS]
    for images, _ in splits:
        check_images(images)
    names = [f"{split}_{field}" for split in SPLITS for field in Examples._fields]
    flat = [array for split in splits for array in split]
    decoded = dict(zip(names, flat, strict=True))
    np.savez(buffer := io.BytesIO(), **decoded)  # type: ignore[arg-type]
    try:
        write_whole(cached, buffer.getbuffer())
    except OSError as error:
        warnings.warn(
            f"can't keep the decoded images in {cached.parent} ({error.strerror}): they are "
            "decoded again each time. Set XDG_CACHE_HOME to a folder you may write to",
            stacklevel=3,
        )
    return splits


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
            "package again, or delete the copy and prepare it again with TensorFlow Datasets"
        ) from error
    return Examples(images, labels)


def _tensorflow_datasets() -> Any:
    """Imports TensorFlow Datasets; it is slow to import and rarely needed.

    On Colab (August 2026) a package that it uses was made for a newer protobuf than is there,
    and would be refused. What is read here is read alike with both.
    """
    os.environ.setdefault("TEMPORARILY_DISABLE_PROTOBUF_VERSION_CHECK", "true")
    import tensorflow_datasets

    return tensorflow_datasets


def _picture(content: bytes, size: tuple[int, int]) -> np.ndarray:
    """Decodes a PNG or JPEG, but only if it has the promised size."""
    from PIL import Image

    picture = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
    if picture.size != size:
        raise ValueError(f"an image has {picture.size} pixels, not {size}")
    return np.asarray(picture)


def cache_dir() -> Path:
    """Names the user's cache directory for this package; it need not exist."""
    with contextlib.suppress(RuntimeError):  # a user without a home, as in some containers
        folder = Path(platformdirs.user_cache_dir("mnist_tutorial"))
        if folder.is_absolute():  # older platformdirs leave "~" as it is
            return folder
    return Path(tempfile.gettempdir(), f"mnist_tutorial-{os.getuid()}")


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Writes a file so that it appears complete or not at all.

    A symbolic link stays one: the file that it points to is replaced. A file that was there
    keeps its permissions; a new one gets those of the user's umask.

    Raises:
      OSError: if the folder can't be written to or the disk is full; an older file stays.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):  # by writers that were killed
        with contextlib.suppress(OSError):  # another process may be quicker
            if time.time() - left.stat().st_mtime > 3600:
                left.unlink()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # the temporary name would tell a reader nothing
        raise

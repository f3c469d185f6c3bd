"""Going further: images that aren't MNIST's, prepared so that the same network can learn them."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mnist_tutorial.config import Config
from mnist_tutorial.data import PREPARED, DataError, Dataset, Examples
from mnist_tutorial.further.pictures import (
    SIDE,
    PictureError,
    find_digits,
    light_on_dark,
    on_paper,
    open_picture,
    working_size,
)

DRAWN = PREPARED / "drawn"  # thirty digits, drawn on the book's page and saved there


def load_folder(
    folder: str | Path,
    config: Config = Config(),
    dark_ink: bool | None = None,
    whole: bool = False,
) -> tuple[Examples, list[str]]:
    """Loads your own images, from a folder with one subfolder for each class.

    Each picture shows handwriting, on paper or drawn. The digits on it are found and brought
    to MNIST's form; if there are several, each of them becomes an example.

    Args:
      dark_ink: whether the ink is darker than the paper; None decides it for each picture.
      whole: whether the pictures show something else. Then they become grey, and each is
        scaled to the configuration's size; the shorter side is filled up with background.

    Returns:
      The examples, class after class, and the names of the classes, which are those of the
      subfolders. An example's label is the position of its class there. Folders named by
      digits, as numerals or as English words, are in the order of the digits; others are in
      alphabetical order.

    Raises:
      DataError: if the number of subfolders isn't `config.num_classes`, one of them is empty, a
        file isn't a picture or is blank, or handwriting, which becomes 28 x 28 pixels, is to
        have a different size.
    """
    place = Path(folder)
    if not place.is_dir():
        raise DataError(f"there is no folder {place}")
    classes = [path for path in _visible(place) if path.is_dir()]
    digits = [_digit(path.name) for path in classes]
    if None not in digits:
        classes = [path for _, path in sorted(zip(digits, classes, strict=True))]
    names = [path.name for path in classes]
    if len(classes) != config.num_classes:
        raise DataError(
            f"{place} needs one subfolder for each class, and num_classes is "
            f"{config.num_classes}; it has {len(classes)}: {', '.join(names) or 'none'}"
        )
    size = (config.num_rows, config.num_columns)
    if not whole and size != (SIDE, SIDE):
        raise DataError(
            f"handwriting becomes {SIDE} x {SIDE} pixels, but the configuration expects num_rows, "
            f"num_columns = {size}; pass whole=True to have whole pictures scaled to that size"
        )
    images, labels = [], []
    for label, path in enumerate(classes):
        files = _visible(path)
        if not files:
            raise DataError(f"{path} holds no images")
        for file in files:
            read = _read(file, size if whole else None, dark_ink)
            images += read
            labels += [label] * len(read)
    return Examples(np.stack(images), np.array(labels, np.int32)), names


WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _digit(name: str) -> int | None:
    """Reads a folder's name as a digit; returns None if it isn't one."""
    if name.lower() in WORDS:
        return WORDS.index(name.lower())
    return int(name) if name.isdecimal() else None


def _visible(folder: Path) -> list[Path]:
    """Lists what is in a folder, in alphabetical order, without what systems hide there."""
    hidden = ("thumbs.db", "desktop.ini")
    return sorted(p for p in folder.iterdir() if p.name[0] != "." and p.name.lower() not in hidden)


def _read(file: Path, size: tuple[int, int] | None, dark_ink: bool | None) -> list[np.ndarray]:
    """Reads the digits on a picture or, if a size is given, the whole picture in that size."""
    try:
        picture = open_picture(file)
        if size:
            return [_whole(picture, size, dark_ink)]
        return [digit.image for row in find_digits(picture, dark_ink) for digit in row]
    except (PictureError, OSError) as error:
        raise DataError(f"{file} can't be read: {error}") from error


def _whole(picture: Image.Image, size: tuple[int, int], dark_ink: bool | None) -> np.ndarray:
    colours = on_paper(np.asarray(picture.convert("RGBA"), np.float32))
    if dark_ink is None:
        dark_ink = not light_on_dark(on_paper(working_size(picture)[0]))
    grey = Image.fromarray(colours.astype(np.uint8)).convert("L")
    grey = ImageOps.invert(grey) if dark_ink else grey
    return np.asarray(ImageOps.pad(grey, size[::-1], Image.Resampling.BILINEAR, color=0))


def split(examples: Examples, num_validation: int, num_test: int, seed: int = 0) -> Dataset:
    """Shuffles examples and divides them; whatever is left over becomes the training set.

    Raises:
      DataError: if nothing would be left.
    """
    order = np.random.default_rng(seed).permutation(len(examples.labels))
    cut = num_validation + num_test
    if cut >= len(order):
        raise DataError(f"{cut} of {len(order)} examples are set aside; none is left to train on")
    parts = np.split(order, [num_validation, cut])
    validation, test, train = (Examples(*(array[part] for array in examples)) for part in parts)
    return Dataset(train, validation, test)

"""Going further: images that are not MNIST's, made so that the same network can learn from them."""

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
    """Reads the reader's own images: a folder with one subfolder for each class.

    Each picture is one of handwriting, on paper or drawn: what is written on it is found and
    brought to MNIST's form, and where several digits are written, each is an example.

    Args:
      dark_ink: whether the ink is darker than the paper; by default, each picture decides.
      whole: the pictures show something else. They become grey, and are scaled to the
        configuration's size as a whole: the shorter side is filled up with background.

    Returns:
      The examples, class after class, and the names of the classes: those of the
      subfolders. The label of an example is its place there. Folders named by digits, as
      numerals or as English words, are in the order of the digits; others in that of the
      alphabet.

    Raises:
      DataError: if the number of subfolders isn't `config.num_classes`, one is empty, a file is
        no picture or a blank one, or handwriting, which becomes 28 x 28 pixels, shall have
        another size.
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
            f"{place} needs one subfolder for each class, {config.num_classes} since num_classes "
            f"= {config.num_classes}; it has {len(classes)}: {', '.join(names) or 'none'}"
        )
    size = (config.num_rows, config.num_columns)
    if not whole and size != (SIDE, SIDE):
        raise DataError(
            f"handwriting becomes {SIDE} x {SIDE} pixels, and the configuration says num_rows, "
            f"num_columns = {size}; say whole=True to have whole pictures scaled to that size"
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
    """Reads a folder's name as a digit; None if it is another name."""
    if name.lower() in WORDS:
        return WORDS.index(name.lower())
    return int(name) if name.isdecimal() else None


def _visible(folder: Path) -> list[Path]:
    """Lists what is in a folder, in the order of the alphabet, without what systems hide there."""
    hidden = ("thumbs.db", "desktop.ini")
    return sorted(p for p in folder.iterdir() if p.name[0] != "." and p.name.lower() not in hidden)


def _read(file: Path, size: tuple[int, int] | None, dark_ink: bool | None) -> list[np.ndarray]:
    """The digits on a picture, or, where a size is given, the whole picture in that size."""
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
    """Shuffles examples and divides them; what is left over is to learn from.

    Raises:
      DataError: nothing would be left.
    """
    order = np.random.default_rng(seed).permutation(len(examples.labels))
    cut = num_validation + num_test
    if cut >= len(order):
        raise DataError(f"{len(order)} examples leave nothing to learn from after {cut} are taken")
    parts = np.split(order, [num_validation, cut])
    validation, test, train = (Examples(*(array[part] for array in examples)) for part in parts)
    return Dataset(train, validation, test)

"""Going further: images that are not MNIST's, made so that the same network can learn from them."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mnist_tutorial.config import Config
from mnist_tutorial.data import PREPARED, DataError, Dataset, Examples, check_images

DRAWN = PREPARED / "drawn"  # thirty digits, drawn on the book's page and saved there
BOX = 20 / 28  # MNIST's makers scaled a digit's longer side to 20 pixels of 28
FAINT = 13  # what is lighter is no ink


def load_folder(
    folder: str | Path, config: Config = Config(), dark_ink: bool = False
) -> tuple[Examples, list[str]]:
    """Reads the reader's own images: a folder with one subfolder for each class.

    Images become grey, and are scaled to the configuration's size as a whole: the shorter
    side is filled up with background.

    Args:
      dark_ink: the images show dark ink on white paper. MNIST's show light on black.

    Returns:
      The examples, class after class, and the names of the classes: those of the
      subfolders. The label of an example is its place there. Folders named by digits, as
      numerals or as English words, are in the order of the digits; others in that of the
      alphabet.

    Raises:
      DataError: another number of subfolders than `config.num_classes`, an empty one, or a
        file that is no PNG or JPEG.
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
    images, labels = [], []
    for label, path in enumerate(classes):
        files = _visible(path)
        if not files:
            raise DataError(f"{path} holds no images")
        images += [_grey(file, config, dark_ink) for file in files]
        labels += [label] * len(files)
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


def _grey(file: Path, config: Config, dark_ink: bool) -> np.ndarray:
    paper = 255 if dark_ink else 0
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as opened:
            if opened.mode[0] in "IF":
                raise ValueError(f"its mode is {opened.mode}: save it with 8 bits for each colour")
            picture = ImageOps.exif_transpose(opened).convert("RGBA")  # as cameras were held
    except Exception as error:
        raise DataError(f"{file} can't be read as a PNG or JPEG ({error})") from error
    sheet = Image.new("RGBA", picture.size, (paper, paper, paper, 255))
    grey = Image.alpha_composite(sheet, picture).convert("L")
    size = (config.num_columns, config.num_rows)
    pixels = np.asarray(ImageOps.pad(grey, size, Image.Resampling.BILINEAR, color=paper))
    return 255 - pixels if dark_ink else pixels


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


def centred(images: np.ndarray) -> np.ndarray:
    """Scales and moves each digit as MNIST's makers did (LeCun et al. 1998).

    The longer side of the ink becomes 20 pixels of 28, and by whole pixels its centre of mass
    comes to row 14 and column 14, counted from 0. A blank image stays blank.

    Args:
      images: (n, rows, columns) uint8, light ink on black.

    Returns:
      The same shape, uint8.

    Raises:
      DataError: as `check_images`.
    """
    check_images(images)
    return np.stack([_centred(image) for image in images])


def _centred(image: np.ndarray) -> np.ndarray:
    ink = image > FAINT
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return image
    digit = Image.fromarray(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = BOX * min(image.shape) / max(digit.size)
    width, height = (max(round(scale * side), 1) for side in digit.size)
    small = np.asarray(digit.resize((width, height), Image.Resampling.BILINEAR))
    if not small.any():  # specks so far apart that nothing of them is left
        return np.zeros_like(image)
    field = np.zeros([3 * side for side in image.shape], np.uint8)  # room on all sides
    corner = []  # MNIST's own digits have their mass in the middle of pixel 14, counted from 0
    for axis, side in enumerate(image.shape):
        along = small.sum(axis=1 - axis, dtype=float)
        mass = (along * (np.arange(len(along)) + 0.5)).sum() / along.sum()
        corner.append(side + round(side / 2 + 0.5 - mass))
    field[corner[0] : corner[0] + height, corner[1] : corner[1] + width] = small
    middle = tuple(slice(side, 2 * side) for side in image.shape)
    return field[middle]

"""Reading pictures of handwriting: `python -m mnist_tutorial read PICTURE...`."""

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist_tutorial.further.pictures import (
    SIDE,
    Digit,
    PictureError,
    find_digits,
    open_picture,
)

# Both were chosen on MNIST's validation images and on pictures of our own; `python -m
# benchmarks.pictures` shows what other values would do.
NOT_SURE = 0.7  # the confidence below which an answer is called unsure
FAR = 0.9  # the distance from all of MNIST's digits from which on ink is no digit
# A picture is turned by a quarter if the network is less sure of it than the first, and at least
# as sure as the second once it's turned. Of the values tried on the validation images, these are
# right most often with the network of `better`, if one picture in forty lies on its side, as among
# the real ones we tried. A weaker network, such as `fast`, misreads more upright digits for it:
# the same command shows both.
UNSURE, TURNED = 0.8, 0.9
SAVED = Path("mnist.safetensors")  # where `python -m mnist_tutorial` saves the weights

Network = Callable[[np.ndarray], np.ndarray]


class Answer(NamedTuple):
    """What the network says to one digit.

    Attributes:
      found: the digit, with its box and its 28 x 28 pixels.
      probabilities: (10,) float32.
    """

    found: Digit
    probabilities: np.ndarray

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return int(self.probabilities.argmax())

    @property
    def confidence(self) -> float:
        """The probability of that digit."""
        return float(self.probabilities.max())

    @property
    def runner_up(self) -> int:
        """The second most probable digit."""
        return int(self.probabilities.argsort()[-2])


class Reading(NamedTuple):
    """What was read from a picture.

    Attributes:
      picture: the picture, turned by a quarter if it lay on its side.
      rows: of digits, from the top, each from the left.
    """

    picture: Image.Image
    rows: list[list[Answer]]

    @property
    def confidence(self) -> float:
        """The mean confidence of all its digits."""
        return float(np.mean([answer.confidence for row in self.rows for answer in row]))


def read_picture(picture: Image.Image, network: Network, known: np.ndarray) -> Reading:
    """Reads the digits on a picture, which may lie on its side.

    A camera notes how it was held, but the note is lost when a picture is sent or edited. So where
    the network is unsure, the picture is turned to either side, to see whether it's sure of that.

    Args:
      picture: as `open_picture` returns it.
      network: makes probabilities, (n, 10) float32, of images, (n, 28, 28) uint8.
      known: (n, 28, 28) uint8, digits to compare with, such as MNIST's training images.

    Raises:
      PictureError: if there is no digit on it.
    """
    reading = _as_it_is(picture, network)
    if reading.confidence < UNSURE:
        for turn in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270):
            with contextlib.suppress(PictureError):
                turned = _as_it_is(picture.transpose(turn), network)
                if turned.confidence >= max(TURNED, reading.confidence):
                    reading = turned
    images = np.stack([answer.found.image for row in reading.rows for answer in row])
    if distances(images, known).mean() > FAR:
        raise PictureError("what is on it is far from any digit")
    return reading


def _as_it_is(picture: Image.Image, network: Network) -> Reading:
    rows = find_digits(picture)
    answers = iter(network(np.stack([found.image for row in rows for found in row])))
    return Reading(picture, [[Answer(found, next(answers)) for found in row] for row in rows])


def distances(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """How far each image is from the nearest known one, as a fraction of its own length.

    Both are taken as vectors of pixels, with the usual (Euclidean) distance: 0 is the distance of
    an image that is known, 1 is that of one that has as little in common with all as blank paper.

    Args:
      images: (n, 28, 28) uint8, none of them blank; known: (m, 28, 28) uint8.

    Returns:
      (n,) float32.
    """
    ours, theirs = (
        array.reshape(len(array), -1).astype(np.float32) / 255 for array in (images, known)
    )
    lengths = (ours**2).sum(axis=1)
    apart = lengths[:, None] + (theirs**2).sum(axis=1) - 2 * ours @ theirs.T
    return np.asarray(np.sqrt(np.maximum(apart.min(axis=1), 0) / lengths))


def text_of(rows: list[list[Answer]]) -> str:
    """The digits, rows parted by a space."""
    return " ".join("".join(str(answer.digit) for answer in row) for row in rows)


def describe(rows: list[list[Answer]]) -> str:
    """What was read, row by row, with the confidence and the runner-up of each digit."""
    lines = []
    for row in rows:
        said = []
        for answer in row:
            doubt = "" if answer.confidence >= NOT_SURE else ", not sure"
            said.append(f"{answer.digit} ({answer.confidence:.0%}, then {answer.runner_up}{doubt})")
        lines.append("  " + "  ".join(said))
    return "\n".join(lines)


def as_json(name: str, rows: list[list[Answer]]) -> str:
    """One line for programs."""
    digits = [
        {
            "digit": answer.digit,
            "confidence": round(answer.confidence, 4),
            "box": list(answer.found.box),
        }
        for row in rows
        for answer in row
    ]
    return json.dumps({"picture": name, "text": text_of(rows), "digits": digits})


def show(picture: Image.Image, rows: list[list[Answer]]) -> Image.Image:
    """The picture with each digit boxed, its 28 x 28 pixels and the answer below the picture.

    Returns:
      An RGB picture, 1,000 pixels wide at most.
    """
    scale = min(1000 / max(picture.size), 1)
    size = [max(round(side * scale), 1) for side in picture.size]
    paper = Image.new("RGB", picture.size, "white")
    paper.paste(picture, mask=picture if picture.mode == "RGBA" else None)
    small = paper.resize((size[0], size[1]))
    cell, margin = 2 * SIDE + 24, 4
    columns = max(map(len, rows))
    width = max(size[0], columns * cell + margin)
    sheet = Image.new("RGB", (width, size[1] + len(rows) * (cell + 16) + margin), "white")
    sheet.paste(small)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=18)
    for r, row in enumerate(rows):
        for c, answer in enumerate(row):
            colour = "#0a7d32" if answer.confidence >= NOT_SURE else "#c4460a"
            left, top, right, bottom = (round(side * scale) for side in answer.found.box)
            box = (left, top, max(right - 1, left), max(bottom - 1, top))
            draw.rectangle(box, outline=colour, width=2)
            x, y = margin + c * cell, size[1] + margin + r * (cell + 16)
            seen = Image.fromarray(255 - answer.found.image).resize((2 * SIDE, 2 * SIDE), 0)
            sheet.paste(seen, (x, y))
            draw.rectangle((x - 1, y - 1, x + 2 * SIDE, y + 2 * SIDE), outline="#999999")
            text = f"{answer.digit}  {answer.confidence:.0%}"
            draw.text((x, y + 2 * SIDE + 4), text, fill=colour, font=font)
    return sheet


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = _Parser(
        prog="mnist-tutorial read",
        description="Read handwritten digits from pictures: photos of paper, scans, drawings.",
    )
    parser.add_argument(
        "pictures",
        nargs="+",
        type=Path,
        metavar="PICTURE",
        help="PNG, JPEG, WebP, BMP or GIF, with pillow-heif HEIC too, or a folder of them",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object for each picture"
    )
    parser.add_argument(
        "--show",
        type=Path,
        metavar="FILE",
        help="write the picture, with each digit boxed and what the network saw of it, to a PNG",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help=f"a network that was saved (default: {SAVED}, or one that is trained in seconds)",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; `--help` lists all options.

    Returns:
      Exit code: 0 if all pictures were read, 1 if not. Bad arguments leave the program with 2
      and one line on stderr.
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    files = [file for path in options.pictures for file in _files(path)]
    if options.show:
        if len(files) != 1:
            parser.error(f"--show needs one picture, got {len(files)}")
        if options.show.is_dir() or not options.show.absolute().parent.is_dir():
            parser.error(f"--show: {options.show} is not a file in a folder that exists")

    from mnist_tutorial.checkpoints import CheckpointError
    from mnist_tutorial.data import DataError

    try:
        network, known = load_network(options.weights)
    except (DataError, CheckpointError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    failed = False
    for file in files:
        try:
            picture, rows = read_picture(open_picture(file), network, known)
            if options.show:
                _write(options.show, show(picture, rows))
        except (PictureError, OSError) as error:
            failed = True
            reason = _reason(file, error)
            if options.json:
                print(json.dumps({"picture": str(file), "error": reason}), flush=True)
            else:
                print(f"{file}: {reason}", file=sys.stderr, flush=True)
            continue
        if options.json:
            print(as_json(str(file), rows), flush=True)
        else:
            print(f"{file}: {text_of(rows)}\n{describe(rows)}", flush=True)
    return int(failed)


def _files(path: Path) -> list[Path]:
    """The path itself, or what is in a folder, without what systems hide there."""
    if not path.is_dir():
        return [path]
    hidden = ("thumbs.db", "desktop.ini")
    inside = sorted(p for p in path.iterdir() if p.is_file())
    return [p for p in inside if p.name[0] != "." and p.name.lower() not in hidden] or [path]


def _reason(file: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError) or file.is_dir():
        return "the folder has no files"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _write(path: Path, picture: Image.Image) -> None:
    from mnist_tutorial.data import write_whole

    content = io.BytesIO()
    picture.save(content, "PNG")
    write_whole(path, content.getvalue())


def load_network(weights: Path | None = None) -> tuple[Network, np.ndarray]:
    """The network to read with, and digits to compare with; which one it is, is said on stderr.

    Args:
      weights: a saved network; by default, the last one that the tutorial saved here, or one that
        is trained now, in seconds.

    Raises:
      CheckpointError: if there are no such weights, or they are of another network than one for
        ten digits of 28 x 28 pixels.
      DataError: if MNIST can't be read.
    """
    from mnist_tutorial.checkpoints import CheckpointError, keep_compiled, load_model
    from mnist_tutorial.config import Config
    from mnist_tutorial.data import load_mnist
    from mnist_tutorial.further.recipes import RECIPES, fit_recipe
    from mnist_tutorial.model import predict

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    keep_compiled()
    data = load_mnist()
    chosen = weights or (SAVED if SAVED.is_file() else None)
    if chosen:
        model, config = load_model(chosen)
        form = (config.num_rows, config.num_columns, config.num_classes)
        if form != (SIDE, SIDE, Config().num_classes):
            raise CheckpointError(
                f"{chosen} is a network for {form[2]} classes of {form[0]} x {form[1]} pixels; "
                f"digits need 10 classes of {SIDE} x {SIDE}"
            )
        tell(f"Reading with the weights in {chosen}")
    else:
        tell(
            "Reading with a network that is trained now, in seconds; python -m mnist_tutorial "
            "--recipe better saves one that reads more"
        )
        model = fit_recipe(RECIPES["fast"], data)[0].model

    def network(images: np.ndarray) -> np.ndarray:
        return np.asarray(predict(model, images))

    return network, data.train.images[::10]


if __name__ == "__main__":
    sys.exit(main())

"""Reading real handwriting: from any picture of digits to images in MNIST's form.

`find_digits` takes every step; each is a function of its own:

    picture --working_size, on_paper, light_on_dark--> colours, dark ink on light paper
            --flatten--> how much ink is where, from 0 to 1
            --ink_mask, without_lines--> where there is ink, and no ruled line
            --find_parts, without_edges, group_parts, reading_order--> the digits, row by row
            --full_ink, thicken, mnist_form--> 28 x 28 pixels each

The steps need NumPy, SciPy and Pillow, which the package has anyway, and nothing else of it.
scikit-image and OpenCV have ready-made pieces for the middle of the way (closing, Otsu's
threshold, connected components), and so has SciPy; none of them has the rest: edges, ruled
lines, parts that belong together, MNIST's own form. OpenCV is the fastest at those pieces, but
they are a small part of the time, and it is a far larger download than they are worth.
`python -m benchmarks.pictures` measures that.

Limits: digits that touch each other are read as one; a picture held sideways, with no note of it
from the camera, is turned only by `read`, which asks the network; letters are not told from
digits.
"""

import io
import math
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 64_000_000  # phones take pictures of 12 to 50 million
WORKING_SIDE = (200, 1400)  # the longer side of a picture while it is worked on, in pixels
MAX_DIGITS = 200
SIDE, BOX = 28, 20  # pixels of an MNIST image, and of the longer side of the digit on it
STROKE = 2.0  # pixels; three in four of MNIST's digits have wider strokes
STEPS = ("flatten", "lines", "edges", "thicken")  # those that `find_digits` can leave out
TOUCHING = np.ones((3, 3), bool)  # pixels that meet at a corner belong together


class PictureError(ValueError):
    """A file that isn't a picture, or a picture without a digit."""


class Part(NamedTuple):
    """A piece of connected ink.

    Attributes:
      label: its number in the array of labels.
      top, left, bottom, right: its box, in pixels; bottom and right are the first outside.
      area: in pixels.
    """

    label: int
    top: int
    left: int
    bottom: int
    right: int
    area: int

    @property
    def extent(self) -> int:
        """The longer side of the box."""
        return max(self.bottom - self.top, self.right - self.left)


class Digit(NamedTuple):
    """A digit that was found on a picture.

    Attributes:
      box: left, top, right and bottom, in pixels of the picture held upright.
      image: (28, 28) uint8, light on black, as MNIST's are.
    """

    box: tuple[int, int, int, int]
    image: np.ndarray


def open_picture(source: str | Path | bytes) -> Image.Image:
    """Opens a picture and turns it upright, as the camera noted.

    Args:
      source: a PNG, JPEG, WebP, BMP, GIF (its first frame) or, where pillow-heif is installed,
        HEIC file; its path or its bytes.

    Returns:
      The picture in 8-bit RGB, or RGBA where it has transparency.

    Raises:
      PictureError: if it is something else, damaged, or larger than `MAX_PIXELS`.
      OSError: if the file can't be read.
    """
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    formats: tuple[str, ...] = FORMATS
    if content[4:8] == b"ftyp":  # HEIC, as iPhones save
        try:
            import pillow_heif
        except ImportError:
            raise PictureError(
                "it may be a HEIC picture, which needs: python -m pip install pillow-heif. Or "
                "save it as JPEG"
            ) from None
        pillow_heif.register_heif_opener()
        formats += ("HEIF",)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is less
            opened = Image.open(io.BytesIO(content), formats=formats)
        if opened.width * opened.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        picture = ImageOps.exif_transpose(opened)
        if picture.mode[0] in "IF":  # 16 or 32 bits: from the darkest to the lightest that is there
            values = np.asarray(picture, np.float32)
            low, high = float(values.min()), float(values.max())
            scaled = 255 * (values - low) / max(high - low, 1e-9)
            return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
        return picture.convert("RGBA" if _is_transparent(picture) else "RGB")
    except Image.DecompressionBombError:
        raise PictureError(
            f"it has more than {MAX_PIXELS // 1_000_000} million pixels: make it smaller"
        ) from None
    except UnidentifiedImageError:
        raise PictureError(
            f"it isn't a picture of a kind that is known: {', '.join(formats)}"
        ) from None
    except Exception as error:  # a damaged file makes Pillow raise errors of many kinds
        raise PictureError(f"it is damaged ({error})") from None


def _is_transparent(picture: Image.Image) -> bool:
    if not picture.has_transparency_data:
        return False
    return bool(np.asarray(picture.convert("RGBA").getchannel("A")).min() < 255)


def working_size(picture: Image.Image) -> tuple[np.ndarray, float]:
    """Brings a picture to a size to work on, by a whole factor.

    Returns:
      (rows, columns, 4) float32, red, green, blue and opacity from 0 to 255; and how many of
      the picture's pixels one of these is wide.
    """
    longer = max(picture.size)
    factor = -(-longer // WORKING_SIDE[1])
    if factor > 1:
        return np.asarray(picture.reduce(factor).convert("RGBA"), np.float32), factor
    pixels = np.asarray(picture.convert("RGBA"), np.float32)
    factor = max(WORKING_SIDE[0] // longer, 1)
    if factor > 1:
        down, across = (_between(side, factor) for side in pixels.shape[:2])
        pixels = np.einsum("yj,jkc->ykc", down, pixels)
        pixels = np.einsum("xk,ykc->yxc", across, pixels)
    return pixels, 1 / factor


def _between(side: int, factor: int) -> np.ndarray:
    """How much each old pixel weighs in each new one, (side * factor, side) float32."""
    place = np.clip((np.arange(side * factor) + 0.5) / factor - 0.5, 0, side - 1)
    weights: np.ndarray = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(side)))
    return weights.astype(np.float32)


def on_paper(pixels: np.ndarray) -> np.ndarray:
    """Puts paper behind what is transparent.

    Where most of the picture is transparent, it is a drawing on nothing, and the paper is white
    below dark ink and black below light ink. Else the paper has the picture's middle colour.

    Args:
      pixels: (rows, columns, 4) float32, from 0 to 255.

    Returns:
      (rows, columns, 3) float32.
    """
    colours, opacity = pixels[..., :3], pixels[..., 3:] / 255
    if opacity.min() == 1:
        return colours
    if opacity.mean() < 0.5:
        mean = (colours * opacity).sum() / max(3 * opacity.sum(), 1e-9)
        paper = np.full(3, 255 if mean < 128 else 0, np.float32)
    else:
        paper = np.median(colours[opacity[..., 0] > 0.5], axis=0)
    return colours * opacity + paper * (1 - opacity)


def light_on_dark(colours: np.ndarray) -> bool:
    """Whether the ink is lighter than the paper.

    Ink is what departs furthest from its surroundings, and there is less of it than of paper: the
    third power of the departures, summed, has its sign.

    Args:
      colours: (rows, columns, 3) float32.
    """
    grey = colours.mean(axis=2)
    side = max(grey.shape) // 4 | 1
    departure = grey - ndimage.uniform_filter(grey, side, mode="nearest")
    return bool((departure**3).sum() > 0)


def flatten(colours: np.ndarray) -> np.ndarray:
    """Takes away the paper's colour, and the light and shade on it.

    The paper is what is left of each colour when everything dark and narrower than a quarter
    of the picture is filled up (a grey closing). Ink is the fraction of the paper's light that is
    missing, in the colour where most is missing: a blue pen takes away the red.

    Args:
      colours: (rows, columns, 3) float32, dark ink on light paper, from 0 to 255.

    Returns:
      (rows, columns) float32, from 0, paper, to 1.
    """
    rows, columns = colours.shape[:2]
    step = max(max(rows, columns) // 300, 1)  # paper changes slowly: a small picture is enough
    small = _block_means(colours, step)
    side = max(max(small.shape) // 4, 3) | 1
    ink = np.zeros((rows, columns), np.float32)
    for channel in range(3):
        paper = ndimage.grey_closing(small[..., channel], (side, side), mode="nearest")
        paper = ndimage.uniform_filter(paper, max(side // 4, 3) | 1, mode="nearest")
        paper = paper.repeat(step, axis=0).repeat(step, axis=1)[:rows, :columns]
        missing = (paper - colours[..., channel]) / np.maximum(paper, 32)
        ink = np.maximum(ink, missing)
    return np.asarray(np.minimum(ink, 1))


def _block_means(colours: np.ndarray, step: int) -> np.ndarray:
    """The mean of each block of step x step pixels; edges are repeated to fill the last."""
    rows, columns = colours.shape[:2]
    padding = ((0, -rows % step), (0, -columns % step), (0, 0))
    blocks = np.pad(colours, padding, mode="edge")
    shape = (blocks.shape[0] // step, step, blocks.shape[1] // step, step, 3)
    return np.asarray(blocks.reshape(shape).mean(axis=(1, 3)))


def otsu(values: np.ndarray) -> float:
    """The threshold that parts values into two groups that lie furthest apart (Otsu 1979).

    Args:
      values: (n,) floats from 0 to 1, at least one.
    """
    counts, edges = np.histogram(values, 256, (0, 1))
    below = counts.cumsum()
    total = (counts * (edges[1:] + edges[:-1]) / 2).cumsum()
    apart = (total * below[-1] - total[-1] * below) ** 2 / np.maximum(
        below * (below[-1] - below), 1
    )
    return float(edges[1:][apart >= apart.max() * (1 - 1e-9)].mean())


def thresholds(ink: np.ndarray) -> tuple[float, float]:
    """From which values on there may be ink, and there is ink for certain.

    What the noise of the paper reaches is never ink; Otsu's threshold parts what is left.

    Args:
      ink: (rows, columns) float32, from 0 to 1.

    Returns:
      Both thresholds; above 1 where all is paper.
    """
    paper = float(np.median(ink))
    noise = 1.4826 * float(np.median(np.abs(ink - paper)))  # a standard deviation, if normal
    faint = paper + max(6 * noise, 0.06)
    above = ink[ink > faint]
    if not above.size:
        return 2.0, 2.0
    sure = min(max(otsu(above), faint), float(above.max()))
    return max(faint, sure / 2), sure


def _opened(mask: np.ndarray, length: int, axis: int) -> np.ndarray:
    """What of a mask lies in a run of at least `length` (odd) pixels along an axis."""
    inner = ndimage.minimum_filter1d(mask.view(np.uint8), length, axis, mode="nearest")
    opened: np.ndarray = ndimage.maximum_filter1d(inner, length, axis, mode="nearest")
    return np.asarray(opened.view(bool))


def without_lines(mask: np.ndarray) -> np.ndarray:
    """Takes ruled or squared lines away; where a pen crosses them, its ink stays.

    A line is narrow, and it runs, broken by digits at most, across most of the picture. There are
    at least two of them, side by side: one alone may be the bar of a large 4.

    Args:
      mask: (rows, columns) bool, where there is ink.
    """
    narrow = max(max(mask.shape) // 200, 3) | 1
    bridged = max(mask.shape) // 4 | 1
    lines = np.zeros_like(mask)
    for axis, side in enumerate(mask.shape):
        runs = _opened(mask & ~_opened(mask, narrow + 2, 1 - axis), 2 * narrow + 1, axis)
        joined = ndimage.maximum_filter1d(runs.view(np.uint8), bridged, axis, mode="constant")
        joined = ndimage.maximum_filter1d(joined, 4 * narrow + 1, 1 - axis, mode="constant")
        labels, count = ndimage.label(joined, TOUCHING)
        where = np.nonzero(runs)
        label, place = np.divmod(np.unique(labels[where] * side + where[axis]), side)
        covered = np.bincount(label, minlength=count + 1)
        last = covered.cumsum()
        long = covered > 0.4 * side
        long[long] = (place[last[long] - 1] - place[(last - covered)[long]]) > 0.7 * side
        if long.sum() > 1:
            lines |= runs & long[labels]
    return np.asarray(mask & ~lines)


def find_parts(ink: np.ndarray, sure: float, mask: np.ndarray) -> tuple[np.ndarray, list[Part]]:
    """Connected pieces of ink, of which at least one pixel is ink for certain.

    Args:
      ink: (rows, columns) float32; `sure`: from which value on it is certain.
      mask: (rows, columns) bool, where there may be ink.

    Returns:
      (rows, columns) int32, the label of each pixel, 0 for paper; and the parts.
    """
    labels, _ = ndimage.label(mask, TOUCHING)
    certain = set(np.unique(labels[mask & (ink >= sure)]))
    areas = np.bincount(labels.ravel())
    parts = [
        Part(label, rows.start, columns.start, rows.stop, columns.stop, int(areas[label]))
        for label, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1)
        if label in certain
    ]
    return labels, parts


def usual_extent(parts: list[Part]) -> int:
    """The extent that the parts with half of all ink don't exceed: specks hardly count."""
    by_extent = sorted(parts, key=lambda part: part.extent)
    ink = np.cumsum([part.area for part in by_extent])
    return by_extent[int(np.searchsorted(ink, ink[-1] / 2))].extent


def without_edges(parts: list[Part], shape: tuple[int, int]) -> list[Part]:
    """Leaves out what touches the picture's edge: table and shadow.

    A part that touches one edge, and is as large as what lies inside, is a digit that was cut off.
    """

    def edges(part: Part) -> int:
        return (
            (part.top == 0) + (part.left == 0)
            + (part.bottom == shape[0]) + (part.right == shape[1])
        )  # fmt: skip

    inside = [part for part in parts if not edges(part)]
    usual = usual_extent(inside) if inside else 0
    if usual < max(shape) / 20 and usual < max((p.extent for p in parts), default=0) / 4:
        return [part for part in parts if edges(part) < 3] or parts  # inside are specks at most
    return [
        part
        for part in parts
        if not edges(part) or (edges(part) == 1 and usual / 2 < part.extent < 1.5 * usual)
    ]


Box = tuple[int, int, int, int]  # top, left, bottom, right


def box_of(parts: list[Part]) -> Box:
    """The smallest box around all parts: top, left, bottom, right."""
    return (
        min(part.top for part in parts),
        min(part.left for part in parts),
        max(part.bottom for part in parts),
        max(part.right for part in parts),
    )


def group_parts(parts: list[Part], smallest: float) -> list[list[Part]]:
    """Puts together the parts of each digit, such as the bar of a 5, and leaves specks out.

    Args:
      smallest: extent of the smallest digit, in pixels.
    """
    if not parts:
        return []
    usual = usual_extent(parts)
    groups: list[list[Part]] = []
    large_first = sorted(parts, key=lambda part: (-part.extent, part.label))
    for part in large_first:
        if part.extent < 0.1 * usual:
            continue
        for group in groups:
            if _belong_together(box_of(group), box_of([part]), usual):
                group.append(part)
                break
        else:
            if part.extent >= max(0.3 * usual, smallest):
                groups.append([part])
                if len(groups) > MAX_DIGITS:
                    raise PictureError(
                        f"it has more than {MAX_DIGITS} pieces of ink, like a pattern or a text"
                    )
    return groups


def _belong_together(a: Box, b: Box, usual: float) -> bool:
    beside = min(a[3], b[3]) - max(a[1], b[1])  # how far they overlap, seen from above
    apart = max(a[0], b[0]) - min(a[2], b[2])  # how much paper is between them, seen from aside
    narrower = min(a[3] - a[1], b[3] - b[1])
    lower = min(a[2] - a[0], b[2] - b[0])
    together = max(a[2], b[2]) - min(a[0], b[0])
    if apart < 0:
        return beside > 0.5 * narrower or (lower < 0.5 * usual and beside > -0.1 * usual)
    return beside > 0.3 * narrower and apart < 0.25 * usual and together < 1.5 * usual


def reading_order(boxes: list[Box]) -> list[list[int]]:
    """Rows from the top, each from the left. A row may climb or fall.

    Returns:
      For each row the places of its boxes in the list.
    """
    rows: list[list[int]] = []
    for i in sorted(range(len(boxes)), key=lambda i: boxes[i][1]):
        top, _, bottom, _ = boxes[i]
        shares = []
        for row in rows:
            above, _, below, _ = boxes[row[-1]]
            common = min(below, bottom) - max(above, top)
            shares.append(common / min(below - above, bottom - top))
        if shares and max(shares) > 0.3:
            rows[int(np.argmax(shares))].append(i)
        else:
            rows.append([i])
    return sorted(rows, key=lambda row: float(np.mean([boxes[i][0] + boxes[i][2] for i in row])))


def full_ink(ink: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Scales ink so that a stroke's middle is 1, however pale the pen; outside the mask is paper.

    Args:
      ink: (rows, columns) float32; mask: the same shape, bool, somewhere true.
    """
    usual = float(np.percentile(ink[mask], 75))
    return np.where(mask, np.minimum(ink / (0.9 * usual), 1), 0).astype(np.float32)


def stroke_width(ink: np.ndarray, mask: np.ndarray) -> float:
    """Mean width of the strokes, in pixels: twice the ink, divided by the length of its outline.

    Steps along pixels are longer than the outline, on average by 4 / pi.
    """
    outlined = np.pad(mask, 1)
    steps = sum(int((np.diff(outlined, axis=axis)).sum()) for axis in (0, 1))
    return 2 * float(ink.sum()) / (steps * np.pi / 4)


def thicken(ink: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Brings thin strokes to the width that MNIST's have once the digit is 20 pixels long.

    What lies no further from ink than half of what is missing becomes ink. Thick strokes stay.

    Returns:
      An array that is larger than `ink` by what was added around it.
    """
    longer, width, share = max(mask.shape), stroke_width(ink, mask), STROKE / BOX
    added = (share * longer - width) / (2 * (1 - share))  # the digit grows with its strokes
    if added < 0.1:
        return ink
    margin = int(np.ceil(added)) + 1
    ink = np.pad(ink, margin)
    distance = ndimage.distance_transform_edt(ink <= 0.5)
    return np.asarray(np.maximum(ink, np.clip(added + 0.5 - distance, 0, 1)), np.float32)


def mnist_form(ink: np.ndarray) -> np.ndarray:
    """Scales and moves a digit as MNIST's makers did (LeCun et al. 1998).

    The longer side of the ink becomes 20 pixels, and by whole pixels its centre of mass comes to
    row 14 and column 14 of 28, counted from 0. Each new pixel is the mean of what it covers.

    Args:
      ink: (rows, columns) from 0, paper, to 1.

    Returns:
      (28, 28) uint8; black where there is no ink.
    """
    inked = ink > 0.05
    rows, columns = (np.flatnonzero(inked.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return np.zeros((SIDE, SIDE), np.uint8)
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float64)
    size = max(ink.shape) / BOX  # of a new pixel, in old ones
    down, across = (_covered(ink.sum(axis=1 - axis), size) for axis in (0, 1))
    return np.asarray(np.rint(255 * np.clip(down @ ink @ across.T, 0, 1)), np.uint8)


def _covered(along: np.ndarray, size: float) -> np.ndarray:
    """How much of each new pixel each old one covers, (28, n), centred by the mass."""
    old = np.arange(len(along))
    mass = (along * (old + 0.5)).sum() / along.sum()
    edges = size * (np.arange(SIDE + 1) - np.floor(SIDE / 2 + 1 - mass / size))
    common = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    return np.asarray(np.maximum(common, 0) / size)


def in_mnist_form(picture: Image.Image, dark_ink: bool | None = None) -> np.ndarray | None:
    """The digit on a picture that has MNIST's form already, such as the book's page saves.

    Its longer side is 20 pixels, give or take one, and its centre of mass is in the middle, or
    at most one pixel beside.

    Returns:
      (28, 28) uint8, light on black; None for any other picture.
    """
    if picture.size != (SIDE, SIDE) or _is_transparent(picture):
        return None
    image = np.asarray(picture.convert("L"))
    if dark_ink or (dark_ink is None and np.median(image) > 127):
        image = 255 - image
    rows, columns = (np.flatnonzero((image > 12).any(axis=axis)) for axis in (1, 0))
    if not rows.size or abs(max(np.ptp(rows), np.ptp(columns)) + 1 - BOX) > 1:
        return None
    for axis in (0, 1):
        along = image.sum(axis=axis, dtype=float)
        if abs((along * np.arange(SIDE)).sum() / along.sum() - SIDE / 2) > 1:
            return None
    return image


def find_digits(
    picture: Image.Image, dark_ink: bool | None = None, skip: Collection[str] = ()
) -> list[list[Digit]]:
    """Finds the digits on a picture, and brings each to MNIST's form.

    Args:
      picture: of any mode that `open_picture` returns. A digit in MNIST's form stays as it is.
      dark_ink: whether the ink is darker than the paper; by default, the picture decides.
      skip: steps to leave out, of `STEPS`, to see what each is good for.

    Returns:
      Rows from the top, each from the left; at least one digit.

    Raises:
      PictureError: if there is no ink, or more than `MAX_DIGITS` pieces of it.
    """
    image = in_mnist_form(picture, dark_ink)
    if image is not None:
        return [[Digit((0, 0, SIDE, SIDE), image)]]
    pixels, factor = working_size(picture)
    colours = on_paper(pixels)
    if dark_ink is False or (dark_ink is None and light_on_dark(colours)):
        colours = 255 - colours
    if "flatten" in skip:
        ink = 1 - colours.mean(axis=2) / 255
    else:
        ink = flatten(colours)
    faint, sure = thresholds(ink)
    mask = ink > faint
    if "lines" not in skip:
        mask = without_lines(mask)
    labels, parts = find_parts(ink, sure, mask)
    if "edges" not in skip:
        parts = without_edges(parts, ink.shape)
    groups = group_parts(parts, smallest=max(ink.shape) / 64)
    if not groups:
        raise PictureError("no ink on it that is large enough for a digit: it looks blank")
    boxes, images, thin = [], [], []
    for group in groups:
        top, left, bottom, right = box = box_of(group)
        here = np.s_[top:bottom, left:right]
        mask = np.isin(labels[here], [part.label for part in group])
        digit = full_ink(ink[here], mask)
        boxes.append(box)
        thin.append(stroke_width(digit, mask) < 0.4 * max(mask.shape))
        images.append(mnist_form(digit if "thicken" in skip else thicken(digit, mask)))
    if any(thin):  # what isn't written with strokes is a blot
        boxes = [box for box, good in zip(boxes, thin, strict=True) if good]
        images = [image for image, good in zip(images, thin, strict=True) if good]

    def found(i: int) -> Digit:
        # Outwards: of a picture that was enlarged, a digit may be less than a pixel wide.
        top, left = (math.floor(factor * side) for side in boxes[i][:2])
        bottom, right = (math.ceil(factor * side) for side in boxes[i][2:])
        box = (left, top, min(right, picture.width), min(bottom, picture.height))
        return Digit(box, images[i])

    return [[found(i) for i in row] for row in reading_order(boxes)]

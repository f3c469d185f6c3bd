"""Pictures of handwriting for page and tests: strokes of our own, on paper, under a camera.

    python -m mnist_tutorial.further.handwriting FOLDER

writes one picture of each kind into a folder, to be looked at.
"""

import dataclasses
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mnist_tutorial.further.pictures import mnist_form

# Each way of writing a digit is a list of strokes, each stroke a list of points that a smooth
# curve goes through, from (0, 0), top left, to (1, 1). A point named twice is a corner.
WAYS: dict[str, list[list[list[tuple[float, float]]]]] = {
    "0": [
        [[(0.5, 0), (0.15, 0.2), (0.08, 0.6), (0.4, 1), (0.8, 0.8), (0.88, 0.35), (0.5, 0)]],
        [[(0.6, 0.03), (0.25, 0.1), (0.1, 0.55), (0.45, 1), (0.85, 0.6), (0.75, 0.1),
          (0.45, 0.05)]],
    ],
    "1": [
        [[(0.5, 0), (0.5, 0), (0.5, 1), (0.5, 1)]],
        [[(0.6, 0), (0.6, 0), (0.42, 1), (0.42, 1)]],
        [[(0.35, 0.15), (0.35, 0.15), (0.52, 0), (0.52, 0), (0.5, 1), (0.5, 1)]],
    ],
    "2": [
        [[(0.12, 0.25), (0.35, 0.02), (0.75, 0.08), (0.78, 0.4), (0.12, 1), (0.12, 1),
          (0.9, 0.98)]],
        [[(0.15, 0.2), (0.5, 0), (0.82, 0.25), (0.5, 0.65), (0.12, 0.92), (0.3, 0.85), (0.9, 1)]],
    ],
    "3": [
        [[(0.15, 0.12), (0.5, 0), (0.8, 0.2), (0.45, 0.47), (0.45, 0.47), (0.85, 0.7), (0.5, 1),
          (0.1, 0.88)]],
        [[(0.12, 0.03), (0.5, 0.0), (0.78, 0.2), (0.4, 0.45), (0.8, 0.65), (0.6, 0.98),
          (0.1, 0.95)]],
    ],
    "4": [
        [[(0.3, 0), (0.3, 0), (0.1, 0.6), (0.1, 0.6), (0.95, 0.6), (0.95, 0.6)],
         [(0.68, 0.25), (0.68, 0.25), (0.64, 1), (0.64, 1)]],
        [[(0.65, 0), (0.65, 0), (0.08, 0.65), (0.08, 0.65), (0.95, 0.65), (0.95, 0.65)],
         [(0.65, 0), (0.65, 0), (0.65, 1), (0.65, 1)]],
    ],
    "5": [
        [[(0.25, 0.02), (0.25, 0.02), (0.18, 0.45), (0.18, 0.45), (0.6, 0.4), (0.85, 0.68),
          (0.55, 1), (0.1, 0.9)],
         [(0.25, 0.02), (0.25, 0.02), (0.85, 0.02), (0.85, 0.02)]],
        [[(0.85, 0), (0.85, 0), (0.28, 0.02), (0.28, 0.02), (0.2, 0.42), (0.2, 0.42), (0.7, 0.4),
          (0.82, 0.75), (0.5, 1), (0.12, 0.9)]],
    ],
    "6": [
        [[(0.7, 0), (0.35, 0.25), (0.15, 0.65), (0.35, 0.98), (0.75, 0.9), (0.8, 0.62), (0.5, 0.5),
          (0.18, 0.7)]],
        [[(0.6, 0.02), (0.22, 0.4), (0.2, 0.85), (0.55, 1), (0.82, 0.75), (0.55, 0.55),
          (0.22, 0.75)]],
    ],
    "7": [
        [[(0.1, 0.03), (0.1, 0.03), (0.88, 0), (0.88, 0), (0.4, 1), (0.4, 1)]],
        [[(0.12, 0), (0.12, 0), (0.85, 0.04), (0.85, 0.04), (0.55, 0.5), (0.42, 1)]],
    ],
    "8": [
        [[(0.75, 0.12), (0.4, 0), (0.2, 0.22), (0.5, 0.46), (0.82, 0.75), (0.5, 1), (0.15, 0.78),
          (0.5, 0.46), (0.8, 0.22), (0.7, 0.08)]],
        [[(0.5, 0.47), (0.2, 0.22), (0.5, 0), (0.8, 0.22), (0.5, 0.47), (0.15, 0.75), (0.5, 1),
          (0.85, 0.75), (0.5, 0.47)]],
    ],
    "9": [
        [[(0.8, 0.2), (0.5, 0), (0.2, 0.22), (0.45, 0.46), (0.78, 0.25), (0.8, 0.15), (0.72, 0.6),
          (0.6, 1)]],
        [[(0.8, 0.25), (0.45, 0.02), (0.2, 0.3), (0.5, 0.48), (0.8, 0.2), (0.8, 0.2), (0.7, 1),
          (0.7, 1)]],
    ],
}  # fmt: skip
# As they are written in much of Europe: MNIST's writers, Americans, hardly ever wrote so.
EUROPEAN = {
    "1": [[[(0.05, 0.5), (0.05, 0.5), (0.6, 0), (0.6, 0), (0.58, 1), (0.58, 1)]]],
    "7": [[*WAYS["7"][0], [(0.3, 0.5), (0.3, 0.5), (0.85, 0.46), (0.85, 0.46)]]],
    "0": [[*WAYS["0"][0], [(0.95, 0.0), (0.95, 0.0), (0.05, 1), (0.05, 1)]]],
}


@dataclasses.dataclass(frozen=True)
class Scene:
    """How a picture of handwriting is made; what isn't named is clean white paper.

    Attributes:
      height: of the digits, in pixels; `pen`: width of a stroke, in pixels.
      size: width and height of the picture, in pixels; by default, room for the digits.
      ink, paper: colours, from 0 to 255.
      lines: "ruled", "squared" or none; `line_ink`: their colour.
      shade: how much light is lost from the top left to the bottom right, from 0 to 1.
      noise: standard deviation in grey values; `blur`: in pixels.
      tilt: the far edge of the paper is shorter by this share; `turn`: in degrees.
      table: the paper ends before the picture does, and a dark table shows.
      european: 1 with a long upstroke, 7 with a bar, 0 with a slash.
      wobble: how far a hand strays from each point, as a standard deviation and a fraction of the
        height.
      gap: between digits, as a fraction of their height.
    """

    height: int = 100
    pen: float = 9
    size: tuple[int, int] | None = None
    ink: tuple[int, int, int] = (25, 25, 30)
    paper: tuple[int, int, int] = (255, 255, 255)
    lines: str = ""
    line_ink: tuple[int, int, int] = (160, 180, 215)
    shade: float = 0
    noise: float = 0
    blur: float = 0
    tilt: float = 0
    turn: float = 0
    table: bool = False
    european: bool = False
    wobble: float = 0.02
    gap: float = 0.55


def curve(points: list[tuple[float, float]], steps: int = 12) -> np.ndarray:
    """A smooth line through points (Catmull and Rom 1974), (n, 2)."""
    p = np.array([points[0], *points, points[-1]], float)
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
               + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]  # fmt: skip
    return np.concatenate([*pieces, p[-1:]])


def pen_strokes(digit: str, rng: np.random.Generator, scene: Scene) -> list[np.ndarray]:
    """One writing of a digit, in a hand that `rng` draws: (n, 2) places for each stroke."""
    ways = EUROPEAN.get(digit, WAYS[digit]) if scene.european else WAYS[digit]
    slant, width = rng.uniform(-0.05, 0.3), rng.uniform(0.5, 0.75)
    way = ways[rng.integers(len(ways))]
    strokes = []
    for stroke in way:
        moved: dict[tuple[float, float], np.ndarray] = {}
        for point in stroke:  # a corner's two points stay together
            moved.setdefault(point, np.array(point) + rng.normal(0, scene.wobble, 2))
        line = curve([tuple(moved[point]) for point in stroke])
        strokes.append(np.stack([width * line[:, 0] + slant * (1 - line[:, 1]), line[:, 1]], 1))
    return strokes


def coverage(
    text: str, scene: Scene, rng: np.random.Generator
) -> tuple[Image.Image, list[tuple[float, float, float, float]]]:
    """The pen's marks alone, 255 for full ink, and the box of each digit, row by row."""
    rows = text.split(" ")
    step = scene.height * (0.7 + scene.gap)
    down = scene.height * 1.8
    need = (int(step * max(map(len, rows)) + scene.height), int(down * len(rows) + scene.height))
    size = scene.size or need
    sheet = Image.new("L", size)
    draw = ImageDraw.Draw(sheet)
    left = (size[0] - step * max(map(len, rows))) / 2 + 0.2 * scene.height
    top = (size[1] - down * len(rows)) / 2 + 0.4 * scene.height
    boxes = []
    for r, row in enumerate(rows):
        for c, digit in enumerate(row):
            corner = np.array(
                [left + c * step, top + r * down + rng.uniform(0, 0.1) * scene.height]
            )
            ends = []
            for stroke in pen_strokes(digit, rng, scene):
                line = corner + scene.height * rng.uniform(0.97, 1.0) * stroke
                draw.line([tuple(p) for p in line], 255, round(scene.pen), "curve")
                for x, y in (line[0], line[-1]):
                    half = scene.pen / 2
                    draw.ellipse((x - half, y - half, x + half, y + half), 255)
                ends.append(line)
            along = np.concatenate(ends)
            boxes.append((*along.min(axis=0), *along.max(axis=0)))
    return sheet, boxes


def european_digits(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Writes zeros, ones and sevens as Europeans do, each in a hand of its own.

    Returns:
      (count, 28, 28) uint8, in MNIST's form, and the digits, (count,) int32.
    """
    rng = np.random.default_rng(seed)
    labels = np.resize(np.array([int(digit) for digit in EUROPEAN], np.int32), count)
    images = []
    for digit in labels:
        scene = Scene(height=80, pen=rng.uniform(6, 15), european=True, wobble=0.08)
        marks, _ = coverage(str(digit), scene, rng)
        images.append(mnist_form(np.asarray(marks) / 255))
    return np.stack(images), labels


def picture(
    text: str, scene: Scene = Scene(), seed: int = 0
) -> tuple[Image.Image, list[tuple[float, float, float, float]]]:
    """Writes digits, and takes a picture of them.

    Args:
      text: the digits, rows parted by a space.

    Returns:
      An RGB picture, and the box of each digit before the paper was tilted or turned.
    """
    rng = np.random.default_rng(seed)
    marks, boxes = coverage(text, scene, rng)
    width, height = marks.size
    page = Image.new("RGB", marks.size, scene.paper)
    draw = ImageDraw.Draw(page)
    step = round(0.45 * scene.height)
    if scene.lines:
        for y in range(step // 2, height, step if scene.lines == "squared" else 2 * step):
            draw.line((0, y, width, y), scene.line_ink, max(round(scene.height / 60), 1))
    if scene.lines == "squared":
        for x in range(step // 2, width, step):
            draw.line((x, 0, x, height), scene.line_ink, max(round(scene.height / 60), 1))
    page.paste(Image.new("RGB", marks.size, scene.ink), mask=marks.filter(ImageFilter.BoxBlur(0.7)))
    if scene.turn:
        page = page.rotate(scene.turn, Image.Resampling.BICUBIC, fillcolor=scene.paper)
    if scene.tilt or scene.table:
        page = _seen_from_aside(page, scene)
    pixels = np.asarray(page, float)
    y, x = np.mgrid[:height, :width] / (height + width)
    pixels = pixels * (1 - scene.shade * (x + y))[..., None]
    if scene.blur:
        blurred = Image.fromarray(np.uint8(pixels)).filter(ImageFilter.GaussianBlur(scene.blur))
        pixels = np.asarray(blurred, float)
    pixels = pixels + rng.normal(0, scene.noise, pixels.shape) if scene.noise else pixels
    return Image.fromarray(np.uint8(np.clip(pixels, 0, 255))), boxes


def _seen_from_aside(page: Image.Image, scene: Scene) -> Image.Image:
    width, height = page.size
    inset = scene.tilt * width / 2
    edge = 0.04 * min(page.size) if scene.table else 0
    corners = [(inset + edge, edge), (edge, height), (width, height), (width - inset, edge)]
    ours = [(0, 0), (0, height), (width, height), (width, 0)]
    equations, right = [], []
    for (x, y), (u, v) in zip(corners, ours, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    numbers = np.linalg.solve(np.array(equations, float), np.array(right, float)).tolist()
    outside = (70, 50, 40) if scene.table else scene.paper
    return page.transform(
        page.size, Image.Transform.PERSPECTIVE, numbers, Image.Resampling.BICUBIC, fillcolor=outside
    )


SCENES = {
    "white paper": Scene(),
    "grey paper": Scene(paper=(196, 194, 190), noise=3),
    "yellow paper, blue pen": Scene(paper=(240, 225, 150), ink=(30, 50, 160), pen=5, noise=4),
    "red pen": Scene(paper=(235, 235, 232), ink=(190, 40, 45), pen=5, noise=3),
    "pencil": Scene(paper=(225, 222, 215), ink=(130, 130, 132), pen=4, noise=4),
    "chalk": Scene(paper=(45, 60, 52), ink=(225, 225, 220), pen=8, noise=5),
    "thin pen": Scene(height=220, pen=3, paper=(230, 228, 222), noise=3),
    "marker": Scene(pen=20, gap=0.8),
    "shade": Scene(paper=(215, 212, 205), shade=0.9, noise=4),
    "blurred": Scene(paper=(220, 218, 212), blur=3, noise=3),
    "noisy": Scene(paper=(190, 188, 180), noise=18),
    "ruled": Scene(paper=(244, 243, 238), lines="ruled", noise=3),
    "squared": Scene(paper=(244, 243, 238), lines="squared", noise=3),
    "ruled, dark lines": Scene(
        paper=(235, 234, 230), lines="ruled", line_ink=(95, 110, 160), noise=3
    ),
    "squared, turned": Scene(paper=(244, 243, 238), lines="squared", noise=3, turn=4),
    "seen from aside": Scene(paper=(225, 222, 215), tilt=0.2, shade=0.4, noise=4),
    "table": Scene(paper=(225, 222, 215), table=True, shade=0.4, noise=4),
    "turned": Scene(paper=(225, 222, 215), turn=8, noise=3),
    "small": Scene(height=24, pen=2.5),
    "large": Scene(height=420, pen=22, paper=(210, 208, 202), shade=0.5, noise=6),
}  # fmt: skip


def encoded(page: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The picture as the bytes of a file."""
    file = io.BytesIO()
    page.save(file, kind, **options)
    return file.getvalue()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, scene in SCENES.items():
        picture("01234 56789", scene)[0].save(folder / f"{name}.png")

"""Sphinx extension: the home page, where the machine is at work before a reader does anything.

What it shows without scripts, and on paper, is made here: a drawn digit, what the small network
of `home.bin` makes of it, and the seven chapters as cards. `_static/live/home.mjs` then lets the
digit write itself, and takes the reader's own.
"""

import gzip
import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from book_slim import add, versioned
from bs4 import BeautifulSoup
from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

HOME = "index"
NETWORK = "_static/live/home.bin"
DIGIT = "mnist_tutorial/datasets/drawn/4/1.png"  # as the pad saw these very strokes
STROKES = [[(106, 42), (78, 146), (202, 146)], [(174, 84), (162, 246)]]
CHAPTERS = "chapters/0*.ipynb"
COLUMNS, RINGED = 20, 5
RED, BLUE = np.array([178, 24, 43]), np.array([33, 102, 172])
UNITS = "home-units.webp"
# What home.mjs imports, and the weights: asked for at once, not one after the other.
NEEDED = ("paper", "camera", "digit", "mlp", "paint", "files")
LINKS = {
    "chapters/01-introduction": "Chapters",
    "chapters/going-further/better-taught": "Going further",
    "glossary": "Glossary",
    "teachers": "For teachers",
}


def answer(network: dict[str, np.ndarray], image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the hidden units and the output say to one image.

    Args:
      network: as `mnist_tutorial.book.live.network_file` packs it.
      image: (28, 28) uint8.

    Returns:
      (units,) float, after ReLU, and (10,) float, probabilities.
    """
    weights = network["hidden_kernel"] * network["hidden_scale"][:, None]
    units = np.maximum(weights @ (image.ravel() / 255) + network["hidden_bias"], 0)
    scores = units @ network["output_kernel"] + network["output_bias"]
    shares = np.exp(scores - scores.max())
    return units, shares / shares.sum()


def ringed(network: dict[str, np.ndarray], units: np.ndarray, digit: int) -> list[int]:
    """The units that spoke most for an answer, strongest first."""
    spoke = units * network["output_kernel"][:, digit]
    return [int(unit) for unit in np.argsort(-spoke, kind="stable")[:RINGED]]


def paint_units(network: dict[str, np.ndarray]) -> Image.Image:
    """The weights of all units as small images, red for ink that excites, blue for the others."""
    kernels = network["hidden_kernel"].astype(float)
    share = kernels / np.abs(kernels).max(axis=1, keepdims=True)
    colour = np.where(share[..., None] > 0, RED, BLUE)
    tiles = 255 + (colour - 255) * np.abs(share)[..., None]
    tiles = tiles.reshape(-1, COLUMNS, 28, 28, 3).transpose(0, 2, 1, 3, 4)
    rows = tiles.shape[0] * 28
    return Image.fromarray(np.rint(tiles).astype(np.uint8).reshape(rows, COLUMNS * 28, 3))


def draw_units(network: dict[str, np.ndarray], units: np.ndarray, digit: int) -> str:
    """The units as lit as they are active, with a ring around those that spoke most."""
    rows, most = len(units) // COLUMNS, ringed(network, units, digit)
    shades = "".join(
        f'<rect x="{28 * (n % COLUMNS)}" y="{28 * (n // COLUMNS)}" width="28" height="28" '
        f'class="home-shade" opacity="{0.85 * (1 - value / units.max()):.2f}"/>'
        for n, value in enumerate(units)
    )
    rings = "".join(
        f'<rect x="{28 * (n % COLUMNS) + 1}" y="{28 * (n // COLUMNS) + 1}" width="26" height="26" '
        'rx="3" class="home-ring"/>'
        for n in most
    )
    return (
        f'<svg viewBox="0 0 {28 * COLUMNS} {28 * rows}" role="img" aria-label="The weights of '
        f'{len(units)} hidden units; the brightest are the most active for the 4">'
        f'<image href="_static/live/{UNITS}" width="{28 * COLUMNS}" height="{28 * rows}"/>'
        f"{shades}{rings}</svg>"
    )


def draw_pixels(image: np.ndarray) -> str:
    """A digit of 28 by 28 pixels, ink on paper."""
    ink = "".join(
        f'<rect x="{x}" y="{y}" width="1" height="1" opacity="{image[y, x] / 255:.2f}"/>'
        for y, x in np.argwhere(image)
    )
    return (
        '<svg class="home-sees" viewBox="0 0 28 28" shape-rendering="crispEdges" role="img" '
        f'aria-label="The 4 as 28 by 28 pixels">{ink}</svg>'
    )


def draw_bars(shares: np.ndarray) -> str:
    """Ten bars, the likeliest digit's in the colour of answers."""
    rows = "".join(
        f'<tr{" class=live-first" if share == shares.max() else ""}><th scope="row">{digit}</th>'
        '<td aria-hidden="true"><svg viewBox="0 0 100 8" preserveAspectRatio="none">'
        f'<rect width="{100 * share:.1f}" height="8" rx="2" class="home-bar"/></svg></td>'
        f'<td class="live-figure">{100 * share:.1f}%</td></tr>'
        for digit, share in enumerate(shares)
    )
    caption = '<caption class="live-hidden">Probability of each digit</caption>'
    return f'<table class="live-bars">{caption}<tbody>{rows}</tbody></table>'


def machine(network: dict[str, np.ndarray], image: np.ndarray) -> str:
    """The machine at work on a drawn digit, in HTML."""
    units, shares = answer(network, image)
    digit, count = int(shares.argmax()), len(units)
    numbers = 784 * count + count + 10 * count + 10
    lines = "".join(
        f'<polyline points="{" ".join(f"{x},{y}" for x, y in stroke)}"/>' for stroke in STROKES
    )
    return f"""<div class="home-machine live" data-strokes='{json.dumps(STROKES)}'>
<div class="home-paper"><svg class="live-paper" viewBox="0 0 280 280" role="img"
 aria-label="A drawn 4">{lines}</svg></div>
<div class="home-answer"><p class="home-say">{digit}</p>
<p class="home-sure">{100 * shares[digit]:.1f}% sure</p>{draw_bars(shares)}</div>
</div>
<div class="home-flow live">
<div><h2 class="home-label">784 pixels it sees</h2>{draw_pixels(image)}</div>
<div class="home-arrow" aria-hidden="true">→</div>
<div><h2 class="home-label">{count} hidden units: bright when active, ringed if they did most to
 produce the answer</h2><div class="home-units">{draw_units(network, units, digit)}</div></div>
<div class="home-arrow" aria-hidden="true">→</div>
<p class="home-why">Nobody told this small network what a loop or a stroke is. It was shown 57,400
 digits, and it adjusted its {numbers:,} numbers. Chapters 4 to 6 take a larger one apart.</p>
</div>"""


def chapter_card(path: Path, number: int) -> str:
    """One chapter's question, title and minutes, as its first cell states them."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    text = "".join(next(cell["source"] for cell in cells if cell["cell_type"] == "markdown"))
    title, question, minutes = (
        re.search(pattern, text, re.M)
        for pattern in (r"^# (.+)$", r"^\*\*(.+\?)\*\*$", r"(\d+) minutes")
    )
    if not (title and question and minutes):
        raise ValueError(f"{path.name} doesn't begin with a title, a question and its minutes")
    return (
        f'<li><a class="home-card" href="chapters/{path.stem}.html"><span class="home-number">'
        f"{number} · {minutes[1]} min</span> <strong>{html.escape(question[1])}</strong> "
        f"<span>{html.escape(title[1])}</span></a></li>"
    )


class Machine(SphinxDirective):
    """`{machine}`: the network at work on a digit."""

    def run(self) -> list[nodes.Node]:
        """Runs the network on the digit."""
        root = Path(self.env.srcdir)
        network = safetensors.numpy.load(gzip.decompress((root / NETWORK).read_bytes()))
        with Image.open(root / DIGIT) as picture:
            image = np.asarray(picture.convert("L"))
        for name in (NETWORK, DIGIT):
            self.env.note_dependency(name)
        return [nodes.raw("", machine(network, image), format="html")]


class Questions(SphinxDirective):
    """`{questions}`: the chapters as cards."""

    def run(self) -> list[nodes.Node]:
        """Reads the chapters' first cells."""
        paths = sorted(Path(self.env.srcdir).glob(CHAPTERS))
        for path in paths:
            self.env.note_dependency(str(path.relative_to(self.env.srcdir)))
        cards = "\n".join(chapter_card(path, n) for n, path in enumerate(paths, 1))
        return [nodes.raw("", f'<ol class="home-cards">\n{cards}\n</ol>', format="html")]


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Gives the home page its head line and its script, before the pages are made slim."""
    if exception or app.builder.name != "html":
        return
    root = Path(app.outdir)
    network = safetensors.numpy.load(gzip.decompress((root / NETWORK).read_bytes()))
    paint_units(network).save(root / "_static/live" / UNITS, quality=60, method=6)
    page = root / f"{HOME}.html"
    soup = BeautifulSoup(page.read_text("utf-8"), "html.parser")
    assert soup.body and soup.title
    soup.body["class"] = "home"
    soup.title.string = app.config.html_title
    start = soup.select_one(".header-article-items__start")
    assert start
    links = "".join(f'<a href="{name}.html">{text}</a>' for name, text in LINKS.items())
    nav = f'<nav class="home-links" aria-label="Parts of the book">{links}</nav>'
    title = f'<p class="home-title">{html.escape(app.config.html_title)}</p>'
    start.append(BeautifulSoup(title + nav, "html.parser"))
    page.write_text(str(soup), "utf-8")


def hurry(app: Sphinx, exception: Exception | None) -> None:
    """Adds the script to the finished page, and what it needs, so that all comes at once."""
    if exception or app.builder.name != "html":
        return
    root = Path(app.outdir)
    page = root / f"{HOME}.html"
    soup = BeautifulSoup(page.read_text("utf-8"), "html.parser")
    add(soup, "script", src=versioned(root, "_static/live/home.mjs"), type="module")
    for name in NEEDED:
        add(soup, "link", rel="modulepreload", href=f"_static/live/{name}.mjs")
    add(soup, "link", rel="preload", href=NETWORK, crossorigin="", **{"as": "fetch"})
    page.write_text(str(soup), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Adds the directives, and the home page's own head and script."""
    app.add_directive("machine", Machine)
    app.add_directive("questions", Questions)
    app.connect("build-finished", finish, priority=890)
    app.connect("build-finished", hurry, priority=910)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

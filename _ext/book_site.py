"""Sphinx extension: the book's public address, and the picture beside links to it.

The address follows from the repository's, which pyproject.toml has. The rest of what other sites
read is made by libraries: previews by sphinxext-opengraph, the map for search engines by
sphinx-sitemap, the page for wrong addresses by sphinx-notfound-page. _config.yml sets them up.
"""

import base64
import io
import json
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image, ImageDraw, ImageFont
from sphinx.application import Sphinx
from sphinx.config import Config

NO_PAGES_OF_THE_BOOK = ("search", "404")  # not to be found by search engines
CARD_SIZE, PANEL, INK = (1200, 630), 420, "#1d2733"


def site_address(repository: str) -> str:
    """Where GitHub Pages shows a repository.

    Args:
        repository: its address, `https://github.com/OWNER/NAME`.

    Returns:
        The address of the home page's folder, with a slash at its end.

    Raises:
        ValueError: for an address that isn't a repository on GitHub.
    """
    parts = urlsplit(repository)
    owner, _, name = parts.path.strip("/").partition("/")
    if parts.scheme != "https" or parts.netloc != "github.com" or not owner or not name:
        raise ValueError(
            f"{repository!r} in pyproject.toml is not of the form https://github.com/OWNER/NAME"
        )
    name = name.removesuffix(".git")
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def set_address(app: Sphinx, config: Config) -> None:
    """Reads the repository's address from its one place, and tells all who need it."""
    project = tomllib.loads(Path(app.srcdir, "pyproject.toml").read_text("utf-8"))["project"]
    address = site_address(project["urls"]["Repository"])
    config.html_baseurl = config.ogp_site_url = address
    config.notfound_urls_prefix = urlsplit(address).path


def first_picture(book: Path) -> bytes:
    """The first figure of chapter 1, the finished result: a PNG."""
    cells = json.loads((book / "chapters/01-introduction.ipynb").read_text("utf-8"))["cells"]
    outputs = (output for cell in cells for output in cell.get("outputs", []))
    picture = next(o["data"]["image/png"] for o in outputs if "image/png" in o.get("data", {}))
    return base64.b64decode("".join(picture))


def copy_result(app: Sphinx, config: Config) -> None:
    """Gives the home page the first figure of chapter 1, so that the two never differ."""
    book = Path(app.srcdir)
    (book / "_static/result.png").write_bytes(first_picture(book))


def draw_card(picture: bytes) -> Image.Image:
    """Draws the picture shown beside a link to the book: its title, and digits it has read."""
    card = Image.new("RGB", CARD_SIZE, "white")
    with Image.open(io.BytesIO(picture)) as figure:
        width = CARD_SIZE[0] - PANEL - 40
        shown = figure.convert("RGB").resize((width, round(width * figure.height / figure.width)))
        card.paste(shown, (PANEL + 20, 15))  # its first rows; the others don't fit
    draw = ImageDraw.Draw(card)
    draw.rectangle((0, 0, PANEL, CARD_SIZE[1]), fill=INK)
    draw.multiline_text(
        (48, 170), "MNIST\nfor\nBeginners", "white", ImageFont.load_default(72), spacing=14
    )
    draw.text((48, 520), "A book that runs,\nin 30 minutes", "#c8d3df", ImageFont.load_default(30))
    return card


def hide(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Keeps pages that aren't part of the book out of search engines."""
    if pagename in NO_PAGES_OF_THE_BOOK:
        context["pageurl"] = None
        context["metatags"] = context.get("metatags", "") + '<meta name="robots" content="noindex">'


def write_card(app: Sphinx, exception: Exception | None) -> None:
    """Writes the picture that all previews show."""
    if not exception and app.builder.name == "html":
        card = draw_card(first_picture(Path(app.srcdir)))
        card.save(Path(app.outdir, "_static/card.png"), optimize=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects all this to the build."""
    app.connect("config-inited", set_address, priority=400)  # before those who ask for it
    app.connect("config-inited", copy_result)
    app.connect("html-page-context", hide)
    app.connect("build-finished", write_card, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

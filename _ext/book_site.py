"""Sphinx extension: what others read of the book: addresses, previews, a page for wrong addresses.

The book's public address follows from its repository's, which stands in pyproject.toml.
"""

import base64
import html
import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image, ImageDraw, ImageFont
from sphinx.application import Sphinx
from sphinx.config import Config

NO_PAGES_OF_THE_BOOK = ("search", "404")  # not to be found by search engines
CARD_SIZE, PANEL, INK = (1200, 630), 420, "#1d2733"
CARD_TEXT = "Thirty handwritten digits, each with the network’s answer and how sure it is"
WRONG_ADDRESS = """<section><h1>No such page</h1>
<p>Nothing stands at this address. Perhaps the page was moved, or a letter went missing.</p>
<p>The <a href="index.html">home page</a> lists all chapters, and the search box finds any word.</p>
</section>"""


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
    """Reads the repository's address from its one place; pages then name their own."""
    project = tomllib.loads(Path(app.srcdir, "pyproject.toml").read_text("utf-8"))["project"]
    config.html_baseurl = site_address(project["urls"]["Repository"])


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
    """The picture that stands beside a link to the book: its title, and digits it has read."""
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


def add_previews(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Adds what other sites show of a page that someone links to."""
    if pagename in NO_PAGES_OF_THE_BOOK:
        context["pageurl"] = None
        context["metatags"] = context.get("metatags", "") + '<meta name="robots" content="noindex">'
        return
    address = app.config.html_baseurl
    tags = {
        "og:type": "website" if pagename == "index" else "article",
        "og:site_name": app.config.html_title,
        "og:title": context.get("title", app.config.html_title),
        "og:description": context["description"],
        "og:url": f"{address}{pagename}.html",
        "og:image": f"{address}_static/card.png",
        "og:image:width": CARD_SIZE[0],
        "og:image:height": CARD_SIZE[1],
        "og:image:alt": CARD_TEXT,
    }
    twitter = {"twitter:card": "summary_large_image", "twitter:image:alt": CARD_TEXT}
    context["metatags"] += "".join(
        f'\n<meta {kind}="{name}" content="{html.escape(html.unescape(str(value)))}" />'
        for kind, group in (("property", tags), ("name", twitter))
        for name, value in group.items()
    )


def wrong_address(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The page that a host shows for an address where none is."""
    yield "404", {"title": "No such page", "body": WRONG_ADDRESS}, "page.html"


def write_files(app: Sphinx, exception: Exception | None) -> None:
    """Writes the card, and the map for search engines."""
    if exception or app.builder.name != "html":
        return
    root, address = Path(app.outdir), app.config.html_baseurl
    draw_card(first_picture(Path(app.srcdir))).save(root / "_static/card.png", optimize=True)
    names = sorted(name for name in app.env.found_docs if (root / f"{name}.html").is_file())
    urls = "".join(f"<url><loc>{address}{name}.html</loc></url>\n" for name in names)
    (root / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}</urlset>\n',
        encoding="utf-8",
    )
    (root / "robots.txt").write_text(
        f"User-agent: *\nAllow: /\nSitemap: {address}sitemap.xml\n", encoding="utf-8"
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects all this to the build."""
    app.connect("config-inited", set_address)
    app.connect("config-inited", copy_result)
    app.connect("html-collect-pages", wrong_address)
    app.connect("html-page-context", add_previews, priority=600)  # after the descriptions
    app.connect("build-finished", write_files, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

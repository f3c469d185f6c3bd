"""Sphinx extension: the whole book in one file, to take along and to print.

Made from the finished pages: their text one after the other, with style and pictures inside. What
answers needs a server and is left to the pages; its words say so.

Sphinx's own builder `singlehtml` makes a file that needs others: pictures, styles and scripts lie
beside it. To put them inside would take as much code as this, and a second build.
"""

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import urljoin

from book_slim import SHEET, WHOLE
from bs4 import BeautifulSoup, Tag
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

STYLE = """
body { max-width: 52rem; margin: 0 auto; padding: 1rem; line-height: 1.65 }
article + article { margin-top: 4rem; break-before: page }
@page { size: A4; margin: 16mm }
@media print {
  html { font-size: 12px }
  body { max-width: none; padding: 0 }
  article + article { margin: 0 }
}
"""
FILE = """<!DOCTYPE html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'sha256-{digest}'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="robots" content="noindex"/><title>{title}, the whole book</title>
<meta name="description" content="The whole book {title} in one file, to read without a network."/>
<style>{css}</style></head>
<body><main id="main-content" class="bd-content">{articles}</main></body></html>
"""


def reading_order(env: BuildEnvironment, name: str) -> list[str]:
    """A page and all that its table of contents lists, in the order of the book."""
    children = env.toctree_includes.get(name, [])
    return [name, *(each for child in children for each in reading_order(env, child))]


def place(name: str, fragment: str = "") -> str:
    """The id in the one file of a page, or of a place on it."""
    page = re.sub(r"\W+", "-", name)
    return f"{page}--{fragment}" if fragment else page


def take_page(name: str, names: list[str], root: Path, address: str) -> Tag:
    """A page's text as a part of the one file: its places, links and pictures are changed.

    Args:
        name: the page's name; `names` are those of all pages.
        root: the folder with the built pages, which are public at `address`.
    """
    page = BeautifulSoup((root / f"{name}.html").read_text("utf-8"), "html.parser")
    assert page.article
    for heading_link in page.article.select("a.headerlink"):
        heading_link.decompose()
    for form in page.article.select("form.live"):
        form.decompose()
    for part in page.article.select("[data-live]"):  # its words are hidden while a script may come
        del part["data-live"]
    for still in page.article.select(".live-still"):  # and so is its picture
        del still["class"]
    for tag in page.article.find_all(id=True):
        tag["id"] = place(name, str(tag["id"]))
    for tag in page.article.find_all("a", href=True):
        link = urljoin(f"{address}{name}.html", str(tag["href"]))
        target, _, fragment = link.removeprefix(address).partition("#")
        inside = target.removesuffix(".html") in names
        tag["href"] = f"#{place(target.removesuffix('.html'), fragment)}" if inside else link
        del tag["download"]
    for image in page.article.find_all(["img", "image"]):  # the second in a drawing
        source = "src" if image.name == "img" else "href"
        file = root / urljoin(f"{name}.html", str(image[source]))
        data = base64.b64encode(file.read_bytes()).decode()
        kind = {".svg": "svg+xml"}.get(file.suffix, file.suffix[1:])
        image[source] = f"data:image/{kind};base64,{data}"
        del image["loading"]
    page.article["id"] = place(name)
    return page.article


def write_single(app: Sphinx, exception: Exception | None) -> None:
    """Writes the one file beside the pages."""
    if exception or app.builder.name != "html":
        return
    root, names = Path(app.outdir).resolve(), reading_order(app.env, app.config.root_doc)
    css = (root / SHEET).read_text("utf-8")
    css = re.sub(r"@font-face\{[^}]*\}", "", css) + STYLE  # no icon is shown
    text = FILE.format(
        digest=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        title=app.config.html_title,
        css=css,
        articles="".join(
            str(take_page(name, names, root, app.config.html_baseurl)) for name in names
        ),
    )
    (root / WHOLE).write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects the one file to the end of the build, after the pages are finished."""
    app.connect("build-finished", write_single, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

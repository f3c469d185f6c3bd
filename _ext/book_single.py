"""Sphinx extension: the whole book in one file, to take along and to print.

Made from the finished pages: their text one after the other, with style and pictures inside. What
answers needs a server and is left to the pages; its words say so.
"""

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

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


def reading_order(env: BuildEnvironment, name: str) -> list[str]:
    """A page and all that its table of contents lists, in the order of the book."""
    names = [name]
    for child in env.toctree_includes.get(name, []):
        names += reading_order(env, child)
    return names


def place(name: str, fragment: str = "") -> str:
    """The id in the one file of a page, or of a place on it."""
    page = re.sub(r"\W+", "-", name)
    return f"{page}--{fragment}" if fragment else page


def take_page(article: Tag, name: str, names: list[str], root: Path, address: str) -> Tag:
    """Makes a page's text a part of the one file: places, links and pictures.

    Args:
        article: the text; it is changed.
        name: the page's name; `names` are those of all pages.
        root: the folder with the built pages, which are public at `address`.
    """
    own = root / f"{name}.html"
    for heading_link in article.select("a.headerlink"):
        heading_link.decompose()
    for tag in article.find_all(id=True):
        tag["id"] = place(name, str(tag["id"]))
    for tag in article.find_all("a", href=True):
        link = urlsplit(str(tag["href"]))
        if link.scheme or link.netloc:
            continue
        target = (own.parent / link.path).resolve() if link.path else own
        page = target.relative_to(root).with_suffix("").as_posix()
        if page in names:
            tag["href"] = f"#{place(page, link.fragment)}"
        else:
            tag["href"] = address + target.relative_to(root).as_posix()
            del tag["download"]
    for image in article.find_all("img"):
        file = (own.parent / str(image["src"])).resolve()
        data = base64.b64encode(file.read_bytes()).decode()
        image["src"] = f"data:image/{file.suffix[1:]};base64,{data}"
        del image["loading"]
    article["id"] = place(name)
    return article


def write_single(app: Sphinx, exception: Exception | None) -> None:
    """Writes the one file beside the pages."""
    if exception or app.builder.name != "html":
        return
    root, title = Path(app.outdir).resolve(), app.config.html_title
    names = reading_order(app.env, app.config.root_doc)
    css = (root / SHEET).read_text("utf-8")
    css = re.sub(r"@font-face\{[^}]*\}", "", css) + STYLE  # no icon is shown
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    whole = BeautifulSoup(
        '<!DOCTYPE html>\n<html lang="en" data-theme="light"><head><meta charset="utf-8"/>'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        f"style-src 'sha256-{digest}'\"/>"
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f'<meta name="robots" content="noindex"/><title>{title}, the whole book</title>'
        '<meta name="description" content="The whole book MNIST for Beginners in one file, to read '
        f'without a network."/><style>{css}</style></head>'
        '<body><main id="main-content" class="bd-content"></main></body></html>',
        "html.parser",
    )
    assert whole.main
    for name in names:
        page = BeautifulSoup((root / f"{name}.html").read_text("utf-8"), "html.parser")
        assert page.article
        whole.main.append(take_page(page.article, name, names, root, app.config.html_baseurl))
    (root / WHOLE).write_text(str(whole), "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects the one file to the end of the build, after the pages are finished."""
    app.connect("build-finished", write_single, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

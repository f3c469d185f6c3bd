"""Checks a built book: every page is there, whole, and asks no other host for anything; every
link within the book leads somewhere.

    python tools/check_book.py [folder with the built pages]

prints one line for each fault and exits with 1 if there is one. A build that exits with 0 proves
little: Jupyter Book 2 ignores `_config.yml`, builds no page of this book and is content.
"""

import base64
import hashlib
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag
from PIL import Image, UnidentifiedImageError

BOOK = Path(__file__).parents[1]

FOREIGN = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
FOREIGN_IN_CSS = re.compile(r"(?:url\(|@import)\s*[\"']?\s*(?:https?:)?//[^\s\"')]*", re.IGNORECASE)
FOREIGN_IN_SCRIPT = re.compile(r"\bimport\b[^;\n]*[\"'](?:https?:)?//[^\"']*")
LOADED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect"}
LOADING_TAGS = ["script", "img", "source", "iframe", "audio", "video", "embed", "object", "track"]
ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# What Markdown or typography may change on the way to the page is no part of a sample.
MARKUP = re.compile(r"\$[^$]*\$|\([^)]*\)|<[^>]*>")  # formulas, addresses of links, tags
PLAIN_WORDS = re.compile(r"[A-Za-z0-9,; ]+")


def check_book(html: Path, book: Path = BOOK) -> list[str]:
    """Looks for faults in a built book.

    Args:
        html: the folder with the built pages.
        book: the folder with `_toc.yml` and the sources.

    Returns:
        One line for each fault; none for a book that is whole.
    """
    faults = [fault for name in pages(book) for fault in check_page(html, book, name)]
    soups = {
        path.resolve(): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(html.rglob("*.html"))
    }
    for path, soup in soups.items():
        where = path.relative_to(html.resolve())
        faults += [f"{where} loads {address}" for address in foreign_addresses(soup)]
        faults += [f"{where} links to {address}" for address in dead_links(soup, path, soups)]
    for path in sorted(html.rglob("*.css")):
        for address in FOREIGN_IN_CSS.findall(path.read_text(encoding="utf-8")):
            faults.append(f"{path.relative_to(html)} loads {address}")
    return faults


def pages(book: Path) -> list[str]:
    """Returns the names, without suffix, of all pages that `_toc.yml` lists, the root first."""

    def files(entry: Any) -> Iterator[str]:
        if isinstance(entry, list):
            for item in entry:
                yield from files(item)
        elif isinstance(entry, dict):
            if "file" in entry:
                yield entry["file"]
            for value in entry.values():
                yield from files(value)

    toc = yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *files(toc)]


def check_page(html: Path, book: Path, name: str) -> list[str]:
    """Compares one page with its source."""
    path = html / f"{name}.html"
    if not path.is_file():
        return [f"{name}.html is missing"]
    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    article = soup.find("article")
    if article is None or not article.get_text(strip=True):
        return [f"{name}.html is empty"]

    notebook = book / f"{name}.ipynb"
    if notebook.is_file():
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        markdown = "\n\n".join(
            "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
        )
    else:
        cells, markdown = [], (book / f"{name}.md").read_text(encoding="utf-8")

    faults = []
    title = re.search(r"^# (.+)$", markdown, re.MULTILINE)
    heading = article.find("h1")
    if title is None:
        faults.append(f"{name} has no title in its source")
    elif heading is None or squeeze(title[1]) not in squeeze(heading.get_text()):
        faults.append(f"{name}.html lacks its title, {title[1]!r}")
    elif not squeeze(article.get_text().replace(heading.get_text(), "")):
        faults.append(f"{name}.html holds nothing but its title")
    return faults + [f"{name}.html {fault}" for fault in check_outputs(article, path, cells)]


def check_outputs(article: Tag, path: Path, cells: list[dict[str, Any]]) -> Iterator[str]:
    """Compares the outputs that a page shows with those that its notebook stores."""
    text = squeeze(article.get_text())
    stored, shown = Counter[str](), Counter[str]()
    for number, cell in enumerate(cells, start=1):
        for kind, content in visible_outputs(cell):
            if kind == "image":
                stored[fingerprint(content)] += 1
            elif sample(kind, content) not in text:
                yield f"lacks what cell {number} printed: {sample(kind, content)[:60]!r}"

    for image in article.select(".cell_output img:not(.live-still)"):
        source = str(image.get("src", ""))
        file = path.parent / source
        if source.startswith("data:") or not file.is_file():
            continue  # not made from a stored picture, or counted as missing below
        shown[fingerprint(file.read_bytes())] += 1
        alt = str(image.get("alt", ""))
        if not alt or alt == source:
            yield f"has a picture without an alternative text, {source}"
    if missing := (stored - shown).total():
        yield f"lacks {missing} of the {stored.total()} pictures that its notebook stores"
    if strange := (shown - stored).total():
        yield f"shows {strange} pictures that its notebook doesn't store"


def visible_outputs(cell: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields what a reader sees of a cell's outputs: for each its kind and its content.

    The kind is "image" (the content is bytes), "html", "markdown" or "text" (strings). Of an output
    in several formats the page shows one: HTML before pictures before Markdown before text.
    """
    tags = cell.get("metadata", {}).get("tags", [])
    if {"remove-output", "remove-cell"} & set(tags):
        return
    for output in cell.get("outputs", []):
        if output["output_type"] == "stream":
            yield "text", "".join(output["text"])
            continue
        data = {mime: "".join(value) for mime, value in output.get("data", {}).items()}
        if "text/html" in data:
            yield "html", data["text/html"]
        elif "image/svg+xml" in data:
            yield "image", data["image/svg+xml"].encode()
        elif picture := data.get("image/png") or data.get("image/jpeg"):
            yield "image", base64.b64decode(picture)
        elif "text/markdown" in data:
            yield "markdown", data["text/markdown"]
        else:
            yield "text", data.get("text/plain", "")


def sample(kind: str, content: str) -> str:
    """Returns a piece of an output, without blanks, that must be on the page as it is."""
    if kind == "text":
        pieces = ANSI_COLOUR.sub("", content).splitlines()
    elif kind == "html":
        soup = BeautifulSoup(content, "html.parser")
        for unseen in soup(["style", "script"]):
            unseen.decompose()
        pieces = list(soup.stripped_strings)
    else:
        pieces = PLAIN_WORDS.findall(MARKUP.sub("\n", content))
    return max(map(squeeze, pieces), key=len, default="")


def squeeze(text: str) -> str:
    """Removes all blanks: pages and sources break their lines differently."""
    return re.sub(r"\s+", "", text)


def fingerprint(content: bytes) -> str:
    """Identifies a picture by its pixels, wherever the build has put it and however packed."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            content = f"{picture.size}".encode() + picture.convert("RGBA").tobytes()
    except UnidentifiedImageError:
        content = content.strip()  # SVG is text
    return hashlib.sha256(content).hexdigest()


def foreign_addresses(soup: BeautifulSoup) -> Iterator[str]:
    """Yields what a page would load from other hosts. Links that a reader may follow are none."""
    for tag in soup.find_all(LOADING_TAGS):
        for attribute in ("src", "srcset", "data", "poster"):
            value = str(tag.get(attribute, ""))
            if FOREIGN.match(value):
                yield value
    for tag in soup.find_all("link", href=FOREIGN):
        if LOADED_LINKS & set(tag.get_attribute_list("rel")):
            yield str(tag["href"])
    for tag in soup.find_all("script"):
        yield from FOREIGN_IN_SCRIPT.findall(tag.get_text())
    for tag in soup.find_all("style"):
        yield from FOREIGN_IN_CSS.findall(tag.get_text())
    for tag in soup.find_all(style=True):
        yield from FOREIGN_IN_CSS.findall(str(tag["style"]))


def dead_links(soup: BeautifulSoup, path: Path, soups: dict[Path, BeautifulSoup]) -> Iterator[str]:
    """Yields the links of a page to files or places of the book that aren't there."""
    for tag in soup.find_all(["a", "link"], href=True):
        address = urlsplit(str(tag["href"]))
        if address.scheme or address.netloc or address.path.startswith("/"):
            continue  # another host's, or on the page that is shown at any depth
        target = (path.parent / unquote(address.path)).resolve() if address.path else path
        place = unquote(address.fragment)
        if not target.is_file():
            yield str(tag["href"])
        elif place and target in soups and not soups[target].find(id=place):
            yield str(tag["href"])


def main() -> int:
    """Runs the check from the command line."""
    html = Path(sys.argv[1]) if len(sys.argv) > 1 else BOOK / "_build" / "html"
    faults = check_book(html)
    for fault in faults:
        print(fault)
    if not faults:
        print(f"The book is whole: {len(pages(BOOK))} pages, nothing loaded from other hosts.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

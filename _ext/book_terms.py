"""Sphinx extension: a link to a term of the glossary carries the term's sentence.

`_static/site/page.mjs` shows it beside the word, so that nobody has to leave the page for it.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

from bs4 import BeautifulSoup
from sphinx.application import Sphinx

GLOSSARY = "glossary.html"


def sentences(glossary: BeautifulSoup) -> dict[str, str]:
    """What the glossary says of each term, by the term's place on the page."""
    return {
        str(section["id"]): paragraph.get_text()
        for section in glossary.select("article section section[id]")
        if (paragraph := section.find("p"))
    }


def attach(page: BeautifulSoup, terms: dict[str, str]) -> int:
    """Gives the links of a page their sentences.

    Returns:
      How many links got one.
    """
    count = 0
    for link in page.select(f'article a[href*="{GLOSSARY}#"]'):
        term = urldefrag(str(link["href"])).fragment
        if term in terms:
            link["data-term"] = terms[term]
            count += 1
    return count


def attach_all(app: Sphinx, exception: Exception | None) -> None:
    """Goes through the finished pages."""
    if exception or app.builder.name != "html":
        return
    root = Path(app.outdir)
    terms = sentences(BeautifulSoup((root / GLOSSARY).read_text("utf-8"), "html.parser"))
    for name in app.env.found_docs:
        path = root / f"{name}.html"
        page = BeautifulSoup(path.read_text("utf-8"), "html.parser")
        if attach(page, terms):
            path.write_text(str(page), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connects the sentences to the end of the build, before the pages are made slim."""
    app.connect("build-finished", attach_all, priority=880)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

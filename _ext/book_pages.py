"""Sphinx extension: small repairs to the pages that Jupyter Book and its theme make."""

import base64
import html
import json
import re
from pathlib import Path
from textwrap import shorten
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

DESCRIPTION = (
    "Train a neural network to read handwritten digits, in 30 minutes, and understand every choice."
)

# Repairs of what the theme's templates write, as patterns and replacements.
REPAIRS = {
    # 1.5 MB that draw the icons which the theme's style sheet draws too.
    r"\s*<script[^>]*/fontawesome\.js[^>]*></script>": "",
    # The name of the search button hid its own words from those who speak to their computer.
    r'(<button class="btn search-button-field[^>]*) aria-label="Search"': r"\1",
    # The sidebar with the book's title was no landmark.
    r'id="pst-primary-sidebar"': r'id="pst-primary-sidebar" role="region" aria-label="Book"',
}


def set_theme_options(app: Sphinx, config: Config) -> None:
    """Completes the theme's options, keeping those that Jupyter Book derives from _config.yml."""
    config.html_theme_options.update(
        logo={"text": config.html_title, "alt_text": ""},  # the text beside it is its name
        navbar_persistent=[],  # else an empty bar with a second search box
        use_fullscreen_button=False,
        show_toc_level=2,
    )
    config.html_context["default_mode"] = "auto"  # else the theme puts an empty mode on the page


def copy_result(app: Sphinx, config: Config) -> None:
    """Gives the home page the first figure of chapter 1, so that the two never differ."""
    book = Path(app.srcdir)
    cells = json.loads((book / "chapters/01-introduction.ipynb").read_text("utf-8"))["cells"]
    outputs = (output for cell in cells for output in cell.get("outputs", []))
    picture = next(o["data"]["image/png"] for o in outputs if "image/png" in o.get("data", {}))
    (book / "_static/result.png").write_bytes(base64.b64decode("".join(picture)))


def describe(doctree: nodes.document | None) -> str:
    """Takes a page's description from the paragraphs before its first subheading.

    Args:
        doctree: the page; None for pages without a source, as the search page.

    Returns:
        Plain text of at most 160 characters, what search engines show. Paragraphs with formulas
        are passed over: their text would be TeX.
    """
    section = doctree.next_node(nodes.section) if doctree else None
    texts = [
        child.astext()
        for child in (section.children if section else [])
        if isinstance(child, nodes.paragraph) and not child.next_node(nodes.math)
    ]
    return shorten(" ".join(texts), 160, placeholder=" …") or DESCRIPTION


def complete_page(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Adds what search engines show and what living parts need; frees folded cells' names."""
    description = html.escape(describe(doctree))
    context["metatags"] = (
        context.get("metatags", "") + f'\n<meta name="description" content="{description}" />'
    )
    if "data-live=" in context.get("body", ""):
        # Small: it loads the others when the reader comes near their part.
        app.add_js_file("live/start.mjs", type="module")
    # MyST-NB labels every folded cell alike, which hides its own words from screen readers.
    context["body"] = context.get("body", "").replace(' aria-label="Toggle hidden content"', "")


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Repairs the written pages, and leaves out the icon script that none of them loads now."""
    if exception or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text("utf-8")
        for pattern, replacement in REPAIRS.items():
            text = re.sub(pattern, replacement, text)
        page.write_text(text, "utf-8")
    for file in Path(app.outdir, "_static/scripts").glob("fontawesome.js*"):
        file.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects the repairs to the build."""
    app.connect("config-inited", set_theme_options)
    app.connect("config-inited", copy_result)
    app.connect("html-page-context", complete_page)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Sphinx extension: small repairs to the pages that Jupyter Book and its theme make."""

import html
import re
from textwrap import shorten
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

DESCRIPTION = (
    "Train a neural network to read handwritten digits, in 30 minutes, and understand every choice."
)


# A folded cell whose first line is about the set-up, up to that.
SET_UP = re.compile(
    r"(<p class=\"collapsed[^>]*>)Show the code"
    r"(</p>(?:(?!<pre>).)*?<pre>(?:<[^>]*>)*# (?:@title )?Set-up)",
    re.S,
)

OTHERS = {
    "search": "Search all chapters, the glossary and the references of MNIST for Beginners.",
    "404": "There's nothing at this address of the book; its home page lists all chapters.",
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
    """Adds what search engines and previews show; frees folded cells' names."""
    context["description"] = OTHERS.get(pagename) or describe(doctree)
    description = html.escape(context["description"])
    context["metatags"] = (
        context.get("metatags", "") + f'\n<meta name="description" content="{description}" />'
    )
    # What sphinxext-opengraph would take from the page, formulas and lists included.
    context["meta"] = (context.get("meta") or {}) | {
        "og:description": description,
        "og:type": "website" if pagename == "index" else "article",
    }
    # Each chapter opens with such a cell; its name says why it can be passed over.
    context["body"] = SET_UP.sub(r"\1Show how the chapter is set up\2", context.get("body", ""))
    # MyST-NB labels every folded cell alike, which hides its own words from screen readers.
    context["body"] = context.get("body", "").replace(' aria-label="Toggle hidden content"', "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects the repairs to the build."""
    app.connect("config-inited", set_theme_options)
    app.connect("html-page-context", complete_page, priority=450)  # before the previews
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Sphinx extension: small repairs to the pages that Jupyter Book and its theme make."""

import html
from textwrap import shorten
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

DESCRIPTION = (
    "Train a neural network to read handwritten digits, in 30 minutes, and understand every choice."
)


def set_theme_options(app: Sphinx, config: Config) -> None:
    """Completes the theme's options, keeping those that Jupyter Book derives from _config.yml."""
    config.html_theme_options.update(
        logo={"text": config.html_title, "alt_text": ""},  # the text beside it is its name
        navbar_persistent=[],  # else an empty bar with a second search box
        use_fullscreen_button=False,
        show_toc_level=2,
        search_bar_text="Search this book",
    )
    config.html_context["default_mode"] = "auto"  # else the theme puts an empty mode on the page


def describe(doctree: nodes.document | None) -> str:
    """Takes a page's description from its first paragraphs.

    Args:
        doctree: the page; None for pages without a source, as the search page.

    Returns:
        Plain text of at most 160 characters, what search engines show. Paragraphs with formulas,
        whose text is TeX, and what cells printed are passed over.
    """
    texts: list[str] = []
    for paragraph in doctree.findall(nodes.paragraph) if doctree else []:
        in_section = isinstance(paragraph.parent, nodes.section)
        if in_section and not any(paragraph.findall(nodes.math)):
            texts.append(paragraph.astext())
        if sum(map(len, texts)) >= 160:
            break
    return shorten(" ".join(texts), 160, placeholder=" …") or DESCRIPTION


def complete_page(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Adds the description and repairs what accessibility checkers find in the page's body."""
    description = html.escape(describe(doctree))
    context["metatags"] = (
        context.get("metatags", "") + f'\n<meta name="description" content="{description}" />'
    )
    if "body" in context:
        # A list must hold list items: docutils' own role breaks that rule in the references.
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects the repairs to the build."""
    app.connect("config-inited", set_theme_options)
    app.connect("html-page-context", complete_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

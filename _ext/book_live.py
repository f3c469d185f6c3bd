"""Sphinx extension: the modules of `_static/live`, on the pages that have a living part."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def bring_to_life(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Adds one small module, which loads the others when the reader comes near their part.

    Jupyter Book links every style sheet below `_static` by itself, on all pages.
    """
    if "data-live=" in context.get("body", ""):
        app.add_js_file("live/start.mjs", type="module")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects to the build."""
    app.connect("html-page-context", bring_to_life)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

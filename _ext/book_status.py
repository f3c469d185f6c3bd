"""Sphinx extension: how the book was checked, with the figures of this very build."""

import gzip
import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PACKAGES = ("jax", "flax", "optax", "numpy", "tensorflow-datasets", "matplotlib", "jupyter-book")
PLACE = '<div class="page-sizes"></div>'


def rows(header: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> list[str]:
    """A Markdown table; all columns but the first go to the right."""
    rule = [":---", *["---:"] * (len(header) - 1)]
    return ["| " + " | ".join(line) + " |" for line in [header, tuple(rule), *lines]]


class Status(SphinxDirective):
    """`{status}`: tables of versions and seconds, and a place for the pages' sizes."""

    def run(self) -> list[nodes.Node]:
        """Reads what is known while the pages are read."""
        seconds = json.loads(Path(self.env.srcdir, "chapters/seconds.json").read_text("utf-8"))
        chapters = {Path(n).name: n for n in sorted(self.env.found_docs) if n[:9] == "chapters/"}
        self.env.note_dependency("chapters/seconds.json")
        packages = [("Python", platform.python_version())]
        packages += [(name, version(name)) for name in PACKAGES]
        run = [(f"[](/{n}.ipynb)", str(seconds.get(key, "–"))) for key, n in chapters.items()]
        lines = [
            f"Built on {os.cpu_count()} cores, {platform.machine()}, {platform.system()}.",
            "",
            *rows(("Software", "Version"), packages),
            "",
            "Seconds that each chapter took when it was last run and stored, its start included:",
            "",
            *rows(("Chapter", "Seconds"), [*run, ("**Together**", str(sum(seconds.values())))]),
            "",
            "What a browser fetches to show the top of each page, compressed as web servers do it. "
            "Figures further down are fetched when you come near them, and interactive parts fetch "
            "their own data.",
        ]
        box = nodes.container()
        self.state.nested_parse(StringList(lines), self.content_offset, box)
        return [*box.children, nodes.raw("", PLACE, format="html")]


def weigh(page: Path) -> tuple[int, int]:
    """What a browser must fetch to show the top of a page.

    Returns:
      The number of files and their bytes, compressed with gzip.
    """
    soup = BeautifulSoup(page.read_text("utf-8"), "html.parser")
    names = [str(tag["src"]) for tag in soup.select("script[src], img[src]:not([loading])")]
    links = "link[rel=stylesheet], link[rel=icon], link[rel=preload], link[rel=modulepreload]"
    names += [str(tag["href"]) for tag in soup.select(links)]
    files = {page, *((page.parent / name.split("?")[0]).resolve() for name in names)}
    for sheet in [file for file in files if file.suffix == ".css"]:  # and its icons
        for font in sheet.parent.glob("fa-*.woff"):
            style = font.stem.split("-")[1]  # solid, regular or brands; fas, far and fab for short
            if soup.select_one(f".fa-{style}, .fa{style[0]}"):
                files.add(font)
    return len(files), sum(len(gzip.compress(file.read_bytes(), mtime=0)) for file in files)


def write_sizes(app: Sphinx, exception: Exception | None) -> None:
    """Fills in the sizes, which are known once the pages are finished."""
    if exception or app.builder.name != "html":
        return
    root = Path(app.outdir).resolve()
    lines = ""
    for name in sorted(app.env.found_docs):
        count, size = weigh(root / f"{name}.html")
        title = app.env.titles[name].astext()
        lines += f"<tr><td>{title}</td><td class='text-right'>{count}</td>"
        lines += f"<td class='text-right'>{size / 1000:.0f} kB</td></tr>\n"
    table = (
        '<div class="pst-scrollable-table-container"><table class="table"><thead><tr><th>Page</th>'
        '<th class="text-right">Files</th><th class="text-right">Together</th></tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )
    for page in root.glob("*.html"):
        text = page.read_text("utf-8")
        if PLACE in text:
            page.write_text(text.replace(PLACE, table), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Adds the directive, and the sizes before the one file is made."""
    app.add_directive("status", Status)
    app.connect("build-finished", write_sizes, priority=920)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Sphinx extension: exercises are answered on the page, which can't run their cells.

Where the answer is a number or a choice, a form follows the cell, and `_static/live/exercise.mjs`
replies by the rule and with the hints of `mnist_tutorial/book/exercises.py`. Where the answer is
code, a sentence says where it can be written.
"""

import json
import re
from html import escape
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from sphinx.application import Sphinx

from mnist_tutorial.book.exercises import Question, question

NAME = re.compile(r'exercises\.check\(\s*"([^"]+)"')
# What is left of a cell without these has to run before the exercise can be answered.
BLANKS = re.compile(r"^\w+ = \.\.\..*$|exercises\.check\((?:[^()]|\([^()]*\))*\)", re.M)
COLAB = '<a href="{}">open this chapter on Colab</a>'
WHERE = {
    "typed": "If you’d rather answer in Python, {}.",
    "run": "A page can’t run this cell. To find the answer with it, {}.",
    "code": "This answer is code, which a page can’t run. To write it, {}; put it in place of the "
    "three dots, and the cell will tell you whether it’s right.",
}


def facts(notebook: Path) -> dict[str, list[Any]]:
    """Reads what the exercises of a stored notebook have to know of its results, by their names."""
    found = {}
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            known = output.get("metadata", {}).get("text/markdown", {}).get("facts")
            if known and (name := NAME.search("".join(cell["source"]))):
                found[name[1]] = known
    return found


def field(asked: Question, part: str | int) -> str:
    """Returns the control for one part of an answer, with its label."""
    if asked.several:
        return f'<label><input type="checkbox"> {part}</label>'
    if asked.choices:
        options = "".join(
            f'<option value="{number}">{choice}</option>'
            for number, choice in enumerate(asked.choices)
        )
        return f'<label>{part} <select><option value="">choose</option>{options}</select></label>'
    # A phone's keys for numbers may lack the minus.
    numbers = [each for wanted, _ in asked.exported()["replies"] for each in wanted if each]
    keys = "" if min(numbers) < 0 else ' inputmode="decimal"'
    return f'<label>{part} <input type="text" size="10" autocomplete="off"{keys}></label>'


def form(name: str, asked: Question) -> str:
    """Returns the form that asks a question; its button waits for `exercise.mjs`."""
    fields = "".join(field(asked, part) for part in asked.parts)
    if len(asked.parts) > 1:
        fields = f"<fieldset><legend>Your answer</legend>{fields}</fieldset>"
    data = escape(json.dumps(asked.exported(), ensure_ascii=False))
    return (
        f'<form class="live" data-live="exercise" data-name="{name}" data-question="{data}">'
        f'{fields}<button class="live-primary" disabled>Check</button>'
        '<p class="live-status" role="status"></p></form>'
    )


def attach(page: BeautifulSoup, known: dict[str, list[Any]]) -> int:
    """Lets the exercises of a page be answered, or says where they can be.

    Args:
      page: a finished page, which is changed in place.
      known: of its exercises' names, the facts they need.

    Returns:
      How many there are.
    """
    count = 0
    for cell in page.select("div.cell:not(:has(> details))"):
        source = cell.select_one(".cell_input")
        name = NAME.search(source.get_text()) if source else None
        if not source or not name:
            continue
        asked = question(name[1], known.get(name[1], []))
        runs = BLANKS.sub("", source.get_text()).strip()
        way = "code" if not asked else "run" if runs else "typed"
        link = page.select_one('a[href*="colab.research.google.com"]')
        assert link, "the page has no link to Colab"
        box = (
            f'<div class="exercise exercise-{way}">{form(name[1], asked) if asked else ""}'
            f"<p>{WHERE[way].format(COLAB.format(link['href']))}</p></div>"
        )
        cell.insert_after(BeautifulSoup(box, "html.parser"))
        count += 1
    return count


def attach_all(app: Sphinx, exception: Exception | None) -> None:
    """Goes through the finished pages of notebooks."""
    if exception or app.builder.name != "html":
        return
    for name in app.env.found_docs:
        notebook, path = Path(app.srcdir, f"{name}.ipynb"), Path(app.outdir, f"{name}.html")
        if notebook.is_file():
            page = BeautifulSoup(path.read_text("utf-8"), "html.parser")
            if attach(page, facts(notebook)):
                path.write_text(str(page), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connects the exercises to the end of the build, before the pages are made slim."""
    app.connect("build-finished", attach_all, priority=880)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""How many minutes a newcomer needs for a chapter, counted from the stored notebook.

    python -m tools.reading_time [chapters/*.ipynb ...]

It counts everything that is seen without a click: prose at 200 words per minute, 4 seconds for a
line of code, 15 for a figure, 2 for a row of a table and 45 for an interactive part. Folded parts
cost nothing (`<details>`, and cells tagged `hide-input` or `hide-cell`). The exercises are free as
well: counting stops before the cell that has the heading "Try it". How long the code runs differs
between machines and isn't counted.
"""

import argparse
import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

CHAPTERS = Path(__file__).resolve().parents[1] / "chapters"
MINUTES = (1 / 200, 4 / 60, 15 / 60, 2 / 60, 45 / 60)  # one each of what `Count` counts
WORD = re.compile(r"\w[\w’'.-]*")


@dataclass
class Count:
    """What is seen of a chapter without a click."""

    words: int = 0
    lines: int = 0  # of code
    figures: int = 0
    rows: int = 0  # of tables
    interactive: int = 0  # parts

    @property
    def minutes(self) -> float:
        """Computes the minutes that all of it takes a newcomer."""
        return float(sum(n * each for n, each in zip(astuple(self), MINUTES, strict=True)))

    @property
    def stated(self) -> int:
        """Rounds the minutes up, as a chapter states them."""
        return math.ceil(round(self.minutes, 6))


def count(cells: Iterable[NotebookNode]) -> Count:
    """Counts what is seen of a notebook's cells, up to "Try it"."""
    seen = Count()
    for cell in cells:
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            if re.search(r"(?m)^## Try it", text):
                break
            _count_text(seen, text)
            continue
        tags = set(cell["metadata"].get("tags", []))
        if "hide-cell" in tags:
            continue
        if "hide-input" not in tags:
            seen.lines += sum(bool(line.strip()) for line in "".join(cell["source"]).split("\n"))
        for output in cell.get("outputs", []):
            _count_output(seen, output)
    return seen


def _count_text(seen: Count, text: str) -> None:
    text = re.sub(r"(?s)<details>\s*<summary>(.*?)</summary>.*?</details>", r"\1", text)
    seen.rows += len(re.findall(r"(?m)^\|", text))
    text = re.sub(r"(?m)^\|.*$", "", text)
    seen.words += len(WORD.findall(re.sub(r"\]\([^)]*\)", "]", text)))


def _count_output(seen: Count, output: NotebookNode) -> None:
    data = output.get("data", {})
    said = "".join(data.get("text/markdown", ""))
    seen.figures += any(mime.startswith("image/") for mime in data)
    seen.interactive += 'class="live"' in "".join(data.get("text/html", ""))
    seen.words += len("".join(output.get("text", "")).split())
    if said.startswith("```"):
        seen.lines += said.count("\n") - 1
    else:
        _count_text(seen, said)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a line for each notebook, and the sum; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: the seven chapters")
    total = 0.0
    for path in parser.parse_args(arguments).notebooks or sorted(CHAPTERS.glob("*.ipynb")):
        seen = count(nbformat.read(path, as_version=4).cells)
        total += seen.minutes
        print(f"{path.stem}: {seen.minutes:.2f} min, {seen}")
    print(f"sum: {total:.2f} min")
    return 0


if __name__ == "__main__":
    sys.exit(main())

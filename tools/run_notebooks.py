"""Runs the chapters' notebooks and stores them back with their outputs.

    python -m tools.run_notebooks [--fresh | --fold] [chapters/*.ipynb ...]

Each notebook runs from top to bottom in a kernel of its own, of the Python that runs this, in the
notebook's folder. It is stored whole or, when a cell fails or writes to stderr, not at all. A
notebook whose new outputs equal the stored ones under the policy of `tools/notebook_outputs.py`
keeps those: re-running the book changes only the chapters that say something else. Cells tagged
`nbval-ignore-output` keep theirs in any case; `--fresh` replaces all.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipykernel.kernelspec
import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal
from nbformat import NotebookNode

from mnist_tutorial.data import write_whole
from tools import folding, notebook_outputs

CHAPTERS = Path(__file__).resolve().parents[1] / "chapters"
SECONDS = CHAPTERS / "seconds.json"  # of each chapter's last run among all
TIMEOUT = 600  # seconds a cell

# What front ends and runners leave behind in a cell's metadata.
TRANSIENT = ("execution", "ExecuteTime", "collapsed", "scrolled", "trusted", "widgets")


class NotebookError(Exception):
    """A notebook that can't be stored; the message names the cell."""


class _ThisPython(KernelSpecManager):
    """Finds the kernel of the running Python, whatever kernels are installed elsewhere."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(**ipykernel.kernelspec.get_kernel_dict())


def read(path: Path) -> NotebookNode:
    """Returns a notebook, also one written by hand without ids and outputs.

    Raises:
        NotebookError: the file isn't a notebook of format 4.
    """
    try:
        notebook: NotebookNode = nbformat.v4.reads(path.read_text(encoding="utf-8"))
        if notebook.nbformat != 4:
            raise ValueError(f"notebook format {notebook.nbformat}, needed is 4")
        notebook.nbformat_minor = max(notebook.nbformat_minor, 5)  # the first with cell ids
        taken = {cell.get("id") for cell in notebook.cells}
        for index, cell in enumerate(notebook.cells):
            if "id" not in cell:
                cell.id = next(new for new in _ids(index) if new not in taken)
                taken.add(cell.id)
            cell.setdefault("metadata", NotebookNode())
            if cell.cell_type == "code":
                cell.setdefault("outputs", [])
                cell.setdefault("execution_count", None)
        nbformat.validate(notebook)
    except (OSError, AttributeError, ValueError, nbformat.ValidationError) as error:
        raise NotebookError(f"{path}: can't be read as a notebook: {error}") from error
    return notebook


def _ids(index: int) -> Sequence[str]:
    return [f"cell-{index + 1:02d}", *(f"cell-{index + 1:02d}-{more}" for more in range(2, 100))]


def execute(notebook: NotebookNode, path: Path) -> list[float]:
    """Runs a notebook in place.

    Args:
        notebook: the notebook; its cells get the new outputs and counts 1 to n.
        path: its file, for messages and for the working directory.

    Returns:
        The seconds that each code cell took.

    Raises:
        NotebookError: a cell is empty, fails, takes too long or writes to stderr.
    """
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code_cells, start=1):
        cell.outputs, cell.execution_count = [], None
        if not cell.source.strip():
            raise NotebookError(f"{path}, code cell {number} is empty")
    started: dict[int, float] = {}
    seconds: dict[int, float] = {}

    def start(cell: NotebookNode, cell_index: int) -> None:
        started[cell_index] = time.perf_counter()

    def stop(cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        seconds[cell_index] = time.perf_counter() - started[cell_index]

    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_spec_manager=_ThisPython()),
        resources={"metadata": {"path": str(path.resolve().parent)}},
        timeout=TIMEOUT,
        extra_arguments=["--log-level=ERROR"],  # not "running over TCP", at each start
        coalesce_streams=False,  # it would move text printed after a figure before it
        force_raise_errors=True,
        record_timing=False,
        on_cell_execute=start,
        on_cell_executed=stop,
    )
    try:
        # The kernel manager is ours; without `cleanup_kc` nbclient would leave the kernel running.
        client.execute(env=notebook_outputs.kernel_environment(), cleanup_kc=True)
    except (CellControlSignal, RuntimeError) as error:  # failed, timed out, or the kernel died
        trace = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
        raise NotebookError(f"{path}, code cell {len(started)} failed:\n{trace}") from error
    for number, cell in enumerate(code_cells, start=1):
        problems = notebook_outputs.output_problems(cell.outputs)
        if problems:
            raise NotebookError(f"{path}, code cell {number}: {problems[0]}")
        if cell.execution_count != number:
            raise NotebookError(
                f"{path}, code cell {number} has execution count {cell.execution_count}: "
                "no tag may skip a cell, and no cell may run another"
            )
    return list(seconds.values())


def clean(notebook: NotebookNode) -> None:
    """Leaves, in place, what readers see of a notebook and nothing of who ran it and when.

    Cells are folded as their tags ask for (`tools/folding.py`).
    """
    notebook.metadata.pop("widgets", None)
    notebook.metadata.kernelspec = NotebookNode(
        display_name="Python 3", language="python", name="python3"
    )
    notebook.metadata.language_info = NotebookNode(name="python", pygments_lexer="ipython3")
    for cell in notebook.cells:
        for key in TRANSIENT:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = notebook_outputs.tidy(cell.outputs)
        folding.fold(cell)


def keep_stored(notebook: NotebookNode, stored: NotebookNode) -> list[str]:
    """Puts back, in place, the stored outputs when the new ones say the same.

    All of them or none, except for ignored cells: a page whose outputs come from two runs can
    contradict itself by a rounding.

    Returns:
        Notes on ignored cells that kept outputs which differ in more than numbers.
    """
    notes, same, kept = [], True, []
    for number, (cell, old) in enumerate(_code_cells(notebook, stored), start=1):
        problems = notebook_outputs.output_problems(old.outputs)
        found = problems or notebook_outputs.differences(
            old.outputs, cell.outputs, notebook_outputs.policy_of(cell)
        )
        if notebook_outputs.IGNORE_TAG in notebook_outputs.tags(cell) and old.outputs:
            if problems:
                continue
            if found:
                notes.append(f"code cell {number} is ignored and keeps its outputs (else --fresh)")
            _put_back(cell, old)
        else:
            same = same and not found
            kept.append((cell, old))
    if same:
        for cell, old in kept:
            _put_back(cell, old)
    return notes


def _put_back(cell: NotebookNode, old: NotebookNode) -> None:
    cell.outputs = notebook_outputs.tidy(old.outputs)
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = cell.execution_count


def _code_cells(*notebooks: NotebookNode) -> Any:
    cells = [[cell for cell in each.cells if cell.cell_type == "code"] for each in notebooks]
    return zip(*cells, strict=True)


def write(notebook: NotebookNode, path: Path) -> None:
    """Stores a notebook whole or not at all; a file that wouldn't change isn't touched."""
    nbformat.validate(notebook)
    text = nbformat.v4.writes(notebook, indent=1, ensure_ascii=False) + "\n"
    path = path.resolve()  # a link stays a link
    if path.read_text(encoding="utf-8") == text:
        return
    write_whole(path, text.encode())


def run(path: Path, fresh: bool = False) -> tuple[list[float], list[str]]:
    """Runs one notebook and stores it.

    Args:
        path: the notebook's file.
        fresh: replace also outputs that say the same as the stored ones.

    Returns:
        The seconds of each code cell, and notes for the one who runs it.

    Raises:
        NotebookError: the notebook fails; the file is as it was.
    """
    stored, notebook = read(path), read(path)
    for number, (cell,) in enumerate(_code_cells(notebook), start=1):
        try:
            notebook_outputs.policy_of(cell)
        except ValueError as error:
            raise NotebookError(f"{path}, code cell {number}: {error}") from error
    seconds = execute(notebook, path)
    clean(notebook)
    notes = [] if fresh else keep_stored(notebook, stored)
    write(notebook, path)
    return seconds, notes


def fold(notebooks: Sequence[Path]) -> int:
    """Folds the cells of stored notebooks without running them; returns the exit status."""
    for path in notebooks:
        try:
            notebook = read(path)
        except NotebookError as error:
            print(error, file=sys.stderr)
            return 1
        for cell in notebook.cells:
            folding.fold(cell)
        write(notebook, path)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the notebooks that the command line names, or all chapters; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all in chapters/")
    parser.add_argument("--fresh", action="store_true", help="replace all stored outputs")
    parser.add_argument(
        "--fold", action="store_true", help="run nothing: only fold cells as their tags ask for"
    )
    options = parser.parse_args(arguments)
    notebooks = options.notebooks or sorted(CHAPTERS.rglob("[!.]*.ipynb"))
    if options.fold:
        return fold(notebooks)
    took: dict[str, int] = {}
    total, failed = 0.0, 0
    for path in notebooks:
        begin = time.perf_counter()
        try:
            seconds, notes = run(path, options.fresh)
        except NotebookError as error:
            print(error, file=sys.stderr)
            failed += 1
            continue
        spent = time.perf_counter() - begin
        total += spent
        took[path.stem] = round(spent)
        line = f"{path}: {spent:.1f} s"
        if seconds:
            slowest = max(range(len(seconds)), key=seconds.__getitem__)
            line += f", slowest code cell {slowest + 1}: {seconds[slowest]:.1f} s"
        print(line, flush=True)
        for note in notes:
            print(f"  {note}")
    print(f"{len(notebooks) - failed} of {len(notebooks)} notebooks stored, {total:.1f} s")
    if not options.notebooks and not failed:
        SECONDS.write_text(json.dumps(took, indent=1) + "\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

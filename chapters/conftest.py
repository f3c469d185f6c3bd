"""How `pytest --nbval chapters` verifies the chapters: nbval 0.11.0 runs, this policy compares.

nbval alone compares characters and never looks at pictures. Here numbers are compared by value,
pictures by their pixels, and a notebook that was not run from top to bottom is not accepted.
`tools/notebook_outputs.py` has the rules and the tags that loosen them. `NBVAL_PICTURES=off` in the
environment leaves out the pixels, for runs under another matplotlib than the pinned one.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

# Also under a plain `pytest`, which doesn't look for modules in the working directory.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools import notebook_outputs  # noqa: E402


class Cell(IPyNbCell):
    """A code cell whose outputs are compared by meaning."""

    def compare_outputs(self, test: Any, ref: Any, skip_compare: Any = None) -> bool:
        """Tells whether the cell's outputs are as stored; nbval shows `comparison_traceback`.

        nbval hands over both sides with all streams joined and cleared outputs still in them, so
        the computed side is built again from the kernel's messages, and the stored one was copied.
        """
        pictures = os.environ.get("NBVAL_PICTURES", "on") != "off"
        policy = notebook_outputs.policy_of(self.cell, compare_pictures=pictures)
        computed = notebook_outputs.replay(self.parent.messages)
        found = notebook_outputs.differences(self.stored, computed, policy)
        self.comparison_traceback = [f"In [{self.cell.execution_count}], {text}" for text in found]
        return not found


class Notebook(IPyNbFile):
    """A notebook that is trusted only if it was run whole, in order and without errors."""

    def collect(self) -> Iterator[Cell]:
        """Yields the code cells, after a look at what is stored."""
        cells = list(super().collect())
        problems = notebook_outputs.stored_problems(self.nb)
        if problems:
            raise self.CollectError("\n".join([f"{self.path.name}: run it anew", *problems]))
        for cell in cells:
            own = Cell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )
            own.stored = notebook_outputs.tidy(cell.cell.outputs)
            yield own

    def setup(self) -> None:
        """Starts the kernel: that of the running Python, unless the command line names one."""
        self.messages: list[dict[str, Any]] = []
        option = self.config.option
        option.nbval_current_env = not option.nbval_kernel_name
        with mock.patch.dict(os.environ, notebook_outputs.kernel_environment(), clear=True):
            super().setup()

    def get_kernel_message(self, timeout: float | None = None, stream: str = "iopub") -> Any:
        """Hands on the kernel's next message and notes what belongs to the running cell."""
        message = super().get_kernel_message(timeout=timeout, stream=stream)
        if message["msg_type"] == "execute_input":  # a cell begins
            self.messages, self.running = [], message["parent_header"]["msg_id"]
        elif message["parent_header"].get("msg_id") == getattr(self, "running", None):
            self.messages.append(message)
        return message


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Iterator[None]:
    """Puts `Notebook` in the place of nbval's own collector."""
    collectors = yield
    return [
        Notebook.from_parent(parent, path=file_path) if type(each) is IPyNbFile else each
        for each in collectors
    ]

"""The first cell of a chapter where the tutorial is missing, as on Colab.

`make test-versions SET=colab` runs this among the packages that Colab brings.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from tests.repository import address
from tools.run_notebooks import AsyncKernelManager, _ThisPython

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "chapters").rglob("[!.]*.ipynb"))
SECONDS = 30  # of computing; waiting for the network comes on top
NEEDED = {"importlib-resources"}  # what the tutorial needs and Colab doesn't have


def first_cell(path: Path) -> str:
    return "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][1]["source"])


def installing(path: Path) -> str:
    """How a first cell installs the tutorial, without what it prepares before and imports after."""
    source = first_cell(path)
    return source[source.index("try:\n") : source.index("from mnist_tutorial.book import")]


def installed() -> dict[str, str]:
    code = (
        "import importlib.metadata as m\n"
        "print(*(d.name + '=' + d.version for d in m.distributions()))"
    )
    # -I: what lies in this checkout, as an editable installation leaves it, isn't installed.
    command = [sys.executable, "-I", "-c", code]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    names = [pair.split("=") for pair in found.stdout.split()]
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in names}


# Seconds that the kernel and the programs it has run to their end computed.
COMPUTED = """
import resource
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(sum(each.ru_utime + each.ru_stime for each in used))
"""


@pytest.fixture(scope="module")
def run_first_cell(tmp_path_factory):
    """Runs that cell in a kernel of its own, in an empty folder.

    git is told to look for the public address in this checkout: what is installed is its last
    commit.
    """
    configuration = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{ROOT.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": address(),
    }

    def run() -> tuple[list[dict[str, object]], float]:
        sources = (first_cell(CHAPTERS[0]), COMPUTED)
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
        folder = tmp_path_factory.mktemp("colab")
        manager = AsyncKernelManager(kernel_spec_manager=_ThisPython())
        client = NotebookClient(
            notebook, km=manager, startup_timeout=600, resources={"metadata": {"path": folder}}
        )
        with client.setup_kernel(env=os.environ | configuration):
            for i, cell in enumerate(notebook.cells):
                client.execute_cell(cell, i)
        return notebook.cells[0].outputs, float(notebook.cells[1].outputs[0]["text"])

    return run


def test_it_is_the_same_in_all_chapters():
    assert len(CHAPTERS) >= 8 and len({installing(path) for path in CHAPTERS}) == 1
    assert all(first_cell(path).rstrip().endswith("notebook.setup()") for path in CHAPTERS)


def test_it_installs_what_is_missing_and_changes_nothing(run_first_cell):
    before = installed()
    assert "mnist-tutorial" not in before
    outputs, seconds = run_first_cell()
    after = installed()
    assert outputs == []
    assert {name: after.get(name) for name in before} == before
    assert after.keys() - before.keys() <= {"mnist-tutorial"} | NEEDED
    print(f"\nThe first cell computed for {seconds:.1f} s where the tutorial was missing.")
    assert 1 < seconds < SECONDS  # pip alone takes longer than one


def test_it_does_nothing_where_the_tutorial_is_there(run_first_cell):
    before = installed()
    assert "mnist-tutorial" in before
    assert run_first_cell()[0] == [] and installed() == before

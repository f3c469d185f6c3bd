"""The rooms of the package: which module may import which, and what its old names still do.

That the public names have types is held by `readers_file.py`, in `make lint`.
"""

import ast
import importlib.metadata
import os
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mnist_tutorial"
# Each module of the core may import those before it. `__init__` hands names on.
CORE = ["config", "data", "model", "training", "evaluation", "checkpoints", "__main__"]
ROOMS = ["book", "further", "scale", "serving"]


def imported(path: Path) -> set[str]:
    """The modules of the package that a module imports when it is itself imported."""
    found, waiting = set(), list(ast.parse(path.read_text()).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue  # what a function imports waits until it is called
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return {name.split(".")[1] for name in found if name.startswith("mnist_tutorial.")}


def test_the_top_floor_holds_the_chapters_modules_and_nothing_else():
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", *CORE}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(ROOMS)


def lines_of_code(path: Path) -> int:
    """Counts the lines that hold more than a comment or a docstring."""
    starts = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines, opens = set(), True
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type in (tokenize.COMMENT, tokenize.NL):
                continue
            docstring = opens and token.type == tokenize.STRING
            opens = token.type in starts
            if not opens and not docstring:
                lines |= {*range(token.start[0], token.end[0] + 1)}
    return len(lines) - 1  # the end of the file is a token as well


def test_the_core_can_be_read_in_an_evening():
    assert sum(map(lines_of_code, PACKAGE.glob("*.py"))) < 900


@pytest.mark.parametrize("name", CORE)
def test_imports_of_the_core_run_one_way(name):
    assert imported(PACKAGE / f"{name}.py") <= {*CORE[: CORE.index(name)]}


def test_the_public_names_are_all_typed_and_all_there():
    import mnist_tutorial

    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = [
        node for node in tree.body if isinstance(node, ast.If) and "TYPE" in ast.unparse(node.test)
    ]
    typed = [alias.name for node in block.body for alias in node.names]
    assert sorted(typed) == sorted(mnist_tutorial.__all__)
    for name in typed:
        assert getattr(mnist_tutorial, name).__name__ == name


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_old_names_still_work_with_a_warning():
    done = run("from mnist_tutorial import experiments; print(experiments.grid.__name__)")
    assert done.stdout == "grid\n" and done.returncode == 0
    assert "mnist_tutorial.experiments is now mnist_tutorial.further.sweeps" in done.stderr
    command = [sys.executable, "-m", "mnist_tutorial.export", "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "WEIGHTS" in done.stdout.upper()
    assert "mnist_tutorial.export is now mnist_tutorial.serving.export" in done.stderr
    done = run("import mnist_tutorial.nowhere")
    assert "No module named 'mnist_tutorial.nowhere'" in done.stderr


@pytest.mark.parametrize("version", ["0.8.1+rocm6.4", "0.11.0rc1", "0.7.2"])
def test_versions_of_every_form_can_be_imported(version, monkeypatch):
    known = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: version if name == "jaxlib" else known(name)
    )
    monkeypatch.setenv("XLA_FLAGS", "")
    for name in [name for name in sys.modules if name == "mnist_tutorial"]:
        monkeypatch.delitem(sys.modules, name)
    import mnist_tutorial  # noqa: F401

    assert ("xnnpack=false" in os.environ["XLA_FLAGS"]) == (version != "0.11.0rc1")


def test_a_card_that_jax_cannot_use_is_no_warning():
    """The message is JAX's own, called where JAX itself would: a machine with a card's device."""
    done = run(
        "import mnist_tutorial, jax\n"
        "from jax._src import hardware_utils\n"
        "hardware_utils.has_visible_nvidia_gpu = lambda: True\n"
        "print(jax.devices()[0].platform)"
    )
    assert done.returncode == 0 and done.stdout
    assert done.stderr == ""

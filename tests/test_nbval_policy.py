"""The rules by which notebooks are stored and verified, tried with mutants.

A rule that never turns red verifies nothing. One notebook with a cell for each mutant is run, its
stored outputs are changed cell by cell, and `pytest --nbval` has to find exactly the harmful ones.
"""

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbformat import NotebookNode, v4
from PIL import Image

from mnist_tutorial.book import notebook, plots
from tools import notebook_outputs, run_notebooks
from tools.notebook_outputs import Policy, differences, fold, text_differences, tidy

REPOSITORY = Path(__file__).resolve().parents[1]
STRICT = Policy()
LOOSE = Policy(tolerance=0.05)


def stream(text: str, name: str = "stdout") -> NotebookNode:
    return v4.new_output("stream", name=name, text=text)


def display(**data: Any) -> NotebookNode:
    return v4.new_output(
        "display_data", data={key.replace("_", "/"): value for key, value in data.items()}
    )


def png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def pixels_of(picture: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")).copy()


def noisy(picture: str) -> str:
    """Returns a picture with what another renderer's antialiasing does: a little, everywhere."""
    pixels = pixels_of(picture).astype(int)
    noise = np.random.default_rng(0).integers(-12, 13, pixels.shape)
    return png(np.clip(pixels + noise, 0, 255))


def patched(picture: str, share: float) -> str:
    """Returns a picture in which a band of rows, `share` of all, is black."""
    pixels = pixels_of(picture)
    pixels[: round(share * len(pixels))] = 0
    return png(pixels)


# Comparing, without kernels -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "computed", "policy"),
    [
        ("loss 0.1234567", "loss 0.1234571", STRICT),
        ("loss 2.0e-05", "loss 2.1e-05", STRICT),  # one unit of the last digit, 5 %
        ("accuracy 0.01", "accuracy 0.02", STRICT),
        ("accuracy 0.29", "accuracy 0.30", STRICT),  # 0.01 apart, in binary a little more
        ("-0.000", "0.000", STRICT),
        ("97.24 %", "97.31 %", STRICT),
        ("1,234.56 images/s", "1,235.01 images/s", STRICT),
        ("[[ 0.99  -1.5 ]]", "[[ 0.991 -1.5 ]]", STRICT),
        ("[ 9.998 10.5  ]", "[10.001 10.5  ]", STRICT),
        ("[1. 2.]", "[0.9999 2.]", STRICT),
        ("| a | 9.999 |\n|---|------:|", "| a | 10.001 |\n|---|-------:|", STRICT),
        ("<td>0.50012</td>", "<td>0.50013</td>", STRICT),
        ("a \u22120.5001", "a \u22120.5002", STRICT),
        ("296 errors", "290 errors", LOOSE),
        ("loss 0.500", "loss 0.520", LOOSE),
        ("795,010", "790,010", LOOSE),
        ("[[ 980    9]]", "[[1001    9]]", LOOSE),
        ("  99 wrong", " 101 wrong", LOOSE),
        ("[[980 3]]", "[[975 8]]", Policy(count=5)),
    ],
)
def test_noise_is_equal(stored: str, computed: str, policy: Policy) -> None:
    assert text_differences(stored, computed, policy) == []
    assert text_differences(computed, stored, policy) == []


@pytest.mark.parametrize(
    ("stored", "computed", "policy", "said"),
    [
        ("loss 0.1234", "loss 0.1245", STRICT, "stored 0.1234, computed 0.1245"),
        ("loss 0.12", "loss -0.12", STRICT, "computed -0.12"),
        ("loss 1.2e-05", "loss 1.2e-04", STRICT, "computed 1.2e-04"),
        ("784 pixels", "785 pixels", STRICT, "stored 784, computed 785"),
        ("It has 784.", "It has 785.", STRICT, "computed 785"),  # no float, although a dot follows
        ("795,010", "795,011", STRICT, "computed 795,011"),
        ("795,010", "795010", STRICT, "795010"),  # written differently
        ("loss nan", "loss 0.5", STRICT, "nan"),
        ("[0.1 0.2\n 0.3]", "[0.1 0.2\n 0.5]", STRICT, "line 2: stored 0.3, computed 0.5"),
        ("jax 0.10.2", "jax 0.10.3", LOOSE, "0.10.3"),
        ("jax 0.10.2", "jax 0.11.2", STRICT, "0.11.2"),
        ("float32", "float33", LOOSE, "float33"),
        ("x1 = 5", "x2 = 5", LOOSE, "x2"),
        ("#101010", "#101011", LOOSE, "#101011"),
        ("a b", "a  b", STRICT, "a  b"),
        ("a\nb\nc", "a\nc\nb", STRICT, "line 2: stored 'b', computed 'c'"),
        ("0.51\nb\n0.3", "0.51\n0.3", STRICT, "3 lines stored, 2 computed"),
        ("1 2 3", "1 2", STRICT, "1 2"),
        ("a  9.99\nb\n", "a 10.01\nc\n", STRICT, "line 2: stored 'b', computed 'c'"),
        ("1e999", "2e999", STRICT, "computed 2e999"),
        ("296 errors", "250 errors", LOOSE, "allowed 14.8"),
        ("digit 4", "digit 9", LOOSE, "computed 9"),
        ("digit 4", "digit 5", LOOSE, "computed 5"),
        ("980", "970", Policy(count=5), "allowed 5"),
        ("0.5", "0.9", Policy(count=5), "computed 0.9"),  # counts loosen whole numbers only
        ("0.500", "0.530", Policy(count=5), "computed 0.530"),
        ("0.500", "0.600", LOOSE, "computed 0.600"),
        ("a 9.99", "b 10.01", STRICT, "b 10.01"),  # wider numbers excuse blanks, not letters
    ],
)
def test_changes_differ(stored: str, computed: str, policy: Policy, said: str) -> None:
    found = text_differences(stored, computed, policy)
    assert found and said in "\n".join(found)
    assert text_differences(computed, stored, policy)


def test_what_a_page_knows_of_a_cell_is_compared_too() -> None:
    def told(*facts: float) -> NotebookNode:
        metadata = {"text/markdown": {"facts": list(facts)}}
        return v4.new_output("display_data", {"text/markdown": "Yes."}, metadata=metadata)

    assert differences([told(0.5123)], [told(0.5124)], STRICT) == []
    assert "computed 0.6123" in differences([told(0.5123)], [told(0.6123)], STRICT)[0]
    assert differences([display(text_markdown="Yes.")], [told(0.5)], STRICT)


def test_many_differences_are_counted_not_listed() -> None:
    left, right = " ".join(map(str, range(50))), " ".join(map(str, range(100, 150)))
    found = text_differences(left, right, STRICT)
    assert len(found) == notebook_outputs.MAX_LINES + 1
    assert found[-1] == "and 44 more numbers"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain  \n", "plain  \n"),
        ("epoch 1\repoch 2", "epoch 2"),
        ("epoch 10\rdone\n", "doneh 10\n"),  # as a terminal shows it
        ("epoch 1\r       \rdone\n", "done\n"),
        ("epoch 1\r\x1b[Kdone\n", "done\n"),
        ("epoch 1\x1b[2K\rdone\n", "done\n"),
        ("epoch 1\r       \r", ""),
        ("epoch 1\r       \r\n", ""),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("50\x08\x0860 %", "60 %"),
        ("\n", "\n"),
    ],
)
def test_fold_shows_what_a_terminal_shows(text: str, shown: str) -> None:
    assert fold(text) == shown
    assert fold(shown) == shown


def test_tidy_joins_streams_and_keeps_their_place_among_pictures() -> None:
    picture = display(text_plain="<Figure>")
    outputs = [stream("ep"), stream("och\r     \r"), stream("a\n"), picture, stream("b\n")]
    outputs += [stream("x\r "), picture | {"transient": {"display_id": "7"}}]
    before = [dict(output) for output in outputs]
    assert tidy(outputs) == [stream("a\n"), picture, stream("b\n"), picture]
    assert [dict(output) for output in outputs] == before


def test_replay_follows_clear_output_and_updates() -> None:
    def message(kind: str, **content: Any) -> dict[str, Any]:
        return {"msg_type": kind, "header": {"msg_type": kind}, "content": content}

    def shown(kind: str, text: str, display_id: str) -> dict[str, Any]:
        transient = {"display_id": display_id}
        return message(kind, data={"text/plain": text}, metadata={}, transient=transient)

    said = message("stream", name="stdout", text="said")
    wait, now = message("clear_output", wait=True), message("clear_output", wait=False)
    one, other = shown("display_data", "one", "1"), shown("display_data", "other", "2")
    updated = shown("update_display_data", "two", "1")
    assert notebook_outputs.replay([one, other, updated]) == [
        display(text_plain="two"),
        display(text_plain="other"),
    ]
    assert notebook_outputs.replay([one, wait]) == [display(text_plain="one")]
    assert notebook_outputs.replay([one, wait, said, said]) == [stream("said"), stream("said")]
    assert notebook_outputs.replay([said, one, now, message("status")]) == []


def test_outputs_are_compared_by_number_kind_and_every_form() -> None:
    table = display(text_markdown="| 0.5 |", text_html="<b>0.5</b>", text_plain="Table")
    assert differences([table], [table], STRICT) == []
    for key in ("markdown", "html", "plain"):
        changed = table.copy()
        changed.data = table.data | {f"text/{key}": "other"}
        assert f"output 1, text/{key}, line 1" in differences([table], [changed], STRICT)[0]
    assert "stored 1 outputs (stdout), computed 0" in differences([stream("a")], [], STRICT)[0]
    assert "computed as stderr" in differences([stream("a")], [stream("a", "stderr")], STRICT)[0]
    assert "computed as text/plain" in differences([table], [display(text_plain="a")], STRICT)[0]
    assert differences([], [stream("5 %\r   \r")], STRICT) == []


def test_pictures() -> None:
    rng = np.random.default_rng(1)
    flat = png(np.kron(rng.integers(0, 256, (10, 10, 3)), np.ones((20, 20, 1))))
    assert notebook_outputs.picture_difference(flat, noisy(flat), STRICT) is None
    assert "2.50%" in notebook_outputs.picture_difference(
        png(np.full((200, 200), 255)),
        patched(png(np.full((200, 200), 255)), 0.01),
        STRICT,
    )  # the blur carries the two black rows into three more
    for other, said in [
        (png(pixels_of(flat)[:-1]), "stored 200 x 200 pixels, computed 200 x 199"),
        (png(rng.integers(0, 256, (200, 200, 3))), "of the pixels differ, allowed 0.20%"),
        (png(pixels_of(flat)[::-1]), "of the pixels differ"),
        (base64.b64encode(b"no picture").decode(), "can't be read"),
    ]:
        assert said in notebook_outputs.picture_difference(flat, other, STRICT)
        assert notebook_outputs.picture_difference(flat, other, Policy(compare_pictures=False)) is (
            None
        )
    patch = patched(flat, 0.03)
    assert notebook_outputs.picture_difference(flat, patch, STRICT)
    assert notebook_outputs.picture_difference(flat, patch, Policy(picture=0.06)) is None


def drawn(values: list[float], label: str = "loss", marker: str = "o", **options: Any) -> str:
    figure = plots.curves({"": (range(3), values)}, "epochs", label)
    figure.axes[0].set_ylim(0, 4)
    figure.axes[0].lines[0].set(marker=marker, **options)
    return notebook.as_svg(figure)


def test_drawings() -> None:
    stored = drawn([3, 1, 2])
    assert notebook_outputs.drawing_difference(stored, drawn([3.01, 1, 2]), STRICT) is None
    for other, said in [
        (drawn([3, 1, 2.1]), "of the marks differ, allowed 0.20%"),
        (drawn([3, 1, 2], label="cost"), "one is loss"),
        (drawn([3, 1, 2], marker="s"), "one is use #"),
        (drawn([3, 1, 2], color="red"), "one is a line, fill: none; stroke: #"),
        (drawn([3, 1, 2], linestyle="--"), "one is a line, fill: none; stroke: #"),
        (stored.replace("216pt", "217pt"), "stored 374.4 x 216.0, computed 374.4 x 217.0"),
        ("<svg", "can't be read"),
    ]:
        assert said in (notebook_outputs.drawing_difference(stored, other, STRICT) or "")
        assert notebook_outputs.drawing_difference(other, stored, STRICT)
        loose = Policy(compare_pictures=False)
        assert notebook_outputs.drawing_difference(stored, other, loose) is None
    loose, other = Policy(picture=0.02), drawn([3, 1, 2.1])
    assert notebook_outputs.drawing_difference(stored, other, loose) is None
    for other in (drawn([3, 1, 2.5]), drawn([1, 3, 1])):
        assert notebook_outputs.drawing_difference(stored, other, loose)
    assert notebook_outputs.drawing_difference(stored, drawn([1, 3, 1]), Policy(picture=0.1))


def test_tags_make_the_policy() -> None:
    def policy(*tags: str) -> Policy:
        return notebook_outputs.policy_of(v4.new_code_cell(metadata={"tags": list(tags)}))

    assert policy() == policy("hide-input", "tolerance") == STRICT
    asked = policy("tolerance-0.05", "count-8", "picture-0.1", "remove-cell")
    assert asked == Policy(tolerance=0.05, count=8, picture=0.1)
    for wrong in ("tolerance-much", "tolerance-5", "tolerance-0", "count-0.5", "picture--1"):
        with pytest.raises(ValueError, match=wrong):
            policy(wrong)


# `pytest --nbval`, with mutants -------------------------------------------------------------------

PICTURE = """
import numpy as np
from PIL import Image
blocks = np.random.default_rng(1).integers(0, 256, (10, 10, 3), dtype=np.uint8)
display(Image.fromarray(blocks.repeat(20, 0).repeat(20, 1)))
"""
FIGURE = "import matplotlib.pyplot as plt\nplt.plot([3, 1, 2])\nplt.show()"
ARRAY = "import numpy as np\nnp.arange(12).reshape(3, 4) / 7"
LINES = "print('first')\nprint('second')\nprint('third')"
PROGRESS = """
import time
for epoch in range(3):
    print(f'\\repoch {epoch}', end='', flush=True)
    time.sleep(0.05)
print('\\r       \\r', end='')
"""
DRAWING = """
from mnist_tutorial.book import notebook, plots
notebook.setup()
plots.curves({"": ([1, 2, 3], [3, 1, 2])}, "epochs", "loss")
"""
IMAGES = "import numpy as np\nplots.images(np.eye(28)[None] * 255, columns=3)"
BOTH = "print('before')\ndisplay('shown')\nprint('after')"
CLEARED = """
from IPython.display import clear_output
print('gone'); clear_output(wait=True)
handle = display('old', display_id=True); handle.update('new')
"""
IGNORED = "nbval-ignore-output"
SVG = "image/svg+xml"

Change = Callable[[list[NotebookNode]], Any]


def replace(old: str, new: str, mime: str | None = None) -> Change:
    """Returns a change of a stored text."""

    def change(outputs: list[NotebookNode]) -> None:
        where, key = (outputs[0].data, mime) if mime else (outputs[0], "text")
        assert old in where[key]
        where[key] = where[key].replace(old, new, 1)

    return change


def repaint(paint: Callable[[str], str]) -> Change:
    """Returns a change of a stored picture."""

    def change(outputs: list[NotebookNode]) -> None:
        outputs[0].data["image/png"] = paint(outputs[0].data["image/png"])

    return change


@dataclass(frozen=True)
class Mutant:
    """A cell, a change of its stored outputs, and what nbval has to say (None: nothing)."""

    name: str
    source: str
    change: Change
    said: str | None
    tags: tuple[str, ...] = ()


MUTANTS = [
    # Harmful.
    Mutant("value", "print('loss 0.5000')", replace("0.5", "0.6"), "stored 0.6000, computed 0.5"),
    Mutant("integer", "print('784 pixels')", replace("784", "785"), "stored 785, computed 784"),
    Mutant("text", "print('digit seven')", replace("seven", "eight"), "digit eight"),
    Mutant("result", "'digit seven'", replace("seven", "eight", "text/plain"), "digit eight"),
    Mutant("array", ARRAY, replace("0.857", "0.867", "text/plain"), "line 2: stored 0.867"),
    Mutant("order", LINES, replace("first\nsecond", "second\nfirst"), "stored 'second'"),
    Mutant("missing line", LINES, replace("second\n", ""), "3 lines stored, 4 computed"),
    Mutant("size", PICTURE, repaint(lambda p: png(pixels_of(p)[1:])), "stored 200 x 199 pixels"),
    Mutant("random", PICTURE, repaint(lambda p: png(np.random.default_rng(0).integers(
        0, 256, pixels_of(p).shape))), "of the pixels differ, allowed 0.20%"),
    Mutant("figure", FIGURE, repaint(lambda p: png(pixels_of(p)[:, ::-1])), "of the pixels differ"),
    Mutant("missing picture", PICTURE, lambda o: o.clear(), "stored 0 outputs (none), computed 1"),
    Mutant("extra picture", PICTURE, lambda o: o.append(o[0]), "stored 2 outputs"),
    Mutant("no png", PICTURE, lambda o: o[0].data.pop("image/png"),
        "computed as image/jpeg+image/png"),
    Mutant("extra output", "a = 1", lambda o: o.append(stream("a")), "computed 0 (none)"),
    Mutant("split text", BOTH, lambda o: o.insert(0, o.pop(1)), "stored 2 outputs (text/plain"),
    Mutant("text after", BOTH, lambda o: o[2].update(text="later\n"), "stored 'later'"),
    Mutant("cleared", CLEARED, lambda o: o.insert(0, stream("gone\n")), "stored 2 outputs"),
    Mutant("not updated", CLEARED, replace("new", "old", "text/plain"), "stored \"'old'\""),
    Mutant("stderr", "import sys\nprint('hm', file=sys.stderr)", lambda o: o.clear(),
        "computed 1 (stderr)"),
    Mutant("error", "1 / 0", lambda o: o.clear(), "ZeroDivisionError"),
    # Loosened, but not by as much.
    Mutant("beyond", "print('296 wrong')", replace("296", "250"), "allowed 14.8",
        ("tolerance-0.05",)),
    Mutant("beyond count", "print('296 wrong')", replace("296", "300"), "allowed 3", ("count-3",)),
    Mutant("beyond picture", PICTURE, repaint(lambda p: patched(p, 0.1)), "allowed 5.00%",
        ("picture-0.05",)),
    Mutant("not for pictures", PICTURE, repaint(lambda p: patched(p, 0.03)), "allowed 0.20%",
        ("tolerance-0.05",)),
    # Harmless.
    Mutant("last digit", "print('loss 0.123456')", replace("456", "461"), None),
    Mutant("array noise", ARRAY, replace("0.85714286", "0.85714301", "text/plain"), None),
    Mutant("progress", PROGRESS, lambda o: o.append(stream("\repoch 0\r       \r")), None),
    Mutant("antialiasing", PICTURE, repaint(noisy), None),
    Mutant("figure noise", FIGURE, repaint(noisy), None),
    Mutant("both", BOTH, lambda o: None, None),
    Mutant("within", "print('  99 wrong')", replace(" 99", "101"), None, ("tolerance-0.05",)),
    Mutant("within count", "print('296 wrong')", replace("296", "299"), None, ("count-3",)),
    Mutant("within picture", PICTURE, repaint(lambda p: patched(p, 0.03)), None,
        ("picture-0.05",)),
    Mutant("ignored", "import time\ntime.time()", lambda o: None, None, (IGNORED,)),
    # Last, because from here on figures are drawings, and only those with images are pictures.
    Mutant("drawing", DRAWING, replace("epochs", "updates", SVG), "one is updates"),
    Mutant("drawn elsewhere", DRAWING, replace('<use xlink:href="#m', '<use y="9" xlink:href="#m',
        SVG), "can't be read"),
    Mutant("drawn alike", DRAWING, replace("epochs", "epochs", SVG), None),
    Mutant("images", IMAGES, repaint(lambda p: png(pixels_of(p)[:, ::-1])), "of the pixels differ"),
]  # fmt: skip


def never_run(cell: NotebookNode) -> None:
    cell.outputs, cell.execution_count = [], None


# Notebooks that must not even be collected: how the second of two cells is spoiled.
SPOILED: dict[str, tuple[Callable[[NotebookNode], Any], str]] = {
    "unrun": (never_run, "code cell 2 was never run: b = 2"),
    "counts": (lambda cell: cell.update(execution_count=3), "code cell 2 has execution count 3"),
    "repeated": (lambda cell: cell.update(execution_count=1), "code cell 2 has execution count 1"),
    "stored_error": (
        lambda cell: cell.outputs.append(
            v4.new_output("error", ename="ValueError", evalue="no", traceback=[])
        ),
        "code cell 2: error ValueError: no",
    ),
    "stored_stderr": (
        lambda cell: cell.outputs.append(stream("a warning", "stderr")),
        "code cell 2: text on stderr: a warning",
    ),
    "tag": (
        lambda cell: cell.metadata.update(tags=["tolerance-much"]),
        "code cell 2: tag 'tolerance-much'",
    ),
}


def save(path: Path, *cells: NotebookNode) -> Path:
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# A chapter"), *cells])
    nbformat.write(notebook, path)
    return path


def nbval(folder: Path, *arguments: str, **environment: str) -> dict[str, str | None]:
    """Runs `pytest --nbval` on a folder; returns what it says of each test, None if it passed."""
    usual = {"PYTHONPATH": str(REPOSITORY), "NBVAL_PICTURES": "on"}
    environment = {**os.environ, **usual, **environment}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "--color=no", "--junitxml=report"]
    command += ["--continue-on-collection-errors", "-p", "no:cacheprovider", *arguments, "chapters"]
    ran = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True)
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    said: dict[str, str | None] = {}
    for case in ElementTree.parse(folder / "report").iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}".removeprefix("::")
        said[name.removeprefix("chapters.")] = "\n".join(f"{e.text}" for e in case) or None
    return said


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `chapters/`: the mutants' cells, once as they were run, once changed."""
    folder = tmp_path_factory.mktemp("book")
    chapters = folder / "chapters"
    chapters.mkdir()
    shutil.copy(REPOSITORY / "chapters" / "conftest.py", chapters)
    failing = ("stderr", "error")  # not even stored by run_notebooks
    cells = [
        v4.new_code_cell(
            "pass" if mutant.name in failing else mutant.source.strip(),
            metadata={"tags": list(mutant.tags)},
        )
        for mutant in MUTANTS
    ]
    clean = save(chapters / "clean.ipynb", *cells)
    run_notebooks.run(clean)
    notebook = nbformat.read(clean, as_version=4)
    for mutant, cell in zip(MUTANTS, notebook.cells[1:], strict=True):
        cell.source = mutant.source.strip()
        mutant.change(cell.outputs)
    nbformat.write(notebook, chapters / "mutants.ipynb")
    return folder


@pytest.fixture(scope="module")
def said(book: Path) -> dict[str, str | None]:
    """What nbval says of the whole book, in one run."""
    for name, (spoil, _) in SPOILED.items():
        cells = [v4.new_code_cell("a = 1"), v4.new_code_cell("b = 2")]
        for number, cell in enumerate(cells, start=1):
            cell.execution_count = number
        spoil(cells[1])
        save(book / "chapters" / f"{name}.ipynb", *cells)
    return nbval(book)


@pytest.mark.parametrize("number", range(len(MUTANTS)), ids=[mutant.name for mutant in MUTANTS])
def test_nbval_finds_the_harmful_mutants_only(said: dict[str, str | None], number: int) -> None:
    mutant = MUTANTS[number]
    clean, found = (said[f"{name}.ipynb::Cell {number}"] for name in ("clean", "mutants"))
    assert clean is None
    if mutant.said is None:
        assert found is None
    else:
        assert found is not None and mutant.said in found


@pytest.mark.parametrize("name", SPOILED)
def test_nbval_refuses_notebooks_not_run_cleanly(said: dict[str, str | None], name: str) -> None:
    text = said[f"{name}.ipynb"]
    assert text is not None and SPOILED[name][1] in text


def test_pictures_can_be_left_out_but_not_be_missing(book: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(book / "chapters" / "clean.ipynb", as_version=4)
    names = [mutant.name for mutant in MUTANTS]
    cells = [notebook.cells[1 + names.index(each)] for each in ("random", "size", "no png")]
    for number, cell in enumerate(cells, start=1):
        cell.execution_count = number
        MUTANTS[names.index(("random", "size", "no png")[number - 1])].change(cell.outputs)
    (tmp_path / "chapters").mkdir()
    shutil.copy(book / "chapters" / "conftest.py", tmp_path / "chapters")
    save(tmp_path / "chapters" / "other.ipynb", *cells)
    found = list(nbval(tmp_path, NBVAL_PICTURES="off").values())
    assert found[:2] == [None, None]
    assert "computed as image/jpeg+image/png" in found[2]


# Running and storing ------------------------------------------------------------------------------

MESSY = {"execution": {"iopub.execute_input": "2026-01-01"}, "scrolled": True, "tags": ["hide"]}


def test_a_notebook_is_stored_clean_and_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chapter.ipynb"
    sources = [
        "import os\nprint(os.path.basename(os.getcwd()), 0.5, 'é')",
        "print('\\repoch 1', end='')\nprint('\\r       \\r', end='')",
        "6 * 7",
        PICTURE.strip(),
        "os.getpid()",
        "import mnist_tutorial\nprint(mnist_tutorial.__path__[0])",
    ]
    cells = [v4.new_code_cell(source, metadata=dict(MESSY)) for source in sources]
    cells[4].metadata.tags = [IGNORED]
    save(path, *cells)
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.widgets = {"state": {}}
    notebook.metadata.kernelspec = {"name": "mine", "display_name": "Mine"}
    nbformat.write(notebook, path)
    path.chmod(0o640)
    assert run_notebooks.main([str(path)]) == 0
    assert "chapter.ipynb: " in capsys.readouterr().out

    text = path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o640
    assert text.startswith('{\n "cells": [') and text.endswith("}\n") and "é" in text
    stored = nbformat.reads(text, as_version=4)
    nbformat.validate(stored)
    assert [cell.id for cell in stored.cells] == [cell.id for cell in notebook.cells]
    assert stored.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
    }
    cells = stored.cells[1:]
    assert notebook_outputs.stored_problems(stored) == []
    assert [cell.execution_count for cell in cells] == [1, 2, 3, 4, 5, 6]
    assert cells[0].metadata == {"tags": ["hide"]}
    assert cells[0].outputs == [stream(f"{tmp_path.name} 0.5 é\n")]
    assert cells[1].outputs == []
    assert cells[2].outputs[0].data == {"text/plain": "42"}
    with pytest.raises(ProcessLookupError):  # the kernel is gone
        os.kill(int(cells[4].outputs[0].data["text/plain"]), 0)
    assert cells[5].outputs == [stream(f"{REPOSITORY / 'mnist_tutorial'}\n")]

    # Noise and ignored outputs stay as they are stored, a real change doesn't.
    cells[0].outputs[0].text = cells[0].outputs[0].text.replace("0.5", "0.501")
    cells[3].outputs[0].data["image/png"] = noisy(cells[3].outputs[0].data["image/png"])
    kept = [cells[0].outputs, cells[3].outputs, cells[4].outputs]
    nbformat.write(stored, path)
    run_notebooks.run(path)
    again = nbformat.read(path, as_version=4).cells[1:]
    assert [again[0].outputs, again[3].outputs, again[4].outputs] == kept
    cells[2].outputs[0].data["text/plain"] = "41"
    nbformat.write(stored, path)
    run_notebooks.run(path)
    again = nbformat.read(path, as_version=4).cells[1:]
    assert "0.501" not in again[0].outputs[0].text and again[4].outputs == kept[2]
    assert again[2].outputs[0].data["text/plain"] == "42"

    before = path.stat()
    run_notebooks.run(path)
    assert path.stat().st_ino == before.st_ino  # nothing to change, so not even written

    run_notebooks.run(path, fresh=True)
    fresh = nbformat.read(path, as_version=4).cells[1:]
    assert "0.5 " in fresh[0].outputs[0].text
    assert fresh[3].outputs != kept[1] and fresh[4].outputs != kept[2]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("source", "tags", "said"),
    [
        ("1 / 0", ["raises-exception"], "ZeroDivisionError: division by zero"),
        ("import warnings\nwarnings.warn('careful')", [], "code cell 2: text on stderr"),
        ("b = 2", ["skip-execution"], "code cell 2 has execution count None"),
        (" ", [], "code cell 2 is empty"),
        ("b = 2", ["count-x"], "tag 'count-x'"),
    ],
)
def test_a_failing_notebook_is_left_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, tags: list[str], said: str
) -> None:
    path = tmp_path / "chapter.ipynb"
    save(path, v4.new_code_cell("a = 1"), v4.new_code_cell(source, metadata={"tags": tags}))
    before = path.read_bytes()
    assert run_notebooks.main([str(path)]) == 1
    error = capsys.readouterr().err
    assert f"{path}, code cell 2" in error and said in error
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_notebook_that_cannot_be_read_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chapter.ipynb"
    path.write_text('{"cells": [')
    assert run_notebooks.main([str(path), str(tmp_path / "none.ipynb")]) == 1
    assert capsys.readouterr().err.count("can't be read") == 2


def test_ignored_outputs_are_kept_unless_they_must_not_be_stored() -> None:
    def notebook(*outputs: NotebookNode) -> NotebookNode:
        cells = [v4.new_code_cell(outputs=[each], metadata={"tags": [IGNORED]}) for each in outputs]
        return v4.new_notebook(cells=cells)

    new = notebook(stream("3 s"), stream("other"), stream("5 s"))
    old = notebook(stream("3 s"), stream("4 s"), stream("a warning", "stderr"))
    notes = run_notebooks.keep_stored(new, old)
    assert notes == ["code cell 2 is ignored and keeps its outputs (else --fresh)"]
    assert [cell.outputs[0].text for cell in new.cells] == ["3 s", "4 s", "5 s"]


def test_outputs_are_kept_all_or_none() -> None:
    def notebook(*numbers: float) -> NotebookNode:
        cells = [v4.new_code_cell(outputs=[stream(f"{number}\n")]) for number in numbers]
        return v4.new_notebook(cells=cells)

    def after(*numbers: float) -> list[str]:
        new = notebook(*numbers)
        run_notebooks.keep_stored(new, notebook(0.5, 0.25))
        return [cell.outputs[0].text.strip() for cell in new.cells]

    assert after(0.5000001, 0.25) == ["0.5", "0.25"]
    assert after(0.5000001, 0.75) == ["0.5000001", "0.75"]  # of one run, both


def test_a_kept_result_gets_the_count_of_its_cell() -> None:
    def notebook(count: int) -> NotebookNode:
        output = v4.new_output("execute_result", {"text/plain": "42"}, execution_count=count)
        return v4.new_notebook(cells=[v4.new_code_cell(execution_count=count, outputs=[output])])

    new = notebook(2)
    run_notebooks.keep_stored(new, notebook(1))  # a cell was put before it
    assert new == notebook(2) | {"cells": [notebook(2).cells[0] | {"id": new.cells[0].id}]}


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "chapter.ipynb", v4.new_code_cell("a = 1"))
    before = path.read_bytes()
    notebook = run_notebooks.read(path)
    notebook.cells[1].source = "a = 2"

    def fail(*_: Any) -> None:
        raise OSError(28, "the disk is full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        run_notebooks.write(notebook, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    path = save(tmp_path / "chapter.ipynb", v4.new_code_cell("a = 1"))
    link = tmp_path / "link.ipynb"
    link.symlink_to(path)
    run_notebooks.write(v4.new_notebook(), link)
    assert link.is_symlink() and run_notebooks.read(path).cells == []


def test_ids_are_given_only_where_none_are(tmp_path: Path) -> None:
    path = tmp_path / "chapter.ipynb"
    notebook = v4.new_notebook(cells=[v4.new_code_cell(id="cell-02"), v4.new_code_cell()])
    del notebook.cells[1]["id"], notebook.cells[1]["outputs"]
    path.write_text(json.dumps(notebook))
    assert [cell.id for cell in run_notebooks.read(path).cells] == ["cell-02", "cell-02-2"]

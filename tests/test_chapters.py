"""What every chapter promises its reader, held on the stored notebooks."""

import copy
import json
import re
from pathlib import Path

import nbformat
import pytest

from tools import folding, reading_time

ROOT = Path(__file__).parents[1]
TITLES = [
    "Introduction",
    "The MNIST Dataset",
    "Configuring the MNIST Example",
    "Building Our Neural Network",
    "Training Your Model",
    "Evaluating The Results",
    "Conclusion",
]
FILES = [
    ROOT / "chapters" / f"{i:02}-{title.lower().replace(' ', '-')}.ipynb"
    for i, title in enumerate(TITLES, start=1)
]
FURTHER = sorted((ROOT / "chapters" / "going-further").glob("*.ipynb"))
# Cells whose outputs differ on every machine: the only ones that nbval doesn't compare.
IGNORED = {
    "# Introduction": ["jax.devices()"],
    "# Configuring the MNIST Example": ["batch_size=size"],
    "# Training Your Model": ["perf_counter"],
    "# Going further: more than one device": [
        "devices.fit",
        "perf_counter",
        "verdict",
        "sixteen",
    ],
    "# Going further: every setting, turned": ["Time ten epochs"],
    "# Going further: on a GPU or a TPU": ["device_kind", "perf_counter"],
    "# Going further: other data, same code": ["fashion_mnist"],  # where the reader has it
}


def load(file):
    return json.loads(file.read_text(encoding="utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


def code(cells):
    return [cell for cell in cells if cell["cell_type"] == "code"]


def prose(cells):
    return "\n\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")


def pictures(cell):
    return [
        o for o in cell["outputs"] if any(mime.startswith("image/") for mime in o.get("data", {}))
    ]


def tags(cell):
    return cell["metadata"].get("tags", [])


chapters = pytest.mark.parametrize(
    "number, cells", [pytest.param(i, load(file), id=file.stem) for i, file in enumerate(FILES, 1)]
)


notebooks = pytest.mark.parametrize(
    "cells", [pytest.param(load(file), id=file.stem) for file in FILES + FURTHER]
)


def test_there_are_exactly_the_seven_chapters():
    assert sorted((ROOT / "chapters").glob("*.ipynb")) == FILES


@chapters
def test_the_opening(number, cells):
    opening = source(cells[0])
    assert opening.startswith(f"# {TITLES[number - 1]}\n\n**")
    assert re.search(r"\?\*\*\n\n\*\d minutes\. By the end, you'll be able to ", opening)
    assert "import mnist_tutorial" in source(cells[1]) and "hide-input" in tags(cells[1])


def test_the_minutes_sum_to_half_an_hour_and_agree_with_the_readme():
    minutes = [int(re.search(r"\*(\d) minutes", prose(load(file)))[1]) for file in FILES]
    assert sum(minutes) <= 30
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [int(m) for m in re.findall(r"^\| *\d\.? .*?\| *(\d) *\|", text, re.M)] == minutes


@chapters
def test_the_minutes_are_those_that_reading_takes(number, cells):
    seen = reading_time.count(cells)
    stated = int(re.search(r"\*(\d) minutes", prose(cells))[1])
    assert stated == seen.stated, f"{seen.minutes:.2f} minutes: {seen}"


@chapters
def test_what_a_beginner_need_not_read_is_folded_everywhere(number, cells):
    for cell in code(cells):
        stored = nbformat.from_dict(cell | {"source": source(cell)})
        again = copy.deepcopy(stored)
        folding.fold(again)
        assert again == stored, f"python -m tools.run_notebooks --fold would change {cell['id']}"
        drawn = pictures(cell) or re.search(r"\bnotebook\.(say|table)\(", source(cell))
        assert not drawn or {"hide-input", "hide-cell"} & set(tags(cell)), source(cell)


@notebooks
def test_stored_outputs_are_those_of_one_clean_run(cells):
    counts = [cell["execution_count"] for cell in code(cells)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code(cells):
        for output in cell["outputs"]:
            assert output["output_type"] != "error" and output.get("name") != "stderr"
            assert "widget" not in json.dumps(output)


@notebooks
def test_every_figure_has_a_caption_and_a_text_for_those_who_cannot_see_it(cells):
    for cell in code(cells):
        if pictures(cell):
            shown = cell["metadata"]["mystnb"]
            assert len(shown["image"]["alt"]) > 40, source(cell)
            assert len(shown["figure"]["caption"]) > 10, source(cell)


@chapters
def test_every_chapter_has_figures(number, cells):
    count = sum(len(pictures(cell)) for cell in code(cells))
    assert count >= (2 if 2 <= number <= 6 else 1)


@notebooks
def test_only_the_named_cells_escape_comparison(cells):
    ignored = [source(cell) for cell in code(cells) if "nbval-ignore-output" in tags(cell)]
    names = IGNORED.get(source(cells[0]).splitlines()[0], [])
    assert len(ignored) == len(names)
    assert all(name in text for name, text in zip(names, ignored, strict=True))
    everything = [tag for cell in code(cells) for tag in tags(cell)]
    assert not {"nbval-skip", "raises-exception"} & set(everything)
    assert not re.search(r"NBVAL_|nbval-check", json.dumps(cells).replace("nbval-ignore", ""))


@chapters
def test_questions_and_exercises(number, cells):
    text = prose(cells)
    after = text[text.index("## Two quick questions") :]
    assert after.count("<details><summary>") >= 2
    assert text.count("<details>") == text.count("</details>")
    assert "**Exercise 1.**" in text and "**Exercise 2.**" in text
    assert ("**Next:**" in text) == (number < 7)


@chapters
def test_solutions_are_folded_and_right(number, cells):
    folded = [cell for cell in code(cells) if "solution" in tags(cell)]
    assert folded
    for cell in folded:
        if "exercises.check" in source(cell):
            assert "Right." in json.dumps(cell["outputs"]), source(cell)
    unanswered = [c for c in code(cells) if "exercises.check" in source(c) and c not in folded]
    for cell in unanswered:
        assert "No answer yet" in json.dumps(cell["outputs"]), source(cell)


@pytest.mark.parametrize("file", FILES + FURTHER, ids=lambda file: file.stem)
def test_links_lead_somewhere(file):
    for target in re.findall(r"\]\(([^)#]+)\)", prose(load(file))):
        if not target.startswith("http"):
            assert (file.parent / target).resolve().exists(), target


def test_each_work_is_listed_where_it_is_linked_and_linked_where_it_is_listed():
    text = "".join(prose(load(file)) for file in FILES + FURTHER)
    listed = (ROOT / "references.bib").read_text("utf-8")
    works = re.findall(r"@(?!misc)\w+\{[^@]*?url\s*= \{(.+?)\}", listed)
    assert works and set(works) <= set(re.findall(r"\]\((http[^)\s]+)\)", text))
    listed = re.findall(r"url\s*= \{(.+?)\}", listed)
    assert set(re.findall(r"\[[^]]*\b(?:19|20)\d\d\)?\]\((http[^)\s]+)\)", text)) <= set(listed)


def test_all_variables_are_shown_beside_the_originals_names():
    shown = json.dumps(load(FILES[2]), ensure_ascii=False)
    for name in "numRows numColumns outputNum batchSize rngSeed numEpochs nOut".split():
        assert f"`{name}`" in shown


def slug(term):
    return re.sub(r"[^a-z0-9]+", "-", term.lower())


TERMS = re.findall(r"^## (.+)$", (ROOT / "glossary.md").read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_linked_to_the_glossary_where_it_is_first_used(term):
    target = f"../glossary.md#{slug(term)}"
    # A word is no use of the term in a heading, table, code, folded question or other link.
    other_link = rf"\[[^\]]*\]\((?!{re.escape(target)}\))[^)]*\)"
    no_use = rf"(?m)^#.*$|^\|.*$|`[^`]*`|<summary>.*?</summary>|{other_link}"
    text = "\n\n".join(prose(load(file)[1:]) for file in FILES)
    text = re.sub(no_use, lambda match: "\0" * len(match[0]), text)
    case = 0 if term in ("F1", "ReLU") else re.IGNORECASE
    first = re.search(rf"(?<![\w#-]){re.escape(term)}(?:s|es)?(?![\w-])", text, case)
    assert first, f"{term!r} is never used"
    link = f"](../glossary.md#{slug(term)})"
    assert text[first.start() - 1] == "[" and text[first.end() :].startswith(link), text[
        first.start() - 80 : first.end() + 40
    ]


def test_the_glossary_is_in_order():
    assert TERMS == sorted(TERMS, key=str.lower)

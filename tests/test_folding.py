"""A cell's tag folds it in the book, in JupyterLab and on Colab, and nothing else has to be set."""

import copy

import nbformat
import pytest
from nbformat import v4

from tools import folding, run_notebooks


def folded(source, *tags, **metadata):
    cell = v4.new_code_cell(source, metadata={"tags": list(tags), **metadata} if tags else metadata)
    folding.fold(cell)
    once = copy.deepcopy(cell)
    folding.fold(cell)
    assert cell == once  # what is folded stays as it is
    return cell


@pytest.mark.parametrize("tag", ["hide-input", "fold"])
def test_code_is_folded_and_what_it_shows_is_not(tag):
    cell = folded("plots.bars(counts)", "count-1", tag, mystnb={"figure": {"caption": "Bars."}})
    assert cell.metadata.tags == ["count-1", "hide-input"]
    assert cell.metadata.jupyter == {"source_hidden": True}
    assert cell.metadata.cellView == "form" and "collapsed" not in cell.metadata
    assert cell.source == "# @title Draw the figure\nplots.bars(counts)"
    assert folded("say(1)", tag).source == "# @title Show the result\nsay(1)"
    assert folded("# Set-up: one\nx", tag).source == "# @title Set-up: one\nx"


@pytest.mark.parametrize("tag, prompt", [("solution", "Show a solution"), ("look-closer", "Look")])
def test_a_solution_is_folded_with_its_output(tag, prompt):
    cell = folded("check(1)", tag)
    assert set(cell.metadata.tags) == {tag, "hide-cell"}
    assert cell.metadata.jupyter == {"source_hidden": True, "outputs_hidden": True}
    assert cell.metadata.cellView == "form" and cell.metadata.collapsed
    assert cell.metadata.mystnb.code_prompt_show.startswith(prompt)
    assert cell.source.startswith(f"# @title {prompt}")
    own = folded("f()", tag, mystnb={"code_prompt_show": "The source"})
    assert own.metadata.mystnb.code_prompt_show == "The source"


def test_a_cell_without_a_tag_is_unfolded():
    cell = folded("# Solution\nf()", "solution", "hide-cell")
    cell.metadata.tags = ["count-1"]
    folding.fold(cell)
    assert cell.source == "# Solution\nf()"
    assert set(cell.metadata) == {"tags", "mystnb"}
    assert folded("f()").metadata == {}


def test_folding_runs_nothing(tmp_path):
    path = tmp_path / "chapter.ipynb"
    cells = [v4.new_code_cell("1 / 0", metadata={"tags": ["fold"]}), v4.new_markdown_cell("Text.")]
    nbformat.write(v4.new_notebook(cells=cells), path)
    assert run_notebooks.main(["--fold", str(path)]) == 0
    first, text = nbformat.read(path, as_version=4).cells
    assert first.metadata.cellView == "form" and first.outputs == [] and text.metadata == {}
    path.write_text("no notebook", encoding="utf-8")
    assert run_notebooks.main(["--fold", str(path)]) == 1

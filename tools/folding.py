"""Folds cells away in the same manner in the book, in JupyterLab and on Colab.

An author sets one tag; `tools/run_notebooks.py` writes everything else when it stores a notebook:

| tag | what is folded | what for |
|---|---|---|
| `hide-input` | the code, but not what it shows | set-up, plotting, tables |
| `solution` | code and output, under "Show a solution" | the answer to an exercise |
| `look-closer` | code and output, under "Look closer" | optional reading |

`fold` is another name for `hide-input`. The book needs Jupyter Book's tags, JupyterLab needs
`jupyter.source_hidden` and `outputs_hidden`, and Colab needs `cellView`, a title in the first line
of the code, and `collapsed`. A cell that has none of these tags is unfolded everywhere.
"""

from nbformat import NotebookNode

PROMPTS = {
    "solution": ("Show a solution", "Hide the solution"),
    "look-closer": ("Look closer", "Fold it away again"),
}
TITLE = "# @title "


def fold(cell: NotebookNode) -> None:
    """Writes, in place, all metadata that follow from a code cell's tag.

    Args:
        cell: a cell of nbformat 4; Markdown cells stay as they are.
    """
    if cell.cell_type != "code":
        return
    tags = ["hide-input" if tag == "fold" else tag for tag in cell.metadata.get("tags", [])]
    kind = next((tag for tag in PROMPTS if tag in tags), None)
    if kind and "hide-cell" not in tags:
        tags.append("hide-cell")
    whole = "hide-cell" in tags
    folded = whole or "hide-input" in tags
    if tags:
        cell.metadata.tags = tags
    for key, wanted in (("source_hidden", folded), ("outputs_hidden", whole)):
        if wanted:
            cell.metadata.setdefault("jupyter", NotebookNode())[key] = True
        else:
            cell.metadata.get("jupyter", {}).pop(key, None)
    if not cell.metadata.get("jupyter", True):
        del cell.metadata["jupyter"]
    for key, wanted, value in (("cellView", folded, "form"), ("collapsed", whole, True)):
        if wanted:
            cell.metadata[key] = value
        else:
            cell.metadata.pop(key, None)
    if kind:
        shown = cell.metadata.setdefault("mystnb", NotebookNode())
        shown.setdefault("code_prompt_show", PROMPTS[kind][0])
        shown.setdefault("code_prompt_hide", PROMPTS[kind][1])
    _title(cell, folded)


def _title(cell: NotebookNode, folded: bool) -> None:
    """Makes a first line that Colab shows in the place of the code; an opening comment serves."""
    source = cell.source
    if not folded:
        cell.source = f"# {source.removeprefix(TITLE)}" if source.startswith(TITLE) else source
    elif source.startswith("# ") and not source.startswith(TITLE):
        cell.source = TITLE + source.removeprefix("# ")
    elif not source.startswith(TITLE):
        shown = cell.metadata.get("mystnb", {})
        default = "Draw the figure" if "figure" in shown else "Show the result"
        cell.source = f"{TITLE}{shown.get('code_prompt_show', default)}\n{source}"

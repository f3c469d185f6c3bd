"""The guard of the built book, on small books that are broken on purpose, and the formulas."""

import base64
import json
from pathlib import Path

import pytest

from _ext.book_math import to_mathml
from tools.check_book import check_book, pages, sample

PICTURE = b"the bytes of a picture"
CHAPTER = """<html><head><link rel="stylesheet" href="../_static/book.css">
<link rel="canonical" href="https://example.org/"></head><body><article>
<h1>1. First Steps<a class="headerlink" href="#">#</a></h1>
<p>A link to <a href="https://example.org/paper">a paper</a>.</p>
<div class="cell_output"><pre>accuracy 0.97
of 10,000</pre>
<p>The network reads <strong>9,710 digits</strong> of <math>10^4</math> right.</p>
<table><tr><td>recall of nine</td></tr></table>
<img alt="A falling curve." src="../_images/curve.png"></div></article></body></html>"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A whole book of two pages: its sources, and what was built from them in `html`."""
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["accuracy 0.97\n", "of 10,000\n"]},
        {
            "output_type": "display_data",
            "data": {
                "text/markdown": "The network reads **9,710 digits** of $10^4$ right.",
                "text/plain": "<Markdown object>",
            },
        },
        {
            "output_type": "execute_result",
            "data": {"text/html": "<style>p {}</style><table><tr><td>recall of nine</td></tr>"},
        },
        {
            "output_type": "display_data",
            "data": {"image/png": base64.b64encode(PICTURE).decode(), "text/plain": "<Figure>"},
        },
    ]
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# First Steps\n", "\n", "Text."]},
        {"cell_type": "code", "metadata": {}, "source": ["run()"], "outputs": outputs},
    ]
    toc = {"root": "index", "parts": [{"chapters": [{"file": "chapters/01-first-steps"}]}]}
    files = {
        "_toc.yml": json.dumps(toc),  # every JSON text is YAML
        "index.md": "# Home\n\nWelcome.\n",
        "chapters/01-first-steps.ipynb": json.dumps({"cells": cells}),
        "html/index.html": "<article><h1>Home</h1><p>Welcome.</p></article>",
        "html/chapters/01-first-steps.html": CHAPTER,
        "html/_static/book.css": "p { background: url(paper.svg) }",
        "html/_images/curve.png": PICTURE.decode(),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def faults(book: Path) -> list[str]:
    return check_book(book / "html", book)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_whole_book_has_no_fault(book):
    assert faults(book) == []


def test_pages_are_those_of_the_table_of_contents(book):
    assert pages(book) == ["index", "chapters/01-first-steps"]


def test_a_build_that_made_nothing_lacks_every_page(book):
    assert check_book(book / "nowhere", book) == [
        "index.html is missing",
        "chapters/01-first-steps.html is missing",
    ]


@pytest.mark.parametrize("content", ["", "<html></html>", "<article> \n </article>"])
def test_an_empty_page_is_a_fault(book, content):
    (book / "html" / "index.html").write_text(content)
    assert faults(book) == ["index.html is empty"]


def test_a_page_with_nothing_but_its_title_is_a_fault(book):
    replace(book / "html" / "index.html", "<p>Welcome.</p>", "")
    assert faults(book) == ["index.html holds nothing but its title"]


@pytest.mark.parametrize(
    "old, new, fault",
    [
        ("First Steps", "Last Steps", "lacks its title, 'First Steps'"),
        ("accuracy 0.97", "accuracy 0.79", "lacks what cell 2 printed: 'accuracy0.97'"),
        ("The network reads", "It reads", "lacks what cell 2 printed: 'Thenetworkreads'"),
        ("recall of nine", "", "lacks what cell 2 printed: 'recallofnine'"),
        ("curve.png", "none.png", "lacks 1 of the 1 pictures that its notebook stores"),
        ("A falling curve.", "", "has a picture without an alternative text, ../_images/curve.png"),
        (
            "A falling curve.",
            "../_images/curve.png",  # what Sphinx writes where an author gave none
            "has a picture without an alternative text, ../_images/curve.png",
        ),
    ],
)
def test_a_chapter_without_its_title_or_an_output_is_a_fault(book, old, new, fault):
    replace(book / "html" / "chapters" / "01-first-steps.html", old, new)
    assert faults(book) == [f"chapters/01-first-steps.html {fault}"]


def test_a_picture_of_an_older_run_is_a_fault(book):
    (book / "html" / "_images" / "curve.png").write_bytes(b"another picture")
    assert faults(book) == [
        "chapters/01-first-steps.html lacks 1 of the 1 pictures that its notebook stores",
        "chapters/01-first-steps.html shows 1 pictures that its notebook doesn't store",
    ]


def test_outputs_that_an_author_hides_may_be_missing(book):
    notebook = book / "chapters" / "01-first-steps.ipynb"
    content = json.loads(notebook.read_text())
    content["cells"][1]["metadata"]["tags"] = ["remove-output"]
    notebook.write_text(json.dumps(content))
    replace(book / "html" / "chapters" / "01-first-steps.html", "cell_output", "elsewhere")
    assert faults(book) == []


@pytest.mark.parametrize(
    "html, address",
    [
        ('<script src="https://cdn.example.org/math.js"></script>', "https://cdn.example.org/math.js"),
        ('<script src="//cdn.example.org/math.js"></script>', "//cdn.example.org/math.js"),
        ('<link rel="stylesheet" href="http://example.org/a.css">', "http://example.org/a.css"),
        ('<img src="https://example.org/badge.svg">', "https://example.org/badge.svg"),
        ('<iframe src="https://example.org/"></iframe>', "https://example.org/"),
        ("<style>@import 'https://example.org/a.css'</style>", "@import 'https://example.org/a.css"),
        ('<p style="background: url(//example.org/a.png)">', "url(//example.org/a.png"),
        (
            '<script type="module">import a from "https://example.org/a.mjs"</script>',
            'import a from "https://example.org/a.mjs',
        ),
    ],
)  # fmt: skip
def test_a_page_that_loads_from_another_host_is_a_fault(book, html, address):
    replace(book / "html" / "index.html", "<p>Welcome.</p>", f"<p>Welcome.</p>{html}")
    assert faults(book) == [f"index.html loads {address}"]


def test_a_font_from_another_host_is_a_fault(book):
    sheet = book / "html" / "_static" / "book.css"
    sheet.write_text('@font-face { src: url("https://fonts.example.org/a.woff2") }')
    assert faults(book) == ['_static/book.css loads url("https://fonts.example.org/a.woff2']


@pytest.mark.parametrize(
    "kind, content, piece",
    [
        ("text", "short\na much longer line\n", "amuchlongerline"),
        ("text", "\x1b[31mred\x1b[0m", "red"),
        ("markdown", "It's **done** in $x + y + z$ steps", "steps"),
        ("markdown", "", ""),
        ("html", "<script>a_long_script()</script><p>text</p>", "text"),
    ],
)
def test_samples_hold_only_what_reaches_the_page_unchanged(kind, content, piece):
    assert sample(kind, content) == piece


@pytest.mark.parametrize(
    "tex",
    [
        r"p_k = \frac{e^{z_k}}{\sum_{j=0}^{9} e^{z_j}}",
        r"-\ln p_y + \tfrac{\lambda}{2} \lVert W \rVert_2^2",
        r"\hat{p} \pm z \sqrt{\hat{p}(1 - \hat{p}) / n}",
        r"\begin{aligned} v &\leftarrow \mu v - \eta \nabla L \\ w &\leftarrow w + v \end{aligned}",
        r"\{0, \ldots, 9\} \quad 97.1\,\% \quad \mathbf{W}^\top \in \mathbb{R}^{10 \times 1000}",
    ],
)
def test_formulas_become_mathml_without_a_trace_of_tex(tex):
    mathml = to_mathml(tex, "block")
    assert mathml.startswith("<math") and 'display="block"' in mathml
    assert "\\" not in mathml and "<mi>&</mi>" not in mathml


def test_names_of_functions_keep_their_distance():
    assert "<mo>&#x000B1;</mo>" in to_mathml(r"a \pm b", "inline")
    assert 'rspace="0.167em">ln</mo><mi>p</mi>' in to_mathml(r"\ln p", "inline")
    assert 'rspace="0">max</mo><mo' in to_mathml(r"\max(0, x)", "inline")


@pytest.mark.parametrize(
    "tex, words",
    [
        (r"\foo{x}", r"\\foo"),
        (r"\frac{1}{2", "unbalanced braces"),
        ("x}", "unbalanced braces"),
        ("x^{2", "unbalanced braces"),
        ("a & b", "&"),
        (r"\left( x", "MissingRight"),
        (r"\begin{matrix} 1", "MissingEnd"),
        ("x_a_b", "DoubleSubscripts"),
        (r"\boldsymbol{x}", "bold-italic"),
        ("", "NoAvailableTokens"),
    ],
)
def test_what_is_no_formula_is_an_error(tex, words):
    with pytest.raises(ValueError, match=words):
        to_mathml(tex, "inline")

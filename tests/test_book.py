"""The guard of the built book, on small books that are broken on purpose, and its extensions."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import tinycss2
from bs4 import BeautifulSoup
from PIL import Image

from _ext.book_exercises import NAME, attach, facts
from _ext.book_math import to_mathml
from _ext.book_site import CARD_SIZE, draw_card, site_address
from _ext.book_slim import drawing_size, drop_unread, needs, read_rules, shrink_picture
from mnist_tutorial.book import exercises
from tools.check_book import BOOK, check_book, pages, sample
from tools.print_book import print_book

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


def test_a_drawing_is_shown_as_it_is_stored(book):
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M 0 0 L 9 9"/></svg>'
    notebook = book / "chapters" / "01-first-steps.ipynb"
    old = json.dumps({"image/png": base64.b64encode(PICTURE).decode(), "text/plain": "<Figure>"})
    replace(notebook, old, json.dumps({"image/svg+xml": drawing + "\n"}))
    replace(book / "html" / "chapters" / "01-first-steps.html", "curve.png", "curve.svg")
    shown = book / "html" / "_images" / "curve.svg"
    shown.write_text(drawing)
    assert faults(book) == []
    shown.write_text(drawing.replace("9", "8"))
    assert len(faults(book)) == 2


def test_a_picture_may_be_packed_anew_but_not_changed(book):
    pixels = np.random.default_rng(0).integers(256, size=(20, 30, 4), dtype=np.uint8)
    stored, packed = io.BytesIO(), io.BytesIO()
    Image.fromarray(pixels).save(stored, "PNG")
    Image.fromarray(pixels).save(packed, "WEBP", lossless=True, exact=True)
    notebook = book / "chapters" / "01-first-steps.ipynb"
    text = base64.b64encode(stored.getvalue()).decode()
    replace(notebook, base64.b64encode(PICTURE).decode(), text)
    shown = book / "html" / "_images" / "curve.png"
    shown.write_bytes(packed.getvalue())
    assert faults(book) == []
    pixels[3, 5, 1] ^= 1
    Image.fromarray(pixels).save(shown, "PNG")
    assert len(faults(book)) == 2


@pytest.mark.parametrize(
    "link", ["nowhere.html", "chapters/01-first-steps.html#nowhere", "#nowhere", "_static/no.css"]
)
def test_a_link_that_leads_nowhere_is_a_fault(book, link):
    replace(book / "html" / "index.html", "Welcome", f'<a href="{link}">Welcome</a>')
    assert faults(book) == [f"index.html links to {link}"]


def test_links_that_lead_somewhere_are_none(book):
    links = ("chapters/01-first-steps.html#here", "#", "https://example.org/#x", "_static/book.css")
    replace(book / "html" / "chapters" / "01-first-steps.html", "<p>A link", '<p id="here">A link')
    replace(
        book / "html" / "index.html",
        "Welcome",
        "".join(f'<a href="{link}">Welcome</a>' for link in links),
    )
    assert faults(book) == []


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


def slimmed(css: str, *used: str, scripts: str = "") -> str:
    rules = read_rules(tinycss2.parse_stylesheet(css, True, True), set(used))
    drop_unread(rules, scripts)
    return "".join(map(str, rules))


@pytest.mark.parametrize(
    "css, kept",
    [
        ("p { color: red }", "p{color:red}"),
        ("h9 { color: red }", ""),
        (".a > p, .b p { top: 0 }", ".a > p{top:0}"),
        ("p.a:not(.b)::before { top: 0 !important }", "p.a:not(.b)::before{top:0!important}"),
        ("p:hover#c[data-x='y z'] { top: 0 }", ""),
        ("@media print { .b { top: 0 } p { top: 1px } }", "@media print{p{top:1px}}"),
        ("@media print { .b { top: 0 } }", ""),
        (
            "p { --x: 1; --y: var(--z); --z: 2; top: var(--y) }",
            "p{--y:var(--z);--z:2;top:var(--y)}",
        ),
        ("p { --in-a-script: 1 }", "p{--in-a-script:1}"),
        ("@font-face { font-family: 'None'; src: x }", ""),
        ("@keyframes none { from { top: 0 } }", ""),
        ("p { content: 'a;  }b' }", 'p{content:"a;  }b"}'),
    ],
)
def test_only_rules_that_can_apply_are_kept(css, kept):
    assert slimmed(css, "p", ".a", scripts="'--in-a-script'") == kept


def test_fonts_and_animations_in_use_are_kept():
    css = (
        "@font-face{font-family:'Icons';src:x}p{font-family:Icons;animation:turn 1s}"
        "@keyframes turn{from{top:0}}"
    )
    assert slimmed(css, "p").count("@") == 2


def test_a_selector_needs_its_tags_classes_and_ids():
    (rule,) = tinycss2.parse_stylesheet("a.b #c > DIV:not(.d):hover[e='f'] {}")
    assert needs(rule.prelude) == {"a", ".b", "#c", "div"}


def test_a_sheet_that_cannot_be_read_stops_the_build():
    with pytest.raises(ValueError, match="unreadable"):
        slimmed("p { } }", "p")


def test_without_chromium_nothing_is_printed_and_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "book.html").write_text("<p>A book.")
    with pytest.raises(FileNotFoundError, match="apt-get install chromium"):
        print_book(tmp_path / "book.html", tmp_path / "book.pdf")
    assert not (tmp_path / "book.pdf").exists()


def test_pictures_lose_bytes_but_no_pixel(tmp_path):
    pixels = np.zeros((40, 60, 4), np.uint8)
    pixels[10:20, :, 3] = 255
    pixels[:, 7] = (1, 2, 3, 0)  # colour that nobody sees stays too
    Image.fromarray(pixels).save(tmp_path / "a.png")
    packed, width, height = shrink_picture(tmp_path / "a.png")
    assert (packed.suffix, width, height) == (".webp", 60, 40)
    assert np.array_equal(np.asarray(Image.open(packed).convert("RGBA")), pixels)


def test_a_photo_stays_the_file_that_it_is(tmp_path):
    Image.new("RGB", (60, 40), "red").save(tmp_path / "a.jpeg")
    assert shrink_picture(tmp_path / "a.jpeg") == (tmp_path / "a.jpeg", 60, 40)


def test_a_drawing_has_the_size_of_its_view():
    assert drawing_size('<svg width="374.4pt" viewBox="0 0 374.4 216">') == ("499", "288")


@pytest.mark.parametrize(
    "repository, site",
    [
        ("https://github.com/Some/book", "https://some.github.io/book/"),
        ("https://github.com/some/book.git", "https://some.github.io/book/"),
        ("https://github.com/Some/some.github.io", "https://some.github.io/"),
    ],
)
def test_the_site_stands_where_its_repository_says(repository, site):
    assert site_address(repository) == site


@pytest.mark.parametrize("wrong", ["", "https://example.org/a/b", "https://github.com/a", "a/b"])
def test_an_address_that_is_no_repository_is_an_error(wrong):
    with pytest.raises(ValueError, match="OWNER/NAME"):
        site_address(wrong)


def test_the_card_shows_the_picture_beside_the_title():
    picture = io.BytesIO()
    Image.new("RGB", (780, 1025), (255, 0, 0)).save(picture, "PNG")
    card = np.asarray(draw_card(picture.getvalue()))
    assert card.shape == (CARD_SIZE[1], CARD_SIZE[0], 3)
    assert (card[300, 800] == (255, 0, 0)).all() and (card[:, :420] == 255).all(axis=2).any()


@pytest.mark.parametrize(
    "code, form, words",
    [
        ('answer = ...  # a number\nexercises.check(\n    "three classes", answer\n)', 1, "rather"),
        ('later = run()\nanswer = ...\nexercises.check("three classes", answer)', 1, "this cell"),
        ('def f(image):\n    return ...\n\n\nexercises.check("centre it", f)', 0, "is code"),
    ],
)
def test_an_exercise_is_asked_on_its_page_or_says_where_it_is_answered(code, form, words):
    source = '<div class="cell_input"><pre></pre></div>'
    page = BeautifulSoup(
        f'<a href="https://colab.research.google.com/x"></a><div class="cell">{source}</div>'
        f'<div class="cell"><details>{source}</details></div>',  # the solution
        "html.parser",
    )
    for place in page.select("pre"):
        place.string = code
    assert attach(page, {}) == 1
    (box,) = page.select(".cell + .exercise")
    assert len(box.select("form[data-question]")) == form and words in box.get_text()
    assert box.a["href"] == "https://colab.research.google.com/x"


@pytest.mark.parametrize(
    "notebook", sorted(BOOK.glob("chapters/**/[!.]*.ipynb")), ids=lambda p: p.stem
)
def test_a_page_made_of_a_stored_notebook_gives_the_solution_its_reply(notebook):
    known = facts(notebook)
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        name = NAME.search("".join(cell["source"])) if cell["cell_type"] == "code" else None
        if name and "hide-cell" in cell["metadata"].get("tags", []):
            stored = "".join(cell["outputs"][-1]["data"]["text/markdown"])
            if asked := exercises.question(name[1], known.get(name[1], [])):
                assert stored.startswith(exercises.RIGHT)
                assert stored in [words for _, words in asked.replies], name[1]

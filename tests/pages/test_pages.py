"""The built pages, opened in a browser: run with `make test-pages`, which builds them first."""

import gzip

import pytest

from tests.pages.conftest import HTML

CHAPTERS = sorted(HTML.glob("chapters/**/*.html"))
PAGES = [
    *("index", "glossary", "teachers", "references"),
    *(page.relative_to(HTML).with_suffix("").as_posix() for page in CHAPTERS),
]


def test_all_pages_are_there():
    assert len(PAGES) == 12


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_a_page_is_whole_and_asks_no_other_host(visit, name, width, scheme):
    seen = visit(name, width, scheme)
    assert seen.requests and all(url.startswith((seen.address, "data:")) for url in seen.requests)
    assert seen.problems == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.page.evaluate("document.documentElement.dataset.theme") == scheme
    images = seen.page.evaluate(
        "[...document.querySelectorAll('.bd-article img')]"
        ".map(i => [i.complete && i.naturalWidth > 0, i.alt, i.getBoundingClientRect().width])"
    )
    for loaded, alt, shown_width in images:
        assert loaded and len(alt) > 40 and 100 < shown_width <= width


@pytest.mark.parametrize("name", PAGES)
def test_a_page_weighs_little(visit, name):
    seen = visit(name)  # not scrolled: without what its living part would load
    files = [HTML / url.split("?")[0].removeprefix(f"{seen.address}/") for url in seen.requests]
    # As a web server sends them: what is compressed already grows by a few bytes.
    assert sum(len(gzip.compress(file.read_bytes())) for file in files if file.is_file()) < 1.2e6


def test_search_finds_a_word_of_the_last_chapter(visit):
    seen = visit("search")
    seen.page.goto(f"{seen.address}/search.html?q=calibration", wait_until="networkidle")
    seen.page.wait_for_selector("ul.search li")
    assert "Evaluating The Results" in seen.page.inner_text("ul.search")


def test_plots_are_turned_over_on_dark_pages_and_colour_maps_are_not(visit):
    page = visit("chapters/06-evaluating-the-results", scheme="dark").page
    filters = page.evaluate(
        "[...document.querySelectorAll('.cell_output img')].map(i => [i.closest('.cell')"
        ".classList.contains('tag_keep-colours'), getComputedStyle(i).filter])"
    )
    assert {keep for keep, _ in filters} == {True, False}
    assert all(("invert" in value) != keep for keep, value in filters)


def test_answers_are_folded_until_asked_for(visit):
    page = visit("chapters/01-introduction").page
    question = page.locator("details", has_text="closed loop").first
    answer = question.locator("p", has_text="contains no rule about digits")
    assert not answer.is_visible()
    question.locator("summary").press("Enter")
    assert answer.is_visible()

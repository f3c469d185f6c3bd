"""The built pages, opened in a browser: run with `make pages`, which builds them first.

Needs Chromium: apt-get install chromium, or CHROMIUM=/path/to/it.
"""

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

HTML = Path(__file__).parents[2] / "_build" / "html"
CHAPTERS = sorted(HTML.glob("chapters/**/*.html"))
PAGES = [
    *("index", "glossary", "teachers", "references"),
    *(page.relative_to(HTML).with_suffix("").as_posix() for page in CHAPTERS),
]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(QuietHandler, directory=HTML)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


class Visit:
    """A page as one reader sees it, with what it asked for and complained about."""

    def __init__(self, browser, address, name, width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = context.new_page()
        self.requests, self.problems = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("requestfailed", lambda request: self.problems.append(request.url))
        self.page.on(
            "response",
            lambda r: self.problems.append(f"{r.status} {r.url}") if r.status > 399 else 0,
        )
        self.page.on(
            "console",
            lambda m: self.problems.append(m.text) if m.type in ("error", "warning") else 0,
        )
        self.page.goto(f"{address}/{name}.html", wait_until="networkidle")


def test_all_pages_are_there():
    assert len(PAGES) == 12


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_a_page_is_whole_and_asks_no_other_host(browser, address, name, width, scheme):
    visit = Visit(browser, address, name, width, scheme)
    assert visit.requests and all(url.startswith((address, "data:")) for url in visit.requests)
    assert visit.problems == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visit.page.evaluate("document.documentElement.dataset.theme") == scheme
    images = visit.page.evaluate(
        "[...document.querySelectorAll('.bd-article img')]"
        ".map(i => [i.complete && i.naturalWidth > 0, i.alt, i.getBoundingClientRect().width])"
    )
    for loaded, alt, shown_width in images:
        assert loaded and len(alt) > 40 and 100 < shown_width <= width


def test_search_finds_a_word_of_the_last_chapter(browser, address):
    visit = Visit(browser, address, "search")
    visit.page.goto(f"{address}/search.html?q=calibration", wait_until="networkidle")
    visit.page.wait_for_selector("ul.search li")
    assert "Evaluating The Results" in visit.page.inner_text("ul.search")


def test_plots_are_turned_over_on_dark_pages_and_colour_maps_are_not(browser, address):
    visit = Visit(browser, address, "chapters/06-evaluating-the-results", scheme="dark")
    filters = visit.page.evaluate(
        "[...document.querySelectorAll('.cell_output img')].map(i => [i.closest('.cell')"
        ".classList.contains('tag_keep-colours'), getComputedStyle(i).filter])"
    )
    assert {keep for keep, _ in filters} == {True, False}
    assert all(("invert" in value) != keep for keep, value in filters)


def test_answers_are_folded_until_asked_for(browser, address):
    page = Visit(browser, address, "chapters/01-introduction").page
    question = page.locator("details", has_text="closed loop").first
    answer = question.locator("p", has_text="contains no rule about digits")
    assert not answer.is_visible()
    question.locator("summary").press("Enter")
    assert answer.is_visible()


def test_the_threshold_can_be_moved_with_the_keyboard(browser, address):
    page = Visit(browser, address, "chapters/06-evaluating-the-results").page
    table = page.locator(".threshold")

    def missed_and_alarms():
        words = table.inner_text().split()
        return int(words[words.index("missed") - 1]), int(words[words.index("alarms") - 2])

    missed, alarms = missed_and_alarms()
    for _ in range(40):
        table.get_by_role("slider").press("ArrowLeft")
    assert table.locator("output").inner_text() == "0.10"
    fewer_missed, more_alarms = missed_and_alarms()
    assert fewer_missed < missed and more_alarms > alarms

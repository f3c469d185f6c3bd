"""The home page: the machine at work, with and without all that a browser may lack."""

import re

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import HTML
from tests.pages.test_live import STROKES, draw, settle
from tests.pages.test_pages import CHAPTERS, weight

WRITTEN = "document.body.dataset.written !== undefined"


def said(page):
    settle(page.locator(".home-machine"))
    return page.locator(".home-say").inner_text()


def test_a_digit_writes_itself_and_is_read_while_it_is_drawn(visit):
    seen = visit("index")
    seen.until(WRITTEN)
    assert said(seen.page) == "4"
    assert re.search(r"9\d\.\d% sure", seen.page.locator(".home-sure").inner_text())
    lit = seen.page.evaluate(
        "[...document.querySelectorAll('.home-tiles canvas')].map((each) => each.style.opacity)"
    )
    assert len(lit) == 40 and len(set(lit)) > 10
    assert seen.page.locator(".home-ringed").count() == 5
    assert seen.problems == []


def test_the_reader_takes_over_clears_and_takes_back(visit):
    seen = visit("index")
    for digit in (7, 2, 0):
        draw(seen.page, seen.page.locator(".home-machine"), STROKES[digit])
        assert said(seen.page) == str(digit)
        heard = seen.page.locator(".home-machine [role=status]").first.inner_text()
        assert heard.startswith(f"{digit}, ")
        seen.page.get_by_role("button", name="Clear").click()
        assert said(seen.page) == "?"
    draw(seen.page, seen.page.locator(".home-machine"), STROKES[1])
    seen.page.get_by_role("button", name="Undo").click()
    assert said(seen.page) == "?"
    assert seen.problems == []


def test_the_keyboard_takes_over_too(visit):
    seen = visit("index")
    seen.page.locator(".live-paper").focus()
    for key in ["Space", *["ArrowDown"] * 18, "Space"]:
        seen.page.keyboard.press(key)
    assert said(seen.page) == "1"


@pytest.mark.parametrize("how", ["no script", "no network", "print"])
def test_the_page_is_complete_and_still_without(visit, how):
    seen = visit("index", java_script_enabled=how != "no script")
    page = seen.page
    if how == "no network":
        page.route("**/home.bin", lambda route: route.abort())
        page.reload(wait_until="networkidle")
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
    if how == "print":
        seen.until(WRITTEN)
        page.emulate_media(media="print")
    assert page.locator(".home-say").inner_text() == "4"
    assert page.locator(".home-machine .live-bars tr").count() == 10
    expect(page.locator(".home-machine")).to_be_visible()
    expect(page.locator(".home-flow")).to_be_visible()
    paper = page.locator(".home-paper .live-paper").bounding_box()
    assert paper["width"] > 200 and paper["height"] == pytest.approx(paper["width"], rel=0.02)
    expect(page.get_by_role("link", name="Start chapter 1").first).to_be_visible()
    expect(page.get_by_role("link", name="Run it on Colab")).to_be_visible()


def test_what_the_build_draws_is_what_the_page_computes(visit):
    still = visit("index", java_script_enabled=False).page
    moving = visit("index")
    moving.until(WRITTEN)
    settle(moving.page.locator(".home-machine"))

    def shares(page):
        return [float(t.strip("%>")) for t in page.locator(".live-figure").all_inner_texts()]

    assert shares(still) == pytest.approx(shares(moving.page), abs=3)


def test_with_reduced_motion_the_digit_is_there_at_once(visit):
    seen = visit("index", reduced_motion="reduce")
    assert seen.page.evaluate(WRITTEN) and said(seen.page) == "4"


def test_a_drawing_outlives_a_reload(visit):
    seen = visit("index")
    draw(seen.page, seen.page.locator(".home-machine"), STROKES[7])
    assert said(seen.page) == "7"
    seen.page.reload(wait_until="networkidle")
    assert said(seen.page) == "7"


def test_all_that_the_home_page_needs_is_light(visit):
    seen = visit("index")
    assert weight(seen) < 150_000
    assert any(url.endswith(".woff2") for url in seen.requests)


def test_the_seven_questions_are_those_of_the_chapters(visit):
    page = visit("index").page
    cards = page.locator(".home-card").all_inner_texts()
    assert len(cards) == 7
    for number, (card, name) in enumerate(zip(cards, CHAPTERS, strict=False), 1):
        chapter = visit(name).page.locator("article")
        question = chapter.locator("strong").first.inner_text()
        assert question in card and card.startswith(f"{number} · ")
        assert page.locator(".home-card").nth(number - 1).get_attribute("href") == f"{name}.html"


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_the_first_screen_has_headline_machine_and_buttons_and_no_side_bars(visit, width):
    page = visit("index", width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for unseen in ("#pst-primary-sidebar", "#pst-secondary-sidebar"):
        expect(page.locator(unseen)).to_be_hidden()
    machine = page.locator(".home-paper .live-paper").bounding_box()
    assert machine["y"] + machine["height"] / 2 < 900
    if width >= 1280:
        for name in ("Start chapter 1", "Run it on Colab"):
            link = page.get_by_role("link", name=name).first.bounding_box()
            assert link["y"] + link["height"] < 900
        flow = page.locator(".home-flow").bounding_box()
        assert flow["y"] + flow["height"] < 900


def test_all_parts_of_the_book_can_be_reached_from_the_home_page(visit):
    page = visit("index").page
    page.locator(".primary-toggle").click()
    menu = page.locator("#pst-primary-sidebar-modal")
    expect(menu.get_by_role("link", name="Glossary")).to_be_visible()
    expect(menu.get_by_role("link", name="Home", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()


def test_the_fonts_are_here_with_their_licence():
    fonts = list((HTML / "_static/fonts").glob("*.woff2"))
    assert len(fonts) == 2 and sum(font.stat().st_size for font in fonts) < 40_000
    licence = (HTML / "_static/fonts/OFL.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE" in licence and all(font.name in licence for font in fonts)

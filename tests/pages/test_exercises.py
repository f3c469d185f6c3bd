"""Exercises on the pages: the cases of Python's tests, typed in, and what a reader meets."""

import json
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from _ext.book_exercises import NAME, form
from mnist_tutorial.book import exercises
from tests.pages.test_explorables import explore
from tests.pages.test_pages import AXE, CHAPTERS
from tests.test_exercises import CASES
from tools.check_book import BOOK

__all__ = ["explore"]  # a fixture
THIRD, FOURTH, FIFTH, SIXTH = CHAPTERS[2:6]


def asked_in(name, given):
    """The question of an exercise; none where the answer is code."""
    metadata = exercises.check(name, ..., *given).metadata or {}
    return exercises.question(name, metadata.get("facts", []))


TYPED = [case for case in CASES if asked_in(*case[:2])]


def part(name, given=()):
    return lambda: SimpleNamespace(data=form(name, asked_in(name, given)))


def on_a_page(words):
    """What a notebook says, in a page's letters."""
    return words.replace("`", "").replace("'", "’")


def enter(box, numbers):
    """Fills the fields as a reader would, and asks for the reply."""
    for field, number in zip(box.locator("input, select").all(), numbers, strict=True):
        if field.get_attribute("type") == "checkbox":
            field.set_checked(bool(number))
        elif field.get_attribute("type") == "text":
            field.fill(f"{number:.12g}")
        else:
            field.select_option(str(int(number)))
    box.get_by_role("button", name="Check").click()
    return box.get_by_role("status").inner_text().removeprefix("✓ ")


@pytest.mark.parametrize("name, given, right, wrong", TYPED, ids=[case[0] for case in TYPED])
def test_a_page_replies_as_python_does(explore, name, given, right, wrong):
    seen, box = explore(part(name, given))
    asked = asked_in(name, given)
    for answer in (right, *(each for each, _ in wrong)):
        try:
            numbers = asked.numbers(answer)
        except (TypeError, ValueError):  # can't be typed in here
            continue
        if len(numbers) == len(asked.parts):
            said = exercises.check(name, answer, *given).data
            assert enter(box, numbers) == on_a_page(said), answer
    assert seen.problems == []


@pytest.mark.parametrize(
    "name", ["updates at batch 32", "one step by hand", "shuffled labels", "forgotten ReLU"]
)
@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark"), (320, "light")])
def test_a_form_fits_everyone(explore, name, width, scheme):
    seen, box = explore(part(name), width, scheme)
    enter(box, [1] * len(asked_in(name, ()).parts))
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    seen.page.evaluate(AXE)
    faults = seen.page.evaluate("axe.run('.live', {resultTypes: ['violations']})")["violations"]
    assert [(f["id"], [n["html"][:200] for n in f["nodes"]]) for f in faults] == []
    for control in box.locator("button, input, select").all():
        place = control.bounding_box()
        assert min(place["width"], place["height"]) >= 23.5


@pytest.mark.parametrize(
    "typed, number",
    [
        ("1719", 1719),
        (" 1,719 ", 1719),
        ("1 719", 1719),
        ("4,770,060", 4770060),
        ("0.25", 0.25),
        (".5", 0.5),
        ("−0.09", -0.09),
        ("+3.", 3),
        ("0,25", None),
        ("1,71", None),
        ("about 9", None),
        ("1e3", None),
    ],
)
def test_numbers_are_read_as_they_are_written(visit, typed, number):
    read = visit("404").page.evaluate(
        """async (typed) => {
          const { number } = await import("/_static/live/exercise.mjs");
          const read = number(typed);
          return Number.isNaN(read) ? null : read;
        }""",
        typed,
    )
    assert read == number


def test_an_exercise_is_answered_with_the_keyboard_and_announced(visit):
    seen = visit(THIRD)
    box = seen.page.locator("form[data-name='updates at batch 32']")
    field, status = box.get_by_label("Your answer"), box.get_by_role("status")
    field.scroll_into_view_if_needed()
    expect(box.get_by_role("button", name="Check")).to_be_enabled()
    field.focus()
    for typed, words in [("", "No answer yet"), ("many", "can’t be read"), ("1718", "Nearly")]:
        field.fill(typed)
        seen.page.keyboard.press("Enter")
        expect(status).to_contain_text(words)
        expect(box.locator(":focus")).to_have_count(1)  # the reader stays where they were
    field.fill("1,719")
    seen.page.keyboard.press("Tab")
    seen.page.keyboard.press("Space")
    expect(status).to_have_text("Right. 1,719 updates.")
    assert seen.page.url.endswith(f"{THIRD}.html") and seen.problems == []


def test_answers_are_kept_and_can_be_forgotten(visit):
    seen = visit(FIFTH)
    page = seen.page
    box = page.locator("form[data-name='shuffled labels']")
    box.scroll_into_view_if_needed()
    assert "Right." in enter(box, [0, 1])
    page.reload()
    box.scroll_into_view_if_needed()
    expect(box.get_by_role("status")).to_contain_text("Right.")
    expect(box.get_by_label("Validation")).to_have_value("1")
    page.get_by_role("button", name="Forget my ticks").click()
    expect(box.get_by_role("status")).to_be_empty()
    page.reload()
    box.scroll_into_view_if_needed()
    expect(box.get_by_role("button", name="Check")).to_be_enabled()
    expect(box.get_by_label("Validation")).to_have_value("")
    expect(box.get_by_role("status")).to_be_empty()


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_exercise_of_a_page_is_asked_there_or_says_where_it_can_be_answered(visit, name):
    seen = visit(name)
    cells = json.loads((BOOK / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    found = [(match[1], cell) for cell in code if (match := NAME.search("".join(cell["source"])))]
    places = seen.page.locator(".exercise")
    solved = {n: c for n, c in found if "hide-cell" in c["metadata"].get("tags", [])}
    assert places.count() == len(solved)
    expect(seen.page.get_by_text("and run the cell.").filter(visible=True)).to_have_count(0)
    for place in places.all():
        link = place.get_by_role("link", name="Colab")
        assert link.get_attribute("href").endswith(f"/{name}.ipynb")
    for box in seen.page.locator("form.live").all():
        box.scroll_into_view_if_needed()
        expect(box.get_by_role("button", name="Check")).to_be_enabled()
        right = json.loads(box.get_attribute("data-question"))["replies"]
        answer = next(wanted for wanted, words in right if words.startswith("Right."))
        (output,) = solved[box.get_attribute("data-name")]["outputs"][-1:]
        assert enter(box, answer) == on_a_page("".join(output["data"]["text/markdown"]))
    assert seen.problems == []


def test_without_script_and_on_paper_the_cell_is_there(visit):
    paper = visit(FOURTH).page
    paper.emulate_media(media="print")
    for page in (visit(FOURTH, java_script_enabled=False).page, paper):
        expect(page.locator("form.live").first).to_be_hidden()
        cell = page.locator(".cell", has_text="parameters at 256 units").first
        expect(cell).to_contain_text("No answer yet")
        expect(cell).to_be_visible()
        expect(page.locator(".exercise").first).to_contain_text("Colab")

"""What readers met and was mended: each test is one of their complaints."""

import re

import pytest
from playwright.sync_api import expect

from tests.pages.test_live import DRAW, LOOK, STROKES, TRAIN, draw, part, read, settle, slide
from tests.pages.test_pages import CHAPTERS

__all__ = ["part"]  # a fixture
CONTENTS = "chapters/06-evaluating-the-results"
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.mark.parametrize("width", [320, 390, 576, 768, 992, 1280, 1920])
def test_menus_open_inside_the_window(visit, width):
    page = visit(CHAPTERS[0], width).page
    for name in ("launch", "source", "download"):
        menu = page.locator(f".dropdown-{name}-buttons")
        menu.get_by_role("button").first.click()
        box = menu.locator(".dropdown-menu").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        button = menu.get_by_role("button").first.bounding_box()
        assert abs(box["x"] + box["width"] - button["x"] - button["width"]) < (
            200 if width < 576 else 2
        )
        for item in menu.locator(".dropdown-item").all():
            place = item.bounding_box()
            assert place["x"] >= 0 and place["x"] + place["width"] <= width
            assert place["height"] >= 40


@pytest.mark.parametrize("name", ["search", CHAPTERS[0]])
def test_the_magnifier_lies_beside_what_is_typed(visit, name):
    page = visit(name).page
    if name != "search":
        page.keyboard.press("Control+k")
    gap = page.evaluate(
        """() => {
          const field = [...document.querySelectorAll(".bd-search input")]
            .find((each) => each.offsetWidth);
          const glass = field.closest(".bd-search").querySelector(".fa-magnifying-glass");
          const { paddingLeft } = getComputedStyle(field);
          return field.getBoundingClientRect().left + parseFloat(paddingLeft)
            - glass.getBoundingClientRect().right;
        }"""
    )
    assert gap > 2


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_every_control_shows_that_it_has_the_focus(visit, width, scheme):
    page = visit(CHAPTERS[0], width, scheme).page
    seen = set()
    for _ in range(90):
        page.keyboard.press("Tab")
        name, shown = page.evaluate(
            """() => {
              const each = document.activeElement, style = getComputedStyle(each);
              const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
              if (each === document.body) return ["", true]; // the end
              return [each.title || each.ariaLabel || each.textContent.trim(),
                outlined || style.boxShadow !== "none"];
            }"""
        )
        assert shown, f"{name!r} has the focus and doesn't show it"
        seen.add(name)
    assert {"Toggle primary sidebar", "Source repositories", "Download this page"} <= seen


def test_while_the_network_is_on_its_way_the_pad_is_there_and_says_so(visit):
    seen = visit("index")
    waiting = []
    seen.page.route("**/draw.bin", lambda route: waiting.append(route))
    seen.page.goto(f"{seen.address}/{DRAW}.html")
    box = seen.page.locator("[data-live=draw]")
    box.scroll_into_view_if_needed()
    box.locator(".live-paper").wait_for()
    draw(seen.page, box, STROKES[7])
    settle(box)
    text = box.inner_text()
    assert "isn’t here yet" in text and "on its way" in text and "JavaScript" not in text
    seen.until("document.querySelector('.live-paper')")
    waiting[0].continue_()
    box.locator(".live-status", has_text="reads a 7").wait_for()  # without another stroke


@pytest.mark.parametrize("failure", ["404", "no connection"])
def test_a_network_that_did_not_come_can_be_asked_for_again(visit, failure):
    seen = visit("index")
    fail = {"404": lambda route: route.fulfill(status=404), "no connection": lambda r: r.abort()}
    seen.page.route("**/draw.bin", fail[failure])
    seen.page.goto(f"{seen.address}/{DRAW}.html")
    box = seen.page.locator("[data-live=draw]")
    box.scroll_into_view_if_needed()
    again = box.get_by_role("button", name="Try again")
    again.wait_for()
    assert ("404" if failure == "404" else "no connection") in box.inner_text()
    assert "Failed to fetch" not in box.inner_text()
    seen.page.unroute("**/draw.bin")
    again.click()
    draw(seen.page, box, STROKES[7])
    box.locator(".live-status", has_text="reads a 7").wait_for()
    expect(again).to_have_count(0)


def test_a_part_that_did_not_come_offers_another_try(visit):
    seen = visit("index")
    seen.page.route("**/draw.mjs", lambda route: route.abort())
    seen.page.goto(f"{seen.address}/{DRAW}.html")
    seen.page.locator("[data-live=draw]").scroll_into_view_if_needed()
    again = seen.page.get_by_role("button", name="Try again")
    again.wait_for()
    seen.page.unroute("**/draw.mjs")
    again.click()
    seen.page.locator("[data-live=draw]").scroll_into_view_if_needed()
    seen.page.locator(".live-ready").wait_for()


def test_the_trainer_says_how_much_of_the_digits_has_come(visit):
    messages = visit("index").page.evaluate(
        """() => new Promise((resolve) => {
          const worker = new Worker("/_static/live/trainer.mjs", { type: "module" }), heard = [];
          worker.onmessage = ({ data }) => {
            if (data.kind === "fetching") heard.push([data.fetched, data.total]);
            else resolve(heard);
          };
          const options = { learningRate: 0.1, momentum: 0.9, l2: 0, hidden: 4, batchSize: 64,
            epochs: 1, images: 300 };
          worker.postMessage({ kind: "train", fresh: true, address: "/_static/live/train.bin",
            options });
        })"""
    )
    fetched, total = messages[-1]
    assert fetched == total > 1_000_000 and len(messages) > 1
    assert [m[0] for m in messages] == sorted(m[0] for m in messages)


def test_a_unit_stands_beside_its_votes(part):
    _, box = part(LOOK)
    picture = box.locator(".live-unit").bounding_box()
    votes = box.locator(".live-bars").bounding_box()
    assert votes["x"] > picture["x"] + picture["width"]
    assert abs(votes["y"] - picture["y"]) < 100


@pytest.mark.parametrize("direction", ["down", "up"])
def test_the_contents_mark_the_section_that_is_read_whichever_way_one_scrolls(visit, direction):
    page = visit(CONTENTS).page
    wrong = page.evaluate(
        """async (down) => {
          const headings = [...document.querySelectorAll(".bd-article :is(h2, h3)")];
          const most = document.documentElement.scrollHeight - innerHeight, wrong = [];
          for (let i = 0; i <= 100; i++) {
            scrollTo({ top: most * (down ? i : 100 - i) / 100, behavior: "instant" });
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            const end = scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
            const read = headings.findLast((each) =>
              each.getBoundingClientRect().top <= innerHeight * (end ? 1 : 0.3));
            const marked = document.querySelector("#pst-page-toc-nav [aria-current]");
            const place = marked && decodeURIComponent(marked.hash.slice(1));
            if ((read?.closest("section").id ?? null) !== place) wrong.push([scrollY, place]);
          }
          return wrong;
        }""",
        direction == "down",
    )
    assert wrong == []


def test_a_training_that_ends_by_itself_says_so_and_its_lines_reach_its_end(part):
    seen, box = part(TRAIN)
    box.get_by_role("button", name="Try 300 images").click()
    slide(box, "Hidden units", 0)
    box.get_by_role("button", name="Train", exact=True).click()
    box.locator(".live-results .live-status", has_text="Finished after").wait_for(timeout=60_000)
    epochs = re.search(r"after ([\d,]+) epochs", box.locator(".live-status").first.inner_text())[1]
    assert box.locator(".live-speed").inner_text().startswith(f"{epochs} epochs done")
    ends = box.evaluate(
        "(box) => [...box.querySelectorAll('.live-line-training, .live-line-validation')]"
        ".map((line) => parseFloat(line.getAttribute('points').split(' ').at(-1)))"
    )
    assert len(ends) == 3 and min(ends) > 187


def test_a_loss_beyond_measure_is_written_so_that_it_can_be_read(part):
    seen, box = part(TRAIN)
    slide(box, "Learning rate", 8)
    box.get_by_role("button", name="Train", exact=True).click()
    seen.until("/(×|The training stopped)/.test(document.querySelector('.live-results').innerText)")
    text = box.locator(".live-results").inner_text()
    assert not re.search(r"\de\+|\d{8}", text)
    clipped = box.evaluate(
        """(box) => [...box.querySelectorAll("svg")].flatMap((svg) => {
          const whole = svg.getBoundingClientRect();
          return [...svg.querySelectorAll("text")].filter((text) => {
            const { left, right } = text.getBoundingClientRect();
            return left < whole.left - 1 || right > whole.right + 1;
          }).map((text) => text.textContent);
        })"""
    )
    assert clipped == []


def test_train_and_what_it_makes_are_on_one_screen(part):
    _, box = part(TRAIN)
    train = box.get_by_role("button", name="Train", exact=True).bounding_box()
    weights = box.locator(".live-weights").bounding_box()
    top = box.locator(".live-controls").bounding_box()["y"]
    assert weights["y"] + weights["height"] - top < 800 and train["y"] - top < 600


def test_on_a_phone_the_bars_are_under_the_paper_and_on_the_same_screen(part):
    _, box = part(TRAIN, 390)
    paper = box.locator(".live-paper").bounding_box()
    bars = box.locator(".live-bars").bounding_box()
    assert 0 < bars["y"] - paper["y"] - paper["height"] < 120
    assert bars["y"] + bars["height"] - paper["y"] < 700


def touch(finger, kind, *points):
    finger.send(
        "Input.dispatchTouchEvent",
        {"type": kind, "touchPoints": [{"x": x, "y": y, "id": n} for n, x, y in points]},
    )


def ink(page):
    return page.evaluate(
        "document.querySelector('.live-paper').getContext('2d').getImageData(0, 0, 280, 280)"
        ".data.filter((_, i) => i % 4 == 3).reduce((sum, opacity) => sum + opacity / 255, 0)"
    )


def test_a_palm_beside_the_finger_draws_nothing(part):
    seen, box = part(DRAW, 390, has_touch=True)
    box.locator(".live-paper").scroll_into_view_if_needed()
    paper = box.locator(".live-paper").bounding_box()
    x, y = paper["x"], paper["y"]
    finger = seen.context.new_cdp_session(seen.page)
    touch(finger, "touchStart", (1, x + 140, y + 40))
    touch(finger, "touchMove", (1, x + 140, y + 120))
    touch(finger, "touchStart", (1, x + 140, y + 120), (2, x + 260, y + 260))
    touch(finger, "touchMove", (1, x + 140, y + 160), (2, x + 250, y + 262))
    touch(finger, "touchMove", (1, x + 140, y + 240), (2, x + 255, y + 264))
    touch(finger, "touchEnd")
    assert read(box) == 1
    corner = seen.page.evaluate(
        "document.querySelector('.live-paper').getContext('2d').getImageData(200, 200, 80, 80)"
        ".data.some(Boolean)"
    )
    assert not corner


def test_a_stroke_can_be_taken_back_by_button_and_by_key(part):
    seen, box = part(DRAW)
    undo = box.get_by_role("button", name="Undo")
    expect(undo).to_be_disabled()
    amounts = []
    for stroke in STROKES[4]:
        draw(seen.page, box, [stroke])
        settle(box)
        amounts.append(ink(seen.page))
    undo.click()
    settle(box)
    assert ink(seen.page) == pytest.approx(amounts[0])
    box.locator(".live-paper").focus()
    seen.page.keyboard.press("Control+z")
    settle(box)
    assert ink(seen.page) == 0 and "blank" in box.locator(".live-status").inner_text()
    expect(undo).to_be_disabled()


def test_a_drawing_and_a_trained_network_outlive_a_reload(part):
    seen, box = part(TRAIN)
    box.get_by_role("button", name="Try 300 images").click()
    slide(box, "Hidden units", 2)
    box.get_by_role("button", name="Train", exact=True).click()
    box.locator(".live-status", has_text="Finished after").wait_for(timeout=60_000)
    draw(seen.page, box, STROKES[7])
    settle(box)
    bars = box.locator(".live-bars").inner_text()
    for _ in range(2):
        seen.page.reload()
        box.scroll_into_view_if_needed()
        box.locator(".live-status", has_text="still here").wait_for()
        settle(box)
        assert box.locator(".live-bars").inner_text() == bars
    box.get_by_role("button", name="Reset").click()
    settle(box)
    seen.page.reload()
    box.scroll_into_view_if_needed()
    box.locator(".live-status", has_text="no trained network").wait_for()


@pytest.mark.parametrize("name", [DRAW, TRAIN])
def test_what_a_finger_aims_at_is_large_enough(part, name):
    _, box = part(name, 390)
    small = box.evaluate(
        """(box) => [...box.querySelectorAll("button, input, select")].filter((each) => {
          const { width, height } = each.getBoundingClientRect();
          return width && Math.min(width, height) < 24; // what is hidden has no width
        }).map((each) => each.outerHTML)"""
    )
    assert small == []
    for slider in box.get_by_role("slider").all():
        assert slider.bounding_box()["width"] > 250


def test_on_a_phone_what_is_cut_shows_that_it_goes_on(visit):
    page = visit("chapters/04-building-our-neural-network", 390).page
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    page.evaluate(FRAMES)
    cut = page.evaluate(
        """[...document.querySelectorAll(".bd-article pre, .pst-scrollable-table-container")]
          .filter((each) => each.scrollWidth > each.clientWidth + 1)
          .map((each) => getComputedStyle(each).backgroundImage)"""
    )
    assert len(cut) > 3 and all("gradient" in image for image in cut)


def test_on_a_phone_a_figure_opens_as_large_as_it_was_drawn(visit):
    seen = visit("chapters/02-the-mnist-dataset", 390)
    page = seen.page
    figure = page.locator(".bd-article .cell_output img").first
    figure.scroll_into_view_if_needed()
    figure.click()
    large = page.locator("dialog.figure img")
    expect(large).to_be_visible()
    assert large.bounding_box()["width"] >= 700
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()
    figure.focus()
    page.keyboard.press("Enter")
    expect(large).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(large).to_be_hidden()
    assert seen.problems == []


def test_no_page_opens_with_a_box_that_looks_empty(visit):
    for name in CHAPTERS[:7]:
        first = visit(name).page.locator(".bd-article summary").first
        assert "set up" in first.inner_text()


def test_figures_have_no_numbers_that_run_on_across_pages(visit):
    assert visit("chapters/going-further/the-road").page.locator(".caption-number").count() == 0


def test_answers_are_printed_open_and_code_stays_folded(visit):
    page = visit(CHAPTERS[0]).page
    answer = page.locator("details p", has_text="contains no rule about digits")
    expect(answer).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    expect(answer).to_be_visible()
    expect(page.locator("details.above-input pre").first).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    expect(answer).to_be_hidden()


def test_a_printed_page_says_what_answers_on_the_screen(visit):
    page = visit(CHAPTERS[0]).page
    page.emulate_media(media="print")
    box = page.locator("[data-live=draw]")
    expect(box).to_be_visible()
    words = box.evaluate("(box) => getComputedStyle(box, '::before').content")
    assert "on the book’s web page" in words
    assert box.bounding_box()["height"] < 120


def test_a_term_shows_its_sentence_on_hover_focus_and_tap(visit):
    seen = visit(CHAPTERS[1])
    page = seen.page
    link = page.locator("a[data-term]").first
    sentence = link.get_attribute("data-term")
    bubble = page.locator("#term")
    assert sentence in visit("glossary").page.locator("article").inner_text()
    link.hover()
    expect(bubble).to_have_text(sentence)
    bubble.hover()  # can be read with the pointer on it
    page.wait_for_timeout(300)
    expect(bubble).to_be_visible()
    page.keyboard.press("Escape")
    expect(bubble).to_be_hidden()
    page.mouse.move(0, 0)
    page.locator("a[data-term]").nth(1).focus()
    page.keyboard.press("Shift+Tab")
    expect(bubble).to_be_visible()
    assert seen.problems == []

    phone = visit(CHAPTERS[1], 390, has_touch=True).page
    link = phone.locator("a[data-term]").first
    link.tap()
    bubble = phone.locator("#term")
    expect(bubble).to_be_visible()
    place = bubble.bounding_box()
    assert place["x"] >= 0 and place["x"] + place["width"] <= 390
    link.tap()
    phone.wait_for_url("**/glossary.html#*")


def test_every_link_to_the_glossary_has_its_sentence(visit):
    for name in CHAPTERS:
        page = visit(name).page
        assert page.locator("article a[href*='glossary.html#']:not([data-term])").count() == 0


def test_what_was_read_is_ticked_and_can_be_forgotten(visit):
    seen = visit(CHAPTERS[0])
    page = seen.page
    bar = page.locator("#pst-primary-sidebar")
    expect(bar.locator(".tick")).to_have_count(0)
    page.locator(".prev-next-footer").scroll_into_view_if_needed()
    expect(bar.locator("a.read")).to_have_text(re.compile("Introduction"))
    page.goto(f"{seen.address}/index.html")
    expect(page.locator(".home-card.read")).to_have_count(1)
    page.get_by_role("button", name="Forget my ticks").click()
    expect(page.locator(".tick")).to_have_count(0)
    expect(page.get_by_role("button", name="Forget my ticks")).to_be_hidden()

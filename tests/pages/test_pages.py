"""The built pages, opened in a browser: run with `make test-pages`, which builds them first."""

import gzip
import json
import os
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import expect

from _ext.book_slim import WHOLE
from tests.pages.conftest import HTML, PREFIX
from tools.check_book import BOOK, pages
from tools.print_book import print_book

LIMITS = {"chapters/going-further/your-own-handwriting": 600_000}  # photographs of paper
PAGES = sorted(
    page.relative_to(HTML).with_suffix("").as_posix()
    for page in HTML.rglob("*.html")
    if "_static" not in page.parts and page.name != WHOLE
)
LIVING = [name for name in PAGES if 'data-live="' in (HTML / f"{name}.html").read_text("utf-8")]
CHAPTERS = [name for name in pages(BOOK) if name.startswith("chapters/")]
AXE = (Path(__file__).parent / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
# What jumped until now, as a part of the window.
SHIFTS = """() => new Promise((resolve) => {
  const sum = (list) => list.getEntries().reduce((total, { value }) => total + value, 0);
  new PerformanceObserver((list) => resolve(sum(list)))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(0), 100);
})"""
SCROLL = """async () => {
  for (let y = 0; y < document.body.scrollHeight; y += 500) {
    scrollTo(0, y);
    await new Promise(requestAnimationFrame);
  }
}"""
UNFOLD = """async () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
  for (const each of document.images) each.loading = "eager";
  await Promise.all([...document.images].filter((i) => i.src).map((image) => image.decode()));
  await Promise.all(document.getAnimations().map((each) => each.finished)); // colours fade in
}"""


def test_all_pages_are_there():
    assert set(pages(BOOK)) < set(PAGES) and "search" in PAGES


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_a_page_is_whole_asks_no_other_host_and_can_be_used_by_everyone(visit, name, width, scheme):
    seen = visit(name, width, scheme)
    page = seen.page
    # Two fonts are 33 kB; how many figures a browser fetches ahead depends on its network.
    assert weight(seen) < LIMITS.get(name, 250_000) and len(seen.requests) <= 22
    page.evaluate(SCROLL)  # where a reader comes near, figures and living parts load
    page.wait_for_load_state("networkidle")
    assert page.evaluate(SHIFTS) < 0.02
    page.evaluate(UNFOLD)
    assert seen.requests and all(url.startswith((seen.address, "data:")) for url in seen.requests)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    images = page.evaluate(
        "[...document.querySelectorAll('.bd-article img:not(.live-still)')].map((i) => ["
        "i.naturalWidth, i.alt, i.getBoundingClientRect().width, i.width / i.height, "
        "i.naturalWidth / i.naturalHeight])"
    )
    for natural, alt, shown, shape, natural_shape in images:
        assert natural and len(alt) > 40 and 100 < shown <= width
        assert abs(shape / natural_shape - 1) < 0.02
    page.evaluate(AXE)
    faults = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(f["id"], [n["html"][:200] for n in f["nodes"]]) for f in faults] == []
    assert seen.problems == []


# Of each part that room is kept for: its kind, its height, and the room.
ROOMS = """() => [...document.querySelectorAll('[data-live]')].flatMap((part) => {
  const room = parseFloat(getComputedStyle(part).minHeight) || 0;
  part.style.minHeight = 0;
  const { height } = part.getBoundingClientRect();
  part.style.minHeight = '';
  return room ? [[part.dataset.live, height, room]] : [];
})"""


def test_there_is_room_for_every_part_before_it_comes(visit):
    kinds, faults = set(), []
    for name in LIVING:
        page = visit(name).page
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        for part in page.locator("[data-live]").all():
            part.scroll_into_view_if_needed()
            expect(part).to_contain_class("live-ready")
        for width in (320, 390, 480, 540, 600, 680, 760, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            for kind, height, room in page.evaluate(ROOMS):
                kinds.add(kind)
                if height + 10 > room:
                    faults.append((name, width, kind, height, room))
        page.close()
    assert faults == [] and len(kinds) == 11


def title(name):
    """The heading of a page."""
    soup = BeautifulSoup((HTML / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    soup.h1.find(class_="headerlink").decompose()
    return soup.h1.get_text()


def weight(seen):
    """The bytes of what a visit asked for, as a web server sends them: compressed."""
    files = [HTML / url.split("?")[0].removeprefix(f"{seen.address}/") for url in seen.requests]
    return sum(len(gzip.compress(file.read_bytes())) for file in files if file.is_file())


@pytest.fixture
def results(visit):
    """Searches as a reader does: `results(words)` gives the pages that are found."""
    seen = visit("search")

    def search(words):
        seen.page.goto(f"{seen.address}/search.html?q={words.replace(' ', '+')}")
        seen.page.wait_for_selector("ul.search li")
        found = seen.page.locator(".search-summary:has-text('Search finished')")
        found.wait_for()
        links = seen.page.locator("ul.search a").evaluate_all("(all) => all.map((a) => a.href)")
        return {re.sub(r"\.html.*", "", link.removeprefix(f"{seen.address}/")) for link in links}

    yield search
    assert seen.problems == []


def test_search_finds_each_page_by_its_title(results):
    for name in pages(BOOK):
        assert name in results(" ".join(re.findall(r"[A-Za-z]{3,}", title(name).split(": ")[-1])))


@pytest.mark.parametrize(
    "words, chapters",
    [("network", CHAPTERS[:7]), ("calibration", ["chapters/06-evaluating-the-results"])],
)
def test_search_finds_a_word_in_every_chapter_that_has_it(results, words, chapters):
    assert set(chapters) <= results(words)


def test_search_is_one_key_away(visit):
    seen = visit("chapters/03-configuring-the-mnist-example")
    field = seen.page.locator("#pst-search-dialog input")
    seen.page.keyboard.press("Control+k")
    expect(field).to_be_visible()
    seen.page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    seen.page.get_by_role("button", name="Search").first.click()
    field.fill("seed")
    field.press("Enter")
    seen.page.wait_for_selector("ul.search li")
    expect(seen.page.locator("input[type=search]:visible")).to_have_count(1)
    assert seen.problems == []


def test_the_side_bars_come_and_go(visit):
    name = "chapters/05-training-your-model"
    bar = visit(name).page
    link = bar.get_by_role("link", name="Glossary")
    bar.locator(".primary-toggle").click()
    expect(link).to_be_hidden()
    bar.locator(".primary-toggle").click()
    expect(link).to_be_visible()

    phone = visit(name, 390).page
    link = phone.locator("#pst-primary-sidebar-modal").get_by_role("link", name="Glossary")
    phone.locator(".primary-toggle").click()
    expect(link).to_be_visible()
    phone.keyboard.press("Escape")
    expect(link).to_be_hidden()
    phone.locator(".secondary-toggle").click()
    phone.locator("#pst-secondary-sidebar-modal").get_by_text("Try it").click()
    expect(phone.locator("dialog[open]")).to_have_count(0)
    assert phone.url.endswith("#try-it")


def test_menus_open_one_at_a_time_and_close(visit):
    page = visit("chapters/01-introduction").page
    launch, source = (page.locator(f".dropdown-{name}-buttons") for name in ("launch", "source"))
    launch.get_by_role("button").click()
    expect(launch.get_by_role("link", name="Colab")).to_be_visible()
    source.get_by_role("button").click()
    expect(launch.get_by_role("link", name="Colab")).to_be_hidden()
    expect(source.get_by_role("link", name="Open issue")).to_be_visible()
    page.mouse.move(0, 500)  # a menu is open too while the pointer is on its button
    page.keyboard.press("Escape")
    expect(source.get_by_role("link", name="Open issue")).to_be_hidden()
    expect(source.get_by_role("button")).to_have_attribute("aria-expanded", "false")


def test_colours_follow_the_system_until_the_reader_chooses(visit):
    seen = visit("index", scheme="dark")
    page = seen.page
    theme = "document.documentElement.dataset.theme"
    page.emulate_media(color_scheme="light")
    seen.until(f"{theme} === 'light'")
    page.get_by_role("button", name="Color mode").click()
    seen.until(f"{theme} === 'dark'")
    page.reload()
    assert page.evaluate(theme) == "dark"


def test_code_can_be_copied(visit):
    seen = visit("index", permissions=["clipboard-read", "clipboard-write"])
    button = seen.page.locator(".highlight", has_text="git clone").get_by_role("button")
    button.click()
    seen.page.locator(".highlight", has_text="git clone").get_by_text("Copied").wait_for()
    copied = seen.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("git clone") and copied.endswith("make")


def test_the_contents_mark_the_section_in_view(visit):
    page = visit("chapters/06-evaluating-the-results").page
    for heading in ("Two quick questions", "Try it"):
        page.get_by_role("heading", name=heading).evaluate("(each) => each.scrollIntoView()")
        page.wait_for_selector(f"#pst-page-toc-nav a[aria-current]:has-text('{heading}')")


def test_a_page_prints_its_text_and_figures_only(visit):
    page = visit("chapters/02-the-mnist-dataset").page
    page.emulate_media(media="print")
    for unseen in (".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", ".copy"):
        expect(page.locator(unseen).first).to_be_hidden()
    expect(page.locator("article h1")).to_be_visible()


def test_an_address_that_is_wrong_leads_back_from_any_depth(visit):
    seen = visit("index")
    seen.page.goto(f"{seen.address}{PREFIX}chapters/no/such/page.html", wait_until="networkidle")
    assert [problem[:3] for problem in seen.problems if "Failed to load" not in problem] == ["404"]
    assert seen.page.evaluate("getComputedStyle(document.body).fontFamily") != '"Times New Roman"'
    seen.page.locator("article").get_by_role("link", name="home page").click()
    assert seen.page.url.rstrip("/").removesuffix("/index.html") == seen.address + PREFIX[:-1]
    expect(seen.page).to_have_title("MNIST for Beginners")


def test_the_whole_book_is_one_file_that_needs_no_other(browser):
    page = browser.new_context(viewport={"width": 390, "height": 900}).new_page()
    requests, problems = [], []
    page.on("request", lambda request: requests.append(request.url.split(":")[0]))
    page.on("console", lambda message: problems.append(message.text))
    page.goto((HTML / WHOLE).as_uri())
    page.evaluate(UNFOLD)
    assert set(requests) <= {"file", "data"} and requests.count("file") == 1
    assert problems == []
    titles = page.locator("article h1").all_inner_texts()
    assert sorted(titles) == sorted(map(title, pages(BOOK)))
    lost = "[...document.querySelectorAll('a[href^=\"#\"]')].map((a) => a.hash.slice(1))"
    for place in set(page.evaluate(lost)):
        assert page.locator(f"[id='{place}']").count() == 1, place
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    words = page.locator(".live > p:only-child")  # of what would need a script
    assert words.filter(visible=True).count() == words.count() > 9
    page.context.close()


def test_the_whole_book_can_be_printed_with_an_outline(tmp_path):
    print_book(HTML / WHOLE, tmp_path / "book.pdf")
    pdf = (tmp_path / "book.pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and len(re.findall(rb"/Type /Page\b", pdf)) > len(pages(BOOK))
    outline = b"\n".join(re.findall(rb"/Title \((.*?)\)", pdf))
    words = {name: title(name).split(". ")[-1].encode() for name in pages(BOOK)}
    assert [name for name, title in words.items() if title not in outline] == []


def test_how_the_book_was_checked_is_that_of_this_build(visit):
    text = visit("checked").page.locator("article").inner_text()
    seconds = json.loads((BOOK / "chapters/seconds.json").read_text(encoding="utf-8"))
    assert re.search(rf"Together\s+{sum(seconds.values())}\b", text)
    assert re.search(rf"^jax\s+{re.escape(version('jax'))}$", text, re.M)
    assert f"{os.cpu_count()} cores" in text
    sizes = dict(re.findall(r"^(.+)\t\d+\t(\d+) kB$", text, re.M))
    assert len(sizes) == len(pages(BOOK)) and all(5 < int(size) < 600 for size in sizes.values())


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
    expect(answer).to_be_hidden()
    question.locator("summary").press("Enter")
    expect(answer).to_be_visible()

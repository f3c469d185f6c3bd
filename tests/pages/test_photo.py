"""Photos of digits on the page: the steps are Python's, and there are many ways to give one."""

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from mnist_tutorial.book import live
from mnist_tutorial.checkpoints import load_model
from mnist_tutorial.further.handwriting import SCENES, Scene, encoded, picture
from mnist_tutorial.further.own_data import DRAWN
from mnist_tutorial.further.pictures import PictureError, find_digits, open_picture
from mnist_tutorial.further.read import read_picture
from mnist_tutorial.further.read import text_of as text_of_rows
from tests.pages.conftest import HTML, Visit
from tests.pages.test_live import (
    BYTES,
    DRAW,
    STROKES,
    TRAIN,
    draw,
    network_of,
    part,
    read,
    settle,
    softmax,
    unpack,
)
from tests.pages.test_live import encoded as as_text
from tests.pages.test_pages import AXE

__all__ = ["part"]  # a fixture
TEXT = "0123 456"
FIND = f"""async ([text, type]) => {{
  {BYTES}
  const {{ find }} = await import("/_static/live/photo.mjs");
  const file = new File([bytes(text)], "photo", {{ type }});
  try {{
    const {{ rows, width, height }} = await find(file, new AbortController().signal);
    return {{ size: [width, height], rows: rows.map((row) =>
      row.map(({{ box, bytes }}) => ({{ box, bytes: [...bytes] }}))) }};
  }} catch ({{ message }}) {{
    return {{ message }};
  }}
}}"""


@pytest.fixture(scope="module")
def find(browser, address):
    """What the page finds on the content of a file."""
    seen = Visit(browser, address, "404")
    yield lambda content: seen.page.evaluate(FIND, [as_text(np.frombuffer(content, np.uint8)), ""])
    seen.context.close()


@pytest.fixture(scope="module")
def answers():
    """What the pad's network answers to images, (n, 28, 28)."""
    scores = network_of(unpack("draw.bin"))[1]
    return lambda images: softmax(scores(np.asarray(images))).argmax(axis=1)


def saved(page, kind="PNG", note=None, **options):
    if note:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = note
    return encoded(page, kind, **options)


def in_ink(page):
    """Black ink on nothing."""
    ink = page.convert("L").point(lambda value: 255 - value)
    black = Image.new("L", page.size)
    return Image.merge("RGBA", (black, black, black, ink))


def drawn(size=(28, 28)):
    file = next((DRAWN / "4").glob("*.png"))
    return Image.open(file).convert("RGB").resize(size)


CLEAN = picture(TEXT)[0]
PICTURES = {
    **{
        name: lambda scene=scene: encoded(picture(TEXT, scene)[0]) for name, scene in SCENES.items()
    },
    "JPEG": lambda: saved(picture(TEXT, SCENES["shade"])[0], "JPEG", quality=90),
    "WebP": lambda: saved(CLEAN, "WEBP"),
    "GIF": lambda: saved(CLEAN.convert("P"), "GIF"),
    "BMP": lambda: saved(CLEAN, "BMP"),
    "grey": lambda: saved(CLEAN.convert("L")),
    "one bit": lambda: saved(CLEAN.convert("1", dither=Image.Dither.NONE)),
    "CMYK": lambda: saved(CLEAN.convert("CMYK"), "JPEG", quality=95),
    "ink on nothing": lambda: saved(in_ink(CLEAN)),
    "held sideways": lambda: saved(CLEAN.rotate(90, expand=True), "JPEG", 6, quality=95),
    "upside down": lambda: saved(CLEAN.rotate(180), "JPEG", 3, quality=95),
    "12 megapixels": lambda: saved(
        picture("01234 56789", Scene(height=420, pen=20, size=(4000, 3000)))[0], "JPEG"
    ),
    "60 pixels": lambda: saved(picture("5", Scene(height=36, pen=3, size=(60, 50)))[0]),
    "28 pixels": lambda: saved(picture("5", Scene(height=17, pen=2, size=(28, 28)))[0]),
    "MNIST's form": lambda: saved(drawn()),
    "MNIST's form, dark on light": lambda: saved(drawn().point(lambda value: 255 - value)),
    "MNIST's form, enlarged": lambda: saved(drawn((140, 140))),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_page_finds_what_python_finds(find, answers, name):
    content = PICTURES[name]()
    upright = open_picture(content)
    expected, found = find_digits(upright), find(content)
    assert found["size"] == list(upright.size)
    assert [len(row) for row in found["rows"]] == [len(row) for row in expected]
    ours, theirs = sum(expected, []), sum(found["rows"], [])
    # A browser and Pillow unpack a JPEG a little differently, and mix colours with opacity.
    lossy = name in ("JPEG", "CMYK", "held sideways", "upside down", "12 megapixels")
    near = upright.width / 1400 if lossy else 0
    for digit, same in zip(ours, theirs, strict=True):
        assert np.abs(np.subtract(digit.box, same["box"])).max() <= np.ceil(near)
    images = np.stack([digit.image for digit in ours]).astype(int)
    forms = np.array([digit["bytes"] for digit in theirs]).reshape(-1, 28, 28)
    apart = np.abs(images - forms)
    assert apart.max() <= (20 if lossy else 1) and apart.mean(axis=(1, 2)).max() < 2
    assert (answers(images) == answers(forms)).all()


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "can’t open this file as a picture"),
        (b"seven", "can’t open this file as a picture"),
        (encoded(CLEAN)[:200], "can’t open this file as a picture"),
        (encoded(Image.new("RGB", (300, 200), "white")), "looks blank"),
        (encoded(Image.new("1", (9_000, 9_000))), "more than 64 million pixels"),
    ],
    ids=["empty", "text", "damaged", "blank", "too large"],
)
def test_what_cannot_be_read_gets_one_clear_sentence(find, content, message):
    with pytest.raises(PictureError):
        find_digits(open_picture(content))
    assert message in find(content)["message"]


# As a reader does it.


@pytest.fixture
def photo(tmp_path):
    """A file with `TEXT` on paper in poor light."""
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(picture(TEXT, SCENES["shade"], seed=1)[0]))
    return path


def by_button(seen, box, path):
    with seen.page.expect_file_chooser() as chooser:
        box.get_by_role("button", name="Use a photo").click()
    chooser.value.set_files(path)


CARRY = f"""([text, type, make]) => {{
  {BYTES}
  const data = new DataTransfer();
  data.items.add(new File([bytes(text)], "photo.png", {{ type }}));
  return data;
}}"""


def carried(seen, path):
    content = as_text(np.frombuffer(path.read_bytes(), np.uint8))
    return seen.page.evaluate_handle(CARRY, [content, "image/png"])


def by_drop(seen, box, path):
    pad, data = box.locator(".live-pad"), carried(seen, path)
    pad.dispatch_event("dragover", {"dataTransfer": data})
    expect(pad).to_have_class(re.compile("live-over"))
    pad.dispatch_event("drop", {"dataTransfer": data})
    expect(pad).not_to_have_class(re.compile("live-over"))


def by_paste(seen, box, path):
    seen.page.evaluate(
        "(data) => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))",
        carried(seen, path),
    )


def text_of(answers, path):
    """What Python reads with the pad's network."""
    rows = find_digits(open_picture(path))
    return " ".join("".join(map(str, answers([d.image for d in row]))) for row in rows)


@pytest.mark.parametrize("come", [by_button, by_drop, by_paste])
def test_a_photo_comes_in_and_its_digits_are_read_in_reading_order(part, photo, answers, come):
    seen, box = part(DRAW)
    assert not any("photo.mjs" in url for url in seen.requests)  # loaded only when asked for
    before = len(seen.requests)
    posts = []
    seen.page.on("request", lambda request: posts.append(request.method != "GET"))
    come(seen, box, photo)
    expect(box.locator(".live-read")).to_have_text(text_of(answers, photo))
    assert sum(a == b for a, b in zip(text_of(answers, photo), TEXT, strict=True)) >= 7
    expect(box.locator(".live-heard")).to_contain_text("Found 7 digits, read as")
    expect(box.locator(".live-paper")).to_be_hidden()
    asked = {url.split("/")[-1] for url in seen.requests[before:]}
    assert asked == {"photo.mjs", "finder.mjs", "pictures.mjs"} and not any(posts)
    assert seen.problems == []


@pytest.mark.parametrize("turn", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270])
def test_a_photo_on_its_side_is_turned_as_python_turns_it(part, mnist, tmp_path, turn):
    page = picture(TEXT, SCENES["shade"], seed=1)[0]
    scores = network_of(unpack("draw.bin"))[1]
    lying = page.transpose(turn)
    reading = read_picture(lying, lambda images: softmax(scores(images)), mnist.train.images)
    assert reading.picture.size == page.size
    path = tmp_path / "photo.png"
    lying.save(path)
    seen, box = part(DRAW)
    by_button(seen, box, path)
    expect(box.locator(".live-read")).to_have_text(text_of_rows(reading.rows))
    canvas = box.locator(".live-photo canvas")
    assert canvas.evaluate("({ width, height }) => [width, height]") == list(page.size)
    for i, answer in enumerate(sum(reading.rows, [])):
        left, top, right, bottom = answer.found.box
        middle = box.locator(".live-photo button").nth(i).evaluate(MIDDLE)
        expected = [(left + right) / 2 / page.width, (top + bottom) / 2 / page.width]
        assert np.allclose(middle, expected, atol=0.01)
    assert seen.problems == []


MIDDLE = """(button) => {
  const photo = button.parentElement.querySelector("canvas").getBoundingClientRect();
  const { left, right, top, bottom } = button.getBoundingClientRect();
  return [(left + right) / 2 - photo.left, (top + bottom) / 2 - photo.top]
    .map((length) => length / photo.width);
}"""


def test_a_box_lies_on_its_digit_and_shows_what_the_network_sees(part, photo):
    seen, box = part(DRAW)
    by_button(seen, box, photo)
    buttons = box.locator(".live-photo button")
    expect(buttons).to_have_count(7)
    upright = open_picture(photo)
    for i, digit in enumerate(sum(find_digits(upright), [])):
        buttons.nth(i).click()
        expect(buttons.nth(i)).to_have_attribute("aria-pressed", "true")
        expect(box.locator(".live-photo [aria-pressed=true]")).to_have_count(1)
        left, top, right, bottom = digit.box
        middle = np.array([left + right, top + bottom]) / 2 / upright.width
        assert np.abs(buttons.nth(i).evaluate(MIDDLE) - middle).max() < 0.003
        sees = seen.page.evaluate(
            "[...document.querySelector('.live-sight').getContext('2d')"
            ".getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 == 0)"
        )
        assert np.abs(255 - np.reshape(sees, (28, 28)) - digit.image.astype(int)).max() <= 2
        said = buttons.nth(i).get_attribute("aria-label")
        answer, sure = re.fullmatch(rf"Digit {i + 1} of 7: (\d), (>?[\d.]+%) sure", said).groups()
        words = box.locator(".live-status").inner_text()
        assert f" {answer} and is {sure} sure" in words
        assert box.locator(".live-first").inner_text().split() == [answer, sure]
        assert buttons.nth(i).inner_text() == answer


def test_digits_are_chosen_with_the_keyboard_alone(part, photo):
    seen, box = part(DRAW)
    with seen.page.expect_file_chooser() as chooser:
        box.get_by_role("button", name="Use a photo").focus()
        seen.page.keyboard.press("Enter")
    chooser.value.set_files(photo)
    buttons = box.locator(".live-photo button")
    expect(buttons).to_have_count(7)
    buttons.first.focus()
    for i in range(1, 7):
        seen.page.keyboard.press("Tab")
        expect(buttons.nth(i)).to_be_focused()
        expect(buttons.nth(i)).to_have_attribute("aria-pressed", "true")
    box.get_by_role("button", name="Back to the paper").focus()
    seen.page.keyboard.press("Enter")
    expect(box.locator(".live-paper")).to_be_focused()


def test_the_paper_comes_back_as_it_was(part, photo):
    seen, box = part(DRAW)
    draw(seen.page, box, STROKES[7])
    assert read(box) == 7
    by_button(seen, box, photo)
    expect(box.locator(".live-photo")).to_be_visible()
    expect(box.get_by_role("button", name="Clear")).to_be_hidden()
    box.get_by_role("button", name="Back to the paper").click()
    expect(box.locator(".live-photo")).to_have_count(0)
    settle(box)
    expect(box.locator(".live-status")).to_contain_text("reads a 7")
    box.get_by_role("button", name="Clear").click()
    expect(box.locator(".live-status")).to_contain_text("blank")


def test_a_second_photo_takes_the_place_of_the_first(part, photo, tmp_path):
    seen, box = part(DRAW)
    (tmp_path / "one.png").write_bytes(encoded(picture("7", Scene())[0]))
    by_button(seen, box, photo)
    expect(box.locator(".live-photo button")).to_have_count(7)
    by_button(seen, box, tmp_path / "one.png")
    expect(box.locator(".live-photo button")).to_have_count(1)
    expect(box.locator(".live-photo")).to_have_count(1)


def test_one_digit_after_the_other_goes_into_the_readers_test_set(part, photo):
    seen, box = part(DRAW)
    by_button(seen, box, photo)
    expect(box.locator(".live-photo button")).to_have_count(7)
    for digit in TEXT.replace(" ", ""):
        box.get_by_role("button", name=f"I meant {digit}").click()
    expect(box.locator(".live-tally")).to_contain_text(re.compile(r"\d of 7 right"))
    expect(box.locator(".live-status").first).to_contain_text("That was the last digit")
    expect(box.get_by_role("button", name="I meant 0")).to_be_disabled()


@pytest.mark.parametrize("content", [b"seven", encoded(Image.new("RGB", (300, 200), "white"))])
def test_a_file_that_cannot_be_read_is_named_and_the_paper_stays(part, tmp_path, content):
    seen, box = part(DRAW)
    (tmp_path / "file").write_bytes(content)
    by_button(seen, box, tmp_path / "file")
    reason = "looks blank" if content != b"seven" else "can’t open this file as a picture"
    for place in (".live-status", ".live-heard"):
        expect(box.locator(place).first).to_contain_text(reason)
    expect(box.locator(".live-paper")).to_be_visible()
    draw(seen.page, box, STROKES[7])
    assert read(box) == 7 and seen.problems == []


@pytest.mark.parametrize("module", ["photo.mjs", "finder.mjs"])
def test_a_module_that_did_not_come_is_named(part, photo, module):
    seen, box = part(DRAW)
    seen.page.route(f"**/{module}", lambda route: route.abort())
    by_button(seen, box, photo)
    expect(box.locator(".live-heard")).to_contain_text(re.compile("reload the page", re.I))


def test_words_that_are_pasted_are_no_photo(part):
    seen, box = part(DRAW)
    seen.page.evaluate(
        """() => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", "7");
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
        }"""
    )
    settle(box)
    expect(box.locator(".live-status").first).to_contain_text("blank")


def test_a_phone_has_a_button_for_its_camera_and_a_desktop_has_not(part):
    seen, box = part(DRAW, 390, has_touch=True, is_mobile=True)
    camera = box.get_by_role("button", name="Take a photo")
    expect(camera).to_be_visible()
    with seen.page.expect_file_chooser() as chooser:
        camera.click()
    asked = chooser.value.element.evaluate("(input) => [input.accept, input.outerHTML]")
    assert asked[0] == "image/*" and 'capture="environment"' in asked[1]
    _, box = part(DRAW)
    expect(box.get_by_role("button", name="Take a photo")).to_be_hidden()


@pytest.mark.parametrize(
    "width, scheme", [(1280, "light"), (390, "dark"), (390, "light"), (320, "dark")]
)
def test_a_photo_fits_everyone(part, photo, width, scheme):
    seen, box = part(DRAW, width, scheme)
    by_button(seen, box, photo)
    expect(box.locator(".live-photo button")).to_have_count(7)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    for button in box.locator(".live-pad button:visible").all():
        place = button.bounding_box()
        assert min(place["width"], place["height"]) >= 23.5
    seen.page.evaluate(AXE)
    faults = seen.page.evaluate("axe.run('.live', {resultTypes: ['violations']})")["violations"]
    assert [(f["id"], [n["html"][:200] for n in f["nodes"]]) for f in faults] == []
    assert seen.problems == []


def test_before_a_network_is_trained_the_digits_are_found_and_not_read(part, photo):
    seen, box = part(TRAIN)
    by_button(seen, box, photo)
    expect(box.locator(".live-read")).to_have_text("???? ???")
    expect(box.locator(".live-pad .live-status")).to_contain_text("no trained network")
    box.get_by_role("button", name="Train", exact=True).click()
    expect(box.locator(".live-read")).to_have_text(re.compile(r"\d{4} \d{3}"))
    expect(box.locator(".live-pad .live-status")).to_contain_text("sure")
    box.get_by_role("button", name="Stop").click()


def test_the_home_page_reads_a_photo_too(visit, photo):
    seen = visit("index")
    box = seen.page.locator(".home-machine")
    by_button(seen, box, photo)
    buttons = box.locator(".live-photo button")
    expect(buttons).to_have_count(7)
    for i in (3, 5):
        buttons.nth(i).focus()
        expect(seen.page.locator(".home-say")).to_have_text(buttons.nth(i).inner_text())
    lit = seen.page.locator(".home-tiles canvas").evaluate_all(
        "(all) => all.map((each) => each.style.opacity)"
    )
    assert len(set(lit)) > 10
    box.get_by_role("button", name="Back to the paper").click()
    expect(box.locator(".live-paper")).to_be_visible()
    assert seen.problems == []


def test_a_notebook_that_runs_reads_a_photo_too(visit, mnist, monkeypatch, photo):
    monkeypatch.delenv("MNIST_TUTORIAL_PAGE", raising=False)
    model, _ = load_model(HTML.parent / "mnist.safetensors")
    seen = visit("lab", body=f"<body>{live.draw(model, mnist).data}</body>")
    frame = seen.page.frame_locator("iframe")
    by_button(seen, frame, photo)
    expect(frame.locator(".live-read")).to_have_text(re.compile(r"\d{4} \d{3}"))
    assert seen.problems == []

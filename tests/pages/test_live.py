"""The living parts, used as a reader would: with pointer, keys, and now and then impatience."""

import base64
import gzip
import itertools
import json
import re

import jax
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from mnist_tutorial import Config
from mnist_tutorial.book import live
from mnist_tutorial.checkpoints import load_model
from mnist_tutorial.further.handwriting import european_digits
from mnist_tutorial.further.own_data import DRAWN, load_folder
from mnist_tutorial.further.pictures import mnist_form
from mnist_tutorial.training import create_state, train_step
from tests.pages.conftest import HTML

DRAW, TRAIN, LOOK, LIMITS = (
    f"chapters/{name}"
    for name in (
        "01-introduction",
        "05-training-your-model",
        "06-evaluating-the-results",
        "07-conclusion",
    )
)
# Each digit as strokes through points in percent of the paper.
STROKES = [
    [[(50, 14), (36, 24), (30, 50), (36, 76), (50, 86), (64, 76), (70, 50), (64, 24), (50, 14)]],
    [[(53, 14), (48, 86)]],
    [[(30, 30), (38, 18), (55, 15), (68, 25), (66, 42), (50, 60), (30, 82), (72, 82)]],
    [[(30, 22), (48, 15), (66, 24), (62, 42), (46, 48), (66, 56), (68, 74), (50, 85), (30, 78)]],
    [[(38, 15), (28, 52), (72, 52)], [(62, 30), (58, 88)]],
    [[(68, 16), (36, 16), (33, 46), (52, 42), (68, 54), (66, 74), (48, 85), (30, 78)]],
    [[(60, 14), (42, 32), (32, 58), (38, 80), (56, 84), (68, 70), (60, 54), (42, 56), (34, 66)]],
    [[(28, 18), (72, 18), (56, 50), (46, 86)]],
    [
        [(50, 48), (36, 36), (40, 18), (58, 16), (64, 32), (50, 48)],
        [(50, 48), (34, 64), (38, 82), (58, 84), (68, 68), (50, 48)],
    ],
    [[(66, 30), (54, 16), (38, 22), (36, 40), (52, 46), (66, 32), (62, 60), (54, 86)]],
]


OPEN = "document.querySelectorAll('details').forEach((each) => (each.open = true))"


@pytest.fixture
def part(visit):
    """Opens a page and scrolls to its living part: `part(name, ...)` gives visit and part."""

    def open_part(name, *arguments, **options):
        seen = visit(name, *arguments, **options)
        seen.page.evaluate(OPEN)  # the units are in a folded cell
        # Chapter 6 has the threshold before it; the exercises come after it.
        box = seen.page.locator("[data-live]:not([data-live=exercise])").last
        box.scroll_into_view_if_needed()
        expect(box).to_have_class(re.compile("live-ready"))
        return seen, box

    return open_part


def draw(page, box, strokes, shrink=1.0):
    """Draws with the mouse; `shrink` makes the digit smaller, towards the upper left corner."""
    box.locator(".live-paper").scroll_into_view_if_needed()
    paper = box.locator(".live-paper").bounding_box()
    for stroke in strokes:
        points = [
            (
                paper["x"] + x * shrink / 100 * paper["width"],
                paper["y"] + y * shrink / 100 * paper["height"],
            )
            for x, y in stroke
        ]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point, steps=4)
        page.mouse.up()


def settle(box):
    """Waits until the part has answered: it does so when the next frame is painted."""
    frames = "requestAnimationFrame(() => requestAnimationFrame(resolve))"
    box.evaluate(f"() => new Promise((resolve) => {frames})")


def read(box):
    """The digit that the status names, or None."""
    settle(box)
    found = re.search(r"reads an? (\d)", box.locator(".live-heard").inner_text())
    return found and int(found[1])


def encoded(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


BYTES = "const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));"


def test_drawn_digits_are_recognised(part):
    seen, box = part(DRAW)
    answers = []
    for strokes in STROKES:
        draw(seen.page, box, strokes)
        answers.append(read(box))
        box.get_by_role("button", name="Clear").click()
    assert sum(said == digit for digit, said in enumerate(answers)) >= 9, answers
    assert seen.problems == []
    assert all(url.startswith((seen.address, "data:")) for url in seen.requests)


def test_a_drawing_is_saved_as_the_network_sees_it(part, tmp_path):
    seen, box = part(DRAW)
    save = box.get_by_role("button", name="Save what the network sees")
    assert save.is_disabled()  # the paper is blank
    shown = []
    for digit, strokes in enumerate(STROKES):
        draw(seen.page, box, strokes)
        with seen.page.expect_download() as download:
            save.click()
        assert download.value.suggested_filename == "digit.png"
        (tmp_path / str(digit)).mkdir()
        download.value.save_as(tmp_path / str(digit) / "digit.png")
        shown.append(
            seen.page.evaluate(
                "[...document.querySelector('.live-sight').getContext('2d')"
                ".getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 == 0)"
            )
        )
        box.get_by_role("button", name="Clear").click()
        expect(save).to_be_disabled()
    examples, names = load_folder(tmp_path)
    assert np.array_equal(255 - examples.images.reshape(10, 784), shown)
    answers = network_of(unpack("draw.bin"))[1](examples.images).argmax(axis=1)
    assert (answers == examples.labels).sum() >= 9 and names == list("0123456789")
    # The drawn set that the package carries was saved in this way, the first of each digit so.
    carried = load_folder(DRAWN)[0].images[::3]
    assert np.abs(carried.astype(int) - examples.images).mean() < 2


def test_the_probabilities_move_while_a_stroke_grows(part):
    seen, box = part(DRAW)
    box.locator(".live-paper").scroll_into_view_if_needed()
    paper = box.locator(".live-paper").bounding_box()
    seen.page.mouse.move(paper["x"] + 90, paper["y"] + 50)
    seen.page.mouse.down()
    shown = set()
    for x, y in [(190, 50), (150, 150), (130, 240)]:  # a 7, and the button stays down
        seen.page.mouse.move(paper["x"] + x, paper["y"] + y, steps=6)
        settle(box)
        shown.add(box.locator(".live-bars").inner_text())
    assert len(shown) == 3


def test_a_blank_paper_predicts_nothing_and_says_so(part):
    _, box = part(DRAW)
    for _ in range(2):
        settle(box)
        assert "The paper is blank" in box.locator(".live-status").inner_text()
        assert "%" not in box.locator(".live-bars").inner_text()
        box.get_by_role("button", name="Take MNIST’s 4").click()
        assert read(box) == 4
        box.get_by_role("button", name="Clear").click()


def test_without_centring_a_digit_in_the_corner_is_misread(part):
    seen, box = part(LIMITS)
    centred, as_drawn = [], []
    for digit in (2, 3, 7):
        draw(seen.page, box, STROKES[digit], shrink=0.5)
        centred.append(read(box) == digit)
        box.get_by_label("scale and centre").uncheck()
        as_drawn.append(read(box) == digit)
        box.get_by_label("scale and centre").check()
        box.get_by_role("button", name="Clear").click()
    assert sum(centred) >= 2 and sum(as_drawn) <= 1


def test_a_digit_can_be_drawn_with_the_keyboard_alone(part):
    seen, box = part(DRAW)
    box.locator(".live-paper").focus()
    for key in ["Space", *["ArrowDown"] * 18, "Space"]:
        seen.page.keyboard.press(key)
    assert read(box) == 1
    seen.page.keyboard.press("Delete")
    settle(box)
    assert "The paper is blank" in box.locator(".live-heard").inner_text()


def test_a_tap_leaves_a_dot_as_wide_as_the_pen(part):
    seen, box = part(DRAW)
    box.locator(".live-paper").click()
    ink = seen.page.evaluate(
        "document.querySelector('.live-paper').getContext('2d').getImageData(0, 0, 280, 280)"
        ".data.filter((_, i) => i % 4 == 3).reduce((sum, opacity) => sum + opacity / 255, 0)"
    )
    assert ink == pytest.approx(np.pi * 11**2, rel=0.05)


def test_a_finger_draws(part):
    seen, box = part(DRAW, 390, "dark", has_touch=True)
    box.locator(".live-paper").scroll_into_view_if_needed()
    paper = box.locator(".live-paper").bounding_box()
    finger = seen.context.new_cdp_session(seen.page)
    x = paper["x"] + paper["width"] / 2
    for kind, y in [("touchStart", 0.15), ("touchMove", 0.5), ("touchMove", 0.85), ("touchEnd", 0)]:
        points = [{"x": x, "y": paper["y"] + y * paper["height"]}] if y else []
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert read(box) == 1


def unpack(name):
    return safetensors.numpy.load(gzip.decompress((HTML / "_static/live" / name).read_bytes()))


def network_of(file):
    """A network that a file holds, as functions of NumPy: the hidden units, and the scores."""
    kernel = (file["hidden_kernel"] * file["hidden_scale"][:, None]).T

    def units(images):
        return np.maximum(images.reshape(-1, 784) / 255 @ kernel + file["hidden_bias"], 0)

    return units, lambda images: units(images) @ file["output_kernel"] + file["output_bias"]


def softmax(scores):
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("name, least", [("draw.bin", 0.98), ("home.bin", 0.97)])
def test_the_pages_networks_answer_as_numpy_does_and_are_good(visit, mnist, name, least):
    images, labels = mnist.validation.images[:1000], mnist.validation.labels[:1000]
    expected = softmax(network_of(unpack(name))[1](images))
    answers = visit("chapters/02-the-mnist-dataset").page.evaluate(
        f"""async ([text, name]) => {{
          {BYTES}
          const {{ loadNetwork }} = await import("/_static/live/files.mjs");
          const {{ predict, PIXELS }} = await import("/_static/live/mlp.mjs");
          const {{ network }} = await loadNetwork("/_static/live/" + name), images = bytes(text);
          return Array.from({{ length: images.length / PIXELS }}, (_, i) =>
            [...predict(network, images.subarray(i * PIXELS, (i + 1) * PIXELS))]);
        }}""",
        [encoded(images), name],
    )
    assert np.abs(answers - expected).max() < 1e-4
    assert np.mean(np.argmax(answers, axis=1) == labels) >= least


def european_ones():
    """Ones of two straight lines, with upstrokes of many lengths and angles."""
    images = []
    for down, left, slant in itertools.product((20, 30, 40, 50, 60), (20, 30, 40), (0, 10, 20)):
        sheet = Image.new("L", (120, 120))
        line = [(70 + slant - left, 20 + down), (70 + slant, 20), (70, 100)]
        ImageDraw.Draw(sheet).line(line, 255, 9, "curve")
        images.append(mnist_form(np.asarray(sheet) / 255))
    return np.stack(images)


@pytest.mark.parametrize("name", ["draw.bin", "home.bin"])
def test_the_pages_networks_read_european_hands(name):
    scores = network_of(unpack(name))[1]
    images, labels = european_digits(300, seed=1)  # hands that played no part in training
    assert (scores(images).argmax(axis=1) == labels).mean() >= 0.95
    assert (scores(european_ones()).argmax(axis=1) == 1).mean() >= 0.8


def test_twenty_updates_in_the_browser_have_jaxs_losses(visit, mnist):
    # So much L2 that it shows in the losses, and a last batch that isn't full.
    config = Config(hidden_units=32, batch_size=50, learning_rate=0.1, l2=0.1)
    images, labels = mnist.train.images[: 19 * 50 + 7], mnist.train.labels[: 19 * 50 + 7]
    state = create_state(config)
    first = {leaf.shape: encoded(leaf) for leaf in jax.tree.leaves(state.model)}
    expected = []
    for at in range(0, len(labels), 50):
        state, (loss, _) = train_step(state, images[at : at + 50], labels[at : at + 50], config)
        expected.append(float(loss))
    for _ in range(2):  # what was learned, and the traces of how, are the same too
        state, (loss, _) = train_step(state, images, labels, config)
        expected.append(float(loss))
    losses = visit("index").page.evaluate(
        f"""async ([images, labels, w1, b1, w2, b2, hidden, options]) => {{
          {BYTES}
          const {{ inked, createTrainer }} = await import("/_static/live/mlp.mjs");
          const [a, b, c, d] = [w1, b1, w2, b2].map((text) => new Float32Array(bytes(text).buffer));
          const network = {{ hidden, w1: a, b1: b, w2: c, b2: d }};
          const ink = inked(bytes(images)), truth = bytes(labels);
          const all = Uint32Array.from(truth, (_, i) => i), losses = [];
          const step = createTrainer(network, options);
          for (let at = 0; at < all.length; at += 50) {{
            losses.push(step(ink, truth, all.subarray(at, at + 50)));
          }}
          return [...losses, step(ink, truth, all), step(ink, truth, all)];
        }}""",
        [
            encoded(images),
            encoded(labels.astype(np.uint8)),
            *(first[shape] for shape in [(784, 32), (32,), (32, 10), (10,)]),
            config.hidden_units,
            {"learningRate": config.learning_rate, "momentum": config.momentum, "l2": config.l2},
        ],
    )
    assert len(expected) == 20 + 2
    assert np.allclose(losses, expected, rtol=0, atol=1e-3), (losses, expected)


def test_a_new_network_begins_as_glorot_drew_it(visit):
    weights, biases = visit("index").page.evaluate(
        """async () => {
          const { createNetwork, randomNumbers } = await import("/_static/live/mlp.mjs");
          const { w1, b1 } = createNetwork(200, randomNumbers(7));
          return [[...w1], [...b1]];
        }"""
    )
    deviation = np.sqrt(2 / (784 + 200))
    assert np.std(weights) == pytest.approx(deviation, rel=0.01) and not any(biases)
    assert np.mean(weights) == pytest.approx(0, abs=deviation / 100)
    # A normal distribution cut off at two standard deviations, then widened to have one.
    assert 2.2 < np.abs(weights).max() / deviation <= 2.2738


def test_every_epoch_has_an_order_of_its_own(visit):
    orders = visit("index").page.evaluate(
        """async () => {
          const { shuffled, randomNumbers } = await import("/_static/live/mlp.mjs");
          const random = randomNumbers(7);
          return [[...shuffled(500, random)], [...shuffled(500, random)]];
        }"""
    )
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(500))
    assert np.mean(np.array(orders[0]) == orders[1]) < 0.02
    assert abs(np.corrcoef(orders[0], range(500))[0, 1]) < 0.15


@pytest.mark.parametrize("centre", [True, False])
def test_a_drawing_becomes_what_mnists_makers_made(visit, centre):
    """A bar of 100 by 30 pixels, in the upper left corner of a paper of 280."""
    image = visit("index").page.evaluate(
        """async (centre) => {
          const { seen } = await import("/_static/live/digit.mjs");
          const ink = new Float32Array(280 * 280);
          for (let y = 20; y < 120; y++) for (let x = 10; x < 40; x++) ink[280 * y + x] = 1;
          return [...seen(ink, 280, 280, centre)];
        }""",
        centre,
    )
    image = np.reshape(image, (28, 28)) / 255
    rows, columns = np.flatnonzero(image.sum(axis=1)), np.flatnonzero(image.sum(axis=0))
    if centre:  # 20 by 6 pixels, their centre half a pixel from 14, where MNIST's lie
        assert (rows[0], rows[-1], columns[0], columns[-1]) == (5, 24, 12, 17)
    else:  # a tenth of the size, where it was drawn
        assert (rows[0], rows[-1], columns[0], columns[-1]) == (2, 11, 1, 3)
    assert set(np.unique(image.round(2))) == {0, 1}


def test_the_worker_trains_on_the_training_images_and_validates_on_the_others(visit):
    """Told apart by labels: those of the training images are shifted, so 0 % can be right."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 300).astype(np.uint8)
    images = np.zeros((300, 784), np.uint8)
    images[np.arange(300), 70 * labels] = 255  # one pixel tells the digit
    content = gzip.compress(
        safetensors.numpy.save(
            {
                "train_images": live.four_bits(images[:200]),
                "train_labels": (labels[:200] + 1) % 10,
                "validation_images": live.four_bits(images[200:]),
                "validation_labels": labels[200:],
            }
        )
    )
    seen = visit("index")
    seen.page.route("**/small.bin", lambda route: route.fulfill(body=content))
    messages = seen.page.evaluate(
        """(address) => new Promise((resolve) => {
          const worker = new Worker("/_static/live/trainer.mjs", { type: "module" }), messages = [];
          worker.onmessage = ({ data }) => {
            messages.push({ ...data, network: undefined });
            if (data.kind === "done" || data.kind === "failed") resolve(messages);
          };
          const knobs = { learningRate: 0.5, momentum: 0.9, l2: 0 };
          const options = { ...knobs, hidden: 32, batchSize: 64, epochs: 30 };
          const message = { kind: "train", fresh: true, address, options };
          worker.postMessage(message);
          worker.postMessage(message); // refused: one training at a time
        })""",
        f"{seen.address}/small.bin",
    )
    assert [m["kind"] for m in messages].count("progress") >= 1
    done = messages[-1]
    assert done["kind"] == "done", done
    assert (done["epoch"], done["updates"]) == (30, 30 * 4)  # 64, 64, 64 and 8 images
    validation = done["validation"]
    assert done["loss"] < 0.5 and (validation["accuracy"], validation["count"]) == (0, 100)
    assert validation["loss"] > 1  # sure of what is wrong there


def accuracy(box):
    found = re.search(r"([\d.]+)% of 2,000", box.locator(".live-status").first.inner_text())
    return float(found[1]) if found else 0


def slide(box, label, position):
    box.get_by_role("slider", name=label).evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }",
        position,
    )


def test_a_network_is_trained_stopped_drawn_for_and_reset(part):
    seen, box = part(TRAIN)
    train, stop = (box.get_by_role("button", name=name) for name in ("Train", "Stop"))
    draw(seen.page, box, STROKES[7])
    settle(box)
    assert "no trained network" in box.locator(".live-pad .live-status").inner_text()
    slide(box, "Hidden units", 99)  # beyond the slider's end, which holds it
    assert box.locator(".live-slider span").nth(1).inner_text() == "512"
    train.dblclick()  # the second click finds a training under way, and starts none
    expect(train).to_be_disabled()
    seen.until(
        "/([\\d.]+)% of 2,000/.exec(document.querySelector('.live-status').textContent)?.[1] >= 93",
        seconds=60,
    )
    stop.click()
    seen.until("document.querySelector('.live-train button:disabled').textContent == 'Stop'")
    reached = box.locator(".live-speed").inner_text()
    seen.page.wait_for_timeout(700)
    assert box.locator(".live-speed").inner_text() == reached
    assert len(seen.page.workers) == 1
    assert reached.endswith("images a second")
    epochs = int(re.search(r"(\d+) epoch", reached)[1])
    train.click()  # goes on: its name says so
    expect(train).to_have_text("Train on")
    stop.click()
    seen.until("document.querySelector('.live-train button:disabled').textContent == 'Stop'")
    assert int(re.search(r"(\d+) epoch", box.locator(".live-speed").inner_text())[1]) >= epochs
    slide(box, "Learning rate", 0)
    assert train.inner_text() == "Train"  # with another knob, a new network
    slide(box, "Learning rate", 4)
    settle(box)
    assert "reads a 7" in box.locator(".live-pad .live-status").inner_text()  # drawn before
    box.get_by_role("button", name="Reset").click()
    settle(box)
    assert "no trained network" in box.locator(".live-pad .live-status").inner_text()
    assert box.locator(".live-slider span").nth(1).inner_text() == "512"  # knobs stay
    assert seen.problems == []


def test_reset_ends_a_training_under_way(part):
    seen, box = part(TRAIN)
    slide(box, "Hidden units", 7)
    box.get_by_role("button", name="Train").click()
    seen.until("document.querySelector('.live-speed').textContent")
    with seen.page.workers[0].expect_event("close"):
        box.get_by_role("button", name="Reset").click()
    seen.page.wait_for_timeout(600)  # two reports' time, in which none may come
    assert "A new network waits" in box.locator(".live-status").first.inner_text()
    assert box.locator(".live-speed").inner_text() == "" and seen.page.workers == []


def test_a_training_that_diverges_says_which_knob_to_turn(visit):
    message = visit("index").page.evaluate(
        """() => new Promise((resolve) => {
          const worker = new Worker("/_static/live/trainer.mjs", { type: "module" });
          worker.onmessage = ({ data }) => { if (data.kind === "failed") resolve(data.message); };
          const knobs = { learningRate: 1e30, momentum: 0.9, l2: 0 };
          const options = { ...knobs, hidden: 32, batchSize: 64, epochs: 1 };
          const address = "/_static/live/train.bin";
          worker.postMessage({ kind: "train", fresh: true, address, options });
        })"""
    )
    assert "lower the learning rate or the momentum" in message


def test_with_a_rate_far_too_large_the_charts_show_it_and_another_can_start(part):
    seen, box = part(TRAIN)
    train = box.get_by_role("button", name="Train")
    slide(box, "Learning rate", 8)
    train.click()
    seen.until("document.querySelector('.live-speed').textContent")
    box.get_by_role("button", name="Stop").click()
    box.locator(".live-status", has_text="Stopped after").wait_for()
    assert accuracy(box) < 50
    slide(box, "Learning rate", 4)
    train.click()
    box.locator(".live-status", has_text=re.compile(r"9\d\.\d% of 2,000")).wait_for()
    assert seen.problems == []


def test_a_worker_that_did_not_load_can_be_asked_again(part):
    seen, box = part(TRAIN)
    train = box.get_by_role("button", name="Train")
    seen.page.route("**/trainer.mjs", lambda route: route.fulfill(status=404))
    train.click()
    box.locator(".live-status", has_text="can’t start it").wait_for()
    seen.page.unroute("**/trainer.mjs")
    train.click()
    box.locator(".live-status", has_text="of 2,000 validation images").wait_for()


def test_the_page_answers_while_it_trains_and_survives_sleep_and_a_new_size(part):
    seen, box = part(TRAIN)
    page = seen.page
    slide(box, "Hidden units", 7)
    box.get_by_role("button", name="Train").click()
    seen.until("document.querySelector('.live-status').textContent.includes('2,000')")
    browser_side = seen.context.new_cdp_session(page)
    for state in ("frozen", "active"):
        browser_side.send("Page.setWebLifecycleState", {"state": state})
        page.wait_for_timeout(500) if state == "active" else None
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme="dark")
    draw(page, box, STROKES[3])
    assert read(box) is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert seen.problems == []


def test_any_hidden_unit_can_be_seen_at_any_epoch(part, mnist):
    model, _ = load_model(HTML.parent / "mnist.safetensors")
    seen, box = part(LOOK)
    number, status = box.get_by_label("Hidden unit"), box.get_by_role("status")
    for unit in (0, 417, 999):
        number.fill(str(unit))
        votes = np.asarray(model.output.kernel)[unit]
        seen.until(
            "document.querySelector('.live-status').textContent"
            f".startsWith('After epoch 15, where unit {unit} ')"
        )
        words = status.inner_text()
        assert f"the score of {votes.argmax()} and takes most from {votes.argmin()}." in words
        shown = [
            float(text.replace("−", "-")) for text in box.locator(".live-figure").all_inner_texts()
        ]
        assert np.allclose(shown, votes, atol=0.006)
    colours = (
        "() => [...document.querySelector('.live-unit').getContext('2d')"
        ".getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 != 3)"
    )
    weights, start = (
        np.asarray(kernel)[:, 999]
        for kernel in (model.hidden.kernel, create_state(Config()).model.hidden.kernel)
    )

    def agree(shown):  # red over blue grows with the weight
        red, _, blue = np.reshape(seen.page.evaluate(colours), (784, 3)).T
        return np.corrcoef(red - blue, shown)[0, 1] > 0.99

    assert agree(weights)
    box.get_by_label("only what training added").check()
    assert agree(weights - start)
    box.get_by_label("only what training added").uncheck()
    digits = seen.page.evaluate(
        "[...document.querySelector('.live-digits').getContext('2d')"
        ".getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 == 0)"
    )
    pixels = mnist.validation.images.reshape(-1, 784)
    most = np.argmax(pixels / 255 @ weights)
    assert np.array_equal(255 - np.array(digits), pixels[most])
    box.get_by_label("After epoch").press("Home")
    expect(status).to_contain_text("After epoch 0, where unit 999 ")
    assert agree(start)
    number.fill("1000")
    expect(status).to_contain_text("you still see unit 999")
    # This test reads the canvas more often than the page does.
    assert [p for p in seen.problems if "willReadFrequently" not in p] == []


def test_the_threshold_can_be_moved_with_the_keyboard(visit, mnist):
    seen = visit(LOOK)
    box = seen.page.locator("[data-live=threshold]")
    box.scroll_into_view_if_needed()
    table = box.locator("table")

    def missed_and_alarms():
        return [
            int(re.search(rf"(\d+) {word}", table.inner_text())[1]) for word in ("miss", "false")
        ]

    missed, alarms = missed_and_alarms()
    for _ in range(40):
        box.get_by_role("slider").first.press("ArrowLeft")
    assert "0.10" in box.inner_text()
    fewer_missed, more_alarms = missed_and_alarms()
    assert fewer_missed < missed and more_alarms > alarms
    is_nine = int((mnist.validation.labels == 9).sum())  # chosen on validation images
    found = is_nine - fewer_missed
    called_nine = found + more_alarms
    precision, recall = (f"{100 * found / whole:.1f}%" for whole in (called_nine, is_nine))
    assert f"Precision {precision}, recall {recall}." in box.inner_text()
    assert seen.problems == []


def test_without_script_the_words_say_where_the_part_works(visit):
    for name in (DRAW, TRAIN, LOOK, LIMITS):
        page = visit(name, java_script_enabled=False).page
        assert "in a browser with JavaScript" in page.locator("[data-live]").first.text_content()


def test_parts_are_fetched_only_when_the_reader_comes_near(visit):
    seen = visit(TRAIN)
    assert not any(url.endswith((".bin", "train.mjs")) for url in seen.requests)
    assert any("start.mjs" in url for url in seen.requests)
    modules = [
        url
        for url in visit("chapters/03-configuring-the-mnist-example").requests
        if "/live/" in url
    ]
    assert all("start.mjs" in url for url in modules)  # its exercises are far below


def test_what_the_pages_load_is_small():
    size = {file.name: file.stat().st_size for file in (HTML / "_static/live").iterdir()}
    assert size["home.bin"] <= 35_000 and size["draw.bin"] <= 100_000
    assert size["train.bin"] <= 1_400_000
    assert max(size[f"units-{n:02d}.bin"] for n in range(100)) <= 200_000


@pytest.mark.parametrize("name", ["draw", "train", "threshold"])
def test_a_notebook_that_runs_shows_the_part_itself(visit, mnist, monkeypatch, name):
    monkeypatch.delenv("MNIST_TUTORIAL_PAGE", raising=False)
    model, _ = load_model(HTML.parent / "mnist.safetensors")
    shown = {
        "draw": lambda: live.draw(model, mnist),
        "train": lambda: live.train(mnist),
        "threshold": lambda: live.threshold(
            np.array([0.2, 0.8, 0.9]), np.array([1, 0, 1]) > 0, "9"
        ),
    }[name]()
    seen = visit("lab", body=f"<body>{shown.data}</body>")
    frame = seen.page.frame_locator("iframe")
    if name == "draw":
        frame.get_by_role("button", name="Take MNIST’s 3").click()
        expect(frame.locator(".live-heard")).to_contain_text("reads a 3")
    elif name == "threshold":
        expect(frame.locator("table")).to_contain_text("1 missed")
        frame.get_by_role("slider").first.fill("15")
        expect(frame.locator("table")).to_contain_text("0 missed")
    else:
        frame.get_by_role("button", name="Train").click()
        frame.locator(".live-status", has_text="of 2,000 validation images").wait_for()
    assert json.dumps(seen.problems) == "[]"

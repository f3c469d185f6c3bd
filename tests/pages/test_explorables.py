"""The parts that explain one idea each, and their numbers beside JAX's and NumPy's."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from playwright.sync_api import expect

from mnist_tutorial.book import live
from mnist_tutorial.checkpoints import load_model
from mnist_tutorial.evaluation import evaluate, threshold_counts, wilson_interval
from mnist_tutorial.model import MLP
from mnist_tutorial.training import loss_fn
from tests.pages.conftest import HTML
from tests.pages.test_live import STROKES, draw, network_of, settle, softmax, unpack
from tests.pages.test_pages import AXE

SCORES = np.array([-1.0, 2.5, 0.5, 6.0, -3.0, 4.5, -0.5, 1.0, 3.0, 2.0])
SURE = np.random.default_rng(0).beta(2, 2, 400)
TRUE = np.random.default_rng(1).random(400) < SURE
PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">
<title>Lab</title><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/_static/site/style.css">
<script type="module" src="/_static/live/start.mjs"></script></head>
<body><main class="bd-content"><article class="bd-article"><h1>Lab</h1>
<div class="output text_html">{part}</div></article></main></body></html>"""


@pytest.fixture
def explore(visit, monkeypatch):
    """Shows what a chapter's cell returns on a page of the book: `explore(part, width, ...)`."""
    monkeypatch.setenv("MNIST_TUTORIAL_PAGE", "1")

    def show(part, width=1280, scheme="light", **options):
        body = PAGE.format(theme=scheme, part=part().data)
        seen = visit("lab", width, scheme, body=body, **options)
        box = seen.page.locator("[data-live]")
        seen.page.locator(".live-ready").wait_for()
        return seen, box

    return show


PARTS = {
    "nudge": lambda: live.nudge(None),
    "softmax": lambda: live.softmax(SCORES, 3),
    "averages": lambda: live.averages(np.zeros((10, 28, 28))),
    "neuron": live.neuron,
    "way": live.way,
    "downhill": lambda: live.downhill(None),
    "confusion": lambda: live.confusion(None, None),
    "threshold": lambda: live.threshold(SURE, TRUE, "9"),
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark"), (320, "light")])
def test_a_part_fits_everyone_and_asks_no_other_host(explore, name, width, scheme):
    seen, box = explore(PARTS[name], width, scheme)
    settle(box)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    seen.page.evaluate(AXE)
    faults = seen.page.evaluate("axe.run('.live', {resultTypes: ['violations']})")["violations"]
    assert [(f["id"], [n["html"][:200] for n in f["nodes"]]) for f in faults] == []
    assert all(url.startswith((seen.address, "data:")) for url in seen.requests)
    assert seen.problems == []
    for control in box.locator("button:visible, input:visible, select:visible").all():
        place = control.bounding_box()
        assert min(place["width"], place["height"]) >= 23.5, control.evaluate("e => e.outerHTML")


def test_what_the_parts_load_is_small():
    sizes = {
        "nudge.bin": 45_000,
        "averages.bin": 6_000,
        "home.bin": 35_000,
        "confusion.bin": 45_000,
        "valley.bin": 9_000,
    }
    for name, most in sizes.items():
        assert len((live.MODULES / name).read_bytes()) <= most


def begun():
    """The network to nudge as JAX has it, with its images and labels."""
    file = unpack("nudge.bin")
    model = MLP(live.BEGUN, rngs=nnx.Rngs(0))
    model.hidden.kernel.value = jnp.asarray(
        (file["hidden_kernel"] * file["hidden_scale"][:, None]).T
    )
    model.hidden.bias.value = jnp.asarray(file["hidden_bias"])
    model.output.kernel.value = jnp.asarray(file["output_kernel"])
    model.output.bias.value = jnp.asarray(file["output_bias"])
    pairs = np.stack([file["images"] >> 4, file["images"] & 15], axis=-1)
    return model, 17.0 * pairs.reshape(-1, 28, 28), file["labels"].astype(np.int32)


def status(box):
    settle(box)
    return box.locator(".live-status").inner_text().replace("−", "-")


def test_the_nudged_weights_slope_is_jaxs_gradient(explore):
    seen, box = explore(PARTS["nudge"])
    model, images, labels = begun()
    gradient, _ = jax.grad(loss_fn, has_aux=True)(model, images, labels, 0.0)
    kernel = np.asarray(gradient.hidden.kernel)
    for _ in range(4):
        unit, row, column = map(
            int,
            re.search(
                r"unit (\d+);.*row (\d+), column (\d+)",
                box.locator(".live-map canvas").get_attribute("aria-label"),
            ).groups(),
        )
        slope = float(re.search(r"slope (-?[\d.]+)", status(box))[1])
        assert slope == pytest.approx(kernel[28 * row + column, unit], abs=6e-5)
        assert "entry in the gradient" in status(box)
        box.get_by_role("button", name="Another weight").click()
    best = np.unravel_index(np.abs(kernel).argmax(), kernel.shape)
    assert abs(kernel[best]) > 1e-3


def test_the_loss_along_a_weight_is_jaxs(explore):
    seen, box = explore(PARTS["nudge"])
    model, images, labels = begun()
    label = box.locator(".live-map canvas").get_attribute("aria-label")
    unit, row, column = map(int, re.search(r"unit (\d+);.*row (\d+), column (\d+)", label).groups())
    slider = box.get_by_role("slider", name="Its weight")
    start = float(slider.input_value())
    kernel = np.asarray(model.hidden.kernel)
    assert start == pytest.approx(kernel[28 * row + column, unit], abs=1e-6)
    for value in (start - 1.5, start + 0.7):
        slider.evaluate(
            "(each, to) => { each.value = to; each.dispatchEvent(new Event('input')); }", value
        )
        changed = kernel.copy()
        changed[28 * row + column, unit] = value
        model.hidden.kernel.value = jnp.asarray(changed)
        expected = float(loss_fn(model, images, labels, 0.0)[0])
        shown = float(re.search(r"Loss ([\d.]+)", status(box))[1])
        assert shown == pytest.approx(expected, abs=6e-5)


def test_a_step_with_all_weights_is_jaxs_and_lowers_the_loss(explore):
    seen, box = explore(PARTS["nudge"])
    model, images, labels = begun()
    text = box.inner_text()
    before = float(re.search(r"Now the loss is ([\d.]+)", text)[1])
    assert before == pytest.approx(float(loss_fn(model, images, labels, 0.0)[0]), abs=6e-4)
    for steps in (1, 2):
        gradient, _ = jax.grad(loss_fn, has_aux=True)(model, images, labels, 0.0)
        model = jax.tree.map(lambda w, g: w - 0.1 * g, model, gradient)
        box.get_by_role("button", name="Step with all weights").click()
        settle(box)
        shown = re.search(
            rf"After {steps} steps? .* ([\d,]+) numbers, the loss is ([\d.]+)", box.inner_text()
        )
        assert shown[1] == "25,450"
        after = float(shown[2])
        assert after == pytest.approx(float(loss_fn(model, images, labels, 0.0)[0]), abs=6e-4)
        assert after < before
        before = after
    box.get_by_role("button", name="Start over").click()
    settle(box)
    assert "Now the loss is" in box.inner_text()


def bars(box, number):
    texts = box.locator(".live-bars").nth(number).locator(".live-figure").all_inner_texts()
    return np.array([float(t.strip("%>").replace("−", "-")) for t in texts])


def test_softmax_and_its_loss_are_optaxs_whatever_is_added_to_all(explore):
    _, box = explore(PARTS["softmax"])
    for _ in range(2):
        shares = np.asarray(jax.nn.softmax(jnp.asarray(SCORES)))
        loss = optax.softmax_cross_entropy_with_integer_labels(jnp.asarray(SCORES), 3)
        assert bars(box, 0) == pytest.approx(100 * shares, abs=0.051)
        shown = float(re.search(r"the loss is ([\d.]+)\.", status(box))[1])
        assert shown == pytest.approx(float(loss), abs=6e-4)
        assert bars(box, 1) == pytest.approx(shares - np.eye(10)[3], abs=6e-4)
        box.get_by_role("button", name="Add 100").click()  # changes nothing
    assert "nothing else changed" in status(box)
    box.get_by_label("The truth is a").select_option("5")
    expected = -np.log(softmax(SCORES)[5])
    shown = float(re.search(r"the loss is ([\d.]+)\.", status(box))[1])
    assert shown == pytest.approx(expected, abs=6e-4)
    box.get_by_role("slider", name="Score of 5").press("End")
    assert float(re.search(r"the loss is ([\d.]+)\.", status(box))[1]) < 0.1
    box.get_by_role("button", name="Back to the start").click()
    assert float(re.search(r"the loss is ([\d.]+)\.", status(box))[1]) == pytest.approx(
        float(loss), abs=6e-4
    )


def test_a_digits_way_shows_the_networks_own_numbers(explore):
    seen, box = explore(PARTS["way"])
    draw(seen.page, box, STROKES[7])
    settle(box)
    sees = seen.page.evaluate(
        "[...document.querySelector('.live-sight').getContext('2d').getImageData(0, 0, 28, 28)"
        ".data].filter((_, i) => i % 4 == 0).map((value) => 255 - value)"
    )
    file = unpack("home.bin")
    units_of, scores_of = network_of(file)
    image = np.array(sees)[None]
    units, scores = units_of(image)[0], scores_of(image)[0]
    assert bars(box, 1) == pytest.approx(scores, abs=0.051)
    assert bars(box, 2) == pytest.approx(100 * softmax(scores), abs=0.1)
    assert f"{(units > 0).sum()} of 40 units are active" in status(box)
    for unit in (0, 23):
        box.locator(".live-tiles button").nth(unit).click()
        settle(box)
        assert bars(box, 0) == pytest.approx(units[unit] * file["output_kernel"][unit], abs=6e-3)
        said = float(re.search(r"ReLU makes ([\d.]+)", box.locator(".live-sum").inner_text())[1])
        assert said == pytest.approx(units[unit], abs=6e-3)
    box.get_by_role("button", name="Clear").click()
    settle(box)
    assert "blank" in status(box)


def test_the_average_digit_reader_measures_as_numpy_does(explore, mnist):
    seen, box = explore(PARTS["averages"])
    assert "blank" in status(box)
    means = unpack("averages.bin")["means"].astype(float)
    assert np.allclose(means, live.averages_of(mnist.train), atol=0.5)
    right = 0
    for digit, strokes in enumerate(STROKES):
        draw(seen.page, box, strokes)
        text = status(box)
        sees = np.array(
            seen.page.evaluate(
                """async () => {
                  const { seen } = await import("/_static/live/digit.mjs");
                  const { data } = document.querySelector(".live-paper").getContext("2d")
                    .getImageData(0, 0, 280, 280);
                  return [...seen(Float32Array.from({ length: 78400 },
                    (_, i) => data[4 * i + 3] / 255), 280, 280, true)];
                }"""
            )
        )
        far = np.linalg.norm((means.reshape(10, 784) - sees) / 255, axis=1)
        shown = [float(t) for t in box.locator(".live-means span").all_inner_texts()]
        assert shown == pytest.approx(far, abs=0.051)
        assert re.search(rf"nearest average is an? {far.argmin()}, {far.min():.1f} away", text)
        right += far.argmin() == digit
        box.get_by_role("button", name="Clear").click()
    assert right >= 5  # averages are weaker than a network: of MNIST it gets four in five right


def test_one_neuron_sums_its_ink(explore):
    seen, box = explore(PARTS["neuron"])
    assert "sum to 5. With the bias it is 3, and ReLU makes 3" in status(box)
    ink = box.get_by_role("group", name="Ink")
    ink.locator("button").nth(0).click()  # where this unit has a weight of -1
    assert "sum to 4. With the bias it is 2" in status(box)
    weights = box.get_by_role("group", name="Weights")
    weights.locator("button").nth(0).click()
    assert "sum to 5." in status(box)  # that weight is 0 now
    box.get_by_role("slider", name="Bias").press("Home")
    assert "it is -3, and ReLU makes 0 of it: the unit is silent" in status(box)
    box.get_by_label("Weights for").select_option("a ring")
    assert "sum to" in status(box)
    ink.locator("button").nth(0).focus()
    for key in ["ArrowRight", "ArrowDown", "Space"]:
        seen.page.keyboard.press(key)
    expect(ink.locator("button").nth(6)).to_have_attribute("data-state", "ink")


def test_a_cell_of_the_matrix_opens_its_digits(explore, mnist):
    seen, box = explore(PARTS["confusion"])
    model, _ = load_model(HTML.parent / "mnist.safetensors")
    test = evaluate(model, mnist.test)
    cells = box.get_by_role("group", name="Confusion matrix").locator("button")
    counts = [int(t.replace("·", "0")) for t in cells.all_inner_texts()]
    assert np.array_equal(np.reshape(counts, (10, 10)), test.confusion)
    for truth, answer in ((4, 9), (9, 4), (3, 3)):
        cells.nth(10 * truth + answer).click()
        number = test.confusion[truth, answer]
        shown = box.locator(".live-found figure").count()
        assert shown == (number if truth != answer else live.RIGHT_SHOWN)
        words = box.locator(".live-halves > div").nth(1).inner_text()
        recall = f"{100 * test.metrics.recall[truth]:.1f}%"
        precision = f"{100 * test.metrics.precision[answer]:.1f}%"
        assert f"{recall} of them were found: recall" in words
        assert f"{precision} of them are one: precision" in words
        lit = cells.evaluate_all("(all) => all.map((each) => each.dataset.lit)")
        assert [i for i, each in enumerate(lit) if "recall" in each] == list(
            range(10 * truth, 10 * truth + 10)
        )
    cells.nth(0).focus()
    for key in ["ArrowDown", "ArrowRight", "Enter"]:
        seen.page.keyboard.press(key)
    expect(cells.nth(11)).to_have_attribute("aria-pressed", "true")


def test_the_cheapest_threshold_is_found_and_a_dear_miss_lowers_it(explore):
    _, box = explore(PARTS["threshold"])
    counts = [threshold_counts(SURE, TRUE, percent / 100) for percent in range(1, 100)]
    threshold, price = (box.get_by_role("slider", name=name) for name in ("Say yes", "A miss"))
    found = []
    for position, miss in ((0, 1), (4, 20)):
        price.fill(str(position))
        box.get_by_role("button", name="cheapest").click()
        costs = [fn * miss + fp for _, fp, fn, _ in counts]
        found.append(int(threshold.input_value()))
        assert found[-1] == int(np.argmin(costs)) + 1
        assert f"costs {min(costs):,} false alarms; the cheapest" in box.inner_text()
    assert found[1] < found[0]


def test_the_heaps_mark_who_is_on_the_wrong_side(explore):
    scores = np.array([0.051, 0.4, 0.5, 0.95, 0.2, 0.5, *[0.001] * 40])
    truth = np.array([True, True, True, True, *[False] * 42])
    _, box = explore(lambda: live.threshold(scores, truth, "9"))
    threshold = box.get_by_role("slider", name="Say yes")

    def dots(kind):
        drawn = box.locator(f"path.live-dots{kind}").get_attribute("d") or ""
        return sorted(tuple(map(float, dot.split())) for dot in re.findall(r"M([\d. ]+)h0", drawn))

    def places(*dots):  # 50 columns of 6 units, from the axis at 104 upwards or downwards
        return sorted((6 * (int(50 * score) + 0.5), 104 - 6 * up) for score, up in dots)

    wrong = {50: [(0.051, 1), (0.4, 1), (0.5, -1)], 5: [(0.2, -1), (0.5, -1)]}
    for hundredths, mistaken in wrong.items():
        threshold.fill(str(hundredths))
        assert dots(".live-wrong") == places(*mistaken)
        assert len(dots(":not(.live-wrong)")) == 6 + 15 - len(mistaken)
    words = box.locator("svg").first.text_content()
    assert "4 are a 9" in words and "42 aren’t a 9(25 not drawn)" in words


def test_the_readers_own_test_set_is_counted_kept_and_forgotten(visit):
    seen = visit("chapters/01-introduction")
    box = seen.page.locator("[data-live=draw]")
    box.scroll_into_view_if_needed()
    seen.page.locator(".live-ready").wait_for()
    tally = box.locator(".live-tally")
    meant = tally.get_by_role("button", name="I meant 7")
    expect(meant).to_be_disabled()  # the paper is blank
    for digit in (7, 1):
        draw(seen.page, box, STROKES[digit])
        box.locator(".live-status", has_text=f"reads a {digit}").wait_for()
        meant.click()
        expect(box.locator(".live-status")).to_contain_text("blank")
    low, high = (f"{100 * bound:.1f}%" for bound in wilson_interval(1, 2))
    words = f"1 of 2 right, 50.0%; plausibly from {low} to {high}."
    expect(tally).to_contain_text(words)
    expect(tally).to_contain_text("Your 7 was read as 1 (1\xa0×), 7 (1\xa0×).")
    seen.page.reload()
    box.scroll_into_view_if_needed()
    expect(tally).to_contain_text(words)
    tally.get_by_role("button", name="Forget").click()
    expect(tally).to_contain_text("Make a test set of your own")
    seen.page.reload()
    box.scroll_into_view_if_needed()
    expect(tally).to_contain_text("Make a test set of your own")
    assert seen.problems == []


@pytest.mark.parametrize("rate, momentum", [(0.05, 0.0), (0.1, 0.0), (0.02, 0.9)])
def test_the_path_downhill_is_optaxs_on_the_true_loss(visit, mnist, rate, momentum):
    """The page goes down a smooth surface through a grid; JAX down the loss itself."""
    plane = live.valley_slice(mnist)

    def loss(place):
        return plane.loss(plane.origin + place[0] * plane.along + place[1] * plane.across)

    optimizer = optax.sgd(rate, momentum, nesterov=True)
    place = jnp.array([0.0, 0.8])
    state, expected = optimizer.init(place), [place]
    slope = jax.jit(jax.value_and_grad(loss))
    for _ in range(20):
        _, gradient = slope(place)
        updates, state = optimizer.update(gradient, state)
        place = optax.apply_updates(place, updates)
        expected.append(place)
    path, losses = visit("404").page.evaluate(
        """async ([rate, momentum]) => {
          const { surface, descend } = await import("/_static/live/downhill.mjs");
          const { load } = await import("/_static/live/files.mjs");
          const file = await load("/_static/live/valley.bin");
          const [left, right, bottom, top] = file.bounds.data;
          const at = surface(file.losses, [[left, right], [bottom, top]]);
          const path = descend(at, [0, 0.8], rate, momentum, 20, () => true);
          return [path, path.map((place) => at(...place).loss)];
        }""",
        [rate, momentum],
    )
    assert np.allclose(path, expected, atol=0.05)
    assert losses == pytest.approx([float(loss(place)) for place in expected], abs=0.02)
    assert losses[-1] < losses[0] / 2


def test_the_start_can_be_moved_and_steps_too_large_leave_the_valley(explore):
    seen, box = explore(PARTS["downhill"])
    first = status(box)
    assert re.search(r"40 steps lead from a loss of [\d.]+ to 0\.\d+", first)
    box.locator("canvas").focus()
    seen.page.keyboard.press("ArrowRight")
    moved = status(box)
    assert moved != first
    box.locator("canvas").click(position={"x": 40, "y": 30})
    assert status(box) not in (first, moved)
    box.get_by_role("slider", name="Learning rate").press("End")
    box.get_by_role("slider", name="Momentum").press("End")
    assert "leaves the valley" in status(box)
    assert seen.problems == []


@pytest.mark.parametrize("width", [620, 720, 1280])
@pytest.mark.parametrize("name", PARTS)
def test_what_stands_side_by_side_stays_side_by_side(explore, name, width):
    _, box = explore(PARTS[name], width)
    settle(box)
    wide = """(box) => [...box.querySelectorAll(".live-halves > *, .live-thirds > *")]
      .filter((side) => side.scrollWidth > side.clientWidth + 16).length"""  # the gap is 24 wide
    assert box.evaluate(wide) == 0


# Those with parts; what their stored outputs hold is no work of the extension that adds pictures.
CHAPTERS = sorted(
    path.stem
    for path in HTML.glob("chapters/0*.html")
    if '<div class="live" data-live=' in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_without_scripts_each_part_is_a_picture(visit, chapter):
    seen = visit(f"chapters/{chapter}", java_script_enabled=False)
    parts = seen.page.locator("[data-live]:not(form)")
    assert parts.count()
    for i in range(parts.count()):
        still = parts.nth(i).locator("+ img.live-still")
        assert still.evaluate("(still) => getComputedStyle(still).display") == "block"
        assert len(still.get_attribute("alt")) > 40
        source = seen.page.request.get(still.evaluate("(still) => still.src"))
        assert source.ok and len(source.body()) > 5_000


def test_pictures_of_parts_are_fetched_on_paper_only(visit):
    seen = visit("chapters/01-introduction")
    still = seen.page.locator("img.live-still").first
    seen.page.locator("[data-live]").first.scroll_into_view_if_needed()
    seen.page.locator(".live-ready").first.wait_for()
    assert not still.is_visible()
    assert not any(url.endswith("/live/draw.webp") for url in seen.requests)
    seen.page.emulate_media(media="print")
    expect(still).to_be_visible()  # it takes no room before it has come
    assert still.evaluate("(still) => still.naturalWidth") > 300
    assert seen.problems == []

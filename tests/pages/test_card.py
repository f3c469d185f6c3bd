"""Training on a graphics card, played by the processor: when it is used, and when it fails."""

import base64
import gzip
import json

import numpy as np
import pytest
import safetensors.numpy

from mnist_tutorial.book import live
from tests.pages.test_live import STROKES, TRAIN, draw, read

CARD, PROCESSOR = "your graphics card", "your processor"
# A card that the browser does not call slow.
PRAISED = "Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { value: false });"
# The card is lost three pieces of work after it is told so: what they learned is lost too.
LOST = """
  const { requestDevice: request } = GPUAdapter.prototype, { submit } = GPUQueue.prototype;
  let device, left = Infinity;
  GPUAdapter.prototype.requestDevice = async function () {
    return device = await request.call(this);
  };
  GPUQueue.prototype.submit = function (work) {
    if (!left--) device.destroy();
    submit.call(this, work);
  };
  addEventListener("message", ({ data }) => {
    if (data.kind === "lose") left = Math.min(left, 3);
  });
"""
# What the card says is changed: from the first, or once it is "lost".
FALSE = """
  const answer = GPUBuffer.prototype.getMappedRange;
  let wrong = %s;
  GPUBuffer.prototype.getMappedRange = function () {
    const numbers = new Float32Array(answer.call(this));
    return (wrong ? numbers.map((number) => %s) : numbers).buffer;
  };
  addEventListener("message", ({ data }) => { wrong ||= data.kind === "lose"; });
"""

# Every time that it is asked, a second is over, so that each update is followed by a report; and
# the Worker tells when the card has come, which takes a while.
LATE = f"""
  let milliseconds = 0;
  performance.now = () => milliseconds += 1000;
  {PRAISED}
  const {{ popErrorScope }} = GPUDevice.prototype;
  GPUDevice.prototype.popErrorScope = async function () {{
    const error = await popErrorScope.call(this);
    postMessage({{ kind: "come" }});
    return error;
  }};
"""


@pytest.fixture(scope="module")
def digits():
    """The address of 130 images of noise to learn by heart, and 20 to validate on."""
    rng = np.random.default_rng(0)
    content = safetensors.numpy.save(
        {
            "train_images": rng.integers(0, 256, (130, 784), np.uint8),
            "train_labels": rng.integers(0, 10, 130).astype(np.uint8),
            "validation_images": rng.integers(0, 256, (20, 784), np.uint8),
            "validation_labels": rng.integers(0, 10, 20).astype(np.uint8),
        }
    )
    return f"data:;base64,{base64.b64encode(gzip.compress(content)).decode()}"


def train(seen, address, before="", lose=False, enough=99, **options):
    """Trains in a Worker where `before` was run.

    Args:
      lose: whether the card is lost as soon as a report came from it.
      enough: after so many changes of who trains, "stop" is said.

    Returns:
      Who trained, in order, and the last message, with the network's last weights.
    """
    seen.leave_policy()  # it forbids workers made of text
    knobs = {"learningRate": 0.01, "momentum": 0.5, "l2": 0.001}  # no update is forgotten
    options = {**knobs, "hidden": 5, "batchSize": 50, "epochs": 200, "card": "always"} | options
    message = {"kind": "train", "fresh": True, "address": address, "options": options}
    return seen.page.evaluate(
        """([before, message, lose, card, enough]) => new Promise((resolve) => {
          const source = `import "${location.origin}/_static/live/trainer.mjs";\n${before}`;
          const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          const worker = new Worker(address, { type: "module" }), engines = [];
          worker.onmessage = ({ data }) => {
            if (data.on && data.on !== engines.at(-1)) engines.push(data.on);
            if (engines.length === enough) worker.postMessage({ kind: "stop" });
            if (lose && data.on === card) worker.postMessage({ kind: "lose" });
            if (data.kind === "done" || data.kind === "failed") {
              resolve([engines, { ...data, network: [...data.network?.w2 ?? []] }]);
            }
          };
          worker.postMessage(message);
          setTimeout(() => resolve([engines, { kind: "never ended" }]), 90_000);
        })""",
        [before, message, lose, CARD, enough],
    )


def same_end(done, other):
    """Whether two trainings ended after the same updates with the same network."""
    return (
        done["kind"] == other["kind"] == "done"
        and all(done[name] == other[name] for name in ("epoch", "updates", "validation"))
        and np.allclose(done["network"], other["network"], rtol=0, atol=1e-4)
    )


@pytest.fixture
def alone(visit, digits):
    """The last message of a training on the processor, where there is no card."""
    engines, done = train(visit("index"), digits)
    assert engines == [PROCESSOR] and (done["epoch"], done["updates"]) == (200, 600)
    return done


def test_a_card_trains_as_the_processor_does(visit, visit_with_card, digits):
    few = {"epochs": 7, "batchSize": 37}  # 37, 37, 37 and 19 images
    _, alone = train(visit("index"), digits, **few)
    engines, done = train(visit_with_card("index"), digits, **few)
    assert engines == [PROCESSOR, CARD] and done["updates"] == 7 * 4
    assert same_end(done, alone), (done, alone)


def test_a_card_that_the_processor_plays_is_left_alone(visit_with_card, digits):
    seen = visit_with_card("index")
    engines, _ = train(seen, digits, card=None)
    assert engines == [PROCESSOR]
    assert not any("gpu.mjs" in url for url in seen.requests)


def test_a_card_slower_than_the_processor_is_given_back(visit_with_card, digits):
    options = {"card": None, "epochs": 10**9, "enough": 3}
    engines, done = train(visit_with_card("index"), digits, PRAISED, **options)
    assert engines == [PROCESSOR, CARD, PROCESSOR] and done["kind"] == "done"


def test_where_the_card_is_lost_the_processor_goes_on(visit_with_card, digits, alone):
    engines, done = train(visit_with_card("index"), digits, LOST, lose=True)
    assert engines == [PROCESSOR, CARD, PROCESSOR]
    assert same_end(done, alone), (done, alone)


@pytest.mark.parametrize(
    "first, number, expected",
    [
        ("true", "NaN", [PROCESSOR]),
        ("true", "1.01 * number", [PROCESSOR]),
        ("false", "NaN", [PROCESSOR, CARD, PROCESSOR]),
        ("false", "numbers.length > 130 ? NaN : number", [PROCESSOR, CARD, PROCESSOR]),  # weights
    ],
)
def test_where_the_card_is_wrong_the_processor_goes_on(
    visit_with_card, digits, alone, first, number, expected
):
    engines, done = train(visit_with_card("index"), digits, FALSE % (first, number), lose=True)
    assert engines == expected
    assert same_end(done, alone), (done, alone)


def test_what_a_card_loses_in_the_end_the_processor_learns_again(visit_with_card, visit, digits):
    few = {"epochs": 2}
    _, alone = train(visit("index"), digits, **few)
    wrong = FALSE % ("true", "numbers.length > 130 ? NaN : number")
    # Where time stands still no report is due, and the weights are asked for once, in the end.
    wrong += "performance.now = () => 0;"
    _, done = train(visit_with_card("index"), digits, wrong, **few)
    assert same_end(done, alone), (done, alone)


def test_a_card_that_comes_in_the_end_teaches_no_more_than_was_asked(visit_with_card, digits):
    seen = visit_with_card("index")
    seen.leave_policy()
    options = {"learningRate": 0.01, "momentum": 0.5, "l2": 0, "hidden": 5, "batchSize": 130}
    found = seen.page.evaluate(
        """([before, address, options, trainings]) => new Promise((resolve) => {
          const source = `import "${location.origin}/_static/live/trainer.mjs";\n${before}`;
          const from = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          const worker = new Worker(from, { type: "module" });
          const train = (fresh) => worker.postMessage({ kind: "train", fresh, address, options });
          let come = false, done = 0, since = 0;
          worker.onmessage = ({ data }) => {
            if (data.kind === "come") come = true;
            if (data.kind !== "done") return;
            done += 1;
            if (come) since += 1;
            if (since < trainings) setTimeout(train, 0, false);
            else resolve({ done, epoch: data.epoch, updates: data.updates });
          };
          train(true);
        })""",
        [LATE, digits, options | {"epochs": 1}, 100],
    )
    assert found["done"] == found["epoch"] == found["updates"]


def test_a_card_that_cannot_be_borrowed_is_not_missed(visit_with_card, digits, alone):
    broken = "GPUAdapter.prototype.requestDevice = () => Promise.reject(new Error('no'));"
    engines, done = train(visit_with_card("index"), digits, broken)
    assert engines == [PROCESSOR] and same_end(done, alone)


def test_rates_too_large_are_told_as_the_processor_tells_them(visit_with_card):
    seen = visit_with_card("index")
    options = {"learningRate": 1e30, "l2": 0, "hidden": 32, "epochs": 1}
    _, failed = train(seen, f"{seen.address}/_static/live/train.bin", **options)
    assert "lower the learning rate or the momentum" in failed["message"]


def test_a_page_says_that_its_card_trains_and_answers_meanwhile(visit_with_card):
    seen = visit_with_card(TRAIN)
    box = seen.page.locator("[data-live]")
    box.scroll_into_view_if_needed()
    seen.page.locator(".live-ready").wait_for()
    box.evaluate("(box) => { box.dataset.card = 'always'; }")
    box.get_by_role("button", name="Train").click()
    speed = box.locator(".live-speed")
    speed.get_by_text("images a second on your graphics card").wait_for(timeout=60_000)
    draw(seen.page, box, STROKES[1])
    assert read(box) is not None
    box.get_by_role("button", name="Stop").click()
    box.locator(".live-status", has_text="Stopped after").wait_for(timeout=60_000)
    assert "on your graphics card" in speed.inner_text()
    box.get_by_role("button", name="Train").click()  # goes on
    before = json.dumps(speed.inner_text())
    seen.until(f"document.querySelector('.live-speed').textContent != {before}")
    with seen.page.workers[0].expect_event("close"):
        box.get_by_role("button", name="Reset").click()
    assert seen.page.workers == [] and speed.inner_text() == ""
    assert seen.problems == []


def test_a_notebook_that_runs_trains_on_the_card_too(visit_with_card, mnist, monkeypatch):
    monkeypatch.delenv("MNIST_TUTORIAL_PAGE", raising=False)
    seen = visit_with_card("index")
    seen.leave_policy()
    seen.page.set_content(f"<body>{live.train(mnist).data}</body>")
    frame = seen.page.frame_locator("iframe")
    frame.locator(".live").evaluate("(box) => { box.dataset.card = 'always'; }")
    frame.get_by_role("button", name="Train").click()
    frame.get_by_text("images a second on your graphics card").wait_for(timeout=60_000)
    assert seen.problems == []

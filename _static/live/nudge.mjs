// Nudge one weight: the loss of a batch moves along a curve, and its slope is the gradient.

import { loadBehind, networkOf, unpackedImages } from "./files.mjs";
import { createTrainer, gradientOf, lossAlong, measure, PIXELS } from "./mlp.mjs";
import { element, paintWeights, signed, slider, tell } from "./paint.mjs";
import { plot } from "./plot.mjs";

const POINTS = 81, REACH = 2, RATES = [0.01, 0.03, 0.1, 0.3, 1, 3];

export default async function mount(box) {
  const coming = element("p", { className: "live-coming", role: "status" });
  box.replaceChildren(coming);
  const file = await loadBehind(coming, "The network",
    box.dataset.file ?? new URL("nudge.bin", import.meta.url));
  const { images, labels } = unpackedImages(file);
  const fresh = () => networkOf(file).network;
  let network = fresh(), gradient, steps = 0;
  const { hidden } = network;

  const picture = element("canvas", {
    className: "live-unit live-crosshair", width: 28, height: 28, role: "img",
  });
  const marker = element("span", { className: "live-marker" });
  const weight = slider("Its weight", {
    min: 0, max: 1, step: "any", value: 0, words: (value) => signed(value, 3),
  });
  const another = element("button", { type: "button" }, "Another weight");
  const rate = slider("Learning rate", {
    max: RATES.length - 1, value: 2, words: (i) => String(RATES[i]),
  });
  const all = element("button", { type: "button", className: "live-primary" },
    "Step with all weights at once");
  const reset = element("button", { type: "button" }, "Start over");
  const status = element("p", { className: "live-status", role: "status" });
  const sum = element("p", {});
  let unit = 0, pixel = 0, start = 0, along = null, current = null;

  const chart = element("div", {});
  box.replaceChildren(element("div", { className: "live-halves" },
    element("div", {},
      element("p", { className: "live-title" },
        "The gradient of one hidden unit’s 784 weights: press a pixel to choose its weight"),
      element("div", { className: "live-map" }, picture, marker),
      weight.row, element("p", { className: "live-buttons" }, another)),
    element("div", {}, chart, status)),
    element("div", { className: "live-halves" },
      element("div", {}, rate.row, element("p", { className: "live-buttons" }, all, reset)), sum));
  box.classList.add("live-nudge");

  /** Chooses a weight: its curve, and its slope, which is one entry of the gradient. */
  function choose(u, p) {
    [unit, pixel] = [u, p];
    start = network.w1[p * hidden + u];
    along = lossAlong(network, images, labels, u, p);
    const values = Array.from({ length: POINTS }, (_, i) =>
      start + REACH * ((2 * i) / (POINTS - 1) - 1));
    const points = values.map((value) => [value, along(value)]);
    const losses = points.map(([, loss]) => loss), low = Math.min(...losses);
    const room = 0.08 * (Math.max(...losses) - low) + 1e-6;
    current = plot({
      x: { name: "this weight", from: start - REACH, to: start + REACH, text: (v) => signed(v, 1) },
      y: {
        name: `loss of ${images.count} images`, from: low - room,
        to: Math.max(...losses) + room, text: (v) => v.toFixed(3),
      },
    });
    current.curve(points, "live-line live-curve");
    current.pick((value) => {
      weight.input.value = value;
      weight.show();
      show();
    });
    chart.replaceChildren(current.svg);
    Object.assign(weight.input, { min: start - REACH, max: start + REACH, value: start });
    weight.show();
    Object.assign(marker.style, {
      left: `${(100 * ((p % 28) + 0.5)) / 28}%`, top: `${(100 * (Math.floor(p / 28) + 0.5)) / 28}%`,
    });
    paintWeights(picture, 1, 1, (_, q) => gradient.w1[q * hidden + u]);
    picture.setAttribute("aria-label", `Gradient of the weights of unit ${u}; `
      + `chosen is the pixel in row ${Math.floor(p / 28)}, column ${p % 28}`);
    show();
  }

  function show() {
    const value = weight.input.valueAsNumber, loss = along(value), little = 1e-3;
    const slope = (along(value + little) - along(value - little)) / (2 * little);
    current.point(value, loss, "live-dot");
    current.curve([[value - 0.5, loss - 0.5 * slope], [value + 0.5, loss + 0.5 * slope]],
      "live-line live-tangent");
    current.label(`The loss against this weight; at ${signed(value, 3)} it is ${loss.toFixed(4)}`);
    const entry = gradient.w1[pixel * hidden + unit];
    const here = Math.abs(value - start) < 1e-6;
    tell(status, `Loss ${loss.toFixed(4)}, slope ${signed(here ? entry : slope, 4)}`
      + (here ? ": this is the weight’s entry in the gradient. " : ". ")
      + (Math.abs(slope) < 1e-4 ? "Here it is flat."
        : `A step against the slope makes the weight ${slope > 0 ? "smaller" : "larger"}.`));
  }

  /** The weights of which the loss depends most, one a unit. */
  function steepest() {
    const best = Array.from({ length: hidden }, (_, u) => {
      let p = 0;
      for (let q = 1; q < PIXELS; q++) {
        if (Math.abs(gradient.w1[q * hidden + u]) > Math.abs(gradient.w1[p * hidden + u])) p = q;
      }
      return [u, p];
    });
    const size = ([u, p]) => Math.abs(gradient.w1[p * hidden + u]);
    return best.sort((a, b) => size(b) - size(a));
  }

  let turn = 0;
  function renew() {
    gradient = gradientOf(network, images, labels);
    turn = 0;
    const [best] = steepest();
    choose(...best);
    const { loss, accuracy } = measure(network, images, labels);
    tell(sum, steps ? `After ${steps} ${steps === 1 ? "step" : "steps"} with all `
      + `${gradient.count.toLocaleString("en")} numbers, the loss is ${loss.toFixed(3)}, and it gets `
      + `${Math.round(accuracy * images.count)} of ${images.count} images right.`
      : `Now the loss is ${loss.toFixed(3)}, and the network gets `
        + `${Math.round(accuracy * images.count)} of ${images.count} images right.`);
  }

  weight.input.addEventListener("input", show);
  picture.addEventListener("pointerdown", (event) => {
    const { left, top, width } = picture.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top]
      .map((at) => Math.min(Math.max(Math.floor((28 * at) / width), 0), 27));
    choose(unit, 28 * y + x);
  });
  another.addEventListener("click", () => {
    const list = steepest();
    turn = (turn + 1) % list.length;
    choose(...list[turn]);
  });
  all.addEventListener("click", () => {
    const options = { learningRate: RATES[rate.input.valueAsNumber], momentum: 0, l2: 0 };
    createTrainer(network, options)(images, labels, Uint32Array.from(labels, (_, i) => i));
    steps++;
    renew();
  });
  reset.addEventListener("click", () => {
    network = fresh();
    steps = 0;
    renew();
  });
  renew();
}

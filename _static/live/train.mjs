// Train it here: a network of the reader's own, in the page.

import { predict } from "./mlp.mjs";
import { createPad } from "./pad.mjs";
import { element, paintWeights, slider } from "./paint.mjs";

const CHOICES = {
  learningRate: ["Learning rate", [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10], 4],
  hidden: ["Hidden units", [4, 8, 16, 32, 64, 128, 256, 512], 5],
  batchSize: ["Batch size", [8, 16, 32, 64, 128, 256, 512], 4],
  momentum: ["Momentum", [0, 0.5, 0.8, 0.9, 0.95, 0.98], 3],
};
const EPOCHS = 15, SHOWN = 32, WIDTH = 300, HEIGHT = 120;
const SVG = "http://www.w3.org/2000/svg";

/** A line that grows: `add` takes a point; the axes follow. `high` null lets y follow too. */
function chart(name, colour, format, low, high) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `-44 -8 ${WIDTH + 60} ${HEIGHT + 34}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", name);
  const make = (tag, attributes, text = "") => {
    const made = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    svg.append(made);
    return made;
  };
  make("path", { d: `M0 0V${HEIGHT}H${WIDTH}`, class: "live-axis" });
  const line = make("polyline", { stroke: colour, class: "live-line" });
  const top = make("text", { x: -4, y: 8, "text-anchor": "end" });
  const bottom = make("text", { x: -4, y: HEIGHT, "text-anchor": "end" });
  const end = make("text", { x: WIDTH, y: HEIGHT + 18, "text-anchor": "end" });
  make("text", { x: 0, y: HEIGHT + 18 }, name);
  let points = [];

  function show() {
    const last = Math.max(1, ...points.map(([x]) => x));
    const highest = high ?? Math.max(1, ...points.map(([, y]) => y));
    const clipped = (y) => Math.min(Math.max((y - low) / (highest - low), 0), 1);
    line.setAttribute("points", points.map(([x, y]) =>
      `${((WIDTH * x) / last).toFixed(1)},${(HEIGHT * (1 - clipped(y))).toFixed(1)}`).join(" "));
    top.textContent = format(highest);
    bottom.textContent = format(low);
    end.textContent = `${last.toFixed(0)} s`;
  }
  show();
  return {
    svg,
    add(x, y) {
      points.push([x, y]);
      if (points.length > 400) points = points.filter((_, i) => i % 2 === 0); // enough to see
      show();
    },
    clear() {
      points = [];
      show();
    },
  };
}

export default function mount(box) {
  const sliders = Object.fromEntries(Object.entries(CHOICES).map(([key, [text, values, value]]) =>
    [key, slider(text, { max: values.length - 1, value, words: (i) => String(values[i]) })]));
  const begin = element("button", { type: "button" }, "Train");
  const stop = element("button", { type: "button", disabled: true }, "Stop");
  const reset = element("button", { type: "button" }, "Reset");
  const status = element("p", { className: "live-status", role: "status" },
    "Press Train: 12,000 training images of MNIST, at most 15 epochs.");
  const speed = element("p", { className: "live-speed" });
  const percent = (share) => `${Math.round(100 * share)} %`;
  const losses = chart("training loss", "#0072B2", (y) => y.toPrecision(2), 0, null);
  const accuracies = chart("validation accuracy", "#E69F00", percent, 0.8, 1);
  const weights = element("canvas", {
    width: 231, height: 115, className: "live-weights", role: "img",
    "aria-label": "The weights of the first hidden units as images, as they form",
  });
  const paper = element("div");
  box.replaceChildren(
    element("div", { className: "live-train" },
      element("div", {}, ...Object.values(sliders).map(({ row }) => row),
        element("p", {}, begin, " ", stop, " ", reset)),
      element("div", {}, losses.svg, accuracies.svg)),
    status, speed,
    element("p", { className: "live-title" }, "The weights of its first hidden units"), weights,
    element("p", { className: "live-title" }, "Draw a digit for your network"), paper);

  let network = null, worker = null;
  const readAnew = createPad(paper, (bytes) => network && predict(network, bytes));

  function running(now) {
    begin.disabled = now;
    stop.disabled = !now;
  }

  function forget() {
    network = null;
    losses.clear();
    accuracies.clear();
    weights.getContext("2d").clearRect(0, 0, weights.width, weights.height);
    speed.textContent = "";
    readAnew();
  }

  const answers = {
    progress({ epoch, updates, seconds, loss, rate, validation, network: trained }) {
      network = trained;
      losses.add(seconds, loss);
      speed.textContent = `${epoch} epochs done, ${updates.toLocaleString("en")} updates, `
        + `${seconds.toFixed(1)} s, loss ${loss.toFixed(3)}, `
        + `${Math.round(rate).toLocaleString("en")} images a second`;
      if (validation) {
        accuracies.add(seconds, validation.accuracy);
        status.textContent = `After ${seconds.toFixed(1)} s: `
          + `${(100 * validation.accuracy).toFixed(1)} % of 2,000 validation images are right.`;
      }
      const { hidden, w1 } = network;
      paintWeights(weights, Math.min(hidden, SHOWN), 8, (j, p) => w1[p * hidden + j]);
    },
    done() {
      running(false);
      readAnew();
    },
    failed({ message }) {
      running(false);
      forget();
      status.textContent = `The training stopped: ${message}.`;
    },
  };

  function start() {
    const address = box.dataset.worker ?? new URL("trainer.mjs", import.meta.url);
    const made = new Worker(address, { type: "module" });
    made.onmessage = ({ data }) => answers[data.kind](data);
    made.onerror = () => answers.failed({ message: "the browser can’t start it" });
    return made;
  }

  begin.addEventListener("click", () => {
    worker ??= start();
    const options = { epochs: EPOCHS, l2: 0.0001 };
    for (const [key, [, values]] of Object.entries(CHOICES)) {
      options[key] = values[sliders[key].input.valueAsNumber];
    }
    if (network && network.hidden !== options.hidden) forget();
    running(true);
    status.textContent = "Training …";
    worker.postMessage({
      kind: "train", options, address: box.dataset.file ?? String(new URL("train.bin", import.meta.url)),
    });
  });
  stop.addEventListener("click", () => worker.postMessage({ kind: "stop" }));
  reset.addEventListener("click", () => {
    worker?.terminate();
    worker = null;
    for (const [key, [, , value]] of Object.entries(CHOICES)) {
      sliders[key].input.value = value;
      sliders[key].show();
    }
    running(false);
    forget();
    status.textContent = "A new network waits, untrained.";
  });
}

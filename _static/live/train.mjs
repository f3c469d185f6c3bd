// Train it here: a network of the reader's own, in the page.

import { predict } from "./mlp.mjs";
import { createPad } from "./pad.mjs";
import { element, paintWeights, slider, tell } from "./paint.mjs";

const CHOICES = {
  learningRate: ["Learning rate", [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10], 4],
  hidden: ["Hidden units", [4, 8, 16, 32, 64, 128, 256, 512], 5],
  batchSize: ["Batch size", [8, 16, 32, 64, 128, 256, 512], 4],
  momentum: ["Momentum", [0, 0.5, 0.8, 0.9, 0.95, 0.98], 3],
};
const EPOCHS = 15, SHOWN = 32, WIDTH = 300, HEIGHT = 120;
const SVG = "http://www.w3.org/2000/svg";

/**
 * A line that grows, from zero to the highest value, or to `high` where that is given.
 *
 * `add` takes a point, `until` says how many seconds the axis spans, and `text` a value in words.
 */
function chart(name, colour, text, high) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `-52 -10 ${WIDTH + 64} ${HEIGHT + 36}`);
  svg.setAttribute("role", "img");
  const make = (tag, attributes, words = "") => {
    const made = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = words;
    svg.append(made);
    return made;
  };
  make("path", { d: `M0 0V${HEIGHT}H${WIDTH}`, class: "live-axis" });
  const line = make("polyline", { stroke: colour, class: "live-line" });
  const top = make("text", { x: -5, y: 9, "text-anchor": "end" });
  make("text", { x: -5, y: HEIGHT, "text-anchor": "end" }, text(0));
  make("text", { x: 0, y: HEIGHT + 20 }, name);
  const end = make("text", { x: WIDTH, y: HEIGHT + 20, "text-anchor": "end" });
  let points = [];

  function until(seconds) {
    const width = Math.max(seconds, 1), highest = high ?? Math.max(1, ...points.map(([, y]) => y));
    line.setAttribute("points", points.map(([x, y]) => `${((WIDTH * x) / width).toFixed(1)},`
      + (HEIGHT * (1 - y / highest)).toFixed(1)).join(" "));
    top.textContent = text(highest);
    end.textContent = `${width.toFixed(0)} s`;
    const last = points.at(-1);
    svg.setAttribute("aria-label", last ? `${name}, now ${text(last[1])}` : `${name}, none yet`);
  }
  until(0);
  return {
    svg,
    until,
    add(x, y) {
      points.push([x, y]);
      if (points.length > 400) points = points.filter((_, i) => i % 2 === 0); // enough to see
    },
    clear() {
      points = [];
      until(0);
    },
  };
}

const inEpochs = (count) => `${count} ${count === 1 ? "epoch" : "epochs"}`;

/** An accuracy in words. */
const inWords = ({ accuracy, count }) => `${(100 * accuracy).toFixed(1)}\u00a0% of `
  + `${count.toLocaleString("en")} validation images are right.`;

export default function mount(box) {
  const sliders = Object.fromEntries(Object.entries(CHOICES).map(([key, [text, values, value]]) =>
    [key, slider(text, { max: values.length - 1, value, words: (i) => String(values[i]) })]));
  const begin = element("button", { type: "button" }, "Train");
  const stop = element("button", { type: "button", disabled: true }, "Stop");
  const reset = element("button", { type: "button" }, "Reset");
  const status = element("p", { className: "live-status" },
    `Press Train: it trains for ${EPOCHS} epochs, or until you stop it.`);
  const heard = element("p", { className: "live-hidden", role: "status" }); // at starts and ends
  const speed = element("p", { className: "live-title live-speed" });
  const losses = chart("training loss", "#0072B2", (y) => y.toFixed(1));
  const accuracies = chart("validation accuracy", "#D55E00", (y) => `${Math.round(100 * y)} %`, 1);
  const charts = [losses, accuracies];
  const weights = element("canvas", {
    className: "live-weights", hidden: true, role: "img",
    "aria-label": "The weights of the network’s first hidden units as images, as they form",
  });
  const paper = element("div");
  box.replaceChildren(
    element("div", { className: "live-train" },
      element("div", {}, ...Object.values(sliders).map(({ row }) => row),
        element("p", {}, begin, " ", stop, " ", reset)),
      element("div", {}, losses.svg, accuracies.svg)),
    status, speed, heard,
    element("p", { className: "live-title" }, "Draw a digit for your network"), paper,
    element("p", { className: "live-title" },
      "The weights of its first hidden units (red: ink here excites the unit; blue: ink here quiets it)"),
    weights);

  let network = null, trainedWith = null, worker = null;
  const readAnew = createPad(paper, (bytes) => network && predict(network, bytes));

  const chosen = () => Object.fromEntries(Object.entries(CHOICES).map(([key, [, values]]) =>
    [key, values[sliders[key].input.valueAsNumber]]));

  /** A network goes on only as it began: else it would not show what a knob does. */
  const goesOn = () => network && JSON.stringify(chosen()) === trainedWith;
  const nameButton = () => tell(begin, goesOn() ? "Train on" : "Train");

  function say(text) {
    tell(status, text);
    tell(heard, text);
  }

  function running(now) {
    const from = now ? begin : stop, to = now ? stop : begin, focused = document.activeElement;
    for (const { input } of Object.values(sliders)) input.disabled = now;
    to.disabled = false;
    if (focused === from) to.focus(); // a button that is disabled would lose it
    from.disabled = true;
    nameButton();
  }

  function forget() {
    network = null;
    weights.hidden = true;
    readAnew();
  }

  const answers = {
    fetching: () => say("Fetching the digits …"),
    progress({ epoch, updates, seconds, loss, rate, validation, network: trained }) {
      network = trained;
      if (validation) {
        accuracies.add(seconds, validation.accuracy);
        tell(status, `After ${seconds.toFixed(1)} s: ${inWords(validation)}`);
      }
      if (loss !== undefined) {
        losses.add(seconds, loss);
        tell(speed, `${inEpochs(epoch)} done, ${updates.toLocaleString("en")} updates, `
          + `loss ${loss.toFixed(3)}, ${Math.round(rate).toLocaleString("en")} images a second`);
      }
      charts.forEach((each) => each.until(seconds));
      const { hidden, w1 } = network;
      weights.hidden = false;
      paintWeights(weights, Math.min(hidden, SHOWN), 8, (j, p) => w1[p * hidden + j]);
      readAnew();
    },
    done({ epoch, seconds, validation }) {
      running(false);
      say(`Stopped after ${inEpochs(epoch)} and ${seconds.toFixed(1)} s: ${inWords(validation)}`);
    },
    failed({ message }) {
      forget();
      running(false);
      say(`The training stopped: ${message}.`);
    },
  };

  function start() {
    const address = box.dataset.worker ?? new URL("trainer.mjs", import.meta.url);
    const made = new Worker(address, { type: "module" });
    made.onmessage = ({ data }) => answers[data.kind](data);
    made.onerror = () => {
      made.terminate();
      worker = null; // the next try may succeed
      answers.failed({ message: "the browser can’t start it" });
    };
    return made;
  }

  begin.addEventListener("click", () => {
    worker ??= start();
    const options = chosen(), fresh = !goesOn();
    if (fresh) {
      forget();
      charts.forEach((each) => each.clear());
    }
    trainedWith = JSON.stringify(options);
    say("Training …");
    worker.postMessage({
      kind: "train", fresh, options: { ...options, epochs: EPOCHS, l2: 0.0001 },
      address: box.dataset.file ?? String(new URL("train.bin", import.meta.url)),
    });
    running(true);
  });
  stop.addEventListener("click", () => worker.postMessage({ kind: "stop" }));
  reset.addEventListener("click", () => {
    worker?.terminate();
    worker = null;
    forget();
    running(false);
    charts.forEach((each) => each.clear());
    speed.textContent = "";
    say("A new network waits, untrained.");
  });
  for (const { input } of Object.values(sliders)) input.addEventListener("input", nameButton);
}

// Train it here: a network of the reader's own, in the page.

import { chart } from "./charts.mjs";
import { inBytes } from "./files.mjs";
import { forget as forgetKept, keep, recall } from "./keep.mjs";
import { predict } from "./mlp.mjs";
import { createPad } from "./pad.mjs";
import { element, paintWeights, percent, slider, tell } from "./paint.mjs";

const CHOICES = {
  learningRate: ["Learning rate", [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10], 4],
  hidden: ["Hidden units", [4, 8, 16, 32, 64, 128, 256, 512], 5],
  batchSize: ["Batch size", [8, 16, 32, 64, 128, 256, 512], 4],
  momentum: ["Momentum", [0, 0.5, 0.8, 0.9, 0.95, 0.98], 3],
  images: ["Training images", [300, 1000, 3000, 12000], 3],
};
const FEW = { learningRate: 4, hidden: 6, batchSize: 3, momentum: 3, images: 0 }; // overfits
const EPOCHS = 15, ALL = 12000, SHOWN = 32, GHOSTS = 4;

/** "1 epoch", "1,200 epochs". */
const counted = (count, name) => `${count.toLocaleString("en")} ${name}${count === 1 ? "" : "s"}`;

/** An accuracy in words. */
const inWords = ({ accuracy, count }) => `${percent(accuracy)} of `
  + `${count.toLocaleString("en")} validation images are right.`;

/** A loss in figures that can be read, however large it is. */
function inFigures(loss) {
  if (loss < 1000) return loss.toFixed(3);
  const power = Math.floor(Math.log10(loss));
  const raised = [...String(power)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");
  return `${(loss / 10 ** power).toFixed(1)}\u00a0×\u00a010${raised}`;
}

export default function mount(box) {
  const sliders = Object.fromEntries(Object.entries(CHOICES).map(([key, [text, values, value]]) =>
    [key, slider(text, {
      max: values.length - 1, value, words: (i) => values[i].toLocaleString("en"),
    })]));
  const begin = element("button", { type: "button", className: "live-primary" }, "Train");
  const stop = element("button", { type: "button", disabled: true }, "Stop");
  const reset = element("button", { type: "button" }, "Reset");
  const few = element("button", { type: "button" }, "Try 300 images");
  const status = element("p", { className: "live-status" },
    "Press Train: the network learns for a while, or until you stop it.");
  const heard = element("p", { className: "live-hidden", role: "status" }); // at starts and ends
  const speed = element("p", { className: "live-title live-speed" });
  const losses = chart({
    title: "Loss: how wrong it is", names: { training: "training", validation: "validation" },
    high: 2.5, ticks: [0, 1, 2], text: (y) => (y > 2.5 ? inFigures(y) : y.toFixed(1)),
  });
  const accuracies = chart({
    title: "Accuracy: the fraction it gets right", names: { validation: "validation" },
    high: 1, ticks: [0, 0.5, 1], text: (y) => `${Math.round(100 * y)}%`,
  });
  const charts = [losses, accuracies];
  const weights = element("canvas", {
    className: "live-weights", width: 463, height: 57, role: "img",
    "aria-label": "The weights of the network’s first hidden units as images, as they form",
  });
  const runs = element("ol", { className: "live-runs" });
  const paper = element("div");
  box.replaceChildren(
    element("div", { className: "live-train" },
      element("div", { className: "live-controls" },
        ...Object.values(sliders).map(({ row }) => row),
        element("p", { className: "live-buttons" }, begin, stop, reset, few)),
      element("div", { className: "live-results" }, status, speed, heard,
        element("div", { className: "live-charts" }, losses.svg, accuracies.svg),
        element("p", { className: "live-title" }, "The weights of its first hidden units "
          + "(red: ink here excites the unit; blue: ink here quiets it)"),
        weights, runs)),
    element("p", { className: "live-title" }, "Draw a digit for your network"), paper);

  let network = null, trainedWith = null, worker = null, planned = 0, reached = null;
  const pad = createPad(paper, (bytes) => network && predict(network, bytes),
    { name: "train", waiting: "There is no trained network yet: press Train." });

  const chosen = () => Object.fromEntries(Object.entries(CHOICES).map(([key, [, values]]) =>
    [key, values[sliders[key].input.valueAsNumber]]));

  /** A network goes on only as it began: else it would not show what a setting does. */
  const goesOn = () => network && JSON.stringify(chosen()) === trainedWith;
  const nameButton = () => tell(begin, goesOn() ? "Train on" : "Train");

  function say(text) {
    tell(status, text);
    tell(heard, text);
  }

  function running(now) {
    const from = now ? begin : stop, to = now ? stop : begin, focused = document.activeElement;
    for (const { input } of Object.values(sliders)) input.disabled = now;
    few.disabled = now;
    to.disabled = false;
    if (focused === from) to.focus(); // a button that is disabled would lose it
    from.disabled = true;
    nameButton();
  }

  function showWeights() {
    const { hidden, w1 } = network;
    paintWeights(weights, Math.min(hidden, SHOWN), 16, (j, p) => w1[p * hidden + j]);
  }

  function forget() {
    network = null;
    weights.getContext("2d").clearRect(0, 0, weights.width, weights.height);
    pad.look();
  }

  /** What the finished run was, for comparing it with the next. */
  function remember() {
    if (!reached) return;
    const { learningRate, hidden, batchSize, momentum, images } = JSON.parse(trainedWith);
    runs.prepend(element("li", {}, `rate ${learningRate}, ${hidden} units, batch ${batchSize}, `
      + `momentum ${momentum}, ${images.toLocaleString("en")} images: `,
      element("b", {}, percent(reached.accuracy)), `, validation loss ${inFigures(reached.loss)}`));
    while (runs.children.length > GHOSTS) runs.lastChild.remove();
    charts.forEach((each) => each.ghost(GHOSTS));
    reached = null;
  }

  function ended({ epoch, seconds, validation }, verb) {
    running(false);
    say(`${verb} ${counted(epoch, "epoch")} and ${seconds.toFixed(1)}\u00a0s: ${inWords(validation)}`);
    keep("trained", { network, words: inWords(validation) });
  }

  const answers = {
    fetching: ({ fetched, total }) => say(`Fetching the digits: ${inBytes(fetched, total)}.`),
    progress({ epoch, updates, seconds, loss, rate, validation, network: trained }) {
      network = trained;
      if (loss !== undefined) {
        losses.add("training", updates, loss);
        tell(speed, `${counted(epoch, "epoch")} done, ${counted(updates, "update")}, `
          + `loss ${inFigures(loss)}, ${Math.round(rate).toLocaleString("en")} images a second`);
      }
      if (validation) {
        reached = validation;
        losses.add("validation", updates, validation.loss);
        accuracies.add("validation", updates, validation.accuracy);
        tell(status, `After ${seconds.toFixed(1)}\u00a0s: ${inWords(validation)}`);
      }
      charts.forEach((each) => each.until(Math.max(planned, updates)));
      showWeights();
      pad.look();
    },
    stopped(message) {
      answers.progress(message);
      ended(message, "Stopped after");
    },
    done(message) {
      answers.progress(message);
      ended(message, "Finished after");
    },
    failed({ message }) {
      forget();
      reached = null;
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
    const epochs = Math.round((EPOCHS * ALL) / options.images); // as many images for all
    const updates = epochs * Math.ceil(options.images / options.batchSize);
    if (fresh) {
      remember();
      forget();
      planned = 0;
    }
    planned += updates;
    trainedWith = JSON.stringify(options);
    say("Training …");
    worker.postMessage({
      kind: "train", fresh, options: { ...options, epochs, l2: 0.0001 },
      address: box.dataset.file ?? String(new URL("train.bin", import.meta.url)),
    });
    running(true);
  });
  stop.addEventListener("click", () => worker.postMessage({ kind: "stop" }));
  reset.addEventListener("click", () => {
    worker?.terminate();
    worker = reached = null;
    forget();
    forgetKept("trained");
    running(false);
    charts.forEach((each) => each.clear());
    runs.replaceChildren();
    speed.textContent = "";
    say("A new network waits, untrained.");
  });
  few.addEventListener("click", () => {
    for (const [key, position] of Object.entries(FEW)) {
      sliders[key].input.value = position;
      sliders[key].show();
    }
    nameButton();
    say("Press Train, and watch the two losses part: it memorises 300 images.");
  });
  for (const { input } of Object.values(sliders)) input.addEventListener("input", nameButton);

  recall("trained").then((kept) => {
    if (!kept || network || worker) return;
    network = kept.network;
    showWeights();
    pad.look();
    say(`Your last network is still here: ${kept.words} Train begins a new one.`);
  });
}

// Your digit's way through a network: pixels, units, votes, probabilities, each step in numbers.

import { loadBehind, networkOf } from "./files.mjs";
import { CLASSES, argmax, forward, inked, softmax } from "./mlp.mjs";
import { bars, element, paintDigits, paintWeights, percent, signed, tell } from "./paint.mjs";
import { createPaper } from "./paper.mjs";
import { named } from "./pad.mjs";

export default async function mount(box) {
  const coming = element("p", { className: "live-coming", role: "status" });
  box.replaceChildren(coming);
  const file = await loadBehind(coming, "The network",
    box.dataset.file ?? new URL("home.bin", import.meta.url));
  const { network, samples } = networkOf(file), { hidden, w1, b1, w2, b2 } = network;

  const clear = element("button", { type: "button" }, "Clear");
  const undo = element("button", { type: "button" }, "Undo");
  const sight = element("canvas", { className: "live-sight", width: 28, height: 28, role: "img",
    "aria-label": "What the network sees: your drawing as 28 by 28 pixels" });
  const tiles = Array.from({ length: hidden }, (_, j) => {
    const canvas = element("canvas"), button = element("button",
      { type: "button", "aria-pressed": "false", "aria-label": `Unit ${j}` }, canvas);
    paintWeights(canvas, 1, 1, (_, p) => w1[p * hidden + j]);
    button.addEventListener("click", () => {
      focus = j;
      chosen = true;
      show();
    });
    return button;
  });
  const product = element("canvas", { className: "live-unit", role: "img",
    "aria-label": "The unit’s weights, each times your ink" });
  const sum = element("p", { className: "live-sum" });
  const votes = bars("What this unit adds to each score", (value) => signed(value, 2), true);
  const scores = bars("Score of each digit", (value) => signed(value, 1), true);
  const shares = bars("Probability of each digit", percent);
  const words = element("p", { className: "live-status", role: "status" });
  const units = new Float32Array(hidden), answer = new Float64Array(CLASSES);
  let focus = 0, chosen = false, sees = null;

  const paper = createPaper({ name: "way", onLook(bytes) {
    sees = bytes;
    show();
  } });
  const step = (title, ...parts) => element("div", {},
    element("p", { className: "live-title" }, title), ...parts);
  box.replaceChildren(
    element("div", { className: "live-halves" },
      step("1. Draw a digit", paper.sheet,
        element("p", { className: "live-buttons" }, clear, undo)),
      element("div", {},
        step("2. The network gets 784 numbers", sight),
        step(`3. ${hidden} hidden units: as bright as they are active. Press one`,
          element("div", { className: "live-tiles" }, ...tiles)))),
    element("div", { className: "live-halves" },
      step("4. Inside this unit: each weight times the ink there", product, sum),
      step("5. What this unit adds to the ten scores", votes.table),
      step("6. All units together, and ten biases: scores", scores.table),
      step("7. Softmax: probabilities", shares.table)),
    words);

  function show() {
    clear.disabled = !sees;
    undo.disabled = paper.isBlank();
    paintDigits(sight, sees ?? new Uint8Array(784));
    if (!sees) {
      for (const each of [votes, scores, shares]) each.set(null);
      tiles.forEach((tile) => (tile.style.opacity = 0.25));
      tell(words, "The paper is blank: draw a digit, and follow it from step to step.");
      tell(sum, "");
      paintWeights(product, 1, 1, (_, p) => w1[p * hidden + focus]);
      return;
    }
    forward(network, inked(sees), 0, units, answer);
    const raw = [...answer];
    softmax(answer);
    const digit = argmax(answer), most = Math.max(...units, 1e-9);
    const spoke = (j) => units[j] * w2[j * CLASSES + digit];
    if (!chosen) focus = [...units.keys()].reduce((a, b) => (spoke(b) > spoke(a) ? b : a));
    tiles.forEach((tile, j) => {
      tile.style.opacity = 0.2 + (0.8 * units[j]) / most;
      tile.setAttribute("aria-pressed", String(j === focus));
      tile.setAttribute("aria-label", `Unit ${j}, active with ${units[j].toFixed(2)}`);
    });
    let total = 0;
    for (let p = 0; p < 784; p++) total += w1[p * hidden + focus] * (sees[p] / 255);
    paintWeights(product, 1, 1, (_, p) => w1[p * hidden + focus] * (sees[p] / 255));
    const out = Math.max(total + b1[focus], 0);
    tell(sum, `Unit ${focus}: the products sum to ${signed(total, 2)}, its bias adds `
      + `${signed(b1[focus], 2)}, and ReLU makes ${signed(out, 2)} of it.`);
    const add = Array.from({ length: CLASSES }, (_, k) => out * w2[focus * CLASSES + k]);
    votes.set(add, Math.max(1, ...add.map(Math.abs)));
    scores.set(raw, Math.max(...raw.map(Math.abs)));
    shares.set([...answer]);
    const active = units.filter((value) => value > 0).length;
    tell(words, `${active} of ${hidden} units are active. The highest score is that of the `
      + `${digit}, ${signed(raw[digit], 1)}: the bias ${signed(b2[digit], 2)} and ${active} votes. `
      + `So the network reads ${named(digit)} and is ${percent(answer[digit])} sure.`);
  }

  clear.addEventListener("click", paper.clear);
  undo.addEventListener("click", paper.undo);
  if (paper.isBlank()) paper.put(samples.subarray(784 * 4, 784 * 5)); // something to begin with
  paper.look();
}

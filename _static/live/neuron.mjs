// One neuron: paint its weights and its ink, and see the sum, the bias and ReLU.

import { grid } from "./grid.mjs";
import { element, signed, slider, tell } from "./paint.mjs";
import { plot } from "./plot.mjs";

const SIDE = 5, CELLS = SIDE * SIDE, MOST = 12;
const PATTERNS = { // weights of 25 cells as signs
  "a vertical stroke": "−−+−−".repeat(5),
  "a horizontal stroke": `${"−".repeat(10)}+++++${"−".repeat(10)}`,
  "a ring": "−+++−+−−−++−−−++−−−+−+++−",
};
const INK = "00100".repeat(5);

/** A grid of cells whose states are colours to the eye and words to the ear. */
function cells(name, press) {
  const made = grid(name, SIDE, CELLS, press);
  return {
    box: made.box,
    show: (state, words) => made.cells.forEach((cell, i) => {
      cell.dataset.state = state(i);
      cell.setAttribute("aria-label",
        `Row ${Math.floor(i / SIDE) + 1}, column ${(i % SIDE) + 1}: ${words(i)}`);
    }),
  };
}

export default function mount(box) {
  const weights = new Int8Array(CELLS), ink = Uint8Array.from(INK, Number);
  const sign = (i) => ["−1", "0", "+1"][weights[i] + 1];
  const weightGrid = cells("Weights: press to change", (i) => {
    weights[i] = weights[i] === 1 ? -1 : weights[i] + 1;
    show();
  });
  const inkGrid = cells("Ink: press to draw or erase", (i) => {
    ink[i] = 1 - ink[i];
    show();
  });
  const bias = slider("Bias", { min: -8, max: 8, value: -2, words: (value) => signed(value, 0) });
  const choice = element("select", {}, ...Object.keys(PATTERNS).map((name) =>
    element("option", { value: name }, name)));
  const wipe = element("button", { type: "button" }, "Erase the ink");
  const picture = plot({
    x: { name: "sum with its bias", from: -MOST, to: MOST, text: (value) => signed(value, 0) },
    y: { name: "what the unit says", from: 0, to: MOST },
  });
  picture.curve([[-MOST, 0], [0, 0], [MOST, MOST]], "live-line live-curve");
  const status = element("p", { className: "live-status", role: "status" });
  box.replaceChildren(
    element("div", { className: "live-thirds" },
      element("div", {},
        element("p", { className: "live-title" }, "The picture: press cells to draw"), inkGrid.box,
        element("p", { className: "live-buttons" }, wipe)),
      element("div", {},
        element("p", { className: "live-title" },
          "The weights: red +1, blue −1, white 0. Press to change"), weightGrid.box,
        element("p", {}, element("label", {}, "Weights for ", choice)), bias.row),
      element("div", {}, picture.svg, status)));

  function load() {
    [...PATTERNS[choice.value]].forEach((each, i) => (weights[i] = each === "+" ? 1 : -1));
    show();
  }
  function show() {
    weightGrid.show((i) => ["against", "none", "for"][weights[i] + 1], (i) => `weight ${sign(i)}`);
    inkGrid.show((i) => (ink[i] ? "ink" : "none"), (i) => (ink[i] ? "ink" : "paper"));
    const sum = weights.reduce((total, weight, i) => total + weight * ink[i], 0);
    const total = sum + bias.input.valueAsNumber, out = Math.max(total, 0);
    picture.point(Math.min(Math.max(total, -MOST), MOST), Math.min(out, MOST), "live-dot");
    picture.label(`ReLU: a sum of ${signed(total, 0)} becomes ${out}`);
    tell(status, `Weights times ink sum to ${signed(sum, 0)}. With the bias it is `
      + `${signed(total, 0)}, and ReLU makes ${out} of it: the unit is `
      + `${out ? "active." : "silent."}`);
  }
  choice.addEventListener("change", load);
  bias.input.addEventListener("input", show);
  wipe.addEventListener("click", () => {
    ink.fill(0);
    show();
  });
  load();
}

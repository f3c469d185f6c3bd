// Softmax and the loss: ten scores to move, what softmax makes of them, and what the truth costs.

import { bars, element, percent, signed, slider, tell } from "./paint.mjs";
import { plot } from "./plot.mjs";
import { softmax } from "./mlp.mjs";

const LOW = -12, HIGH = 12, MOST = 7;

export default function mount(box) {
  const first = JSON.parse(box.dataset.scores), label = Number(box.dataset.label);
  let shift = 0; // what was added to all
  const sliders = first.map((score, digit) => slider(`Score of ${digit}`, {
    min: LOW, max: HIGH, step: 0.1, value: score.toFixed(1),
    words: (value) => signed(value + shift, 1),
  }));
  const truth = element("select", {}, ...first.map((_, digit) =>
    element("option", { value: digit, selected: digit === label }, String(digit))));
  const add = element("button", { type: "button" }, "Add 100 to all scores");
  const back = element("button", { type: "button" }, "Back to the start");
  const shares = bars("Probability of each digit", percent);
  const arrows = bars("Probability minus truth: the gradient of each score",
    (value) => signed(value, 3), true);
  const curve = plot({
    x: { name: "probability of the truth", from: 0, to: 1 },
    y: { name: "loss", from: 0, to: MOST },
  });
  curve.curve(Array.from({ length: 400 }, (_, i) => Math.exp(-MOST * (1 - i / 399)))
    .map((p) => [p, -Math.log(p)]), "live-line live-curve");
  const status = element("p", { className: "live-status", role: "status" });
  box.replaceChildren(
    element("div", { className: "live-thirds" },
      element("div", {}, element("p", { className: "live-title" }, "Scores: drag them"),
        element("div", { className: "live-sliders" }, ...sliders.map(({ row }) => row)),
        element("p", {}, element("label", {}, "The truth is a ", truth)),
        element("p", { className: "live-buttons" }, add, back)),
      element("div", {}, element("p", { className: "live-title" }, "Softmax: probabilities"),
        shares.table,
        element("p", { className: "live-title" },
          "Which way each score should go: probability minus truth, and the step goes against it"),
        arrows.table),
      element("div", {}, curve.svg, status)));

  function show() {
    const scores = Float64Array.from(sliders, ({ input }) => input.valueAsNumber + shift);
    const right = Number(truth.value), loss = softmax(scores.slice()) - scores[right];
    softmax(scores);
    shares.set([...scores], 1, right);
    arrows.set(Array.from(scores, (p, digit) => p - (digit === right)), 1);
    curve.point(scores[right], Math.min(loss, MOST), "live-dot");
    curve.label(`The loss is minus the logarithm of the truth’s probability: ${loss.toFixed(3)}`);
    tell(status, `The ${right} gets ${percent(scores[right])}, so the loss is `
      + `${signed(loss, 3)}.${shift ? ` All scores are ${shift} higher, and nothing else changed.` : ""}`);
  }
  const words = () => sliders.forEach((each) => each.show());
  sliders.forEach(({ input }) => input.addEventListener("input", show));
  truth.addEventListener("change", show);
  add.addEventListener("click", () => {
    shift += 100;
    words();
    show();
  });
  back.addEventListener("click", () => {
    shift = 0;
    sliders.forEach(({ input }, digit) => (input.value = first[digit].toFixed(1)));
    truth.value = label;
    words();
    show();
  });
  show();
}

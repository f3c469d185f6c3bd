// The confusion matrix: a cell opens its digits; its row is recall, its column is precision.

import { loadBehind } from "./files.mjs";
import { grid } from "./grid.mjs";
import { unpacked } from "./mlp.mjs";
import { element, paintDigits, percent, tell } from "./paint.mjs";
import { named } from "./pad.mjs";

export default async function mount(box) {
  const coming = element("p", { className: "live-coming", role: "status" });
  box.replaceChildren(coming);
  const file = await loadBehind(coming, "The matrix",
    box.dataset.file ?? new URL("confusion.bin", import.meta.url));
  const matrix = file.matrix.data, images = unpacked(file.images.data);
  const truths = file.truths.data, answers = file.answers.data, shares = file.shares.data;
  const count = (truth, answer) => matrix[10 * truth + answer];
  const digits = Array.from({ length: 10 }, (_, digit) => digit);

  const table = grid("Confusion matrix: rows are truths, columns are answers", 10, 100, choose);
  table.cells.forEach((cell, i) => {
    const truth = Math.floor(i / 10), answer = i % 10, number = count(truth, answer);
    cell.textContent = number || "·";
    cell.setAttribute("aria-label", `Truth ${truth}, answer ${answer}: ${number}`);
  });
  const heads = (down) => element("div", {
    className: `live-heads${down ? " live-heads-down" : ""}`, "aria-hidden": "true",
  }, ...digits.map((digit) => element("span", {}, String(digit))));
  const status = element("p", { className: "live-status", role: "status" });
  const measures = element("p", {});
  const found = element("div", {
    className: "live-found", tabIndex: 0, role: "group", "aria-label": "Digits of this cell",
  });
  box.replaceChildren(element("div", { className: "live-halves" },
    element("div", {},
      element("p", { className: "live-title" }, "Down: the truth. Across: the network’s answer"),
      element("div", { className: "live-matrix" }, heads(false), heads(true), table.box)),
    element("div", {}, status, measures, found)));

  function choose(chosen) {
    const truth = Math.floor(chosen / 10), answer = chosen % 10, number = count(truth, answer);
    const row = digits.reduce((sum, digit) => sum + count(truth, digit), 0);
    const column = digits.reduce((sum, digit) => sum + count(digit, answer), 0);
    table.cells.forEach((cell, i) => {
      cell.setAttribute("aria-pressed", String(i === chosen));
      cell.dataset.lit = [Math.floor(i / 10) === truth && "recall",
        i % 10 === answer && "precision"].filter(Boolean).join(" ");
    });
    const right = truth === answer;
    tell(status, right
      ? `${number.toLocaleString("en")} times ${named(truth)} was read as ${named(truth)}.`
      : `${number} ${number === 1 ? "time" : "times"} ${named(truth)} was read as ${named(answer)}.`);
    measures.replaceChildren(
      element("span", { className: "live-truth-text" }, "Its row"),
      ` holds the ${row.toLocaleString("en")} digits that are a ${truth}; `
      + `${percent(count(truth, truth) / row)} of them were found: recall. `,
      element("span", { className: "live-answer-text" }, "Its column"),
      ` holds the ${column.toLocaleString("en")} that were called a ${answer}; `
      + `${percent(count(answer, answer) / column)} of them are one: precision.`);
    const here = [...truths.keys()].filter((n) => truths[n] === truth && answers[n] === answer);
    found.replaceChildren(...here.map((n) => {
      const canvas = element("canvas", { role: "img",
        "aria-label": `${named(truth)}, read as ${named(answer)}` });
      paintDigits(canvas, images.subarray(784 * n, 784 * n + 784));
      const share = (digit) => `${digit}: ${Math.round(shares[10 * n + digit] / 2.55)}%`;
      return element("figure", {}, canvas, element("figcaption", {},
        right ? share(truth) : `${share(answer)}, ${share(truth)}`));
    }));
    if (here.length < number) {
      found.append(element("p", {}, `and ${(number - here.length).toLocaleString("en")} more`));
    }
  }
  const errors = table.cells.map((_, i) => (Math.floor(i / 10) === i % 10 ? -1 : matrix[i]));
  choose(errors.indexOf(Math.max(...errors)));
}

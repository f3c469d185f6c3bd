// The average-digit reader: your drawing beside ten averages, and the nearest is the answer.

import { loadBehind } from "./files.mjs";
import { element, paintDigits, tell } from "./paint.mjs";
import { createPaper } from "./paper.mjs";
import { named } from "./pad.mjs";

/** The distance between a drawing and each average: the square root of the summed squares. */
export function distances(sees, means) {
  return Array.from({ length: means.length / 784 }, (_, digit) => {
    let sum = 0;
    for (let p = 0; p < 784; p++) sum += ((sees[p] - means[784 * digit + p]) / 255) ** 2;
    return Math.sqrt(sum);
  });
}

export default async function mount(box) {
  const coming = element("p", { className: "live-coming", role: "status" });
  box.replaceChildren(coming);
  const file = await loadBehind(coming, "The ten averages",
    box.dataset.file ?? new URL("averages.bin", import.meta.url));
  const means = file.means.data;
  const clear = element("button", { type: "button" }, "Clear");
  const undo = element("button", { type: "button" }, "Undo");
  const difference = element("canvas", { className: "live-sight", role: "img",
    "aria-label": "Where your drawing and the nearest average differ" });
  const cells = Array.from({ length: 10 }, (_, digit) => {
    const canvas = element("canvas", { role: "img", "aria-label": `The average ${digit}` });
    paintDigits(canvas, means.subarray(784 * digit, 784 * digit + 784));
    const figure = element("span");
    return { figure, box: element("div", {}, canvas, figure) };
  });
  const status = element("p", { className: "live-status", role: "status" });
  const paper = createPaper({ name: "averages", onLook: show });
  box.replaceChildren(element("div", { className: "live-halves" },
    element("div", {}, paper.sheet,
      element("p", { className: "live-buttons" }, clear, undo)),
    element("div", {}, status,
      element("p", { className: "live-title" }, "The ten averages, and how far your digit is from each"),
      element("div", { className: "live-means" }, ...cells.map((cell) => cell.box)),
      element("p", { className: "live-title" },
        "Your drawing and the nearest average, one over the other: dark where they differ"),
      difference)));

  function show(sees) {
    clear.disabled = !sees;
    undo.disabled = paper.isBlank();
    if (!sees) {
      cells.forEach((cell) => {
        tell(cell.figure, "");
        cell.box.className = "";
      });
      paintDigits(difference, new Uint8Array(784));
      tell(status, "The paper is blank: draw a digit. Ten averages will read it, with no training.");
      return;
    }
    const far = distances(sees, means), near = far.indexOf(Math.min(...far));
    cells.forEach((cell, digit) => {
      tell(cell.figure, far[digit].toFixed(1));
      cell.box.className = digit === near ? "live-nearest" : "";
    });
    paintDigits(difference, sees.map((byte, p) => Math.abs(byte - means[784 * near + p])));
    const second = far.indexOf(Math.min(...far.filter((_, digit) => digit !== near)));
    tell(status, `The nearest average is ${named(near)}, ${far[near].toFixed(1)} away; `
      + `next comes the ${second}, ${far[second].toFixed(1)} away.`);
  }
  clear.addEventListener("click", paper.clear);
  undo.addEventListener("click", paper.undo);
  paper.look();
}

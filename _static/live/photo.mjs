// A photo of digits: each is boxed and read, and the reader chooses one to look at.

import { argmax } from "./mlp.mjs";
import { element, percent, tell } from "./paint.mjs";

const NOT_SURE = 0.7, UNSURE = 0.8, TURNED = 0.9; // as in mnist_tutorial/further/read.py

/**
 * Finds the digits on a picture, in a worker: { rows, width, height, picture }, as finder.mjs has
 * them. A `turn` of 1 is a quarter to the left, of -1 one to the right. Rejects with an Error whose
 * message is for the reader; once `signal` aborts, it says nothing more.
 */
export function find(file, signal, turn = 0) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./finder.mjs", import.meta.url), { type: "module" });
    signal.addEventListener("abort", () => worker.terminate());
    worker.addEventListener("message", ({ data }) => {
      worker.terminate();
      if (data.error) reject(new Error(data.error));
      else resolve(data);
    });
    worker.addEventListener("error", () => {
      worker.terminate();
      reject(new Error("Your browser can’t read this photo. Reload the page, and try a smaller one."));
    });
    worker.postMessage({ file, turn });
  });
}

/** The same, turned by a quarter if `read` is unsure of the picture, and sure of the turned one. */
export async function findUpright(file, read, signal) {
  const sure = ({ rows }) => {
    const answers = rows.flat().map(({ bytes }) => read(bytes));
    if (answers.includes(null)) return 1; // there is no network yet
    return answers.reduce((sum, answer) => sum + Math.max(...answer), 0) / answers.length;
  };
  let best = await find(file, signal);
  if (sure(best) >= UNSURE) return best;
  for (const turn of [1, -1]) {
    const turned = await find(file, signal, turn).catch(() => null);
    if (turned && sure(turned) >= Math.max(TURNED, sure(best))) best = turned;
  }
  return best;
}

/**
 * Shows what `find` found. `read` gives ten probabilities for 784 bytes, or null while there is no
 * network; `onDigit` hears the 784 bytes of the digit that is chosen, null after the last.
 */
export function createView({ rows, width, height, picture }, read, onDigit) {
  const digits = rows.flat();
  const canvas = element("canvas", {
    width: picture.width, height: picture.height, role: "img", "aria-label": "Your photo",
  });
  canvas.getContext("bitmaprenderer").transferFromImageBitmap(picture);
  const text = element("output", { className: "live-read" });
  const buttons = digits.map(({ box: [left, top, right, bottom] }, i) => {
    const button = element("button", { type: "button" }, element("span"));
    Object.assign(button.style, {
      left: `${(50 * (left + right)) / width}%`, width: `${(100 * (right - left)) / width}%`,
      top: `${(50 * (top + bottom)) / height}%`, height: `${(100 * (bottom - top)) / height}%`,
    });
    for (const kind of ["click", "focus"]) button.addEventListener(kind, () => choose(i));
    return button;
  });
  const photo = element("div", { className: "live-photo" }, canvas, ...buttons);
  photo.style.maxWidth = `${Math.round((440 * width) / height)}px`; // no higher than a screen
  let chosen = -1;

  function choose(i) {
    chosen = i;
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", k === i));
    onDigit(digits[i]?.bytes ?? null);
  }

  /** Reads all digits: the network may have come, or have learnt, since. */
  function look() {
    digits.forEach((digit, i) => {
      const answer = read(digit.bytes), button = buttons[i];
      digit.answer = answer ? argmax(answer) : null;
      const confidence = answer ? answer[digit.answer] : 0;
      button.classList.toggle("live-unsure", confidence < NOT_SURE);
      tell(button.firstChild, String(digit.answer ?? "?"));
      button.setAttribute("aria-label", `Digit ${i + 1} of ${digits.length}: `
        + (answer ? `${digit.answer}, ${percent(confidence)} sure` : "not read yet"));
    });
    tell(text, rows.map((row) => row.map(({ answer }) => answer ?? "?").join("")).join(" "));
    if (chosen >= 0) choose(chosen);
  }

  look();
  return {
    box: element("div", { className: "live-view" }, photo,
      element("p", {}, element("span", { className: "live-title" }, "The network reads "), text)),
    choose, look,
    summary: () => `Found ${digits.length} ${digits.length === 1 ? "digit" : "digits"}`
      + `${digits[0].answer === null ? "" : `, read as ${text.textContent}`}. `
      + "Choose one to see what the network sees of it.",
    /** Goes on to the next digit; after the last one none is chosen. */
    next: () => choose(chosen + 1),
  };
}

// A sheet of paper for a digit, for mouse, pen, finger and keyboard, and what a network reads.

import { argmax } from "./mlp.mjs";
import { seen } from "./digit.mjs";
import { bars, element, paintDigits, percent, tell } from "./paint.mjs";

const SIZE = 280, PEN = 22, KEY_STEP = 8;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const BLANK = "The paper is blank. Draw a digit, anywhere, large or half as large.";

/** "a 7", "an 8". */
const named = (digit) => `${Number(digit) === 8 ? "an" : "a"} ${digit}`;

/**
 * Puts a drawing pad into `box`.
 *
 * `read` takes 784 bytes and gives ten probabilities, or null while there is no network;
 * `samples` are ten digits of 784 bytes each, for those who can't draw, or nothing. Returns a
 * function that reads the drawing anew.
 */
export function createPad(box, read, samples) {
  const paper = element("canvas", {
    width: SIZE, height: SIZE, tabIndex: 0, className: "live-paper", role: "application",
    "aria-label": "Paper for a digit. Arrow keys move the pen, the space bar lowers or lifts it, "
      + "Delete clears the paper.",
  });
  const context = paper.getContext("2d", { willReadFrequently: true });
  Object.assign(context, { lineWidth: PEN, lineCap: "round", lineJoin: "round" });
  const pen = element("span", { className: "live-pen", hidden: true });
  const clear = element("button", { type: "button" }, "Clear");
  const save = element("button", {
    type: "button", "aria-label": "Save what the network sees as a PNG file",
  }, "Save");
  const sample = element("select", { "aria-label": "or take one of MNIST’s" },
    element("option", { value: "" }, "or take one of MNIST’s"),
    ...Array.from({ length: 10 }, (_, digit) => element("option", { value: digit }, named(digit))));
  const centre = element("input", { type: "checkbox", checked: true });
  const sight = element("canvas", {
    className: "live-sight", width: 28, height: 28, role: "img",
    "aria-label": "What the network sees: your drawing as 28 by 28 pixels",
  });
  const answers = bars("Probability of each digit", percent);
  const status = element("p", { className: "live-status" });
  const heard = element("p", { className: "live-hidden", role: "status" }); // once a stroke is done

  box.append(element("div", { className: "live-pad" },
    element("div", {}, element("div", { className: "live-sheet" }, paper, pen),
      element("p", {}, clear, " ", samples ? sample : "")),
    element("div", { className: "live-wide" }, status, answers.table, heard),
    element("div", { className: "live-row" }, sight, element("div", {},
      element("p", { className: "live-title" }, "What the network sees"),
      element("p", {}, element("label", {}, centre, " scale and centre it first"), " ", save),
      element("p", { className: "live-title" },
        "Keys: the arrows move the pen, space lowers or lifts it, Delete clears.")))));

  let due = false, sees = null; // the 784 bytes, null for a blank paper

  function look() {
    due = false;
    const { data } = context.getImageData(0, 0, SIZE, SIZE);
    const ink = new Float32Array(SIZE * SIZE);
    for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3] / 255;
    sees = seen(ink, SIZE, SIZE, centre.checked);
    save.disabled = !sees;
    paintDigits(sight, sees ?? new Uint8Array(784));
    const answer = sees && read(sees);
    answers.set(answer && [...answer]);
    if (!sees) tell(status, BLANK);
    else if (!answer) tell(status, "There is no trained network yet: press Train.");
    else {
      const digit = argmax(answer);
      tell(status, `The network reads ${named(digit)} and is ${percent(answer[digit])} sure.`);
    }
  }

  function soon() {
    if (!due) requestAnimationFrame(look);
    due = true;
  }

  /** Looks, and says the answer aloud for those who listen. */
  function say() {
    look();
    tell(heard, status.textContent);
  }

  function line(from, to) {
    context.beginPath();
    if (from === to) { // a line of no length would leave no mark
      context.arc(...to, PEN / 2, 0, 2 * Math.PI);
      context.fill();
    } else {
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    }
    soon();
  }

  function wipe() {
    context.clearRect(0, 0, SIZE, SIZE);
    sample.value = "";
    say();
  }

  let last = null; // where the pointer's stroke is, null between strokes
  const place = (event) => {
    const { left, top, width } = paper.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top].map((length) => (length * SIZE) / width);
  };
  paper.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button) return;
    paper.setPointerCapture(event.pointerId);
    pen.hidden = true;
    last = place(event);
    line(last, last);
  });
  paper.addEventListener("pointermove", (event) => {
    if (!last || !event.isPrimary) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const point of passed.length ? passed : [event]) {
      const next = place(point);
      line(last, next);
      last = next;
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    paper.addEventListener(end, (event) => {
      if (!last || !event.isPrimary) return;
      last = null;
      say();
    });
  }

  let tip = [SIZE / 2, SIZE / 4], down = false; // the pen that keys move
  function showPen() {
    pen.hidden = false;
    pen.classList.toggle("live-down", down);
    Object.assign(pen.style, { left: `${(100 * tip[0]) / SIZE}%`, top: `${(100 * tip[1]) / SIZE}%` });
  }
  paper.addEventListener("keydown", (event) => {
    const move = ARROWS[event.key];
    if (move) {
      const next = tip.map((at, i) => Math.min(Math.max(at + KEY_STEP * move[i], 0), SIZE));
      if (down) line(tip, next);
      tip = next;
    } else if (event.key === " ") {
      event.preventDefault();
      if (event.repeat) return; // held, not pressed again
      down = !down;
      if (down) {
        line(tip, tip);
        tell(heard, "Pen down");
      } else {
        say();
      }
    } else if (event.key === "Delete" || event.key === "Backspace") {
      down = false;
      wipe();
    } else {
      return;
    }
    event.preventDefault(); // or the page would scroll
    showPen();
  });
  paper.addEventListener("focus", () => paper.matches(":focus-visible") && showPen());
  paper.addEventListener("blur", () => {
    pen.hidden = true;
    if (down) say();
    down = false;
  });

  clear.addEventListener("click", wipe);
  save.addEventListener("click", () => {
    const picture = element("canvas");
    paintDigits(picture, sees.map((byte) => 255 - byte)); // light on black, as MNIST's images are
    element("a", { href: picture.toDataURL(), download: "digit.png" }).click();
  });
  centre.addEventListener("change", say);
  sample.addEventListener("change", () => {
    const digit = sample.value;
    wipe();
    if (digit === "") return;
    sample.value = digit;
    const small = context.createImageData(28, 28);
    samples.subarray(784 * digit, 784 * digit + 784).forEach((byte, p) => {
      small.data[4 * p + 3] = byte; // ink is black; how much is its opacity
    });
    const canvas = element("canvas", { width: 28, height: 28 });
    canvas.getContext("2d").putImageData(small, 0, 0);
    context.drawImage(canvas, 0, 0, SIZE, SIZE);
    say();
  });

  look();
  return look;
}

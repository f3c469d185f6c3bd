// A drawing pad: the paper, what a network sees of it, and what it answers.

import { createCamera } from "./camera.mjs";
import { argmax } from "./mlp.mjs";
import { bars, element, paintDigits, percent, tell } from "./paint.mjs";
import { createPaper } from "./paper.mjs";

const BLANK = "The paper is blank. Draw a digit, anywhere, large or half as large.";
const LAST = "That was the last digit. Choose any of them to see it again.";

/** "a 7", "an 8". */
export const named = (digit) => `${Number(digit) === 8 ? "an" : "a"} ${digit}`;

/**
 * Puts a drawing pad into `box`.
 *
 * `read` takes 784 bytes and gives ten probabilities, or null while there is no network;
 * `waiting` says what is missing then, and `onAnswer` hears each answer. Returns `look`, which
 * reads again what is there, `next`, which makes room for the next digit, and `offer`, which takes
 * ten digits of 784 bytes each, for those who can't draw.
 */
export function createPad(box, read, { name = "pad", waiting, onAnswer = () => {} }) {
  const clear = element("button", { type: "button" }, "Clear");
  const undo = element("button", { type: "button" }, "Undo");
  const save = element("button", {
    type: "button", "aria-label": "Save what the network sees as a PNG file",
  }, "Save");
  const samples = element("div", {
    className: "live-samples", role: "group", "aria-label": "or take one of MNIST’s",
  });
  const centre = element("input", { type: "checkbox", checked: true });
  const sight = element("canvas", {
    className: "live-sight", width: 28, height: 28, role: "img",
    "aria-label": "What the network sees: your drawing as 28 by 28 pixels",
  });
  const answers = bars("Probability of each digit", percent);
  const status = element("p", { className: "live-status" });
  const heard = element("p", { className: "live-hidden live-heard", role: "status" }); // once a stroke is done
  let sees = null; // the 784 bytes, null for a blank paper

  const paper = createPaper({
    name,
    onLook: choose,
    onDone: () => tell(heard, status.textContent),
    onPen: () => tell(heard, "Pen down"),
  });

  function choose(bytes) {
    sees = bytes;
    show();
  }

  function show() {
    save.disabled = clear.disabled = !sees;
    undo.disabled = paper.isBlank();
    paintDigits(sight, sees ?? new Uint8Array(784));
    const answer = sees && read(sees);
    answers.set(answer && [...answer]);
    onAnswer(answer);
    if (!sees) tell(status, camera.isOpen() ? LAST : BLANK);
    else if (!answer) tell(status, waiting);
    else {
      const digit = argmax(answer);
      tell(status, `The network reads ${named(digit)} and is ${percent(answer[digit])} sure.`);
    }
  }

  const centred = element("label", {}, centre, " scale and centre it first");
  const keys = element("p", { className: "live-title" },
    "Keys: the arrows move the pen, space lowers or lifts it, Delete clears.");
  const pad = element("div", { className: "live-pad" });
  const camera = createCamera({
    pad, read, hides: [paper.sheet, clear, undo, samples, centred, keys],
    onDigit: choose,
    onPaper: paper.look,
    say(text) {
      tell(status, text);
      tell(heard, text);
    },
  });
  pad.append(
    paper.sheet,
    element("div", { className: "live-answer" }, status, answers.table, heard),
    element("div", { className: "live-tools" },
      element("p", { className: "live-buttons" }, clear, undo, ...camera.buttons), samples),
    element("div", { className: "live-row" }, sight, element("div", {},
      element("p", { className: "live-title" }, "What the network sees"),
      element("p", {}, centred, " ", save), keys,
      element("p", { className: "live-title" },
        "Photos: choose one, drop it here or paste it. It stays on your device."))));
  box.append(pad);

  clear.addEventListener("click", paper.clear);
  undo.addEventListener("click", paper.undo);
  save.addEventListener("click", () => {
    const picture = element("canvas");
    paintDigits(picture, sees.map((byte) => 255 - byte)); // light on black, as MNIST's images are
    element("a", { href: picture.toDataURL(), download: "digit.png" }).click();
  });
  centre.addEventListener("change", () => {
    paper.centre(centre.checked);
    tell(heard, status.textContent);
  });
  paper.look();
  return {
    look: () => (camera.isOpen() ? camera.look() : paper.look()),
    next: () => (camera.isOpen() ? camera.next() : paper.clear()),
    offer(bytes) {
      samples.replaceChildren(...Array.from({ length: 10 }, (_, digit) => {
        const image = bytes.subarray(784 * digit, 784 * digit + 784);
        const canvas = element("canvas", { width: 28, height: 28 });
        paintDigits(canvas, image);
        const button = element("button", { type: "button", "aria-label": `Take MNIST’s ${digit}` },
          canvas);
        button.addEventListener("click", () => paper.put(image));
        return button;
      }));
    },
  };
}

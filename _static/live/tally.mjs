// The reader's own test set: what they meant beside what the network read, kept on their device.

import { forget, keep, recall } from "./keep.mjs";
import { element, percent, tell } from "./paint.mjs";

const NAME = "tally";

/** Wilson's 95% interval of a share, as mnist_tutorial/evaluation.py computes it. */
export function interval(right, count, z = 1.959964) {
  const share = right / count, spread = z ** 2 / count;
  const middle = (share + spread / 2) / (1 + spread);
  const half = (z / (1 + spread)) * Math.sqrt((share * (1 - share)) / count + spread / (4 * count));
  return [Math.max(middle - half, 0), Math.min(middle + half, 1)];
}

/**
 * A row of buttons, "I meant a …". `said()` is the digit that was read, null for a blank paper;
 * `next()` makes room for the next digit.
 */
export function createTally(said, next) {
  const buttons = Array.from({ length: 10 }, (_, digit) => element("button",
    { type: "button", "aria-label": `I meant ${digit}` }, String(digit)));
  const erase = element("button", { type: "button", hidden: true }, "Forget them");
  const status = element("p", { role: "status" }), row = element("p", {});
  let pairs = []; // [meant, said]

  function show() {
    erase.hidden = !pairs.length;
    if (!pairs.length) {
      tell(status, "Make a test set of your own: draw a digit, and say which you meant.");
      tell(row, "");
      return;
    }
    const right = pairs.filter(([meant, read]) => meant === read).length;
    const [low, high] = interval(right, pairs.length).map(percent);
    tell(status, `Your own test set: ${right} of ${pairs.length} right, `
      + `${percent(right / pairs.length)}; plausibly from ${low} to ${high}.`);
    const [meant] = pairs.at(-1), reads = new Map();
    for (const [truth, read] of pairs) {
      if (truth === meant) reads.set(read, (reads.get(read) ?? 0) + 1);
    }
    tell(row, `Your ${meant} was read as ${[...reads].sort(([a], [b]) => a - b)
      .map(([read, times]) => `${read} (${times}\u00a0×)`).join(", ")}.`);
  }

  buttons.forEach((button, meant) => button.addEventListener("click", async () => {
    const read = said();
    if (read === null) return;
    pairs = [...pairs, [meant, read]];
    next();
    await keep(NAME, pairs);
    show();
  }));
  erase.addEventListener("click", async () => {
    await forget(NAME); // what the page says is gone stays gone, however soon the reader leaves
    pairs = [];
    show();
  });
  recall(NAME).then((kept) => {
    pairs = kept ?? pairs;
    show();
  });
  show();
  return {
    box: element("div", { className: "live-tally" },
      element("p", { className: "live-title" }, "I meant"),
      element("div", { className: "live-meant", role: "group", "aria-label": "The digit you meant" },
        ...buttons),
      status, row, erase),
    allow: (yes) => buttons.forEach((button) => (button.disabled = !yes)),
  };
}

// Look inside: any hidden unit, from its first weights to its last.

import { load, loadBehind, restored } from "./files.mjs";
import { bars, element, paintDigits, paintWeights, signed, slider } from "./paint.mjs";

export default async function mount(box) {
  const [first, units, size] = ["unit", "units", "group"].map((name) => Number(box.dataset[name]));
  const files = new Map();
  const address = (n) => new URL(`units-${String(n).padStart(2, "0")}.bin`, import.meta.url);
  const group = (n) => {
    if (!files.has(n)) {
      files.set(n, load(address(n)).catch((error) => {
        files.delete(n); // so that the next try may succeed
        throw error;
      }));
    }
    return files.get(n);
  };

  const coming = element("p", { className: "live-coming", role: "status" });
  box.replaceChildren(coming);
  const begun = Math.floor(first / size), file = await loadBehind(coming, "The unit", address(begun));
  files.set(begun, Promise.resolve(file));
  const { shape: [, snapshots] } = file.hidden_kernel;
  const number = element("input", {
    type: "number", min: 0, max: units - 1, step: 1, value: first,
  });
  const another = element("button", { type: "button" }, "Another");
  const epoch = slider("After epoch", { max: snapshots - 1, value: snapshots - 1 });
  const change = element("input", { type: "checkbox" });
  const picture = element("canvas", {
    className: "live-unit", width: 28, height: 28, role: "img",
    "aria-label": "The unit’s weights as an image",
  });
  const digits = element("canvas", { className: "live-digits", width: 231, height: 28, role: "img" });
  const votes = bars("What it adds to the score of each digit", (vote) => signed(vote, 2), true);
  const status = element("p", { className: "live-status", role: "status" });
  box.replaceChildren(
    element("p", {}, element("label", {}, `Hidden unit, 0 to ${units - 1}: `, number), " ", another),
    epoch.row,
    element("p", {}, element("label", {}, change, " show only what training added to the weights")),
    element("div", { className: "live-beside" },
      element("div", { className: "live-narrow" }, element("p", { className: "live-title" }, "Its weights (red: ink here excites it; blue: ink here quiets it)"), picture),
      element("div", { className: "live-wide" },
        element("p", { className: "live-title" }, "Its votes: what it adds to each digit’s score, or takes from it, where it is active"), votes.table)),
    element("p", { className: "live-title" }, "The eight validation digits that excite it most after the last epoch"),
    digits, status);

  let shown = first, latest = 0; // a slow file must not overwrite what was asked for after it
  async function show() {
    const mine = ++latest, unit = number.valueAsNumber, after = epoch.input.valueAsNumber;
    if (!Number.isInteger(unit) || unit < 0 || unit >= units) {
      status.textContent = `Choose a whole number from 0 to ${units - 1}; you still see unit ${shown}.`;
      return;
    }
    let file;
    try {
      file = await group(Math.floor(unit / size));
    } catch (error) {
      if (mine !== latest) return;
      status.textContent = `Unit ${unit} could not be fetched (${error.message}).`;
      return;
    }
    if (mine !== latest) return;
    const row = (unit % size) * snapshots, { data } = restored(file.hidden_kernel, file.hidden_scale);
    const at = (row + after) * 784, before = row * 784;
    paintWeights(picture, 1, 1, (_, p) => data[at + p] - (change.checked ? data[before + p] : 0));
    const vote = [...file.votes.data.subarray((row + after) * 10, (row + after + 1) * 10)];
    const all = file.votes.data.subarray(row * 10, (row + snapshots) * 10);
    votes.set(vote, Math.max(...all.map(Math.abs)));
    shown = unit;
    const count = file.labels.shape[1], from = (unit % size) * count;
    paintDigits(digits, file.digits.data.subarray(from * 784, (from + count) * 784), count);
    const labels = [...file.labels.data.subarray(from, from + count)].join(", ");
    digits.setAttribute("aria-label", `The digits that excite it most: ${labels}`);
    status.textContent = `After epoch ${after}, where unit ${unit} is active, it adds most to the score `
      + `of ${vote.indexOf(Math.max(...vote))} and takes most from ${vote.indexOf(Math.min(...vote))}. `
      + "It may be active for other digits: each score is a sum over all units.";
  }
  number.addEventListener("input", show);
  epoch.input.addEventListener("input", show);
  change.addEventListener("change", show);
  another.addEventListener("click", () => {
    number.value = Math.floor(Math.random() * units);
    show();
  });
  await show();
}

// The threshold: from which probability on to say "yes", and what that costs.

import { element, slider } from "./paint.mjs";

export default function mount(box) {
  const counts = JSON.parse(box.dataset.counts); // of the thresholds 0.01 to 0.99
  const { input, row } = slider("Say yes from", {
    min: 1, max: counts.length, value: 50, words: (hundredths) => (hundredths / 100).toFixed(2),
  });
  const cells = Array.from({ length: 4 }, () => element("td")), shares = element("p");
  const heading = (scope, text) => element("th", { scope }, text);
  const line = (name, ...rest) => element("tr", {}, heading("row", name), ...rest);
  const table = element("table", { className: "live-counts" },
    element("tbody", {},
      element("tr", {}, element("td"), heading("col", "said “yes”"), heading("col", "said “no”")),
      line(`is a ${box.dataset.name}`, cells[0], cells[1]),
      line(`isn’t a ${box.dataset.name}`, cells[2], cells[3])));
  const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "–");

  function show() {
    const [tp, fp, fn, tn] = counts[input.valueAsNumber - 1];
    [tp, `${fn} missed`, `${fp} false alarms`, tn].forEach((text, i) => (cells[i].textContent = text));
    shares.textContent = `Precision ${percent(tp, tp + fp)}, recall ${percent(tp, tp + fn)}.`;
    input.setAttribute("aria-valuetext", // a listener hears what a reader sees change
      `${input.valueAsNumber / 100}: ${fn} missed, ${fp} false alarms`);
  }
  input.addEventListener("input", show);
  show();
  box.replaceChildren(row, table, shares);
}

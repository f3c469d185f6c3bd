// The threshold: from which probability on to say "yes", and what that costs.

import { element, slider } from "./paint.mjs";

export default function mount(box) {
  const counts = JSON.parse(box.dataset.counts); // of the thresholds 0.01 to 0.99
  const { input, row } = slider("Say “yes” from", {
    min: 1, max: counts.length, value: 50, words: (percent) => (percent / 100).toFixed(2),
  });
  const cells = Array.from({ length: 6 }, () => element("td"));
  const line = (name, ...rest) =>
    element("tr", {}, element("th", { scope: name ? "row" : "" }, name), ...rest);
  const table = element("table", { className: "live-counts", "aria-live": "polite" },
    element("tbody", {},
      line("", element("th", { scope: "col" }, "said “yes”"), element("th", { scope: "col" }, "said “no”")),
      line("is", cells[0], cells[1]),
      line("isn’t", cells[2], cells[3]),
      line("share", cells[4], cells[5])));
  const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "–");

  function show() {
    const [tp, fp, fn, tn] = counts[input.valueAsNumber - 1];
    const words = [tp, `${fn} missed`, `${fp} false alarms`, tn,
      `precision ${percent(tp, tp + fp)}`, `recall ${percent(tp, tp + fn)}`];
    words.forEach((text, i) => (cells[i].textContent = text));
  }
  input.addEventListener("input", show);
  show();
  box.replaceChildren(row, table);
}

// The threshold: from which probability on to say "yes", what that costs, and who pays.

import { heaps } from "./heaps.mjs";
import { element, slider } from "./paint.mjs";
import { plot } from "./plot.mjs";

const PRICES = [1, 2, 5, 10, 20, 50, 100];

/** The threshold whose misses and false alarms cost least, as a position in the counts. */
export function cheapest(counts, miss, alarm) {
  const costs = counts.map(([, fp, fn]) => fn * miss + fp * alarm);
  return costs.indexOf(Math.min(...costs));
}

export default function mount(box) {
  const counts = JSON.parse(box.dataset.counts); // of the thresholds 0.01 to 0.99
  const { input, row, show: words } = slider("Say yes from", {
    min: 1, max: counts.length, value: 50, words: (hundredths) => (hundredths / 100).toFixed(2),
  });
  const price = slider("A miss costs as much as so many false alarms", {
    max: PRICES.length - 1, value: 0, words: (i) => String(PRICES[i]),
  });
  const best = element("button", { type: "button" }, "Go to the cheapest threshold");
  const images = heaps(counts, box.dataset.name);
  const cells = Array.from({ length: 4 }, () => element("td"));
  const shares = element("p"), costs = element("p");
  const heading = (scope, text) => element("th", { scope }, text);
  const line = (name, ...rest) => element("tr", {}, heading("row", name), ...rest);
  const table = element("table", { className: "live-counts" },
    element("tbody", {},
      element("tr", {}, element("td"), heading("col", "said “yes”"), heading("col", "said “no”")),
      line(`is a ${box.dataset.name}`, cells[0], cells[1]),
      line(`isn’t a ${box.dataset.name}`, cells[2], cells[3])));
  const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)}%` : "–");
  const points = counts.filter(([tp, fp]) => tp + fp)
    .map(([tp, fp, fn]) => [tp / (tp + fn), tp / (tp + fp)]);
  const least = Math.floor(10 * Math.min(...points.flat())) / 10;
  const axis = (name) => ({ name, from: least, to: 1, text: (value) => `${Math.round(100 * value)}%` });
  const curve = plot({ x: axis("recall"), y: axis("precision") });
  curve.curve(points, "live-line live-curve");

  function show() {
    const [tp, fp, fn, tn] = counts[input.valueAsNumber - 1];
    images.show(input.valueAsNumber);
    [tp, `${fn} missed`, `${fp} false alarms`, tn].forEach((text, i) => (cells[i].textContent = text));
    shares.textContent = `Precision ${share(tp, tp + fp)}, recall ${share(tp, tp + fn)}.`;
    input.setAttribute("aria-valuetext", // a listener hears what a reader sees change
      `${input.valueAsNumber / 100}: ${fn} missed, ${fp} false alarms`);
    if (tp + fp) curve.point(tp / (tp + fn), tp / (tp + fp), "live-dot");
    curve.label(`Precision against recall; here ${shares.textContent}`);
    const miss = PRICES[price.input.valueAsNumber], cost = fn * miss + fp;
    const low = cheapest(counts, miss, 1), [, lowFp, lowFn] = counts[low];
    costs.textContent = `With that price this threshold costs ${cost.toLocaleString("en")} false `
      + `alarms; the cheapest, ${((low + 1) / 100).toFixed(2)}, costs `
      + `${(lowFn * miss + lowFp).toLocaleString("en")}.`;
  }
  input.addEventListener("input", show);
  price.input.addEventListener("input", show);
  best.addEventListener("click", () => {
    input.value = cheapest(counts, PRICES[price.input.valueAsNumber], 1) + 1;
    words();
    show();
  });
  show();
  box.replaceChildren(element("div", { className: "live-halves" },
    element("div", {}, images.svg,
      element("p", {}, "Each dot is an image; those on the wrong side of the line stand out."),
      row, table, shares),
    element("div", {}, curve.svg, price.row, costs,
      element("p", { className: "live-buttons" }, best))));
}

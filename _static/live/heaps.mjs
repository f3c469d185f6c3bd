// Two heaps of dots, one for each image: how sure the network is of each, and who is mistaken.

import { drawing } from "./plot.mjs";

const COLUMNS = 50, TALL = 15, STEP = 6, MIDDLE = 104, WIDTH = COLUMNS * STEP;

/** How many images lie in each hundredth of certainty, from their counts at the borders between. */
function perHundredth(above, all) {
  return [all, ...above].map((count, i) => count - (above[i] ?? 0));
}

/**
 * The images that are what is looked for, heaped above the axis, and the others below it.
 *
 * `counts` are those of the thresholds 0.01 to 0.99, each [tp, fp, fn, tn]. Returns the picture and
 * `show(threshold)`, in hundredths, which marks the dots that are now on the wrong side.
 */
export function heaps(counts, name) {
  const { svg, add } = drawing(`-8 -14 ${WIDTH + 16} ${2 * MIDDLE + 32}`);
  const yes = add("rect", { y: 0, height: 2 * MIDDLE, class: "live-yes" });
  const right = add("path", { class: "live-dots" });
  const wrong = add("path", { class: "live-dots live-wrong" });
  const line = add("path", { class: "live-line live-tangent" });
  add("path", { d: `M0 ${MIDDLE}H${WIDTH}`, class: "live-axis" });
  const write = (x, y, anchor, words) => add("text", { x, y, "text-anchor": anchor }, words);
  write(0, 2 * MIDDLE + 16, "start", "0");
  write(WIDTH / 2, 2 * MIDDLE + 16, "middle", `probability of a ${name}`);
  write(WIDTH, 2 * MIDDLE + 16, "end", "1");
  const dots = [];
  const [tp, fp, fn, tn] = counts[0];
  for (const [place, all, up] of [[0, tp + fn, true], [1, fp + tn, false]]) {
    const heights = Array(COLUMNS).fill(0);
    const images = perHundredth(counts.map((each) => each[place]), all)
      .flatMap((count, hundredth) => Array(count).fill(hundredth));
    // Those nearest to the middle come first: of a column that is too tall, others aren't drawn.
    for (const hundredth of up ? images : images.reverse()) {
      const column = Math.floor((hundredth * COLUMNS) / 100), height = heights[column]++;
      if (height >= TALL) continue;
      const y = (height + 0.5) * STEP + 3;
      dots.push({ hundredth, up, at: `M${(column + 0.5) * STEP} ${MIDDLE + (up ? -y : y)}h0` });
    }
    const more = heights.reduce((sum, height) => sum + Math.max(height - TALL, 0), 0);
    const x = up ? 0 : WIDTH, y = up ? 12 : 2 * MIDDLE - 24, anchor = up ? "start" : "end";
    write(x, y, anchor, `${all.toLocaleString("en")} ${up ? "are" : "aren’t"} a ${name}`);
    if (more) write(x, y + 18, anchor, `(${more.toLocaleString("en")} not drawn)`);
  }
  return {
    svg,
    show(threshold) {
      const x = (WIDTH * threshold) / 100;
      yes.setAttribute("x", x);
      yes.setAttribute("width", WIDTH - x);
      line.setAttribute("d", `M${x} 0V${2 * MIDDLE}`);
      for (const [path, mistaken] of [[right, false], [wrong, true]]) {
        const on = ({ hundredth, up }) => ((hundredth >= threshold) !== up) === mistaken;
        path.setAttribute("d", dots.filter(on).map(({ at }) => at).join(""));
      }
      const [, alarms, missed] = counts[threshold - 1];
      svg.setAttribute("aria-label", `Two heaps of dots, one for each image, by how sure the network is; `
        + `${missed} of the upper and ${alarms} of the lower are on the wrong side of the line`);
    },
  };
}

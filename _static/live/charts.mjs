// Lines that grow while the reader watches, with their names beside them.

const SVG = "http://www.w3.org/2000/svg", WIDTH = 190, HEIGHT = 120;

/**
 * A chart from 0 to `high`; what is higher stays at its upper edge.
 *
 * `names` says what its lines are, by their class; `text` a value in words, `ticks` which values
 * are marked. Returns `add(name, x, y)`, `until(x)` for the axis, `ghost()`, which leaves what
 * was drawn behind as pale lines, and `clear()`.
 */
export function chart({ title, names, high, ticks, text, low = 0 }) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `-52 -24 ${WIDTH + 132} ${HEIGHT + 48}`);
  svg.setAttribute("role", "img");
  const make = (tag, attributes, words = "") => {
    const made = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = words;
    svg.append(made);
    return made;
  };
  const height = (y) => HEIGHT * (1 - (Math.min(Math.max(y, low), high) - low) / (high - low));
  make("text", { x: -48, y: -10, class: "live-chart-title" }, title);
  for (const tick of ticks) {
    make("path", { d: `M0 ${height(tick)}H${WIDTH}`, class: "live-axis" });
    make("text", { x: -6, y: height(tick) + 5, "text-anchor": "end" }, text(tick));
  }
  make("text", { x: 0, y: HEIGHT + 20 }, "0");
  const end = make("text", { x: WIDTH, y: HEIGHT + 20, "text-anchor": "end" });
  const lines = Object.entries(names).map(([name, words]) => ({
    name, words,
    line: make("polyline", { class: `live-line live-line-${name}` }),
    label: make("text", { class: `live-label-${name}` }),
    points: [],
  }));
  let ghosts = [], width = 1;

  const path = (points) => points
    .map(([x, y]) => `${((WIDTH * x) / width).toFixed(1)},${height(y).toFixed(1)}`).join(" ");

  function show() {
    end.textContent = width > 1 ? `${width.toLocaleString("en")} updates` : "updates";
    for (const { line, points } of ghosts) line.setAttribute("points", path(points));
    const labels = [];
    for (const { line, label, points, words } of lines) {
      line.setAttribute("points", path(points));
      const last = points.at(-1);
      label.textContent = last ? words : "";
      if (last) labels.push({ label, x: (WIDTH * last[0]) / width + 5, y: height(last[1]) + 5 });
    }
    labels.sort((a, b) => a.y - b.y);
    labels.forEach((each, i) => { // names don't lie on one another
      if (i) each.y = Math.max(each.y, labels[i - 1].y + 16);
      each.label.setAttribute("x", each.x);
      each.label.setAttribute("y", each.y);
    });
    const now = lines.filter(({ points }) => points.length)
      .map(({ words, points }) => `${words} ${text(points.at(-1)[1])}`);
    svg.setAttribute("aria-label", `${title}: ${now.join(", ") || "nothing yet"}`);
  }

  show();
  return {
    svg,
    until(x) {
      width = Math.max(x, 1);
      show();
    },
    add(name, x, y) {
      const of = lines.find((each) => each.name === name);
      of.points.push([x, y]);
      if (of.points.length > 400) of.points = of.points.filter((_, i) => i % 2 === 0);
    },
    ghost(most) {
      for (const { points } of lines) {
        if (points.length < 2) continue;
        const line = make("polyline", { class: "live-line live-ghost" });
        svg.insertBefore(line, lines[0].line);
        ghosts.push({ line, points });
      }
      while (ghosts.length > most * lines.length) ghosts.shift().line.remove();
      lines.forEach((each) => (each.points = []));
      show();
    },
    clear() {
      ghosts.forEach(({ line }) => line.remove());
      ghosts = [];
      lines.forEach((each) => (each.points = []));
      show();
    },
  };
}

// A small plot: axes with names, curves, points and areas that move with what a reader does.

const SVG = "http://www.w3.org/2000/svg", WIDTH = 300, HEIGHT = 180;

/** An empty picture of that part of the plane, and `add(tag, attributes, words)` to draw on it. */
export function drawing(viewBox) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", viewBox);
  svg.setAttribute("role", "img");
  const add = (tag, attributes, words = "") => {
    const each = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) each.setAttribute(key, value);
    each.textContent = words;
    svg.append(each);
    return each;
  };
  return { svg, add };
}

/**
 * A plot of `x` and `y`, each { name, from, to, text }, where `text` says a value in figures.
 *
 * Returns the picture, `curve(points, class)`, which draws or redraws the curve of a class,
 * `point(x, y, class)`, `label(words)` for those who listen, `scale(y)`, which gives the y axis
 * another range, and `pick(listener)`, which hears the x of a pointer that presses or drags.
 */
export function plot({ x, y }) {
  const made = new Map();
  const { svg, add } = drawing(`-50 -26 ${WIDTH + 66} ${HEIGHT + 70}`);
  const across = (value) => (WIDTH * (value - x.from)) / (x.to - x.from);
  const down = (value) => HEIGHT * (1 - (value - y.from) / (y.to - y.from));
  add("path", { d: `M0 0V${HEIGHT}H${WIDTH}`, class: "live-axis" });
  const say = (axis, value) => (axis.text ?? String)(value);
  const top = add("text", { x: -6, y: 12, "text-anchor": "end" });
  const bottom = add("text", { x: -6, y: HEIGHT, "text-anchor": "end" });
  add("text", { x: 0, y: HEIGHT + 18 }, say(x, x.from));
  add("text", { x: WIDTH, y: HEIGHT + 18, "text-anchor": "end" }, say(x, x.to));
  add("text", { x: WIDTH / 2, y: HEIGHT + 36, "text-anchor": "middle" }, x.name);
  add("text", { x: -48, y: -10 }, y.name);

  function scale({ from, to }) {
    Object.assign(y, { from, to });
    top.textContent = say(y, to);
    bottom.textContent = say(y, from);
  }
  scale(y);
  const named = (name, tag) => {
    if (!made.has(name)) made.set(name, add(tag, { class: name }));
    return made.get(name);
  };
  return {
    svg, scale,
    curve(points, name) {
      named(name, "polyline").setAttribute("points",
        points.map(([a, b]) => `${across(a).toFixed(1)},${down(b).toFixed(1)}`).join(" "));
    },
    point(a, b, name) {
      const each = named(name, "circle");
      each.setAttribute("r", 6);
      each.setAttribute("cx", across(a).toFixed(1));
      each.setAttribute("cy", down(b).toFixed(1));
    },
    label: (words) => svg.setAttribute("aria-label", words),
    pick(listener) {
      svg.classList.add("live-pick");
      const hear = (event) => {
        if (event.type === "pointermove" && !event.buttons) return;
        const place = new DOMPoint(event.clientX, event.clientY)
          .matrixTransform(svg.getScreenCTM().inverse());
        listener(x.from + (Math.min(Math.max(place.x / WIDTH, 0), 1)) * (x.to - x.from));
      };
      svg.addEventListener("pointerdown", (event) => {
        svg.setPointerCapture(event.pointerId);
        hear(event);
      });
      svg.addEventListener("pointermove", hear);
    },
  };
}

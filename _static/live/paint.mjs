// Small pictures on canvases, in the colours of the book's figures, and elements in one line.

const RED = [178, 24, 43], BLUE = [33, 102, 172];

/** An element with its properties and children: element("p", { className: "a" }, "text"). */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

let labels = 0;

/** A slider with its label and the value in words beside it; `words` says a position. */
export function slider(text, { min = 0, max, value, step = 1, words = String }) {
  const id = `live-${labels++}`;
  const input = element("input", { type: "range", id, min, max, step, value });
  const output = element("span");
  const show = () => {
    output.textContent = words(input.valueAsNumber);
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", show);
  show();
  return { input, show, row: element("p", { className: "live-slider" },
    element("label", { htmlFor: id }, text), input, output) };
}

function paint(canvas, count, columns, colour) {
  const rows = Math.ceil(count / columns), gap = count > 1 ? 1 : 0;
  canvas.width = columns * (28 + gap) - gap;
  canvas.height = rows * (28 + gap) - gap;
  const context = canvas.getContext("2d");
  for (let n = 0; n < count; n++) {
    const image = context.createImageData(28, 28);
    for (let p = 0; p < 784; p++) {
      [image.data[4 * p], image.data[4 * p + 1], image.data[4 * p + 2]] = colour(n, p);
      image.data[4 * p + 3] = 255;
    }
    context.putImageData(image, (n % columns) * (28 + gap), Math.floor(n / columns) * (28 + gap));
  }
}

/** Digits, dark ink on white paper: `bytes` holds 784 for each. */
export function paintDigits(canvas, bytes, columns = 1) {
  paint(canvas, bytes.length / 784, columns, (n, p) => Array(3).fill(255 - bytes[784 * n + p]));
}

/** Weights: red speaks for the unit, blue against it. `weight(n, p)` is that of a pixel. */
export function paintWeights(canvas, count, columns, weight) {
  let largest = 1e-9;
  for (let n = 0; n < count; n++) {
    for (let p = 0; p < 784; p++) largest = Math.max(largest, Math.abs(weight(n, p)));
  }
  paint(canvas, count, columns, (n, p) => {
    const share = weight(n, p) / largest, to = share > 0 ? RED : BLUE;
    return to.map((value) => 255 + (value - 255) * Math.abs(share));
  });
}

/** A number in figures, with a true minus. */
export const signed = (number, digits) => number.toFixed(digits).replace("-", "\u2212");

/** A probability in figures, never parted from its sign; 100% it never is. */
export const percent = (share) =>
  (share > 0.999 ? ">99.9%" : `${(100 * share).toFixed(1)}%`);

/**
 * Ten bars, one for each digit. Returns what sets them: `set(values, full)`, where `full` is the
 * value of a whole bar and `truth` a digit to be marked as right; `text` says a value in figures. Signed bars start in the middle: what
 * speaks for a digit goes to the right, what speaks against it to the left.
 */
export function bars(name, text, signed = false) {
  const rows = Array.from({ length: 10 }, (_, digit) => {
    const bar = element("span", { className: "live-bar" });
    const figure = element("td", { className: "live-figure" });
    const row = element("tr", {}, element("th", { scope: "row" }, String(digit)),
      element("td", { "aria-hidden": "true" }, bar), figure);
    return { row, bar, figure };
  });
  const table = element("table", { className: `live-bars${signed ? " live-signed" : ""}` },
    element("caption", { className: "live-hidden" }, name),
    element("tbody", {}, ...rows.map(({ row }) => row)));
  const set = (values, full = 1, truth = -1) => {
    rows.forEach(({ row, bar, figure }, digit) => {
      const value = values ? values[digit] : 0;
      const length = ((signed ? 50 : 100) * Math.abs(value)) / full;
      bar.style.width = `${length}%`;
      if (signed) bar.style.marginLeft = `${value < 0 ? 50 - length : 50}%`;
      bar.classList.toggle("live-against", value < 0);
      figure.textContent = values ? text(value) : "";
      row.classList.toggle("live-true", digit === truth);
      row.classList.toggle("live-first", Boolean(values) && value === Math.max(...values));
    });
  };
  return { table, set };
}

/** Sets a text, unless it stands there already: listeners would hear it again. */
export function tell(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

// Downhill: a real slice through a network's loss, and the path that steps take on it.

import { loadBehind } from "./files.mjs";
import { element, slider, tell } from "./paint.mjs";

const STEPS = 40, RATES = [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], MOMENTA = [0, 0.5, 0.8, 0.9, 0.95];
const WIDTH = 450, HEIGHT = 200, BANDS = 14;

/** A smooth surface through the losses of a grid (Catmull and Rom's splines), with its slopes. */
export function surface(losses, [[left, right], [bottom, top]]) {
  const [rows, columns] = losses.shape, { data } = losses;
  const clamp = (value, most) => Math.min(Math.max(value, 0), most);
  const weights = (t) => [
    ((-t + 2) * t - 1) * t / 2, ((3 * t - 5) * t * t + 2) / 2,
    ((-3 * t + 4) * t + 1) * t / 2, ((t - 1) * t * t) / 2,
  ];
  const slopes = (t) => [
    (-3 * t * t + 4 * t - 1) / 2, (9 * t * t - 10 * t) / 2,
    (-9 * t * t + 8 * t + 1) / 2, (3 * t * t - 2 * t) / 2,
  ];
  const unitX = (right - left) / (columns - 1), unitY = (top - bottom) / (rows - 1);
  return (a, b) => {
    const x = clamp((a - left) / unitX, columns - 1), y = clamp((b - bottom) / unitY, rows - 1);
    const column = Math.min(Math.floor(x), columns - 2), row = Math.min(Math.floor(y), rows - 2);
    const sum = (across, down) => {
      let total = 0;
      for (let j = 0; j < 4; j++) {
        for (let i = 0; i < 4; i++) {
          total += down[j] * across[i]
            * data[clamp(row + j - 1, rows - 1) * columns + clamp(column + i - 1, columns - 1)];
        }
      }
      return total;
    };
    const wx = weights(x - column), wy = weights(y - row);
    return {
      loss: sum(wx, wy),
      slope: [sum(slopes(x - column), wy) / unitX, sum(wx, slopes(y - row)) / unitY],
    };
  };
}

/** The places of steps downhill, with Nesterov's momentum as Optax computes it; ends outside. */
export function descend(at, start, rate, momentum, steps, inside) {
  const path = [start], trace = [0, 0];
  let place = start;
  for (let n = 0; n < steps && inside(place); n++) {
    const { slope } = at(...place);
    place = place.map((value, i) => {
      trace[i] = slope[i] + momentum * trace[i];
      return value - rate * (slope[i] + momentum * trace[i]);
    });
    path.push(place);
  }
  return path;
}

export default async function mount(box) {
  const coming = element("p", { className: "live-coming", role: "status" });
  box.replaceChildren(coming);
  const file = await loadBehind(coming, "The valley",
    box.dataset.file ?? new URL("valley.bin", import.meta.url));
  const [left, right, bottom, top] = file.bounds.data;
  const at = surface(file.losses, [[left, right], [bottom, top]]);
  const inside = ([a, b]) => a >= left && a <= right && b >= bottom && b <= top;
  const across = (a) => (WIDTH * (a - left)) / (right - left);
  const down = (b) => HEIGHT * (1 - (b - bottom) / (top - bottom));

  const land = element("canvas", {
    className: "live-land", width: WIDTH, height: HEIGHT, tabIndex: 0, role: "application",
    "aria-label": "The valley from above: the darker, the lower the loss. Press where the path "
      + "is to start, or move its start with the arrow keys.",
  });
  const rate = slider("Learning rate", { max: RATES.length - 1, value: 2, words: (i) => String(RATES[i]) });
  const momentum = slider("Momentum", {
    max: MOMENTA.length - 1, value: 0, words: (i) => String(MOMENTA[i]),
  });
  const step = slider("Steps", { max: STEPS, value: STEPS, words: String });
  const status = element("p", { className: "live-status", role: "status" });
  let start = [0, 0.8];
  box.replaceChildren(
    element("p", { className: "live-title" }, "A slice through the loss of 25,450 numbers, seen from "
      + "above: darker is lower. Press a place to start there"),
    land,
    element("div", { className: "live-halves" },
      element("div", {}, rate.row, momentum.row, step.row), status));

  // Painted once: bands of equal loss, narrower where the loss is low.
  const context = land.getContext("2d"), ground = context.createImageData(WIDTH, HEIGHT);
  let low = Infinity, high = -Infinity;
  const heights = Float32Array.from({ length: WIDTH * HEIGHT }, (_, i) => {
    const a = left + ((i % WIDTH) * (right - left)) / WIDTH;
    const b = top - (Math.floor(i / WIDTH) * (top - bottom)) / HEIGHT;
    const height = Math.log(Math.max(at(a, b).loss, 1e-3));
    low = Math.min(low, height);
    high = Math.max(high, height);
    return height;
  });
  heights.forEach((height, i) => {
    const band = Math.floor((BANDS * (height - low)) / (high - low + 1e-6)) / (BANDS - 1);
    ground.data.set([150 + 105 * band, 160 + 95 * band, 175 + 80 * band, 255], 4 * i);
  });

  function show() {
    const path = descend(at, start, RATES[rate.input.valueAsNumber],
      MOMENTA[momentum.input.valueAsNumber], step.input.valueAsNumber, inside);
    context.putImageData(ground, 0, 0);
    Object.assign(context, { strokeStyle: "#b04a00", fillStyle: "#b04a00", lineWidth: 2 });
    context.beginPath();
    path.forEach(([a, b], n) => context[n ? "lineTo" : "moveTo"](across(a), down(b)));
    context.stroke();
    for (const [a, b] of path) {
      context.beginPath();
      context.arc(across(a), down(b), 3, 0, 2 * Math.PI);
      context.fill();
    }
    Object.assign(context, { strokeStyle: "#1c2430", lineWidth: 3 });
    context.beginPath();
    context.arc(across(start[0]), down(start[1]), 7, 0, 2 * Math.PI);
    context.stroke();
    const last = path.at(-1), first = at(...start).loss.toFixed(3), count = path.length - 1;
    tell(status, inside(last)
      ? `${count} ${count === 1 ? "step leads" : "steps lead"} from a loss of ${first} to `
        + `${at(...last).loss.toFixed(3)}.`
      : `Step ${count} leaves the valley: the steps are too large for its steep sides. `
        + "Lower the rate or the momentum.");
  }

  function begin(a, b) {
    start = [Math.min(Math.max(a, left), right), Math.min(Math.max(b, bottom), top)];
    show();
  }
  land.addEventListener("pointerdown", (event) => {
    const { left: x, top: y, width, height } = land.getBoundingClientRect();
    begin(left + ((event.clientX - x) / width) * (right - left),
      top - ((event.clientY - y) / height) * (top - bottom));
  });
  land.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!move) return;
    event.preventDefault();
    begin(start[0] + 0.2 * move[0], start[1] + 0.1 * move[1]);
  });
  for (const each of [rate, momentum, step]) each.input.addEventListener("input", show);
  show();
}

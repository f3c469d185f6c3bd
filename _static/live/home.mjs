// The machine at work on the home page: a digit writes itself, and the network reads it meanwhile.

import { createCamera } from "./camera.mjs";
import { loadBehind, networkOf } from "./files.mjs";
import { argmax, forward, inked, predict, softmax } from "./mlp.mjs";
import { bars, element, paintDigits, paintWeights, percent, tell } from "./paint.mjs";
import { createPaper } from "./paper.mjs";

const RINGED = 5, COLUMNS = 20, STEP = 4; // the pen moves so many pixels of 280 a frame
const box = document.querySelector(".home-machine"), flow = document.querySelector(".home-flow");
const strokes = JSON.parse(box.dataset.strokes);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

function mount({ network }) {
  const { hidden, w1, w2 } = network;
  const sight = element("canvas", {
    className: "home-sees", width: 28, height: 28, role: "img",
    "aria-label": "What the network sees: your drawing as 28 by 28 pixels",
  });
  const tiles = Array.from({ length: hidden }, () => element("canvas"));
  const say = box.querySelector(".home-say"), sure = box.querySelector(".home-sure");
  const answers = bars("Probability of each digit", percent);
  const heard = element("p", { className: "live-hidden", role: "status" });
  const hint = element("p", { className: "home-hint" }, "Your turn: draw a digit here");
  const clear = element("button", { type: "button" }, "Clear");
  const undo = element("button", { type: "button" }, "Undo");
  const units = new Float32Array(hidden), answer = new Float64Array(10);
  let demo = true;

  const paper = createPaper({
    name: "home",
    onLook: show,
    onDone: () => demo || tell(heard, `${say.textContent}, ${sure.textContent}`),
  });

  function show(sees) {
    clear.disabled = !sees;
    undo.disabled = paper.isBlank();
    paintDigits(sight, sees ?? new Uint8Array(784));
    if (!sees) {
      tell(say, "?");
      tell(sure, "waiting for a digit");
      answers.set(null);
      tiles.forEach((tile) => {
        tile.className = "";
        tile.style.opacity = 0.15;
      });
      return;
    }
    forward(network, inked(sees), 0, units, answer);
    softmax(answer);
    const digit = argmax(answer);
    answers.set([...answer]);
    tell(say, String(digit));
    tell(sure, `${percent(answer[digit])} sure`);
    const most = Math.max(...units, 1e-9);
    const spoke = [...units.keys()].sort((i, j) => units[j] * w2[10 * j + digit]
      - units[i] * w2[10 * i + digit]).slice(0, RINGED);
    tiles.forEach((tile, j) => {
      tile.style.opacity = 0.15 + (0.85 * units[j]) / most;
      tile.className = spoke.includes(j) ? "home-ringed" : "";
    });
  }

  const news = element("p", { className: "home-hint" });
  const camera = createCamera({
    pad: box, hides: [paper.sheet, clear, undo],
    read: (bytes) => predict(network, bytes),
    onDigit: show,
    onPaper: paper.look,
    say(text) {
      demo = false;
      hint.remove();
      tell(news, text);
      tell(heard, text);
    },
  });

  /** The reader takes over: what wrote itself makes room. */
  function takeOver() {
    if (!demo) return;
    demo = false;
    hint.remove();
    paper.clear();
  }
  paper.paper.addEventListener("pointerdown", takeOver, { capture: true });
  paper.paper.addEventListener("keydown", (event) => {
    if (event.key !== "Tab" && event.key !== "Shift") takeOver();
  }, { capture: true });
  for (const [button, does] of [[clear, paper.clear], [undo, paper.undo]]) {
    button.addEventListener("click", () => {
      demo = false;
      hint.remove();
      does();
    });
  }

  box.querySelector(".live-bars").replaceWith(answers.table);
  box.querySelector(".home-answer").append(heard);
  box.querySelector(".home-paper").replaceChildren(paper.sheet, hint,
    element("p", { className: "live-buttons" }, clear, undo, ...camera.buttons), news);
  flow.querySelector(".home-sees").replaceWith(sight);
  const grid = element("div", { className: "home-tiles" }, ...tiles);
  grid.style.setProperty("--columns", COLUMNS);
  flow.querySelector(".home-units").replaceChildren(grid);

  if (!paper.isBlank()) { // a drawing from before a reload
    demo = false;
    hint.remove();
    paper.look();
  } else {
    write();
  }

  paintTiles();

  /** A row a frame: all at once would hold up the page on a phone. */
  async function paintTiles() {
    for (let j = 0; j < hidden; j++) {
      if (j % COLUMNS === 0) await new Promise(requestAnimationFrame);
      paintWeights(tiles[j], 1, 1, (_, p) => w1[p * hidden + j]);
    }
  }

  async function write() {
    for (const stroke of strokes) {
      for (let i = 0; i < stroke.length; i++) {
        const [x, y] = stroke[i], [a, b] = stroke[Math.max(i - 1, 0)];
        const steps = Math.max(Math.round(Math.hypot(x - a, y - b) / STEP), 1);
        for (let k = i ? 1 : steps; k <= steps; k++) {
          if (!demo) return;
          paper.write([a + ((x - a) * k) / steps, b + ((y - b) * k) / steps], i === 0);
          if (!still) await new Promise(requestAnimationFrame);
        }
      }
    }
    document.body.dataset.written = "";
  }
}

// What the page shows already stays until the network is there.
const coming = element("p", { className: "home-hint", role: "status" });
box.querySelector(".home-paper").append(coming);
mount(networkOf(await loadBehind(coming, "The network", new URL("home.bin", import.meta.url))));

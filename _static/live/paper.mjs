// A sheet of paper for a digit: for mouse, pen, finger and keyboard.

import { seen } from "./digit.mjs";
import { element } from "./paint.mjs";

const SIZE = 280, PEN = 22, KEY_STEP = 8;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** What a reader draws is kept in this tab, so that a reload or "Back" doesn't take it away. */
function memory(name) {
  const key = `paper ${location.pathname} ${name}`;
  return {
    read() {
      try {
        return JSON.parse(sessionStorage.getItem(key)) ?? [];
      } catch {
        return []; // a browser may forbid storage
      }
    },
    write(strokes) {
      try {
        if (strokes.length) sessionStorage.setItem(key, JSON.stringify(strokes));
        else sessionStorage.removeItem(key);
      } catch {}
    },
  };
}

/**
 * Makes a sheet. Its drawing is a list of strokes: lists of points, or the 784 bytes of a digit.
 *
 * `onLook(bytes, centred)` gets what a network sees, null for a blank paper, whenever it changed
 * and at most once a frame; `onDone()` hears of the end of a stroke, `onPen()` of a pen that a
 * key has lowered. `name` tells the sheets of one page apart.
 */
export function createPaper({ name, onLook, onDone = () => {}, onPen = () => {} }) {
  const paper = element("canvas", {
    width: SIZE, height: SIZE, tabIndex: 0, className: "live-paper", role: "application",
    "aria-label": "Paper for a digit. Arrow keys move the pen, the space bar lowers or lifts it, "
      + "Control and Z take back a stroke, Delete clears the paper.",
  });
  const context = paper.getContext("2d", { willReadFrequently: true });
  Object.assign(context, { lineWidth: PEN, lineCap: "round", lineJoin: "round" });
  const pen = element("span", { className: "live-pen", hidden: true });
  const kept = memory(name);
  let strokes = kept.read(), due = false, centred = true;

  function look() {
    due = false;
    const { data } = context.getImageData(0, 0, SIZE, SIZE);
    const ink = new Float32Array(SIZE * SIZE);
    for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3] / 255;
    onLook(seen(ink, SIZE, SIZE, centred));
  }

  function soon() {
    if (!due) requestAnimationFrame(look);
    due = true;
  }

  function line(from, to) {
    context.beginPath();
    if (from === to) { // a line of no length would leave no mark
      context.arc(...to, PEN / 2, 0, 2 * Math.PI);
      context.fill();
    } else {
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    }
    soon();
  }

  function stamp(bytes) {
    const small = context.createImageData(28, 28);
    bytes.forEach((byte, p) => {
      small.data[4 * p + 3] = byte; // ink is black; how much is its opacity
    });
    const canvas = element("canvas", { width: 28, height: 28 });
    canvas.getContext("2d").putImageData(small, 0, 0);
    context.drawImage(canvas, 0, 0, SIZE, SIZE);
  }

  function paintAll() {
    context.clearRect(0, 0, SIZE, SIZE);
    for (const stroke of strokes) {
      if (stroke.bytes) stamp(stroke.bytes);
      else stroke.forEach((point, i) => line(i ? stroke[i - 1] : point, point));
    }
    soon();
  }

  /** A stroke is over: it is kept and answered. */
  function done() {
    kept.write(strokes);
    look();
    onDone();
  }

  function undo() {
    strokes.pop();
    paintAll();
    done();
  }

  function clear() {
    strokes = [];
    paintAll();
    done();
  }

  /** Lays one digit of 784 bytes on a clean paper. */
  function put(bytes) {
    strokes = [{ bytes: [...bytes] }];
    paintAll();
    done();
  }

  /** Begins a stroke, or goes on with it. */
  function begin(point) {
    strokes.push([point]);
    line(point, point);
  }
  function goOn(point) {
    const stroke = strokes.at(-1), last = stroke.at(-1);
    stroke.push(point);
    line(last, point);
  }

  let hand = null; // the pointer that draws: { id, type }
  const place = (event) => {
    const { left, top, width } = paper.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top]
      .map((length) => Math.round((10 * length * SIZE) / width) / 10);
  };
  paper.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (hand) { // a second finger or the palm; only a pen comes before the hand that holds it
      if (event.pointerType !== "pen" || hand.type === "pen") return;
      strokes.pop();
      paintAll();
    }
    paper.setPointerCapture(event.pointerId);
    hand = { id: event.pointerId, type: event.pointerType };
    pen.hidden = true;
    down = false;
    begin(place(event));
  });
  paper.addEventListener("pointermove", (event) => {
    if (event.pointerId !== hand?.id) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const point of passed.length ? passed : [event]) goOn(place(point));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    paper.addEventListener(end, (event) => {
      if (event.pointerId !== hand?.id) return;
      hand = null;
      done();
    });
  }

  let tip = [SIZE / 2, SIZE / 4], down = false; // the pen that keys move
  function showPen() {
    pen.hidden = false;
    pen.classList.toggle("live-down", down);
    Object.assign(pen.style, { left: `${(100 * tip[0]) / SIZE}%`, top: `${(100 * tip[1]) / SIZE}%` });
  }
  paper.addEventListener("keydown", (event) => {
    const move = ARROWS[event.key];
    if (move) {
      tip = tip.map((at, i) => Math.min(Math.max(at + KEY_STEP * move[i], 0), SIZE));
      if (down) goOn(tip);
    } else if (event.key === " ") {
      event.preventDefault();
      if (event.repeat) return; // held, not pressed again
      down = !down;
      if (down) {
        begin(tip);
        onPen();
      } else {
        done();
      }
    } else if (event.key === "Delete" || event.key === "Backspace") {
      down = false;
      clear();
    } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
      down = false;
      undo();
    } else {
      return;
    }
    event.preventDefault(); // or the page would scroll
    showPen();
  });
  paper.addEventListener("focus", () => paper.matches(":focus-visible") && showPen());
  paper.addEventListener("blur", () => {
    pen.hidden = true;
    if (down) done();
    down = false;
  });

  paintAll();
  return {
    sheet: element("div", { className: "live-sheet" }, paper, pen),
    paper, look, undo, clear, put,
    isBlank: () => !strokes.length,
    /** Draws as a reader would, point by point; for a digit that writes itself. */
    write: (point, first) => (first ? begin(point) : goOn(point)),
    centre(yes) {
      centred = yes;
      look();
    },
  };
}

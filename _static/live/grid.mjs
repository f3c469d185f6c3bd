// A grid of buttons: one stop for the Tab key, and arrow keys walk through it.

import { element } from "./paint.mjs";

/** Returns its box and its cells; `press(i)` hears of a cell that is pressed. */
export function grid(name, columns, count, press) {
  const cells = Array.from({ length: count }, (_, i) => element("button",
    { type: "button", tabIndex: i ? -1 : 0 }));
  const box = element("div", { className: "live-grid", role: "group", "aria-label": name }, ...cells);
  box.style.setProperty("--columns", columns);
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  cells.forEach((cell, i) => {
    cell.addEventListener("click", () => press(i));
    cell.addEventListener("focus", () => {
      for (const each of cells) each.tabIndex = each === cell ? 0 : -1;
    });
    cell.addEventListener("keydown", (event) => {
      const next = cells[i + moves[event.key]];
      if (!next) return;
      event.preventDefault();
      next.focus();
    });
  });
  return { box, cells };
}

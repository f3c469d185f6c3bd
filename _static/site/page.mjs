// What a page does beside its text: search, side bars, menus, contents, copying and printing.

const wide = matchMedia("(min-width: 992px)");
const find = (selector) => document.querySelector(selector);
const findAll = (selector) => [...document.querySelectorAll(selector)];

/** Closes a dialog that is clicked beside its box. */
function closeBeside({ currentTarget: dialog, clientX: x, clientY: y }) {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  if (x < left || x > right || y < top || y > bottom) dialog.close();
}

// Search: a box over the page; on the search page the field that is there.
const searchBox = find("#pst-search-dialog");
function search() {
  const field = find(".bd-search-container input");
  if (field) field.focus();
  else if (searchBox.open) searchBox.close();
  else searchBox.showModal();
}
findAll(".search-button__button").forEach((button) => button.addEventListener("click", search));
searchBox?.addEventListener("click", closeBeside);
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || event.ctrlKey === event.metaKey) return;
  event.preventDefault();
  search();
});
if (navigator.platform.startsWith("Mac")) {
  for (const key of findAll(".kbd-shortcut__modifier")) if (key.textContent === "Ctrl") key.textContent = "⌘";
}

// Side bars: beside the page where it is wide, in a dialog where it is narrow.
function move(from, to) {
  to.append(...from.childNodes);
  to.className = from.className;
  from.className = "";
}
for (const name of ["primary", "secondary"]) {
  const bar = find(`#pst-${name}-sidebar`), dialog = find(`#pst-${name}-sidebar-modal`);
  const button = find(`.${name}-toggle`);
  if (!bar || !dialog || !button) continue;
  button.addEventListener("click", () => {
    if (name === "primary" && wide.matches && !document.body.matches(".home")) {
      bar.classList.toggle("pst-sidebar-hidden");
    } else {
      move(bar, dialog);
      dialog.showModal();
    }
  });
  dialog.addEventListener("click", (event) => {
    closeBeside(event);
    if (event.target.closest("a[href^='#']")) dialog.close(); // it leads to this very page
  });
  dialog.addEventListener("close", () => move(dialog, bar));
}

// Menus: one open at a time; Escape and a click elsewhere close it.
const menus = findAll(".dropdown-toggle");
function open(chosen) {
  for (const button of menus) {
    button.setAttribute("aria-expanded", String(button === chosen));
    button.nextElementSibling.classList.toggle("show", button === chosen);
  }
}
document.addEventListener("click", ({ target }) => {
  const button = target.closest(".dropdown-toggle");
  open(button?.getAttribute("aria-expanded") === "false" ? button : null);
  if (target.closest(".print-page")) print();
});
document.addEventListener("keydown", ({ key }) => {
  const button = menus.find((each) => each.getAttribute("aria-expanded") === "true");
  if (key !== "Escape" || !button) return;
  open(null);
  button.focus();
});

// Contents: the section that is read is marked, the last whose heading the window's upper third
// has reached. At the end of the page that is the last one that can be seen at all.
const entries = findAll("#pst-page-toc-nav a").map((link) => {
  const place = document.getElementById(decodeURIComponent(link.hash.slice(1)));
  return { link, heading: place?.querySelector("h2, h3") };
}).filter(({ heading }) => heading);
function mark() {
  const { scrollHeight, clientHeight } = document.documentElement;
  const atEnd = scrollY + clientHeight >= scrollHeight - 2;
  const reach = clientHeight * (atEnd ? 1 : 0.3);
  const read = entries.findLast(({ heading }) => heading.getBoundingClientRect().top <= reach);
  for (const each of entries) {
    each.link.classList.toggle("active", each === read);
    each.link.closest("li").classList.toggle("active", each === read);
    if (each === read) each.link.setAttribute("aria-current", "true");
    else each.link.removeAttribute("aria-current");
  }
}
if (entries.length) {
  let due = false;
  const soon = () => {
    if (!due) requestAnimationFrame(() => { due = false; mark(); });
    due = true;
  };
  addEventListener("scroll", soon, { passive: true });
  addEventListener("resize", soon);
  mark();
}

// A term of the glossary shows its sentence beside the word: on hover, on focus, and on a tap; a
// second tap leads to the glossary.
const bubble = document.createElement("div");
Object.assign(bubble, { id: "term", className: "term", role: "tooltip", hidden: true });
let explained = null, leaving;
function explain(link) {
  clearTimeout(leaving);
  explained?.removeAttribute("aria-describedby");
  explained = link;
  bubble.hidden = !link;
  if (!link) return;
  bubble.textContent = link.dataset.term;
  link.setAttribute("aria-describedby", bubble.id);
  const { left, bottom, top } = link.getBoundingClientRect(), room = document.documentElement;
  const { width, height } = bubble.getBoundingClientRect();
  const below = bottom + height + 8 < room.clientHeight;
  bubble.style.left = `${scrollX + Math.max(8, Math.min(left, room.clientWidth - width - 8))}px`;
  bubble.style.top = `${scrollY + (below ? bottom + 4 : top - height - 4)}px`;
}
const leave = () => (leaving = setTimeout(explain, 200, null));
const terms = findAll("a[data-term]");
if (terms.length) document.body.append(bubble);
for (const link of terms) {
  link.addEventListener("pointerenter", ({ pointerType }) => pointerType === "mouse" && explain(link));
  link.addEventListener("pointerleave", leave);
  link.addEventListener("focus", () => link.matches(":focus-visible") && explain(link));
  link.addEventListener("blur", leave);
  link.addEventListener("click", (event) => {
    if (event.pointerType === "mouse" || !event.pointerType || explained === link) return;
    event.preventDefault();
    explain(link);
  });
}
bubble.addEventListener("pointerenter", () => clearTimeout(leaving));
bubble.addEventListener("pointerleave", leave);
document.addEventListener("keydown", ({ key }) => key === "Escape" && explain(null));

// A tick beside each chapter whose end was reached; it stays on this device, until forgotten, and so
// do the answers to exercises, which _static/live/exercise.mjs keeps.
const DONE = "read chapters", ANSWERS = "answers";
const done = () => {
  try {
    return JSON.parse(localStorage.getItem(DONE)) ?? [];
  } catch {
    return [];
  }
};
const nameOf = (address) => new URL(address, location).pathname.split("/").at(-1);
const chapterLinks = findAll(".bd-sidenav a, .home-card")
  .filter((link) => /^0\d-/.test(nameOf(link.href)));
const forgetTicks = document.createElement("button");
Object.assign(forgetTicks, { type: "button", className: "forget", textContent: "Forget my ticks and answers" });
function tick() {
  const names = done();
  for (const link of chapterLinks) {
    const yes = names.includes(nameOf(link.href));
    link.classList.toggle("read", yes);
    if (yes && !link.querySelector(".tick")) {
      const mark = document.createElement("span");
      Object.assign(mark, { className: "tick", textContent: " ✓" });
      mark.role = "img";
      mark.ariaLabel = "read";
      link.append(mark);
    } else if (!yes) {
      link.querySelector(".tick")?.remove();
    }
  }
  let answered = false;
  try {
    answered = localStorage.getItem(ANSWERS) !== null;
  } catch {}
  forgetTicks.hidden = !names.length && !answered;
}
find(".bd-footer-content__inner")?.append(forgetTicks);
forgetTicks.addEventListener("click", () => {
  try {
    localStorage.removeItem(DONE);
    localStorage.removeItem(ANSWERS);
  } catch {}
  document.dispatchEvent(new Event("forgotten"));
  tick();
});
document.addEventListener("kept", tick);
tick();
const here = nameOf(location.href), end = find(".prev-next-footer");
if (/^0\d-/.test(here) && end) {
  new IntersectionObserver(([{ isIntersecting }], watcher) => {
    if (!isIntersecting) return;
    watcher.disconnect();
    try {
      localStorage.setItem(DONE, JSON.stringify([...new Set([...done(), here])]));
    } catch {} // a browser may forbid storage
    tick();
  }).observe(end);
}

// On paper answers are open; code that the page folds away stays folded.
let folded = [];
addEventListener("beforeprint", () => {
  folded = findAll("details:not([open], .above-input)");
  folded.forEach((each) => (each.open = true));
});
addEventListener("afterprint", () => folded.forEach((each) => (each.open = false)));

// What is wider than its box can be scrolled with the keyboard.
const scrolling = findAll("pre, .formula, .cell_output .output, .pst-scrollable-table-container");
const measure = new ResizeObserver((changed) => {
  for (const { target } of changed) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
scrolling.forEach((each) => measure.observe(each));

// A figure that is shown smaller than it was drawn opens in its own size.
const figures = findAll(".bd-article .cell_output img:not(.live-still)");
function enlarge(image) {
  const dialog = document.createElement("dialog"), pane = document.createElement("div");
  const close = document.createElement("button"), large = document.createElement("img");
  dialog.className = "figure";
  dialog.ariaLabel = "The figure in its own size";
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  Object.assign(large, { src: image.src, alt: image.alt });
  pane.tabIndex = 0;
  pane.append(large);
  dialog.append(close, pane);
  dialog.addEventListener("close", () => {
    dialog.remove();
    image.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}
const shrunk = (image) => image.clientWidth < 0.8 * Number(image.getAttribute("width"));
const fit = new ResizeObserver((changed) => {
  for (const { target } of changed) {
    if (shrunk(target)) Object.assign(target, { tabIndex: 0, role: "button" });
    else for (const name of ["tabindex", "role"]) target.removeAttribute(name);
    target.classList.toggle("figure-button", shrunk(target));
  }
});
for (const image of figures) {
  fit.observe(image);
  image.addEventListener("click", () => shrunk(image) && enlarge(image));
  image.addEventListener("keydown", (event) => {
    if (!["Enter", " "].includes(event.key) || !shrunk(image)) return;
    event.preventDefault();
    enlarge(image);
  });
}

// Code can be copied; a browser allows it on secure pages only.
if (navigator.clipboard) {
  for (const code of findAll(".bd-article div.highlight > pre")) {
    const button = document.createElement("button");
    button.className = "copy";
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy this code");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent.trimEnd());
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    code.after(button);
  }
}

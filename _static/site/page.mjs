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
    if (name === "primary" && wide.matches) {
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

// Contents: the section in view is marked.
const entries = new Map(findAll("#pst-page-toc-nav a").map((link) => [
  document.getElementById(decodeURIComponent(link.hash.slice(1)))?.querySelector("h2, h3"), link]));
entries.delete(undefined);
const watcher = new IntersectionObserver((seen) => {
  const heading = seen.findLast(({ isIntersecting }) => isIntersecting)?.target;
  if (!heading) return;
  for (const [each, link] of entries) {
    link.classList.toggle("active", each === heading);
    link.closest("li").classList.toggle("active", each === heading);
    if (each === heading) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}, { rootMargin: "0px 0px -70% 0px" });
for (const heading of entries.keys()) watcher.observe(heading);

// What is wider than its box can be scrolled with the keyboard.
const scrolling = findAll("pre, .formula, .cell_output .output, .pst-scrollable-table-container");
const measure = new ResizeObserver((changed) => {
  for (const { target } of changed) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
scrolling.forEach((each) => measure.observe(each));

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

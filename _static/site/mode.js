// Light or dark, before anything is drawn: no page flashes in the wrong colours.
(() => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  let mode = "auto";
  try {
    mode = localStorage.getItem("mode") || mode;
  } catch {} // a browser may forbid storage

  function show() {
    root.dataset.mode = mode;
    root.dataset.theme = mode === "auto" ? (dark.matches ? "dark" : "light") : mode;
  }

  show();
  dark.addEventListener("change", show);
  addEventListener("beforeprint", () => (root.dataset.theme = "light")); // paper is white
  addEventListener("afterprint", show);
  document.addEventListener("click", ({ target }) => {
    if (!target.closest(".theme-switch-button")) return;
    // The first click always changes what is seen.
    const order = dark.matches ? ["auto", "light", "dark"] : ["auto", "dark", "light"];
    mode = order[(order.indexOf(mode) + 1) % 3];
    show();
    try {
      localStorage.setItem("mode", mode);
    } catch {}
  });
})();

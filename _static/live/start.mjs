// Brings the parts of a page to life, each when the reader comes near it.

async function begin(box) {
  try {
    const { default: mount } = await import(`./${box.dataset.live}.mjs`);
    await mount(box);
    box.classList.add("live-ready");
  } catch {
    const words = document.createElement("p"), again = document.createElement("button");
    words.className = "live-coming";
    words.textContent = "This part could not be fetched. "
      + (box.matches("form") ? "" : "The figures on this page show what it does. ");
    again.type = "button";
    again.textContent = "Try again";
    again.addEventListener("click", () => location.reload()); // a browser fetches no module twice
    words.append(again);
    box.replaceChildren(words);
  }
}

const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    begin(target);
  }
}, { rootMargin: "300px" });
document.querySelectorAll("[data-live]").forEach((box) => watcher.observe(box));

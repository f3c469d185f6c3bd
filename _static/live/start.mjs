// Brings the parts of a page to life, each when the reader comes near it.

async function begin(box) {
  try {
    const { default: mount } = await import(`./${box.dataset.live}.mjs`);
    await mount(box);
    box.classList.add("live-ready");
  } catch (error) {
    const words = document.createElement("p");
    words.textContent = `This part can’t be shown here (${error.message}). `
      + "The figures on this page show what it does.";
    box.replaceChildren(words);
    box.style.minHeight = "auto";
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

// A photo in place of the paper: from the camera or a file, by button, dropped or pasted.

import { element } from "./paint.mjs";

const UNFETCHED = "What reads photos could not be fetched. Check your connection, reload the page "
  + "and try again.";

/** A button that asks for a picture; with `capture` a phone opens its camera. */
function asking(text, className, capture, onFile) {
  const input = element("input", { type: "file", accept: "image/*", hidden: true });
  if (capture) input.setAttribute("capture", "environment");
  const button = element("button", { type: "button", className }, text);
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = ""; // or the same file couldn't be chosen again
    if (file) onFile(file);
  });
  return [button, input];
}

/**
 * Lets a photo of digits take the place of a sheet of paper.
 *
 * A picture can be dropped on `pad`. While a photo is shown, `hides` are hidden; the first of them
 * is the sheet, and the photo comes after it. `read` gives ten probabilities for 784 bytes, or null
 * while there is no network. `onDigit(bytes)` hears which digit is chosen, null for none,
 * `onPaper()` that the paper is back, and `say` is told what happens. Nothing leaves the page.
 */
export function createCamera({ pad, hides, read, onDigit, onPaper, say }) {
  const back = element("button", { type: "button", hidden: true }, "Back to the paper");
  const buttons = [
    ...asking("Take a photo", "live-camera", true, take), ...asking("Use a photo", "", false, take),
    back,
  ];
  let view = null, busy = new AbortController();

  function show(next) {
    view?.box.remove();
    view = next;
    if (view) hides[0].after(view.box);
    for (const each of hides) each.hidden = Boolean(view);
    back.hidden = !view;
  }

  async function take(file) {
    busy.abort(); // the latest photo counts
    busy = new AbortController();
    const { signal } = busy;
    say("Looking for digits on your photo …");
    try {
      const { createView, findUpright } = await import("./photo.mjs").catch(() => {
        throw new Error(UNFETCHED);
      });
      const found = await findUpright(file, read, signal);
      if (signal.aborted) return;
      show(createView(found, read, onDigit));
      say(view.summary());
      view.choose(0);
    } catch (error) {
      if (!signal.aborted) say(error.message);
    }
  }

  back.addEventListener("click", () => {
    busy.abort();
    show(null);
    onPaper();
    hides[0].querySelector("[tabindex]").focus(); // this button is gone
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    pad.addEventListener(kind, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault(); // or the browser would leave the page for the file
      pad.classList.toggle("live-over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files[0]);
    });
  }
  document.addEventListener("paste", ({ clipboardData }) => {
    const file = [...clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (!file) return;
    pad.scrollIntoView({ block: "nearest" });
    take(file);
  });
  return {
    buttons,
    isOpen: () => view !== null,
    look: () => view.look(),
    next: () => view.next(),
  };
}

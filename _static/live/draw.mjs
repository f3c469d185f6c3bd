// Draw a digit: the tutorial's own network reads it.

import { loadBehind, networkOf } from "./files.mjs";
import { argmax, predict } from "./mlp.mjs";
import { createPad } from "./pad.mjs";
import { element } from "./paint.mjs";
import { createTally } from "./tally.mjs";

export default function mount(box) {
  const coming = element("p", { className: "live-coming", role: "status" });
  const place = element("div");
  box.replaceChildren(place, coming);
  let network = null, read = null, tally = null; // the digit that was read
  const pad = createPad(place, (bytes) => network && predict(network, bytes), {
    waiting: "The network isn’t here yet.",
    onAnswer(answer) {
      read = answer && argmax(answer);
      tally?.allow(read !== null);
    },
  });
  tally = createTally(() => read, pad.next);
  tally.allow(read !== null);
  box.append(tally.box);
  if (!box.dataset.file) {
    box.append(element("p", { className: "live-title" },
      "A smaller network than the chapter’s answers here. It learned from moved and turned digits, too."));
  }
  loadBehind(coming, "The network", box.dataset.file ?? new URL("draw.bin", import.meta.url))
    .then((file) => {
      const found = networkOf(file);
      network = found.network;
      pad.offer(found.samples);
      pad.look();
    });
}

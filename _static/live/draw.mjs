// Draw a digit: the tutorial's own network reads it.

import { load, restored } from "./files.mjs";
import { predict } from "./mlp.mjs";
import { createPad } from "./pad.mjs";

/** The network that a file holds, as mlp.mjs has it. */
export async function loadNetwork(address) {
  const file = await load(address), weights = restored(file.hidden_kernel, file.hidden_scale);
  const [hidden, pixels] = weights.shape, w1 = new Float32Array(pixels * hidden);
  for (let j = 0; j < hidden; j++) {
    for (let p = 0; p < pixels; p++) w1[p * hidden + j] = weights.data[j * pixels + p];
  }
  const network = {
    hidden, w1, b1: file.hidden_bias.data, w2: file.output_kernel.data, b2: file.output_bias.data,
  };
  return { network, samples: file.samples.data };
}

export default async function mount(box) {
  const address = box.dataset.file ?? new URL("draw.bin", import.meta.url);
  const { network, samples } = await loadNetwork(address);
  box.replaceChildren();
  createPad(box, (bytes) => predict(network, bytes), samples);
}

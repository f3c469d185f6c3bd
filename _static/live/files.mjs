// Reads what mnist_tutorial/book/live.py wrote: safetensors files, compressed with gzip.

import { inked, unpacked } from "./mlp.mjs";
import { element, tell } from "./paint.mjs";

const TYPES = { U8: Uint8Array, I8: Int8Array, F32: Float32Array };

/**
 * The arrays of a file by name: { data, shape }. Throws an Error that says what is wrong.
 *
 * `onProgress(fetched, total)` hears of bytes as they come; `total` is 0 where nobody knows it.
 */
export async function load(address, onProgress = () => {}) {
  const response = await fetch(address).catch(() => {
    throw new Error("there is no connection");
  });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const total = Number(response.headers.get("Content-Length"));
  let fetched = 0;
  const counted = new TransformStream({
    transform(chunk, controller) {
      fetched += chunk.length;
      onProgress(fetched, total);
      controller.enqueue(chunk);
    },
  });
  const plain = response.body.pipeThrough(counted).pipeThrough(new DecompressionStream("gzip"));
  const bytes = await new Response(plain).arrayBuffer().catch(() => {
    throw new Error(fetched < total ? "the connection broke off" : "the file is damaged");
  });
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  delete header.__metadata__;
  return Object.fromEntries(Object.entries(header).map(([name, { dtype, shape, data_offsets }]) => {
    const [start, end] = data_offsets.map((offset) => 8 + length + offset);
    const data = new TYPES[dtype](bytes.slice(start, end));
    if (data.length !== shape.reduce((a, b) => a * b, 1)) throw new Error("the file is damaged");
    return [name, { data, shape }];
  }));
}

/** "120 of 800 kB", or "120 kB" where the whole isn't known. */
export const inBytes = (fetched, total) => (total >= fetched
  ? `${Math.ceil(fetched / 1000)} of ${Math.ceil(total / 1000)} kB`
  : `${Math.ceil(fetched / 1000)} kB`);

/**
 * Loads a file behind a part that the reader sees already.
 *
 * Says in `place` how much of it is there, and where it fails, why, with a button to try again.
 * `name` begins a sentence: "The network". Resolves once the file is there, however many tries
 * it takes.
 */
export async function loadBehind(place, name, address) {
  for (;;) {
    const words = element("span", {}, `${name} is on its way.`);
    place.replaceChildren(words);
    try {
      const arrays = await load(address,
        (...bytes) => tell(words, `${name} is on its way: ${inBytes(...bytes)}.`));
      place.replaceChildren();
      return arrays;
    } catch (error) {
      const again = element("button", { type: "button" }, "Try again");
      place.replaceChildren(`${name} could not be fetched, because ${error.message}. `, again);
      await new Promise((resolve) => again.addEventListener("click", resolve, { once: true }));
    }
  }
}

/** Whole numbers from -127 to 127 back to what they stand for: each row has its own scale. */
export function restored(quantized, scales) {
  const { data, shape } = quantized, row = data.length / scales.data.length;
  const values = Float32Array.from(data, (value, i) => value * scales.data[Math.floor(i / row)]);
  return { data: values, shape };
}

/** The network that a file's arrays hold, as mlp.mjs has it, and ten digits to try it on. */
export function networkOf(file) {
  const weights = restored(file.hidden_kernel, file.hidden_scale);
  const [hidden, pixels] = weights.shape, w1 = new Float32Array(pixels * hidden);
  for (let j = 0; j < hidden; j++) {
    for (let p = 0; p < pixels; p++) w1[p * hidden + j] = weights.data[j * pixels + p];
  }
  const network = {
    hidden, w1, b1: file.hidden_bias.data, w2: file.output_kernel.data, b2: file.output_bias.data,
  };
  return { network, samples: file.samples.data };
}

/** The network of a file. */
export const loadNetwork = async (address) => networkOf(await load(address));

/** The images of a file, of four bits a pixel there, with their labels. */
export const unpackedImages = (file) => ({
  images: inked(unpacked(file.images.data)), labels: file.labels.data,
});

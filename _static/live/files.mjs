// Reads what mnist_tutorial/book/live.py wrote: safetensors files, compressed with gzip.

const TYPES = { U8: Uint8Array, I8: Int8Array, F32: Float32Array };

/** The arrays of a file by name: { data, shape }. Throws an Error that says what is wrong. */
export async function load(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const plain = response.body.pipeThrough(new DecompressionStream("gzip"));
  const bytes = await new Response(plain).arrayBuffer();
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

/** Whole numbers from -127 to 127 back to what they stand for: each row has its own scale. */
export function restored(quantized, scales) {
  const { data, shape } = quantized, row = data.length / scales.data.length;
  const values = Float32Array.from(data, (value, i) => value * scales.data[Math.floor(i / row)]);
  return { data: values, shape };
}

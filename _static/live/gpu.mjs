// The training of mlp.mjs on the reader's graphics card: the same updates, told to WebGPU.
//
// A card works on thousands of numbers at once, so it takes whole images, paper and all, and
// each update is five matrix products with a softmax between them. A layer's biases are the
// last row of its weights, and what they are multiplied with is always one: so the products
// need not know of them.

const TILE = 32; // entries along the side of what a workgroup computes
const STRIDE = 256; // bytes from one update's place in `batches` to the next: WebGPU's rule

const FOUR = [0, 1, 2, 3];

/**
 * A matrix product: entry (row, column) is the sum over k < depth of left times right.
 *
 * Each thread computes a tile of four by four entries, so that what it fetches serves four
 * times. The tile is written out: what has no index to compute can stay in registers.
 */
const product = (name, { rows, columns, depth, left, right, keep }) => `
fn ${name}Left(row: u32, k: u32) -> f32 { return ${left}; }
fn ${name}Right(k: u32, column: u32) -> f32 { return ${right}; }
fn ${name}Keep(row: u32, column: u32, sum: f32) {
  if (row < ${rows} && column < ${columns}) { ${keep} }
}
@compute @workgroup_size(8, 8)
fn ${name}(@builtin(global_invocation_id) id: vec3u) {
  let row = 4 * id.y;
  let column = 4 * id.x;
  if (row >= ${rows} || column >= ${columns}) { return; }
  var sums = mat4x4f();
  for (var k = 0u; k < ${depth}; k++) {
    let left = vec4f(${FOUR.map((n) => `${name}Left(row + ${n}, k)`)});
    let right = vec4f(${FOUR.map((n) => `${name}Right(k, column + ${n})`)});
    sums += mat4x4f(left * right.x, left * right.y, left * right.z, left * right.w);
  }
  ${FOUR.flatMap((i) => FOUR.map((j) =>
    `${name}Keep(row + ${i}, column + ${j}, sums[${j}][${i}]);`)).join("\n  ")}
}`;

/** What one update computes, in this order; the names are those of `program`. */
const PRODUCTS = {
  excite: { // the hidden units
    rows: "batch.size", columns: "HIDDEN", depth: "INPUTS",
    left: "pixel(row, k)", right: "first[k * HIDDEN + column]",
    keep: "units[row * (HIDDEN + 1) + column] = max(sum, 0.0);", // ReLU
  },
  score: {
    rows: "batch.size", columns: "CLASSES", depth: "HIDDEN + 1",
    left: "units[row * (HIDDEN + 1) + k]", right: "second[k * CLASSES + column]",
    keep: "scores[row * CLASSES + column] = sum;",
  },
  blameUnits: { // the gradient of the hidden sums; before it the scores became theirs
    rows: "batch.size", columns: "HIDDEN", depth: "CLASSES",
    left: "scores[row * CLASSES + k]", right: "second[column * CLASSES + k]",
    keep: `blame[row * HIDDEN + column] =
      select(0.0, sum, units[row * (HIDDEN + 1) + column] > 0);`,
  },
  learnSecond: {
    rows: "HIDDEN + 1", columns: "CLASSES", depth: "batch.size",
    left: "units[k * (HIDDEN + 1) + row]", right: "scores[k * CLASSES + column]",
    keep: `let n = row * CLASSES + column;
      let now = learned(second[n], second[n + SECOND], sum, row < HIDDEN);
      second[n] = now.x;
      second[n + SECOND] = now.y;`,
  },
  learnFirst: {
    rows: "INPUTS", columns: "HIDDEN", depth: "batch.size",
    left: "pixel(k, row)", right: "blame[k * HIDDEN + column]",
    keep: `let n = row * HIDDEN + column;
      let now = learned(first[n], first[n + FIRST], sum, row < INPUTS - 1);
      first[n] = now.x;
      first[n + FIRST] = now.y;`,
  },
};

const program = (sizes, { learningRate, momentum, l2 }) => `
const INPUTS = ${sizes.inputs}u; // the pixels and the one
const HIDDEN = ${sizes.hidden}u;
const CLASSES = ${sizes.classes}u;
const FIRST = INPUTS * HIDDEN; // how many weights and biases a layer has
const SECOND = (HIDDEN + 1) * CLASSES;

struct Batch { start: u32, size: u32 } // its place in the order

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage> images: array<u32>; // four bytes in each
@group(0) @binding(2) var<storage> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> first: array<f32>; // what it learned, then the traces
@group(0) @binding(4) var<storage, read_write> second: array<f32>;
@group(0) @binding(5) var<storage, read_write> units: array<f32>; // each image's end with a one
@group(0) @binding(6) var<storage, read_write> scores: array<f32>;
@group(0) @binding(7) var<storage, read_write> blame: array<f32>;
@group(0) @binding(8) var<storage, read_write> losses: array<f32>;

fn byteOf(position: u32, n: u32) -> u32 { // of the batch's image at this position
  let at = order[batch.start + position] * ${sizes.stride}u + n;
  return extractBits(images[at / 4], 8 * (at % 4), 8);
}

fn pixel(position: u32, n: u32) -> f32 { return f32(byteOf(position, n)) / 255; }

/** Nesterov's momentum, as Optax computes it: the new value and its trace. Biases are free. */
fn learned(value: f32, trace: f32, gradient: f32, priced: bool) -> vec2f {
  let g = gradient + select(0.0, ${l2} * value, priced);
  let now = g + ${momentum} * trace;
  return vec2f(value - ${learningRate} * (g + ${momentum} * now), now);
}

/** Turns each image's scores into their gradient, softmax minus truth, and notes its loss. */
@compute @workgroup_size(64)
fn blameScores(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= batch.size) { return; }
  let at = id.x * CLASSES;
  let label = at + byteOf(id.x, INPUTS);
  var highest = scores[at];
  for (var n = at; n < at + CLASSES; n++) { highest = max(highest, scores[n]); }
  var sum = 0.0;
  for (var n = at; n < at + CLASSES; n++) { sum += exp(scores[n] - highest); }
  losses[batch.start + id.x] = highest + log(sum) - scores[label];
  for (var n = at; n < at + CLASSES; n++) {
    let truth = select(0.0, 1.0, n == label);
    scores[n] = (exp(scores[n] - highest) / sum - truth) / f32(batch.size);
  }
}
${Object.entries(PRODUCTS).map(([name, parts]) => product(name, parts)).join("\n")}
`;

/** Each image's pixels, then 255 for the one that a bias is multiplied with, then its label. */
function packed(bytes, labels, pixels) {
  const stride = 4 * Math.ceil((pixels + 2) / 4), images = new Uint8Array(labels.length * stride);
  labels.forEach((label, i) => {
    images.set(bytes.subarray(i * pixels, (i + 1) * pixels), i * stride);
    images.set([255, label], i * stride + pixels);
  });
  return { stride, images };
}

/**
 * A trainer as createTrainer of mlp.mjs makes it, on a graphics card.
 *
 * `load` gives the card the parameters and traces as they are now, `save` brings them back, and
 * `update` makes an update for each `batchSize` images of an order, `most` updates at most,
 * and promises their losses. The promises are refused when the card is lost.
 */
export async function createCard(adapter, parameters, traces, examples, options) {
  const device = await adapter.requestDevice(), { queue } = device;
  device.pushErrorScope("validation");
  device.pushErrorScope("out-of-memory");

  const [w1, b1, w2, b2] = parameters, hidden = b1.length, classes = b2.length;
  const { bytes, labels } = examples, pixels = w1.length / hidden, { batchSize, most } = options;
  const { stride, images } = packed(bytes, labels, pixels);
  const { STORAGE, UNIFORM, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const buffer = (size, usage = STORAGE | COPY_SRC | COPY_DST) =>
    device.createBuffer({ size, usage });
  const numbers = (count) => buffer(4 * count);

  const batches = buffer(STRIDE * most, UNIFORM | COPY_DST);
  const pictures = buffer(images.length), order = numbers(labels.length);
  const layers = [[w1, b1, traces[0], traces[1]], [w2, b2, traces[2], traces[3]]].map((parts) =>
    ({ parts, kept: numbers(parts.reduce((sum, { length }) => sum + length, 0)) }));
  const units = numbers(batchSize * (hidden + 1)), losses = numbers(labels.length);
  queue.writeBuffer(pictures, 0, images);
  queue.writeBuffer(units, 0, new Float32Array(batchSize * (hidden + 1)).fill(1));
  const bound = [
    batches, pictures, order, ...layers.map(({ kept }) => kept), units,
    numbers(batchSize * classes), numbers(batchSize * hidden), losses,
  ];

  const layout = device.createBindGroupLayout({
    entries: bound.map((_, binding) => ({
      binding, visibility: GPUShaderStage.COMPUTE,
      buffer: binding ? { type: binding < 3 ? "read-only-storage" : "storage" }
        : { type: "uniform", hasDynamicOffset: true },
    })),
  });
  const group = device.createBindGroup({
    layout,
    entries: bound.map((each, binding) =>
      ({ binding, resource: { buffer: each, size: binding ? each.size : 8 } })),
  });
  const shader = device.createShaderModule({
    code: program({ inputs: pixels + 1, hidden, classes, stride }, options),
  });
  const tiles = (count) => Math.ceil(count / TILE);
  const passes = await Promise.all([
    ["excite", (size) => [tiles(hidden), tiles(size)]],
    ["score", (size) => [tiles(classes), tiles(size)]],
    ["blameScores", (size) => [Math.ceil(size / 64)]],
    ["blameUnits", (size) => [tiles(hidden), tiles(size)]],
    ["learnSecond", () => [tiles(classes), tiles(hidden + 1)]],
    ["learnFirst", () => [tiles(hidden), tiles(pixels + 1)]],
  ].map(async ([entryPoint, groups]) => ({
    groups,
    pipeline: await device.createComputePipelineAsync({
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: shader, entryPoint },
    }),
  })));
  const wrong = await device.popErrorScope() ?? await device.popErrorScope();
  if (wrong) {
    device.destroy();
    throw new Error(wrong.message);
  }

  /** Submits what the encoder holds, and promises the first `count` numbers of a buffer then. */
  async function read(source, count, encoder = device.createCommandEncoder()) {
    const copy = buffer(4 * count, MAP_READ | COPY_DST);
    encoder.copyBufferToBuffer(source, 0, copy, 0, 4 * count);
    queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ);
    const found = new Float32Array(copy.getMappedRange().slice());
    copy.destroy();
    return found;
  }

  return {
    name: "your graphics card",

    load() {
      for (const { parts, kept } of layers) {
        let at = 0;
        for (const part of parts) {
          queue.writeBuffer(kept, 4 * at, part);
          at += part.length;
        }
      }
    },

    async save() {
      const all = await Promise.all(layers.map(({ kept }) => read(kept, kept.size / 4)));
      if (!all.every((each) => each.every(Number.isFinite))) throw new Error("no numbers");
      layers.forEach(({ parts }, n) => {
        let at = 0;
        for (const part of parts) part.set(all[n].subarray(at, at += part.length));
      });
    },

    async update(images) {
      const starts = [];
      for (let at = 0; at < images.length; at += batchSize) starts.push(at);
      const sizes = starts.map((at) => Math.min(batchSize, images.length - at));
      const encoder = device.createCommandEncoder(), pass = encoder.beginComputePass();
      const table = new Uint32Array((STRIDE / 4) * starts.length);
      sizes.forEach((size, n) => {
        table.set([starts[n], size], (STRIDE / 4) * n);
        for (const { groups, pipeline } of passes) {
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, group, [STRIDE * n]);
          pass.dispatchWorkgroups(...groups(size));
        }
      });
      pass.end();
      queue.writeBuffer(batches, 0, table);
      queue.writeBuffer(order, 0, images);
      const each = await read(losses, images.length, encoder);
      return sizes.map((size, n) =>
        each.subarray(starts[n], starts[n] + size).reduce((sum, loss) => sum + loss) / size);
    },

    end: () => device.destroy(),
  };
}

// The network of this book, pixels → hidden units → ten scores, and its training in the
// browser: the same mathematics as mnist_tutorial/training.py, which the tests hold it against.
//
// Four fifths of a digit's pixels are paper, and a zero adds nothing to any sum. So images are
// kept as lists of their ink alone: a fifth of the work, and no library is needed.

export const PIXELS = 784, CLASSES = 10;

/** Random numbers that a seed decides: uniform in [0, 1) (mulberry32). */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Numbers from 0 to n - 1 in random order (Fisher and Yates). */
export function shuffled(n, random) {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** A new network: Glorot's weights, cut off at two standard deviations, and zero biases. */
export function createNetwork(hidden, random) {
  const draw = () => { // a normal number from two uniform ones (Box and Muller)
    const z = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.abs(z) < 2 ? z : draw();
  };
  const weights = (inputs, outputs) => {
    const scale = Math.sqrt(2 / (inputs + outputs)) / 0.8796256610342398; // what the cut takes
    return Float32Array.from({ length: inputs * outputs }, () => scale * draw());
  };
  return {
    hidden,
    w1: weights(PIXELS, hidden), // that of pixel p and unit j at p * hidden + j
    b1: new Float32Array(hidden),
    w2: weights(hidden, CLASSES),
    b2: new Float32Array(CLASSES),
  };
}

/** Bytes from pixels of four bits, two to a byte: 0 to 15 become 0 to 255. */
export function unpacked(pairs) {
  const bytes = new Uint8Array(2 * pairs.length);
  pairs.forEach((pair, i) => {
    bytes[2 * i] = 17 * (pair >> 4);
    bytes[2 * i + 1] = 17 * (pair & 15);
  });
  return bytes;
}

/** Images as lists of ink: where it is, how much (0 to 1), and where each image's list begins. */
export function inked(bytes) {
  const count = bytes.length / PIXELS;
  const starts = new Uint32Array(count + 1);
  const total = bytes.reduce((sum, byte) => sum + (byte > 0), 0);
  const places = new Uint16Array(total), amounts = new Float32Array(total);
  let n = 0;
  for (let i = 0; i < count; i++) {
    for (let p = 0; p < PIXELS; p++) {
      const byte = bytes[i * PIXELS + p];
      if (byte) {
        places[n] = p;
        amounts[n++] = byte / 255;
      }
    }
    starts[i + 1] = n;
  }
  return { count, starts, places, amounts };
}

/** Turns scores into probabilities, in place; returns the log of what they were divided by. */
export function softmax(scores) {
  let highest = -Infinity, sum = 0;
  for (let k = 0; k < CLASSES; k++) highest = Math.max(highest, scores[k]);
  for (let k = 0; k < CLASSES; k++) sum += scores[k] = Math.exp(scores[k] - highest);
  for (let k = 0; k < CLASSES; k++) scores[k] /= sum;
  return highest + Math.log(sum);
}

/** Scores of image `i` into `answer`; what the hidden units say goes into `units`. */
export function forward(network, images, i, units, answer) {
  const { hidden, w1, b1, w2, b2 } = network, { starts, places, amounts } = images;
  units.set(b1);
  let n = starts[i];
  const end = starts[i + 1];
  for (; n + 3 < end; n += 4) { // four pixels at a time: fewer trips to memory
    const p = places[n] * hidden, q = places[n + 1] * hidden;
    const r = places[n + 2] * hidden, s = places[n + 3] * hidden;
    const a = amounts[n], b = amounts[n + 1], c = amounts[n + 2], d = amounts[n + 3];
    for (let j = 0; j < hidden; j++) {
      units[j] += a * w1[p + j] + b * w1[q + j] + c * w1[r + j] + d * w1[s + j];
    }
  }
  for (; n < end; n++) {
    const p = places[n] * hidden, a = amounts[n];
    for (let j = 0; j < hidden; j++) units[j] += a * w1[p + j];
  }
  answer.set(b2);
  for (let j = 0; j < hidden; j++) {
    if (units[j] > 0) {
      for (let k = 0; k < CLASSES; k++) answer[k] += units[j] * w2[j * CLASSES + k];
    } else {
      units[j] = 0; // ReLU
    }
  }
}

/** The ten probabilities of one image of 784 bytes. */
export function predict(network, bytes) {
  const answer = new Float64Array(CLASSES);
  forward(network, inked(bytes), 0, new Float32Array(network.hidden), answer);
  softmax(answer);
  return answer;
}

/** The position of the largest number. */
export function argmax(numbers) {
  let best = 0;
  for (let k = 1; k < numbers.length; k++) if (numbers[k] > numbers[best]) best = k;
  return best;
}

/** The mean loss of a network on images, and the share that it reads right. */
export function measure(network, images, labels) {
  const units = new Float32Array(network.hidden), answer = new Float64Array(CLASSES);
  let right = 0, loss = 0;
  for (let i = 0; i < images.count; i++) {
    forward(network, images, i, units, answer);
    right += argmax(answer) === labels[i];
    const score = answer[labels[i]];
    loss += softmax(answer) - score; // minus the log of the truth's probability
  }
  return { loss: loss / images.count, accuracy: right / images.count };
}

/**
 * The loss of images as a function of one first weight, that of pixel `p` and unit `u`; all other
 * numbers stay. Only that unit's sums move, so each value costs little.
 */
export function lossAlong(network, images, labels, u, p) {
  const { hidden, w1, w2 } = network, { starts, places, amounts } = images;
  const units = new Float32Array(hidden), answer = new Float64Array(CLASSES);
  const start = w1[p * hidden + u];
  const each = Array.from({ length: images.count }, (_, i) => {
    forward(network, images, i, units, answer);
    let ink = 0, sum = network.b1[u];
    for (let n = starts[i]; n < starts[i + 1]; n++) {
      sum += amounts[n] * w1[places[n] * hidden + u];
      if (places[n] === p) ink = amounts[n];
    }
    const rest = answer.map((score, k) => score - units[u] * w2[u * CLASSES + k]);
    return { ink, sum, rest };
  });
  return (weight) => {
    let loss = 0;
    each.forEach(({ ink, sum, rest }, i) => {
      const unit = Math.max(sum + ink * (weight - start), 0);
      for (let k = 0; k < CLASSES; k++) answer[k] = rest[k] + unit * w2[u * CLASSES + k];
      const score = answer[labels[i]];
      loss += softmax(answer) - score;
    });
    return loss / images.count;
  };
}

/** The gradient of the mean loss of images: that of the first weights, and how many it has. */
export function gradientOf(network, images, labels) {
  const copy = { ...network };
  for (const name of ["w1", "b1", "w2", "b2"]) copy[name] = network[name].slice();
  const step = createTrainer(copy, { learningRate: 1, momentum: 0, l2: 0 });
  step(images, labels, Uint32Array.from({ length: images.count }, (_, i) => i));
  const count = parametersOf(network).reduce((sum, { length }) => sum + length, 0);
  return { w1: network.w1.map((weight, i) => weight - copy.w1[i]), count };
}

/** What a network learns, as a list. */
const parametersOf = ({ w1, b1, w2, b2 }) => [w1, b1, w2, b2];

/** A zero for every number of it. */
const zerosLike = (network) =>
  parametersOf(network).map(({ length }) => new Float32Array(length));

/**
 * Stochastic gradient descent with Nesterov's momentum, as Optax computes it.
 *
 * Returns the function that makes one update by the images with the numbers of `batch`, and
 * returns their mean loss before it.
 */
export function createTrainer(network, knobs) {
  const { hidden, w1, w2 } = network, { learningRate, momentum, l2 } = knobs;
  const parameters = parametersOf(network), gradients = zerosLike(network);
  const traces = zerosLike(network);
  const [g1, gb1, g2, gb2] = gradients;
  const units = new Float32Array(hidden), answer = new Float64Array(CLASSES);
  let blame = new Float32Array(0); // the gradient of each image's hidden sums, one after another

  /** Adds all of one image's gradient but that of the first weights; returns its loss. */
  function backward(images, i, label, position, share) {
    forward(network, images, i, units, answer);
    const score = answer[label], loss = softmax(answer) - score; // minus the log of its probability
    answer[label] -= 1; // softmax minus truth: the gradient of the scores
    for (let k = 0; k < CLASSES; k++) gb2[k] += answer[k] *= share;
    for (let j = 0; j < hidden; j++) {
      let sum = 0;
      if (units[j] > 0) {
        for (let k = 0; k < CLASSES; k++) {
          sum += answer[k] * w2[j * CLASSES + k];
          g2[j * CLASSES + k] += units[j] * answer[k];
        }
      }
      gb1[j] += blame[position * hidden + j] = sum;
    }
    return loss;
  }

  /** The batch's ink sorted by pixel: where each pixel's list ends, whose it is, how much. */
  function byPixel({ starts, places, amounts }, batch) {
    const ends = new Uint32Array(PIXELS + 1);
    for (const i of batch) {
      for (let n = starts[i]; n < starts[i + 1]; n++) ends[places[n] + 1]++;
    }
    for (let p = 0; p < PIXELS; p++) ends[p + 1] += ends[p];
    const whose = new Uint16Array(ends[PIXELS]), ink = new Float32Array(ends[PIXELS]);
    batch.forEach((i, position) => {
      for (let n = starts[i]; n < starts[i + 1]; n++) {
        const m = ends[places[n]]++; // once all are in, what was a start is an end
        whose[m] = position;
        ink[m] = amounts[n];
      }
    });
    return { ends, whose, ink };
  }

  /** Adds the gradient of the first weights: pixel by pixel, four images at a time. */
  function backwardToPixels(images, batch) {
    const { ends, whose, ink } = byPixel(images, batch);
    for (let p = 0, m = 0; p < PIXELS; p++) {
      const row = p * hidden, end = ends[p];
      for (; m + 3 < end; m += 4) {
        const q = whose[m] * hidden, r = whose[m + 1] * hidden;
        const s = whose[m + 2] * hidden, t = whose[m + 3] * hidden;
        const a = ink[m], b = ink[m + 1], c = ink[m + 2], d = ink[m + 3];
        for (let j = 0; j < hidden; j++) {
          g1[row + j] += a * blame[q + j] + b * blame[r + j] + c * blame[s + j] + d * blame[t + j];
        }
      }
      for (; m < end; m++) {
        const q = whose[m] * hidden, a = ink[m];
        for (let j = 0; j < hidden; j++) g1[row + j] += a * blame[q + j];
      }
    }
  }

  return function step(images, labels, batch) {
    if (blame.length < batch.length * hidden) blame = new Float32Array(batch.length * hidden);
    let loss = 0;
    batch.forEach((i, position) => {
      loss += backward(images, i, labels[i], position, 1 / batch.length);
    });
    backwardToPixels(images, batch);
    parameters.forEach((values, n) => {
      const gradient = gradients[n], trace = traces[n];
      const price = values === w1 || values === w2 ? l2 : 0; // biases are free
      for (let m = 0; m < values.length; m++) {
        const g = gradient[m] + price * values[m];
        trace[m] = g + momentum * trace[m];
        values[m] -= learningRate * (g + momentum * trace[m]);
      }
      gradient.fill(0);
    });
    return loss / batch.length;
  };
}

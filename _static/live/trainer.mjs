// The Worker behind "Train it here": trains beside the page, which stays at the reader's service.

import { load } from "./files.mjs";
import { accuracy, createNetwork, createTrainer, inked, randomNumbers, shuffled } from "./mlp.mjs";

const SEED = 123, REPORT = 250, VALIDATION = 1000, TURN = 50; // milliseconds, but the seed

let data, network, step, random, epoch, updates, seconds; // of the training so far
let stopped = true;

async function fetchData(address) {
  const file = await load(address);
  const set = (name) => ({
    images: inked(file[`${name}_images`].data), labels: file[`${name}_labels`].data,
  });
  return { train: set("train"), validation: set("validation") };
}

/** A turn for messages from the page, such as "stop". */
const listen = () => new Promise((resolve) => setTimeout(resolve));

function validation() {
  const { images, labels } = data.validation;
  return { accuracy: accuracy(network, images, labels), count: images.count };
}

function begin(options) {
  random = randomNumbers(SEED);
  network = createNetwork(options.hidden, random);
  step = createTrainer(network, options);
  epoch = updates = seconds = 0;
  postMessage({ kind: "progress", network, epoch, updates, seconds, validation: validation() });
}

async function train({ batchSize, epochs }) {
  const { images, labels } = data.train, last = epoch + epochs;
  let clock = performance.now(), reported = clock, turn = clock, validated = clock;
  let loss = 0, count = 0, trained = 0, mean, rate;

  function report(now, withValidation) {
    const spent = (now - clock) / 1000;
    seconds += spent;
    if (count) [mean, rate] = [loss / count, trained / spent];
    const progress = { kind: "progress", network, epoch, updates, seconds, loss: mean, rate };
    if (withValidation) progress.validation = validation();
    postMessage(progress);
    loss = count = trained = 0;
    reported = clock = performance.now(); // the clock of training stood still meanwhile
    return progress;
  }

  while (!stopped && epoch < last) {
    const order = shuffled(images.count, random);
    for (let at = 0; at < order.length && !stopped; at += batchSize) {
      const batch = order.subarray(at, at + batchSize);
      const batchLoss = step(images, labels, batch);
      if (!Number.isFinite(batchLoss)) {
        network = null;
        throw new Error("the loss grew beyond all numbers, so the steps were too large: "
          + "lower the learning rate or the momentum");
      }
      loss += batchLoss;
      count++;
      updates++;
      trained += batch.length;
      const now = performance.now();
      if (now - reported > REPORT) {
        const withValidation = now - validated > VALIDATION;
        if (withValidation) validated = now;
        report(now, withValidation);
      }
      if (performance.now() - turn > TURN) {
        const before = performance.now();
        await listen();
        turn = performance.now();
        clock += turn - before; // a tab may have slept
      }
    }
    if (!stopped) epoch++;
  }
  postMessage({ ...report(performance.now(), true), kind: "done" });
}

onmessage = async ({ data: message }) => {
  if (message.kind === "stop") stopped = true;
  if (message.kind !== "train" || !stopped) return; // one training at a time
  stopped = false;
  try {
    if (!data) {
      postMessage({ kind: "fetching" });
      data = await fetchData(message.address);
    }
    if (message.fresh) begin(message.options);
    await train(message.options);
  } catch (error) {
    postMessage({ kind: "failed", message: error.message });
  }
  stopped = true;
};

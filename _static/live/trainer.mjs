// The Worker behind "Train it here": trains beside the page, which stays at the reader's service.

import { load } from "./files.mjs";
import { check, createNetwork, createTrainer, inked, randomNumbers, shuffled, validate }
  from "./mlp.mjs";

const SEED = 123, REPORT = 250, VALIDATION = 1000, TURN = 50; // milliseconds, but the seed

let data, network, random, epoch, updates, seconds; // of the training so far
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

const held = () => validate(network, data.validation.images, data.validation.labels);

function begin(hidden) {
  random = randomNumbers(SEED);
  network = createNetwork(hidden, random);
  epoch = updates = seconds = 0;
  const validation = held();
  postMessage({ kind: "progress", network, epoch, updates, seconds, loss: validation.loss, validation });
}

async function train(options) {
  const { images, labels } = data.train, { batchSize } = options, last = epoch + options.epochs;
  const trainer = createTrainer(network, options);
  let clock = performance.now(), reported = clock, turn = clock, validated = clock;
  let loss = 0, count = 0, trained = 0, rate = 0;

  function report(now, withValidation) {
    seconds += (now - clock) / 1000;
    if (count) rate = trained / ((now - clock) / 1000);
    const validation = withValidation ? held() : null;
    postMessage({
      kind: "progress", network, epoch, updates, seconds, loss: loss / count, rate, validation,
    });
    loss = count = trained = 0;
    reported = clock = performance.now(); // the clock of training stood still meanwhile
    return validation;
  }

  while (!stopped && epoch < last) {
    const order = shuffled(images.count, random);
    for (let at = 0; at < order.length && !stopped; at += batchSize) {
      const batch = order.subarray(at, at + batchSize);
      const batchLoss = trainer.step(images, labels, batch);
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
  const { accuracy } = report(performance.now(), true);
  postMessage({ kind: "done", epoch, seconds, accuracy });
}

onmessage = async ({ data: message }) => {
  if (message.kind === "stop") stopped = true;
  if (message.kind !== "train" || !stopped) return; // one training at a time
  stopped = false;
  try {
    check(message.options);
    if (!data) {
      postMessage({ kind: "fetching" });
      data = await fetchData(message.address);
    }
    if (message.fresh) begin(message.options.hidden);
    await train(message.options);
  } catch (error) {
    postMessage({ kind: "failed", message: error.message });
  }
  stopped = true;
};

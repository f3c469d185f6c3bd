// The Worker behind "Train it here": trains beside the page, which stays at the reader's service.

import { load } from "./files.mjs";
import {
  accuracy, createNetwork, createTrainer, inked, randomNumbers, shuffled,
} from "./mlp.mjs";

const SEED = 123;
const REPORT = 250, VALIDATION = 1000, TURN = 50; // milliseconds between two of them

let data; // the digits
let run; // the training so far
let stopped = true;

async function fetchData(address) {
  const file = await load(address);
  const set = (name) =>
    ({ images: inked(file[`${name}_images`].data), labels: file[`${name}_labels`].data });
  return { train: set("train"), validation: set("validation") };
}

/** The training images in an order that belongs to this epoch, whatever came before. */
const orderOf = (epoch) => shuffled(data.train.images.count, randomNumbers(SEED + 1 + epoch));

/** A turn for messages from the page, such as "stop". */
const listen = () => new Promise((resolve) => setTimeout(resolve));

function begin(options) {
  const network = createNetwork(options.hidden, randomNumbers(SEED));
  const step = createTrainer(network, options);
  run = { network, step, order: orderOf(0), at: 0, epoch: 0, updates: 0, seconds: 0 };
  report({ kind: "progress", withValidation: true });
}

function report({ kind, loss, rate, withValidation }) {
  const { network, seconds, epoch, updates } = run;
  const message = { kind, network, epoch, updates, seconds, loss, rate };
  if (withValidation) {
    const { images, labels } = data.validation;
    message.validation = { accuracy: accuracy(network, images, labels), count: images.count };
  }
  postMessage(message);
}

/** Makes one update and returns its loss and the number of its images. */
function update(batchSize) {
  const { images, labels } = data.train, batch = run.order.subarray(run.at, run.at + batchSize);
  const loss = run.step(images, labels, batch);
  if (!Number.isFinite(loss)) {
    throw new Error("the loss grew beyond all numbers, so the steps were too large: "
      + "lower the learning rate or the momentum");
  }
  run.updates += 1;
  run.at += batch.length;
  if (run.at === run.order.length) {
    run.epoch += 1;
    run.order = orderOf(run.epoch);
    run.at = 0;
  }
  return [loss, batch.length];
}

async function train({ batchSize, epochs }) {
  const last = run.epoch + epochs, none = { loss: 0, updates: 0, images: 0, milliseconds: 0 };
  let since = none, reported = performance.now(), turn = reported, validated = reported;
  let mean, rate; // of the time between the last two reports

  function tell(kind, withValidation) {
    if (since.updates) {
      mean = since.loss / since.updates;
      rate = (1000 * since.images) / Math.max(since.milliseconds, 0.1);
      run.seconds += since.milliseconds / 1000;
    }
    report({ kind, loss: mean, rate, withValidation });
    since = none;
    reported = performance.now();
  }

  while (!stopped && run.epoch < last) {
    const before = performance.now(), [loss, images] = update(batchSize), now = performance.now();
    since = {
      loss: since.loss + loss,
      updates: since.updates + 1,
      images: since.images + images,
      milliseconds: since.milliseconds + Math.min(now - before, 1000), // a tab may have slept
    };
    if (now - reported > REPORT) {
      const withValidation = now - validated > VALIDATION;
      if (withValidation) validated = now;
      tell("progress", withValidation);
    }
    if (performance.now() - turn > TURN) {
      await listen();
      turn = performance.now();
    }
  }
  tell("done", true);
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

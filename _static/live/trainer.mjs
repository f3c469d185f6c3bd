// The Worker behind "Train it here": trains beside the page, which stays at the reader's service.

import { load } from "./files.mjs";
import {
  createNetwork, createTrainer, inked, measure, randomNumbers, shuffled, unpacked,
} from "./mlp.mjs";

const SEED = 123;
const REPORT = 250, VALIDATION = 1000, TURN = 50; // milliseconds between them

let data; // the digits
let run; // the training so far
let stopped = true;

async function fetchData(address) {
  const file = await load(address,
    (fetched, total) => postMessage({ kind: "fetching", fetched, total }));
  const set = (name) => ({
    images: inked(unpacked(file[`${name}_images`].data)), labels: file[`${name}_labels`].data,
  });
  return { train: set("train"), validation: set("validation") };
}

/** The training images in an order that belongs to this epoch, whatever came before. */
const orderOf = (epoch) => shuffled(run.images, randomNumbers(SEED + 1 + epoch));

/** A turn for messages from the page, such as "stop". */
const listen = () => new Promise((resolve) => setTimeout(resolve));

function begin(options) {
  const network = createNetwork(options.hidden, randomNumbers(SEED));
  run = {
    network, step: createTrainer(network, options), epoch: 0, at: 0, updates: 0, seconds: 0,
    images: Math.min(options.images ?? Infinity, data.train.images.count),
  };
  run.order = orderOf(0);
  report({ kind: "progress", validated: true });
}

function report({ kind, loss, rate, validated }) {
  const { network, seconds, epoch, updates } = run;
  const message = { kind, network, epoch, updates, seconds, loss, rate };
  if (validated) {
    const { images, labels } = data.validation;
    message.validation = { ...measure(network, images, labels), count: images.count };
  }
  postMessage(message);
}

async function train({ batchSize, epochs }) {
  const last = run.epoch + epochs, { images, labels } = data.train;
  const none = { loss: 0, count: 0, images: 0, milliseconds: 0 };
  let since = none, reported = performance.now(), turn = reported, validated = reported;
  let mean, rate; // of the time between the last two reports

  function update() {
    const batch = run.order.subarray(run.at, run.at + batchSize), before = performance.now();
    const loss = run.step(images, labels, batch), took = performance.now() - before;
    if (!Number.isFinite(loss)) {
      throw new Error("the loss grew beyond all numbers, so the steps were too large: "
        + "lower the learning rate or the momentum");
    }
    since = {
      loss: since.loss + loss,
      count: since.count + 1,
      images: since.images + batch.length,
      milliseconds: since.milliseconds + Math.min(took, 1000), // a tab may have slept
    };
    run.updates++;
    run.at += batch.length;
    if (run.at < run.order.length) return;
    run.at = 0;
    run.order = orderOf(++run.epoch);
  }

  function tell(kind, now) {
    if (since.count) {
      mean = since.loss / since.count;
      rate = (1000 * since.images) / Math.max(since.milliseconds, 0.1);
      run.seconds += since.milliseconds / 1000;
    }
    report({ kind, loss: mean, rate, validated: now });
    since = none;
    reported = performance.now();
  }

  while (!stopped && run.epoch < last) {
    update();
    const now = performance.now();
    if (now - reported > REPORT) {
      const due = now - validated > VALIDATION;
      if (due) validated = now;
      tell("progress", due);
    }
    if (performance.now() - turn > TURN) {
      await listen();
      turn = performance.now();
    }
  }
  tell(run.epoch < last ? "stopped" : "done", true);
}

onmessage = async ({ data: message }) => {
  if (message.kind === "stop") stopped = true;
  if (message.kind !== "train" || !stopped) return; // one training at a time
  stopped = false;
  try {
    data ??= await fetchData(message.address).catch((error) => {
      throw new Error(`the digits could not be fetched, because ${error.message}. Train tries again`);
    });
    if (message.fresh) begin(message.options);
    await train(message.options);
  } catch (error) {
    postMessage({ kind: "failed", message: error.message });
  }
  stopped = true;
};

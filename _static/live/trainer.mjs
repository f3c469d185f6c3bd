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

async function train(options) {
  if (network?.hidden !== options.hidden) {
    random = randomNumbers(SEED);
    network = createNetwork(options.hidden, random);
    epoch = updates = seconds = 0;
  }
  const { images, labels } = data.train, { batchSize } = options;
  const trainer = createTrainer(network, options);
  let start = performance.now(), reported = start, turn = start, validated = -VALIDATION;
  let loss = 0, count = 0, imagesSeen = 0;

  function report(now, withValidation) {
    const spent = (now - start) / 1000, held = withValidation
      ? validate(network, data.validation.images, data.validation.labels) : null;
    postMessage({
      kind: "progress", network, epoch, updates, seconds: seconds + spent, loss: loss / count,
      rate: imagesSeen / spent, validation: held,
    });
    loss = count = 0;
    start += performance.now() - now; // the clock of training stands still meanwhile
    reported = performance.now();
  }

  const last = epoch + options.epochs;
  while (!stopped && epoch < last) {
    const order = shuffled(images.count, random);
    for (let at = 0; at < order.length && !stopped; at += batchSize) {
      const batch = order.subarray(at, at + batchSize);
      const batchLoss = trainer.step(images, labels, batch);
      if (!Number.isFinite(batchLoss)) {
        network = null;
        throw new Error("the loss is no number any more, so the steps were too large: "
          + "lower the learning rate or the momentum");
      }
      loss += batchLoss;
      count++;
      updates++;
      imagesSeen += batch.length;
      const now = performance.now();
      if (now - reported > REPORT) {
        const withValidation = now - validated > VALIDATION;
        if (withValidation) validated = now;
        report(now, withValidation);
      }
      if (now - turn > TURN) {
        const before = performance.now();
        await listen();
        turn = performance.now();
        start += turn - before; // a tab may have slept
      }
    }
    if (!stopped) epoch++;
  }
  if (count) report(performance.now(), true);
  seconds += (performance.now() - start) / 1000;
}

onmessage = async ({ data: message }) => {
  if (message.kind === "stop") stopped = true;
  if (message.kind !== "train" || !stopped) return; // one training at a time
  stopped = false;
  try {
    check(message.options);
    data ??= await fetchData(message.address);
    await train(message.options);
    postMessage({ kind: "done" });
  } catch (error) {
    postMessage({ kind: "failed", message: error.message });
  }
  stopped = true;
};

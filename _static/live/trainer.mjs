// The Worker behind "Train it here": trains beside the page, which stays at the reader's service.
//
// The processor begins. Where the browser lends a graphics card, both make two updates; where
// their losses agree, the card trains on for as long as it is the faster of the two.

import { load } from "./files.mjs";
import {
  accuracy, createNetwork, createTrainer, inked, parametersOf, randomNumbers, shuffled, zerosLike,
} from "./mlp.mjs";

const SEED = 123, MOST = 256; // updates that are made at once
const REPORT = 250, VALIDATION = 1000, TURN = 50, SHIFT = 20; // milliseconds at once
const TOLERANCE = 0.001; // of a loss

let data; // the digits
let run; // the training so far
let stopped = true;

async function fetchData(address) {
  const file = await load(address);
  const set = (name) => {
    const bytes = file[`${name}_images`].data;
    return { bytes, images: inked(bytes), labels: file[`${name}_labels`].data };
  };
  return { train: set("train"), validation: set("validation") };
}

/** The training images in an order that belongs to this epoch, whatever came before. */
const orderOf = (epoch) => shuffled(data.train.images.count, randomNumbers(SEED + 1 + epoch));

/** A turn for messages from the page, such as "stop". */
const listen = () => new Promise((resolve) => setTimeout(resolve));

/** The graphics card as a trainer, or nothing where there is none worth it. */
async function borrowCard({ network, traces }, options) {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return null;
  const played = adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter; // by the processor
  if (played && options.card !== "always") return null;
  const { createCard } = await import("./gpu.mjs");
  const settings = { ...options, most: MOST };
  return createCard(adapter, parametersOf(network), traces, data.train, settings);
}

function begin(options) {
  for (const old of [run?.engine, run?.waiting]) old?.end?.();
  const network = createNetwork(options.hidden, randomNumbers(SEED));
  const traces = zerosLike(network), step = createTrainer(network, options, traces);
  const { images, labels } = data.train, { batchSize } = options;
  const processor = {
    name: "your processor",
    update(order) {
      const losses = [];
      for (let at = 0; at < order.length; at += batchSize) {
        losses.push(step(images, labels, order.subarray(at, at + batchSize)));
      }
      return losses;
    },
  };
  const place = { epoch: 0, at: 0, updates: 0, order: orderOf(0) };
  const begun = run = {
    network, traces, processor, place, engine: processor, batches: 1, seconds: 0,
  };
  run.borrowing = borrowCard(run, options).catch(() => null).then((card) => {
    if (run === begun) run.waiting = card;
    else card?.end();
  });
  report({ kind: "progress", withValidation: true });
}

function report({ kind, loss, rate, withValidation }) {
  const { network, seconds, engine, place: { epoch, updates } } = run;
  const message = { kind, network, epoch, updates, seconds, loss, rate, on: engine.name };
  if (withValidation) {
    const { images, labels } = data.validation;
    message.validation = { accuracy: accuracy(network, images, labels), count: images.count };
  }
  postMessage(message);
}

async function train({ batchSize, epochs, card: wanted }) {
  const last = run.place.epoch + epochs, always = wanted === "always";
  const none = { loss: 0, count: 0, images: 0, milliseconds: 0 };
  let since = none, reported = performance.now(), turn = reported, validated = reported;
  let mean, rate; // of the time between the last two reports

  /** Makes the next updates and returns their losses. */
  async function shift(batches) {
    const { engine, place } = run;
    const order = place.order.subarray(place.at, place.at + batches * batchSize);
    const before = performance.now(), losses = await engine.update(order);
    const took = performance.now() - before;
    if (!losses.every(Number.isFinite)) {
      throw new Error("the loss grew beyond all numbers, so the steps were too large: "
        + "lower the learning rate or the momentum");
    }
    since = {
      loss: since.loss + losses.reduce((sum, loss) => sum + loss),
      count: since.count + losses.length,
      images: since.images + order.length,
      milliseconds: since.milliseconds + Math.min(took, 1000), // a tab may have slept
    };
    const at = place.at + order.length, updates = place.updates + losses.length;
    run.place = at < place.order.length ? { ...place, at, updates }
      : { epoch: place.epoch + 1, at: 0, updates, order: orderOf(place.epoch + 1) };
    if (losses.length === batches && took < SHIFT / 2) run.batches = Math.min(2 * batches, MOST);
    if (took > SHIFT * 2) run.batches = Math.ceil(batches / 2);
    return losses;
  }

  /** Lets a card that waits make two updates too; with the processor's losses, it goes on. */
  async function tryCard() {
    const card = run.waiting, { order, at } = run.place;
    if (!card) return;
    run.waiting = null;
    card.load();
    const theirs = await card.update(order.subarray(at, at + 2 * batchSize)).catch(() => [NaN]);
    const ours = await shift(2);
    if (theirs.every((loss, n) => Math.abs(loss - ours[n]) < TOLERANCE * (1 + ours[n]))) {
      run.engine = card;
      run.saved = run.place;
    } else {
      card.end();
    }
  }

  function returnCard() {
    run.engine.end();
    run.engine = run.processor;
  }

  /** Does what the card may fail to do; then the processor goes on from where it was saved. */
  async function safely(work) {
    try {
      await work();
    } catch (error) {
      if (run.engine === run.processor) throw error;
      returnCard();
      run.place = run.saved;
      since = none;
    }
  }

  async function save() {
    await run.engine.save?.();
    run.saved = run.place;
  }

  function tell(kind, withValidation) {
    if (since.count) {
      mean = since.loss / since.count;
      rate = (1000 * since.images) / Math.max(since.milliseconds, 0.1);
      run.seconds += since.milliseconds / 1000;
    }
    report({ kind, loss: mean, rate, withValidation });
    since = none;
    reported = performance.now();
  }

  if (always) {
    await run.borrowing;
    await tryCard();
  }
  const unfinished = () => !stopped && run.place.epoch < last;
  do {
    while (unfinished()) {
      await safely(() => shift(run.batches));
      const now = performance.now();
      if (now - reported > REPORT) {
        const withValidation = now - validated > VALIDATION;
        if (withValidation) validated = now;
        await safely(save);
        tell("progress", withValidation);
        if (run.engine === run.processor) run.speed = rate;
        else if (rate < run.speed) returnCard();
        if (unfinished()) await tryCard();
      }
      if (performance.now() - turn > TURN) {
        await listen();
        turn = performance.now();
      }
    }
    await safely(save);
  } while (unfinished()); // a card that was lost in the end took back what it had learned
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

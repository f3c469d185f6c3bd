"""Run by test_devices.py where XLA simulates eight devices: trains on one and on several, and
prints what it found as JSON."""

import dataclasses
import json

import jax
import numpy as np

from mnist_tutorial import evaluation, training
from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, Examples, load_mnist
from mnist_tutorial.model import predict
from mnist_tutorial.scale import devices

# Not ReLU: at its corner the last digit decides whether a weight learns, and more digits follow.
SMALL = Config(hidden_units=16, batch_size=32, num_epochs=2, learning_rate=0.05, activation="tanh")
# Nothing divides by anything: 203 images, 51 to validate, 101 to test.
SIZES = (203, 51, 101)


def furthest(first, second) -> float:
    """The largest difference between two trees of arrays."""
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)


def compare(data: Dataset, batch_size: int, num_devices: int) -> dict:
    """The same training on one device and on several."""
    config = dataclasses.replace(SMALL, batch_size=batch_size)
    one, history = training.fit(config, data)
    mesh = devices.make_mesh(num_devices)
    many, seen = devices.fit(config, data, mesh)
    alone = evaluation.evaluate(one.model, data.test)
    together = devices.evaluate(many.model, data.test, mesh)
    kernel = many.model.hidden.kernel[...]
    return {
        "update_loss": furthest(history.update_loss, seen.update_loss),
        "validation_loss": furthest(history.validation_loss, seen.validation_loss),
        "weights": furthest(one.model, many.model),
        "probabilities": furthest(alone.probabilities, together.probabilities),
        "same answers": bool((alone.predictions == together.predictions).all()),
        "moved": furthest(one.model, training.create_state(config).model),
        "devices": len(kernel.sharding.device_set),
        "copies": len({np.asarray(s.data).tobytes() for s in kernel.addressable_shards}),
    }


def compiled(data: Dataset, batch_size: int) -> dict:
    """What eight devices exchange: in an update, an epoch, a validation, a prediction."""
    config = dataclasses.replace(SMALL, batch_size=batch_size)
    mesh = devices.make_mesh()
    state = jax.device_put(training.create_state(config), devices.replicated(mesh))
    train, validation = (devices.replicate(examples, mesh) for examples in data[:2])
    update = devices.on_all_devices(training.train_step, mesh)
    batch = [array[:batch_size] for array in train]
    programs = {
        "update": update.lower(state, *batch, config),
        "epoch": training.train_epoch.lower(state, *train, config, update),
    }
    if batch_size % 8:
        return {name: devices.collectives(lowered.compile()) for name, lowered in programs.items()}
    programs |= {
        "validation": devices.on_all_devices(training.validate, mesh).lower(
            state.model, *validation
        ),
        "prediction": devices.on_all_devices(predict, mesh).lower(
            state.model, validation.images[:48]
        ),
        "one device": training.train_step.lower(training.create_state(config), *data.train, config),
    }
    return {name: devices.collectives(lowered.compile()) for name, lowered in programs.items()}


def main() -> None:
    mnist = load_mnist()
    data = Dataset(*(Examples(*(a[:n] for a in s)) for s, n in zip(mnist, SIZES, strict=True)))
    split = set()  # what was divided among devices
    usual = devices.on_all_devices
    devices.on_all_devices = lambda function, mesh: split.add(function) or usual(function, mesh)
    mesh = devices.make_mesh(3)
    shared = devices.replicate(data.train, mesh)
    none = devices.replicate(Examples(*(array[:0] for array in data.train)), mesh)
    found = {
        "version": jax.__version__,
        "runs": {f"{b}, {n}": compare(data, b, n) for b, n in [(32, 8), (30, 8), (31, 3)]},
        "split": sorted(function.__name__ for function in split),
        "programs": {str(b): compiled(data, b) for b in (32, 30)},
        "shared": furthest(shared, data.train) + len(none.labels),
        "holders": len(shared.images.sharding.device_set),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()

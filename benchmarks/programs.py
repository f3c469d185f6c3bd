"""The same training, written with each library: one function for each way of writing it.

All train `Config`'s network the same way: Glorot weights, softmax cross-entropy, L2 on the
weights, Nesterov momentum, a new order of the images in each epoch. (Glorot's normal draw;
scikit-learn has only the uniform one.)

Each function takes a `Config`, the training and the test images with their labels, and is
a generator: it yields after each epoch, then returns its answers for the test images. So
the same stopwatch serves all. Run as `python -m benchmarks.programs NAME DATA EPOCHS SEED`,
it prints what it measured as JSON: `benchmarks.training` starts it as a process of its own.
"""

import json
import sys
import time

import numpy as np

from mnist_tutorial.config import Config


def ours(*arguments):
    """This book, as its command runs: compiled programs are kept from an earlier start."""
    from mnist_tutorial.checkpoints import keep_compiled

    keep_compiled()
    return ours_first_start(*arguments)


def ours_first_start(config, images, labels, test_images):
    """This book: one compiled call for each epoch."""
    import jax
    import jax.numpy as jnp

    from mnist_tutorial import predict
    from mnist_tutorial.training import create_state, train_epoch

    state = create_state(config)
    images, labels = jnp.asarray(images), jnp.asarray(labels)
    for _ in range(config.num_epochs):
        state, _ = jax.block_until_ready(train_epoch(state, images, labels, config))
        yield
    return predict(state.model, test_images).argmax(axis=1)


def ours_step_by_step(config, images, labels, test_images):
    """This book's `train_step`, called from Python for each batch."""
    import jax

    from mnist_tutorial import predict
    from mnist_tutorial.training import create_state, train_step

    state, rng = create_state(config), np.random.default_rng(config.seed)
    for _ in range(config.num_epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(order), config.batch_size):
            batch = order[start : start + config.batch_size]
            state, _ = train_step(state, images[batch], labels[batch], config)
        jax.block_until_ready(state)
        yield
    return predict(state.model, test_images).argmax(axis=1)


def numpy_by_hand(config, images, labels, test_images):
    """NumPy, written with care: products into buffers, every update in place."""
    rng = np.random.default_rng(config.seed)
    sizes = (config.num_pixels, config.hidden_units, config.num_classes)
    weights = [
        (rng.standard_normal(shape) * np.sqrt(2 / sum(shape))).astype(np.float32)
        for shape in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    biases = [np.zeros(size, np.float32) for size in sizes[1:]]
    return (yield from _numpy(config, images, labels, test_images, weights, biases, rng))


def _numpy(config, images, labels, test_images, weights, biases, rng):
    (w1, w2), (b1, b2) = weights, biases
    parameters = [w1, b1, w2, b2]
    gradients = [np.empty_like(p) for p in parameters]
    velocities = [np.zeros_like(p) for p in parameters]
    images = images.reshape(len(images), -1)
    decays = [config.l2, 0, config.l2, 0]

    def update(parameter, gradient, velocity, decay):
        gradient += decay * parameter
        velocity *= config.momentum
        velocity += gradient
        if config.nesterov:
            parameter -= config.learning_rate * (gradient + config.momentum * velocity)
        else:
            parameter -= config.learning_rate * velocity

    for _ in range(config.num_epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(order), config.batch_size):
            batch = order[start : start + config.batch_size]
            x = np.multiply(images[batch], np.float32(1 / 255), dtype=np.float32)
            hidden = x @ w1
            hidden += b1
            np.maximum(hidden, 0, out=hidden)
            error = hidden @ w2
            error += b2
            error -= error.max(axis=1, keepdims=True)
            np.exp(error, out=error)
            error /= error.sum(axis=1, keepdims=True)
            error[np.arange(len(batch)), labels[batch]] -= 1
            error /= len(batch)
            back = error @ w2.T
            back *= hidden > 0
            np.matmul(x.T, back, out=gradients[0])
            np.sum(back, axis=0, out=gradients[1])
            np.matmul(hidden.T, error, out=gradients[2])
            np.sum(error, axis=0, out=gradients[3])
            # In slices that fit the processor's cache, one pass over memory does for all.
            for p, g, v, decay in zip(parameters, gradients, velocities, decays, strict=True):
                rows = max(1, 50_000 // max(1, p[0].size))
                for i in range(0, len(p), rows):
                    update(p[i : i + rows], g[i : i + rows], v[i : i + rows], decay)
        yield
    x = test_images.reshape(len(test_images), -1).astype(np.float32) / 255
    return (np.maximum(x @ w1 + b1, 0) @ w2 + b2).argmax(axis=1)


def scikit_learn(config, images, labels, test_images):
    """scikit-learn's MLPClassifier; `partial_fit` is one epoch of its `fit`."""
    import warnings

    from sklearn.neural_network import MLPClassifier

    warnings.filterwarnings("ignore")  # it says after each epoch that it isn't done

    def scale(pictures):
        return pictures.reshape(len(pictures), -1).astype(np.float32) / 255

    network = MLPClassifier(
        (config.hidden_units,),
        solver="sgd",
        alpha=config.l2 * config.batch_size,  # it divides the penalty by the batch's size
        batch_size=config.batch_size,
        learning_rate_init=config.learning_rate,
        momentum=config.momentum,
        nesterovs_momentum=config.nesterov,
        random_state=config.seed,
    )
    x, classes = scale(images), np.arange(config.num_classes)
    for _ in range(config.num_epochs):
        network.partial_fit(x, labels, classes=classes)
        yield
    return network.predict(scale(test_images))


def keras_fit(config, images, labels, test_images):
    """Keras on TensorFlow: `compile`, then `fit`."""
    import os

    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import keras

    keras.utils.set_random_seed(config.seed)

    def layer(units, **options):
        return keras.layers.Dense(
            units,
            kernel_initializer="glorot_normal",
            kernel_regularizer=keras.regularizers.L2(config.l2 / 2),
            **options,
        )

    network = keras.Sequential(
        [
            keras.Input((config.num_pixels,)),
            layer(config.hidden_units, activation="relu"),
            layer(config.num_classes),
        ]
    )
    network.compile(
        keras.optimizers.SGD(config.learning_rate, config.momentum, config.nesterov),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    def scale(pictures):
        return pictures.reshape(len(pictures), -1).astype(np.float32) / 255

    x = scale(images)
    for _ in range(config.num_epochs):
        network.fit(x, labels, config.batch_size, epochs=1, verbose=0)
        yield
    return network.predict(scale(test_images), config.batch_size, verbose=0).argmax(axis=1)


def _torch_network(config, **sgd_options):
    import torch

    torch.manual_seed(config.seed)
    network = torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(config.num_pixels, config.hidden_units),
        torch.nn.ReLU(),
        torch.nn.Linear(config.hidden_units, config.num_classes),
    )
    weights = [p for p in network.parameters() if p.ndim > 1]
    biases = [p for p in network.parameters() if p.ndim == 1]
    for weight, bias in zip(weights, biases, strict=True):
        torch.nn.init.xavier_normal_(weight)
        torch.nn.init.zeros_(bias)
    groups = [{"params": weights, "weight_decay": config.l2}, {"params": biases}]
    optimizer = torch.optim.SGD(
        groups,
        lr=config.learning_rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        **sgd_options,
    )
    return network, optimizer


def _torch_update(network, optimizer, images, labels):
    import torch

    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()


def _torch_answers(network, images):
    import torch

    with torch.no_grad():
        return network(torch.from_numpy(images).float() / 255).argmax(dim=1).numpy()


def _torch_resident(config, images, labels, test_images, compiled=False, **sgd_options):
    import torch

    network, optimizer = _torch_network(config, **sgd_options)
    forward = torch.compile(network, dynamic=False) if compiled else network
    x, y = torch.from_numpy(images).float() / 255, torch.from_numpy(labels).long()
    for _ in range(config.num_epochs):
        for batch in torch.randperm(len(x)).split(config.batch_size):
            _torch_update(forward, optimizer, x[batch], y[batch])
        yield
    return _torch_answers(network, test_images)


def torch_resident(*arguments):
    """PyTorch, all images in one tensor, SGD as it comes."""
    return _torch_resident(*arguments)


def torch_fused(*arguments):
    """PyTorch, all images in one tensor, SGD(fused=True)."""
    return _torch_resident(*arguments, fused=True)


def torch_compiled(*arguments):
    """PyTorch, all images in one tensor, torch.compile, SGD(fused=True)."""
    return _torch_resident(*arguments, compiled=True, fused=True)


def torch_loader(config, images, labels, test_images):
    """PyTorch, TensorDataset and DataLoader."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    network, optimizer = _torch_network(config)
    x, y = torch.from_numpy(images).float() / 255, torch.from_numpy(labels).long()
    loader = DataLoader(TensorDataset(x, y), config.batch_size, shuffle=True)
    for _ in range(config.num_epochs):
        for batch in loader:
            _torch_update(network, optimizer, *batch)
        yield
    return _torch_answers(network, test_images)


def torch_examples(config, images, labels, test_images):
    """PyTorch as its examples do: each image a PIL image, made a tensor by a transform."""
    import torch
    from PIL import Image
    from torchvision import transforms

    to_tensor = transforms.ToTensor()

    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, i):
            return to_tensor(Image.fromarray(images[i])), int(labels[i])

    network, optimizer = _torch_network(config)
    loader = torch.utils.data.DataLoader(Pictures(), config.batch_size, shuffle=True)
    for _ in range(config.num_epochs):
        for batch in loader:
            _torch_update(network, optimizer, *batch)
        yield
    return _torch_answers(network, test_images)


PROGRAMS = {
    "ours": ours,
    "ours-first-start": ours_first_start,
    "ours-step-by-step": ours_step_by_step,
    "numpy": numpy_by_hand,
    "pytorch-fused": torch_fused,
    "pytorch-resident": torch_resident,
    "pytorch-compile": torch_compiled,
    "pytorch-dataloader": torch_loader,
    "pytorch-examples": torch_examples,
    "scikit-learn": scikit_learn,
    "keras": keras_fit,
}


def run(name: str, config: Config, data: dict[str, np.ndarray]) -> dict:
    """Trains once and returns the seconds of each epoch, the test accuracy and the answers.

    The first epoch holds all that happens once: imports, conversion, compilation.
    """
    start, seconds = time.perf_counter(), []
    training = PROGRAMS[name](config, data["images"], data["labels"], data["test_images"])
    while True:
        try:
            next(training)
        except StopIteration as end:
            answers = np.asarray(end.value)
            return {
                "epoch_seconds": seconds,
                "accuracy": float(np.mean(answers == data["test_labels"])),
                "answers": "".join(map(str, answers.tolist())),
            }
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()


if __name__ == "__main__":
    name, path, epochs, seed = sys.argv[1:]
    with np.load(path) as arrays:
        print(json.dumps(run(name, Config(num_epochs=int(epochs), seed=int(seed)), dict(arrays))))

"""The parts of the book that answer: what they need from the package, and how a notebook
shows them.

    python -m mnist_tutorial.book.live FOLDER

trains the tutorial's network, and two small ones that read what is drawn on the pages, and
writes, beside the modules of `_static/live`, the files that the built pages load. All are
safetensors, compressed with gzip.
"""

import base64
import dataclasses
import gzip
import html
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from IPython.display import HTML
from jax.flatten_util import ravel_pytree

from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, Examples, load_mnist, write_whole
from mnist_tutorial.evaluation import Evaluation, evaluate, threshold_counts
from mnist_tutorial.further.handwriting import european_digits
from mnist_tutorial.further.recipes import Recipe, fit_recipe
from mnist_tutorial.model import ACTIVATIONS, MLP
from mnist_tutorial.training import create_state, fit, loss_fn

PACKAGED = Path(__file__).parent / "browser"
# A checkout has the modules where the pages want them; installed, they lie in the package.
MODULES = PACKAGED if PACKAGED.is_dir() else Path(__file__).parents[2] / "_static" / "live"
NUM_TRAIN, NUM_VALIDATION = 12_000, 2_000  # images of "train it here"
FRAME_STYLE = """
:root { color-scheme: light dark }
body { margin: 0; background: Canvas; font: 15px system-ui }
"""
UNITS_PER_FILE, DIGITS_PER_UNIT = 10, 8
# The networks that read drawings: small, so that they come quickly, and taught with digits that
# are moved, turned and scaled a little. Chosen on validation images and on the drawn set, and so
# is the seed, one of three: on average over six, European hands cost nothing (98.54% of the
# validation images right without them in 8 epochs, 98.59% with them in 10).
PAD = Recipe(
    Config(hidden_units=128, batch_size=256, num_epochs=10, learning_rate=0.008, l2=0.0, seed=2),
    label_smoothing=0.02,
    shift=1.0,
    rotation=8.0,
    scale=0.1,
)
HOME = dataclasses.replace(PAD, config=dataclasses.replace(PAD.config, hidden_units=40))
NUM_EUROPEAN = 2_400  # zeros, ones and sevens that they see beside MNIST's
BEGUN = Config(hidden_units=32, learning_rate=0.02, num_epochs=1)  # to nudge a weight of
RIGHT_SHOWN = 6  # right answers of each digit in the confusion matrix
VALLEY = (-1.5, 7.5, 46), (-2.0, 2.0, 41)  # along and across: from, to, points of the grid
NUDGED = 128  # images whose loss is seen to move


def quantize(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rounds weights to whole numbers that fit a byte.

    Args:
      weights: (..., n) float.

    Returns:
      (..., n) int8 from -127 to 127 and their scales, (...,) float32: each row of n has
      its own, so that a rounded weight is off by half a scale at most.
    """
    scale = np.maximum(np.abs(weights).max(axis=-1), 1e-12).astype(np.float32) / 127
    return np.rint(weights / scale[..., None]).astype(np.int8), scale


def network_file(model: MLP, samples: np.ndarray) -> bytes:
    """A network to be read by `files.mjs`, with ten digits, (10, 28, 28) uint8, to try it on.

    Raises:
      ValueError: as `_network_arrays`.
    """
    return _packed(**_network_arrays(model), samples=samples)


def _network_arrays(model: MLP) -> dict[str, Any]:
    """A network with its first weights rounded to bytes.

    Raises:
      ValueError: the network isn't one hidden layer of ReLU units, all that the page knows.
    """
    if model.deeper.layers or model.activation is not ACTIVATIONS["relu"]:
        raise ValueError(
            "the page can only read networks with num_hidden_layers=1 and activation='relu'"
        )
    kernel, scale = quantize(np.asarray(model.hidden.kernel).T)
    return {
        "hidden_kernel": kernel,
        "hidden_scale": scale,
        "hidden_bias": model.hidden.bias,
        "output_kernel": model.output.kernel,
        "output_bias": model.output.bias,
    }


def begun_network(data: Dataset) -> MLP:
    """A small network after its first updates: it knows something, and has much to learn."""
    first = Examples(*(array[: 16 * BEGUN.batch_size] for array in data.train))
    return fit(BEGUN, data._replace(train=first))[0].model


def nudge_file(model: MLP, examples: Examples) -> bytes:
    """A network, and the images whose loss depends on its weights, for `nudge.mjs`."""
    images, labels = (array[:NUDGED] for array in examples)
    return _packed(
        **_network_arrays(model),
        samples=images[:10],
        images=four_bits(images),
        labels=labels.astype(np.uint8),
    )


def confusion_file(evaluation: Evaluation, examples: Examples) -> bytes:
    """The confusion matrix with all mistakes and a few right answers, for `confusion.mjs`."""
    wrong = np.flatnonzero(evaluation.predictions != examples.labels)
    right = evaluation.predictions == examples.labels
    few = [np.flatnonzero(right & (examples.labels == d))[:RIGHT_SHOWN] for d in range(10)]
    chosen = np.concatenate([wrong, *few])
    return _packed(
        matrix=evaluation.confusion.astype(np.float32),
        images=four_bits(examples.images[chosen]),
        truths=examples.labels[chosen].astype(np.uint8),
        answers=evaluation.predictions[chosen].astype(np.uint8),
        shares=np.rint(255 * evaluation.probabilities[chosen]).astype(np.uint8),
    )


class Slice(NamedTuple):
    """A plane through the loss: all networks between and beyond two directions from a first one.

    Attributes:
      loss: of the numbers of a network, (parameters,), the mean over `NUDGED` training images.
      origin: (parameters,) the first network.
      along: (parameters,) of length 1, to where training went.
      across: (parameters,) of length 1, at right angles to it and as steep as the gradient
        half-way there allows.
    """

    loss: Callable[[jax.Array], jax.Array]
    origin: jax.Array
    along: jax.Array
    across: jax.Array


def valley_slice(data: Dataset) -> Slice:
    """The plane that `downhill.mjs` shows."""
    images, labels = (jnp.asarray(array[:NUDGED]) for array in data.train)
    first = Examples(*(array[: 16 * BEGUN.batch_size] for array in data.train))
    later = dataclasses.replace(BEGUN, num_epochs=12)
    origin, unravel = ravel_pytree(begun_network(data))
    end, _ = ravel_pytree(fit(later, data._replace(train=first))[0].model)

    def loss(numbers: jax.Array) -> jax.Array:
        value: jax.Array = loss_fn(unravel(numbers), images, labels, 0.0)[0]
        return value

    along = (end - origin) / jnp.linalg.norm(end - origin)
    steep = jax.jit(jax.grad(loss))((origin + end) / 2)
    across = steep - (steep @ along) * along
    return Slice(loss, origin, along, across / jnp.linalg.norm(across))


def valley_file(data: Dataset) -> bytes:
    """The loss on a grid of that plane, `VALLEY` (from, to, points) each way."""
    plane = valley_slice(data)
    a, b = (jnp.linspace(*axis) for axis in VALLEY)
    points = jnp.stack(jnp.meshgrid(a, b), axis=-1).reshape(-1, 2)

    @jax.jit
    def losses(points: jax.Array) -> jax.Array:
        found: jax.Array = jax.lax.map(
            lambda at: plane.loss(plane.origin + at[0] * plane.along + at[1] * plane.across),
            points,
        )
        return found

    return _packed(
        losses=np.asarray(losses(points), np.float32).reshape(len(b), len(a)),
        bounds=np.array([VALLEY[0][:2], VALLEY[1][:2]], np.float32),
    )


def averages_file(means: np.ndarray) -> bytes:
    """The average image of each digit, (10, 28, 28) from 0 to 255, for `averages.mjs`."""
    return _packed(means=np.rint(means).astype(np.uint8))


def averages_of(examples: Examples) -> np.ndarray:
    """The average image of each digit, (10, 28, 28) float."""
    return np.stack([examples.images[examples.labels == d].mean(axis=0) for d in range(10)])


def four_bits(images: np.ndarray) -> np.ndarray:
    """Rounds pixels to sixteen shades and packs two of them into a byte.

    Args:
      images: (n, ...) uint8, an even number of pixels each.

    Returns:
      (n, pixels / 2) uint8; of each pair the first pixel is in the upper four bits.
    """
    shades = np.rint(images.reshape(len(images), -1) / 17).astype(np.uint8)
    return shades[:, ::2] << 4 | shades[:, 1::2]


def training_file(data: Dataset) -> bytes:
    """The first images of MNIST's training and validation sets, for `trainer.mjs`.

    Pixels have four bits there. Over ten seeds that cost 0.04 ± 0.06 points of validation accuracy
    (`python -m benchmarks.shades`), and a reader waits for 1.3 MB in place of 2.3.

    Raises:
      ValueError: there are no validation images.
    """
    _need_validation(data)
    sets = {"train": data.train, "validation": data.validation}
    sizes = {"train": NUM_TRAIN, "validation": NUM_VALIDATION}
    return _packed(
        **{f"{k}_images": four_bits(examples.images[: sizes[k]]) for k, examples in sets.items()},
        **{
            f"{k}_labels": examples.labels[: sizes[k]].astype(np.uint8)
            for k, examples in sets.items()
        },
    )


def unit_files(models: list[MLP], examples: Examples) -> list[bytes]:
    """The hidden units, ten a file, for `look.mjs`.

    Args:
      models: the network before training and after each epoch, all arrays on the host.
      examples: where the digits that excite a unit most come from.
    """
    # Unit first, then epoch: (units, epochs, 784) and (units, epochs, 10).
    kernels = np.stack([model.hidden.kernel.T for model in models], axis=1)
    votes = np.stack([model.output.kernel for model in models], axis=1)
    pixels = examples.images.reshape(len(examples.labels), -1) / np.float32(255)
    excited = pixels @ models[-1].hidden.kernel
    most = np.argsort(-excited, axis=0, kind="stable")[:DIGITS_PER_UNIT].T
    files = []
    for first in range(0, len(kernels), UNITS_PER_FILE):
        units = slice(first, first + UNITS_PER_FILE)
        kernel, scale = quantize(kernels[units])
        files.append(
            _packed(
                hidden_kernel=kernel,
                hidden_scale=scale,
                votes=votes[units],
                digits=examples.images[most[units]],
                labels=examples.labels[most[units]].astype(np.uint8),
            )
        )
    return files


def export(folder: Path) -> dict[str, int]:
    """Trains the networks and writes all files of the interactive pages.

    Returns:
      The size of each file in bytes.
    """
    config = Config()
    data = load_mnist(config)
    models = [jax.device_get(create_state(config).model)]
    fit(config, data, on_epoch=lambda state, _: models.append(jax.device_get(state.model)))
    files = {"train.bin": training_file(data)}
    for n, content in enumerate(unit_files(models, data.validation)):
        files[f"units-{n:02d}.bin"] = content
    files["nudge.bin"] = nudge_file(begun_network(data), data.train)
    files["confusion.bin"] = confusion_file(evaluate(models[-1], data.test), data.test)
    files["valley.bin"] = valley_file(data)
    files["averages.bin"] = averages_file(averages_of(data.train))
    taught = data._replace(train=with_european(data.train))
    for name, recipe in {"home": HOME, "draw": PAD}.items():  # the last stands for all
        files[f"{name}.bin"] = network_file(fit_recipe(recipe, taught)[0].model, samples(data))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content)
    return {name: len(content) for name, content in files.items()}


def with_european(train: Examples) -> Examples:
    """Adds zeros, ones and sevens as many Europeans write them: MNIST has next to none."""
    images, labels = european_digits(NUM_EUROPEAN)
    return Examples(np.concatenate([train.images, images]), np.concatenate([train.labels, labels]))


def samples(data: Dataset) -> np.ndarray:
    """The first validation image of each digit, (10, 28, 28) uint8.

    Raises:
      ValueError: there are no validation images, or none of some digit.
    """
    _need_validation(data)
    digits, first = np.unique(data.validation.labels, return_index=True)
    if len(digits) < 10:
        raise ValueError(
            f"the validation images show only the digits {digits.tolist()}; "
            "set num_validation higher"
        )
    return data.validation.images[first]


def draw(model: MLP, data: Dataset) -> HTML:
    """A drawing pad that this network reads.

    Raises:
      ValueError: as `network_file` and `samples`.
    """
    return _part("draw", 620, loads=lambda: {"file": _address(network_file(model, samples(data)))})


def train(data: Dataset) -> HTML:
    """Sliders and a button: a network trained by the browser itself.

    Raises:
      ValueError: as `training_file`.
    """
    return _part(
        "train",
        1350,
        loads=lambda: {"file": _address(training_file(data)), "worker": _module("trainer")},
    )


def threshold(scores: np.ndarray, positive: np.ndarray, name: str) -> HTML:
    """A slider for the threshold of saying "yes", with the counts that follow.

    Args:
      scores: (n,) how sure we are of "yes".
      positive: (n,) bool, where "yes" is the truth.
      name: what "yes" says that it is, such as "9".
    """
    counts = [threshold_counts(scores, positive, percent / 100) for percent in range(1, 100)]
    return _part("threshold", 620, {"name": name, "counts": json.dumps(counts)})


def nudge(data: Dataset) -> HTML:
    """One weight of a network to move, and the loss that moves with it."""
    return _part(
        "nudge",
        1000,
        loads=lambda: {"file": _address(nudge_file(begun_network(data), data.train))},
    )


def softmax(scores: np.ndarray, label: int) -> HTML:
    """Ten scores to move, their probabilities, and the loss.

    Args:
      scores: (10,), the logits to begin with.
      label: the true digit to begin with.
    """
    rounded = [round(float(score), 1) for score in scores]
    return _part("softmax", 1000, {"scores": json.dumps(rounded), "label": int(label)})


def confusion(evaluation: Evaluation, examples: Examples) -> HTML:
    """The confusion matrix, whose cells show their digits.

    Args:
      evaluation: what `evaluate` returned for the examples.
    """
    return _part(
        "confusion", 800, loads=lambda: {"file": _address(confusion_file(evaluation, examples))}
    )


def averages(means: np.ndarray) -> HTML:
    """A drawing pad that ten average images, (10, 28, 28) from 0 to 255, read."""
    return _part("averages", 800, loads=lambda: {"file": _address(averages_file(means))})


def neuron() -> HTML:
    """One neuron, of which weights, ink and bias can be changed."""
    return _part("neuron", 800)


def downhill(data: Dataset) -> HTML:
    """A slice through a network's loss, to go down with a rate and a momentum of one's choice."""
    return _part("downhill", 900, loads=lambda: {"file": _address(valley_file(data))})


def way() -> HTML:
    """A drawn digit's way through a small network. On the book's pages only."""
    return _part("way", 0)


def look(unit: int, units: int) -> HTML:
    """Any of the hidden units, epoch by epoch; this one first. On the book's pages only."""
    return _part("look", 0, {"unit": unit, "units": units, "group": UNITS_PER_FILE})


def _need_validation(data: Dataset) -> None:
    if not len(data.validation.labels):
        raise ValueError(
            "the interactive parts show validation images, and there are none; choose a "
            "num_validation above 0"
        )


def _packed(**arrays: Any) -> bytes:
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return gzip.compress(safetensors.numpy.save(contiguous), mtime=0)


def _part(
    part: str,
    height: int,
    attributes: dict[str, Any] | None = None,
    loads: Callable[[], dict[str, str]] = dict,
) -> HTML:
    """The part's place on a page; in a notebook that runs, the part itself in a frame.

    Args:
      part: the name of its module.
      height: of the frame in pixels; 0 for a part that has none.
      attributes: what it is told, as `data-` attributes.
      loads: makes the addresses of what a page loads from its server.
    """
    attributes = attributes or {}
    on_page = "MNIST_TUTORIAL_PAGE" in os.environ  # set where the book's notebooks are stored
    if on_page or not height:
        return HTML(
            f'<div class="live" data-live="{part}"{_data(attributes)}><p>This part is '
            "interactive. It works on the book's web page, in a browser with JavaScript: either "
            "online, or on your own machine with <code>make serve</code>.</p></div>"
        )
    style = (MODULES / "live.css").read_text(encoding="utf-8")
    page = (
        f'<!doctype html><meta charset="utf-8"><style>{FRAME_STYLE}{style}</style>'
        f'<div class="live"{_data(attributes | loads())}></div>'
        f'<script type="module">import mount from "{_module(part)}";\n'
        'mount(document.querySelector(".live"));</script>'
    )
    return HTML(
        f'<div><iframe title="{part}" style="width: 100%; height: {height}px; border: 0" '
        f'srcdoc="{html.escape(page)}"></iframe></div>'
    )


def _data(attributes: dict[str, Any]) -> str:
    return "".join(f' data-{key}="{html.escape(str(value))}"' for key, value in attributes.items())


def _module(name: str) -> str:
    """A module with all that it imports, as an address that needs no server."""
    source = (MODULES / f"{name}.mjs").read_text(encoding="utf-8")
    source = re.sub(r'"\./(\w+)\.mjs"', lambda match: json.dumps(_module(match[1])), source)
    return _address(source.encode(), "text/javascript")


def _address(content: bytes, kind: str = "application/octet-stream") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sizes = export(Path(sys.argv[1]))
    print(f"Wrote {len(sizes)} files, {sum(sizes.values()) / 1e6:.1f} MB, to {sys.argv[1]}")

"""The parts of the book that answer: what they need from the package, and how a notebook
shows them.

    python -m mnist_tutorial.book.live FOLDER

trains the tutorial's network and writes, beside the modules of `_static/live`, the files that
the built pages load. All are safetensors, compressed with gzip.
"""

import base64
import gzip
import html
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors.numpy
from IPython.display import HTML

from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, Examples, load_mnist, write_whole
from mnist_tutorial.evaluation import threshold_counts
from mnist_tutorial.model import ACTIVATIONS, MLP
from mnist_tutorial.training import create_state, fit

PACKAGED = Path(__file__).parent / "browser"
# A checkout has the modules where the pages want them; installed, they lie in the package.
MODULES = PACKAGED if PACKAGED.is_dir() else Path(__file__).parents[2] / "_static" / "live"
NUM_TRAIN, NUM_VALIDATION = 12_000, 2_000  # images of "train it here": 2.3 MB compressed
FRAME_STYLE = """
:root { color-scheme: light dark }
body { margin: 0; background: Canvas; font: 15px system-ui }
"""
UNITS_PER_FILE, DIGITS_PER_UNIT = 10, 8


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
    """A network to be read by `draw.mjs`, with ten digits, (10, 28, 28) uint8, to try it on.

    Raises:
      ValueError: the network isn't one hidden layer of ReLU units, all that the page knows.
    """
    if model.deeper.layers or model.activation is not ACTIVATIONS["relu"]:
        raise ValueError(
            "the page can only read networks with num_hidden_layers=1 and activation='relu'"
        )
    kernel, scale = quantize(np.asarray(model.hidden.kernel).T)
    return _packed(
        hidden_kernel=kernel,
        hidden_scale=scale,
        hidden_bias=model.hidden.bias,
        output_kernel=model.output.kernel,
        output_bias=model.output.bias,
        samples=samples,
    )


def training_file(data: Dataset) -> bytes:
    """The first images of MNIST's training and validation sets, for `trainer.mjs`.

    Raises:
      ValueError: there are no validation images.
    """
    _need_validation(data)
    sets = {"train": data.train, "validation": data.validation}
    sizes = {"train": NUM_TRAIN, "validation": NUM_VALIDATION}
    return _packed(
        **{f"{k}_images": examples.images[: sizes[k]] for k, examples in sets.items()},
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
    """Trains the tutorial's network and writes all files of the interactive pages.

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
    files["draw.bin"] = network_file(models[-1], samples(data))  # the last stands for all
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content)
    return {name: len(content) for name, content in files.items()}


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
    return _part("threshold", 230, {"name": name, "counts": json.dumps(counts)})


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
            f'<div class="live" data-live="{part}"{_data(attributes)}><p>This part answers on the '
            "page of the book, in a browser with JavaScript: online, or at home with "
            "<code>make serve</code>. The figures of this chapter show what it does.</p></div>"
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

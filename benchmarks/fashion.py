"""What helps with clothes: `python -m benchmarks.fashion`.

Trains on Fashion-MNIST by the original's figures, by the recipe that was made for digits and by
changes of it, and compares them on validation images; the test images stay closed. With `--save`,
what was measured goes into the package, where the going-further page reads it. Needs a prepared
copy of Fashion-MNIST: tools/prepare_data.py.
"""

import argparse
import io
import json
import platform
import sys
from dataclasses import asdict, replace
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, load_mnist, write_whole
from mnist_tutorial.further.fashion import MEASURED, PICTURES, WAYS, Way, mirror
from mnist_tutorial.further.recipes import fit_recipe
from mnist_tutorial.training import fit


def measure(way: Way, seed: int, data: Dataset) -> dict:
    """Trains once.

    Returns:
      The seed, and the accuracy on training and validation images in the last epoch.
    """
    settings = {"dataset": "fashion_mnist", "seed": seed}
    if way.recipe is None:
        _, history = fit(Config(**settings), data)
    else:
        recipe = replace(way.recipe, config=replace(way.recipe.config, **settings))
        _, history = fit_recipe(recipe, mirror(data) if way.mirrored else data)
    return {
        "seed": seed,
        "train_accuracy": round(float(history.train_accuracy[-1]), 4),
        "validation_accuracy": round(float(history.validation_accuracy[-1]), 4),
    }


def about(way: Way) -> dict | None:
    """Describes a way to train, as JSON gives it back; None means the original's figures."""
    if way.recipe is None:
        return None
    return json.loads(json.dumps(asdict(way.recipe) | {"mirrored": way.mirrored}))


def one_of_each(data: Dataset) -> bytes:
    """The first training image of each class, side by side, as a PNG."""
    images, labels = data.train
    row = np.concatenate([images[np.argmax(labels == k)] for k in range(10)], axis=1)
    file = io.BytesIO()
    Image.fromarray(row).save(file, "PNG", optimize=True)
    return file.getvalue()


def summary(data: Dataset, runs: dict[str, list[dict]]) -> dict:
    """What is stored: the runs of each way, and what made them."""
    return {
        "num_train": len(data.train.labels),
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "machine": platform.machine(),
        "ways": {name: about(WAYS[name]) for name in runs},
        "runs": runs,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fashion",
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data-dir", type=Path, help="folder of prepared data sets")
    parser.add_argument("--seeds", nargs="+", type=int, default=[123])
    parser.add_argument("--save", action="store_true", help=f"write {MEASURED.name}")
    options = parser.parse_args(arguments)
    data = load_mnist(Config(dataset="fashion_mnist"), options.data_dir)
    runs: dict[str, list[dict]] = {name: [] for name in WAYS}
    for seed in options.seeds:
        for name, way in WAYS.items():
            print(f"seed {seed}: {name}", file=sys.stderr, flush=True)
            runs[name].append(measure(way, seed, data))
    if options.save:
        text = json.dumps(summary(data, runs), indent=1) + "\n"
        write_whole(MEASURED, text.encode())
        write_whole(PICTURES, one_of_each(data))
    print(render(runs))


def render(runs: dict[str, list[dict]]) -> str:
    """The runs as a text table: mean accuracies in percent."""
    lines = [f"{'trained by':40}{'seeds':>6}{'training':>10}{'validation':>12}"]
    for name, several in runs.items():
        train, validation = (
            100 * np.mean([run[f"{split}_accuracy"] for run in several])
            for split in ("train", "validation")
        )
        lines.append(f"{name:40}{len(several):6}{train:10.1f}{validation:12.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

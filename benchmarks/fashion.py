"""What helps with clothes: `python -m benchmarks.fashion`.

Trains on Fashion-MNIST by the original's figures, by the recipe that was made for digits and by
changes of it, one seed each, to choose on validation images. The one that was chosen is then
trained from several seeds beside the first two, and the test images are opened once, at the end
of each of these trainings. With `--save`, what was measured goes into the package, where the
going-further page reads it. Needs a prepared copy of Fashion-MNIST: tools/prepare_data.py.
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
from mnist_tutorial.evaluation import evaluate
from mnist_tutorial.further.fashion import CHOSEN, MEASURED, PICTURES, WAYS, Way, mirror
from mnist_tutorial.further.recipes import fit_recipe
from mnist_tutorial.training import fit

SEED, SEEDS = 123, (123, 1, 2)
COMPARED = ("original", "better", CHOSEN)


def measure(way: Way, seed: int, data: Dataset, test: bool) -> dict:
    """Trains once.

    Args:
      test: whether the test images are opened.

    Returns:
      The seed, and the accuracy on training and validation images after each epoch, and on test.
    """
    variables = {"dataset": "fashion_mnist", "seed": seed}
    if way.recipe is None:
        state, history = fit(Config(**variables), data)
    else:
        recipe = replace(way.recipe, config=replace(way.recipe.config, **variables))
        state, history = fit_recipe(recipe, mirror(data) if way.mirrored else data)
    found = {
        "seed": seed,
        "train_accuracy": np.round(history.train_accuracy.astype(float), 4).tolist(),
        "validation_accuracy": np.round(history.validation_accuracy.astype(float), 4).tolist(),
    }
    if test:
        found["test_accuracy"] = evaluate(state.model, data.test).metrics.accuracy
    return found


def about(way: Way) -> dict | None:
    """What makes a training, as JSON gives it back; None for the original's figures."""
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


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fashion",
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data-dir", type=Path, help="folder of prepared data sets")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--save", action="store_true", help=f"write {MEASURED.name}")
    options = parser.parse_args(arguments)
    data = load_mnist(Config(dataset="fashion_mnist"), options.data_dir)
    result = {
        "num_train": len(data.train.labels),
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "machine": platform.machine(),
        "ways": {name: about(way) for name, way in WAYS.items()},
        "tries": {},
        "runs": {name: [] for name in COMPARED},
    }
    for name, way in WAYS.items():
        print(f"to choose, seed {SEED}: {name}", file=sys.stderr, flush=True)
        result["tries"][name] = measure(way, SEED, data, test=False)
    for seed in options.seeds:
        for name in COMPARED:
            print(f"seed {seed}: {name}", file=sys.stderr, flush=True)
            result["runs"][name].append(measure(WAYS[name], seed, data, test=True))
    if options.save:
        write_whole(MEASURED, (json.dumps(result, indent=1) + "\n").encode())
        write_whole(PICTURES, one_of_each(data))
    print(render(result))


def render(result: dict) -> str:
    """The result as a text table: accuracies at the end, in percent."""
    lines = [f"{'':40}{'seeds':>6}{'training':>10}{'validation':>12}{'test':>8}"]
    for kind in ("tries", "runs"):
        for name, found in result[kind].items():
            runs = [found] if kind == "tries" else found
            cells = [
                f"{100 * np.mean([np.atleast_1d(run[key])[-1] for run in runs]):.1f}"
                for key in ("train_accuracy", "validation_accuracy", "test_accuracy")
                if key in runs[0]
            ]
            lines.append(f"{name:40}{len(runs):6}" + "".join(map("{:>10}".format, cells)))
    return "\n".join(lines)


if __name__ == "__main__":
    main()

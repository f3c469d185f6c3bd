"""What helps with clothes: `python -m benchmarks.fashion`.

Trains on Fashion-MNIST with the original's values and with the recipe that was made for digits,
then by changes of that recipe, one seed each, to choose on validation images. The one that was
chosen is then trained from several seeds beside the first two, and the test images are opened
once, at the end of each of these training runs. With `--save`, what was measured goes into the
package, where the going-further page reads it. Needs a prepared copy of Fashion-MNIST:
tools/prepare_data.py.
"""

import argparse
import json
import platform
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

import mnist_tutorial
from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, Examples, load_mnist, write_whole
from mnist_tutorial.evaluation import evaluate
from mnist_tutorial.further.recipes import RECIPES, Recipe, fit_recipe
from mnist_tutorial.training import fit

STORED = Path(mnist_tutorial.__file__).parent / "further" / "results" / "fashion.json"
SEED, SEEDS = 123, (123, 1, 2)
BETTER = RECIPES["better"]
STILL = replace(BETTER, shift=0.0, rotation=0.0, scale=0.0)


class Way(NamedTuple):
    """How to train: by a recipe, or by the original's figures where that is None.

    Attributes:
      recipe: its dataset and its seed are put in when it is used.
      mirrored: whether every training image is shown mirrored too. That doubles an epoch's
        updates, so that these recipes have half as many epochs.
    """

    recipe: Recipe | None
    mirrored: bool = False


def _short(recipe: Recipe) -> Recipe:
    return replace(recipe, config=replace(recipe.config, num_epochs=8))


TRIED = {
    "original": Way(None),
    "better": Way(BETTER),
    "better, not distorted": Way(STILL),
    "better, moved by a pixel": Way(replace(STILL, shift=1.0)),
    "better, mirrored": Way(_short(STILL), mirrored=True),
    "better, mirrored and moved": Way(_short(replace(STILL, shift=1.0)), mirrored=True),
}
MEASURED = ("original", "better", "better, not distorted")


def mirror(data: Dataset) -> Dataset:
    """Adds the mirror image of every training image."""
    images, labels = data.train
    both = Examples(np.concatenate([images, images[:, :, ::-1]]), np.tile(labels, 2))
    return data._replace(train=both)


def measure(way: Way, seed: int, data: Dataset, test: bool) -> dict:
    """Trains once.

    Args:
      test: whether the test images are opened.

    Returns:
      The seed, the accuracy on training and validation images after each epoch, and on test.
    """
    variables = {"dataset": "fashion_mnist", "seed": seed}
    if way.recipe is None:
        state, history = fit(Config(**variables), data)
    else:
        recipe = replace(way.recipe, config=replace(way.recipe.config, **variables))
        state, history = fit_recipe(recipe, mirror(data) if way.mirrored else data)
    found = {
        "seed": seed,
        "train_accuracy": np.round(history.train_accuracy, 4).tolist(),
        "validation_accuracy": np.round(history.validation_accuracy, 4).tolist(),
    }
    return found | (
        {"test_accuracy": evaluate(state.model, data.test).metrics.accuracy} if test else {}
    )


def about(name: str) -> dict | None:
    """Returns what makes a training run, as JSON gives it back; None for the original's values."""
    recipe, mirrored = TRIED[name]
    return recipe and json.loads(json.dumps(asdict(recipe))) | {"mirrored": mirrored}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fashion",
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data-dir", type=Path, help="folder of prepared data sets")
    parser.add_argument("--tries", nargs="*", choices=TRIED, default=list(TRIED), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--save", action="store_true", help=f"write {STORED.name}")
    options = parser.parse_args(arguments)
    data = load_mnist(Config(dataset="fashion_mnist"), options.data_dir)
    result = {
        "num_train": len(data.train.labels),
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "machine": platform.machine(),
        "recipes": {name: about(name) for name in TRIED},
        "tries": {},
        "runs": {name: [] for name in MEASURED},
    }
    todo = [("tries", name, SEED) for name in options.tries]
    todo += [("runs", name, seed) for seed in options.seeds for name in MEASURED]
    for kind, name, seed in todo:
        print(f"{kind}, seed {seed}: {name}", file=sys.stderr, flush=True)
        found = measure(TRIED[name], seed, data, test=kind == "runs")
        if kind == "tries":
            result["tries"][name] = found
        else:
            result["runs"][name].append(found)
        if options.save:
            write_whole(STORED, (json.dumps(result, indent=1) + "\n").encode())
    print(render(result))


def render(result: dict) -> str:
    """The result as a text table."""
    lines = [f"{'trained by':30}{'seeds':>6}{'training':>10}{'validation':>12}{'test':>8}, %"]
    for kind in ("tries", "runs"):
        for name, runs in result[kind].items():
            runs = runs if kind == "runs" else [runs]
            ends = [
                [run[f"{split}_accuracy"][-1] for run in runs] for split in ("train", "validation")
            ]
            test = [run["test_accuracy"] for run in runs if "test_accuracy" in run]
            train, validation, tested = (100 * np.mean(each or [np.nan]) for each in (*ends, test))
            lines.append(f"{name:30}{len(runs):6}{train:10.1f}{validation:12.1f}{tested:8.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

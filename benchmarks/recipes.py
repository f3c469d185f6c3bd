"""Measures how accurate each recipe is after how many seconds: `python -m benchmarks.recipes`.

Trains with the original's values and with each recipe, in turn, for several seeds, and once more
with all images normalised first. The test images are opened once, at the end of each training run.
With `--save`, what was measured goes into the package, where chapter 7 and the going-further page
read it.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial

import jax
import numpy as np

import mnist_tutorial
from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, load_mnist, write_whole
from mnist_tutorial.evaluation import evaluate
from mnist_tutorial.further.augment import deskew
from mnist_tutorial.further.recipes import DESKEWED, MEASURED, RECIPES, fit_recipe
from mnist_tutorial.training import fit

TAUGHT = RECIPES | {"normalised": DESKEWED}


def trainings(variables: dict) -> dict[str, Callable]:
    """Says for each recipe how to train with it; `variables` are changed in all of them."""
    methods: dict[str, Callable] = {"original": partial(fit, Config(**variables))}
    for name, recipe in TAUGHT.items():
        methods[name] = partial(
            fit_recipe, replace(recipe, config=replace(recipe.config, **variables))
        )
    return methods


def measure(name: str, train: Callable, data: Dataset) -> dict:
    """Trains once; the first epoch's seconds include the compilation, and any normalising."""
    start = time.perf_counter()
    if name == "normalised":
        data = Dataset(*map(deskew, data))
    before = time.perf_counter() - start
    state, history = train(data)
    return {
        "seconds": np.round(before + history.seconds.cumsum(), 3).tolist(),
        "validation_accuracy": np.round(history.validation_accuracy, 5).tolist(),
        "test_accuracy": evaluate(state.model, data.test).metrics.accuracy,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recipes",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[123, 1, 2, 3, 4])
    parser.add_argument("--num-validation", type=int, default=5_000)
    parser.add_argument("--epochs", type=int, help="epochs instead of each recipe's own")
    parser.add_argument("--recipes", nargs="+", choices=["original", *TAUGHT])
    parser.add_argument("--save", action="store_true", help=f"write {MEASURED.name}")
    parser.add_argument("--json", action="store_true", help="print only a JSON object")
    options = parser.parse_args(arguments)
    runs: dict[str, list[dict]] = {}
    for seed in options.seeds:
        variables = {"seed": seed, "num_validation": options.num_validation}
        if options.epochs:
            variables["num_epochs"] = options.epochs
        data = load_mnist(Config(**variables))
        for name, train_by in trainings(variables).items():
            if not options.recipes or name in options.recipes:
                print(f"seed {seed}: {name}", file=sys.stderr, flush=True)
                runs.setdefault(name, []).append({"seed": seed} | measure(name, train_by, data))
    result = {
        "num_train": len(data.train.labels),
        "jax": jax.__version__,
        "package": mnist_tutorial.__version__,
        "device": jax.devices()[0].device_kind,
        "machine": platform.machine(),
        "configs": {name: asdict(TAUGHT.get(name, Config())) for name in runs},
        "runs": runs,
    }
    if options.save:
        write_whole(MEASURED, (json.dumps(result, indent=1) + "\n").encode())
    print(json.dumps(result) if options.json else render(result))


def render(result: dict) -> str:
    """Renders the result as a text table."""
    lines = [
        f"{result['num_train']:,} training images",
        f"{'recipe':13}{'seeds':>6}{'test accuracy, mean':>22}{'sd':>8}"
        f"{'seconds':>9}{'compiled':>10}{'to 97.1%':>11}{'to 99%':>9}",
    ]
    for name, runs in result["runs"].items():
        test = 100 * np.array([run["test_accuracy"] for run in runs])
        spread = test.std(ddof=1) if len(runs) > 1 else np.nan
        seconds = np.array([run["seconds"] for run in runs])
        steps = np.diff(seconds, axis=1)
        compiled = np.median(steps) * seconds.shape[1] if steps.size else np.nan
        lines.append(
            f"{name:13}{len(runs):6}{test.mean():21.2f}%{spread:8.2f}"
            f"{np.median(seconds[:, -1]):9.1f}{compiled:10.1f}"
            f"{_reached(runs, 0.971):>11}{_reached(runs, 0.99):>9}"
        )
    return "\n".join(lines)


def _reached(runs: list[dict], accuracy: float) -> str:
    """Gives the median seconds to that validation accuracy, or – if not all seeds get there."""
    first = []
    for run in runs:
        reached = np.array(run["validation_accuracy"]) >= accuracy
        first.append(run["seconds"][reached.argmax()] if reached.any() else None)
    return "–" if None in first else f"{np.median(first):.1f} s"


if __name__ == "__main__":
    main()

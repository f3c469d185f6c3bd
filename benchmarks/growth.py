"""How the cost of a training grows: `python -m benchmarks.growth`.

One thing is changed at a time, all settings in turn, several rounds; medians, without
compilation. Draws the figure and prints its numbers.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp

from mnist_tutorial import Config, load_mnist
from mnist_tutorial.book.plots import COMPARED, panels
from mnist_tutorial.further.sweeps import subset, train_many
from mnist_tutorial.training import create_state, train_epoch

SETTINGS = {
    "share of the images": (1 / 8, 1 / 4, 1 / 2, 1),
    "epochs": (1, 2, 4, 8),
    "hidden units": (250, 500, 1_000, 2_000),
    "images in a batch": (32, 64, 128, 256, 512, 1_024),
    "networks at once": (1, 2, 4, 8, 16),
}


def trainings(num_images: int) -> dict[str, dict[int, Callable[[], object]]]:
    """For each thing that is changed and each of its values: what is to be timed."""
    base = Config(num_validation=0)
    data = load_mnist(base)
    images, labels = (jnp.asarray(array[:num_images]) for array in data.train)

    def epochs(config: Config, count: int, share: float = 1) -> Callable:
        size = int(share * len(labels))
        few_images, few_labels = images[:size], labels[:size]

        def train():
            state = create_state(config)
            for _ in range(count):
                state, _ = train_epoch(state, few_images, few_labels, config)
            return jax.block_until_ready(state)

        return train

    def many(count: int) -> Callable:
        config = replace(base, num_epochs=1, hidden_units=100)
        few = subset(data, num_images // 10)
        few = few._replace(validation=few.train)
        return lambda: train_many([replace(config, seed=i) for i in range(count)], few)

    return {
        "images": {
            round(share * num_images): epochs(base, 1, share)
            for share in SETTINGS["share of the images"]
        },
        "epochs": {n: epochs(base, n, 1 / 4) for n in SETTINGS["epochs"]},
        "hidden units": {
            n: epochs(replace(base, hidden_units=n), 1, 1 / 4) for n in SETTINGS["hidden units"]
        },
        "images in a batch": {
            n: epochs(replace(base, batch_size=n), 1, 1 / 4) for n in SETTINGS["images in a batch"]
        },
        "networks at once": {n: many(n) for n in SETTINGS["networks at once"]},
    }


def measure(rounds: int, num_images: int) -> dict[str, dict[int, float]]:
    """Median seconds of each setting."""
    seconds: dict = {}
    for number in range(rounds + 1):  # the first round compiles
        print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
        for what, settings in trainings(num_images).items():
            for value, train in settings.items():
                start = time.perf_counter()
                train()
                runs = seconds.setdefault(what, {}).setdefault(value, [])
                runs.append(time.perf_counter() - start)
    return {
        what: {value: statistics.median(runs[1:]) for value, runs in settings.items()}
        for what, settings in seconds.items()
    }


def doublings(seconds: dict[int, float]) -> list[float]:
    """How many times longer each setting takes than the one before."""
    values = list(seconds.values())
    return [after / before for before, after in zip(values, values[1:], strict=False)]


def draw(result: dict[str, dict[int, float]]):
    """One panel for each thing that was changed; the dashed line is twice for twice."""
    figure, axes = panels(3, 2, 7.5)
    for ax, (what, seconds) in zip(axes, result.items(), strict=False):
        values, times = list(seconds), list(seconds.values())
        ax.plot(values, [times[0] * v / values[0] for v in values], **COMPARED)
        ax.plot(values, times, "o-")
        ax.set_xscale("log", base=2)
        ax.set_yscale("log", base=2)
        ax.set_xticks(values, [f"{v:,}" for v in values], fontsize=8)
        ax.yaxis.set_major_formatter("{x:.2g}")
        ax.set_xlabel(what, fontsize=10)
        ax.set_ylabel("seconds", fontsize=10)
    axes[-1].set_axis_off()
    axes[-1].text(0, 0.5, "●  measured\n– –  twice the work,\n      twice the time", fontsize=10)
    return figure


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each setting")
    parser.add_argument("--images", type=int, default=60_000, help="training images")
    parser.add_argument("--figure", type=Path, default=Path("_build/growth.png"))
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    options = parser.parse_args(arguments)
    result = measure(options.rounds, options.images)
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(result).savefig(options.figure)
    if options.json:
        print(json.dumps(result))
        return
    for what, seconds in result.items():
        print(f"\n{what}")
        ratios = [None, *doublings(seconds)]
        for (value, time_taken), ratio in zip(seconds.items(), ratios, strict=True):
            print(f"{value:8,}{time_taken:9.3f} s" + (f"{ratio:8.2f} ×" if ratio else ""))
    print(f"\nThe figure: {options.figure}")


if __name__ == "__main__":
    main()

"""What each setting does, measured fairly: at a learning rate that learns, with several seeds.

Each of EXPERIMENTS is run by `python -m benchmarks.lab`, minutes in all, and its results are
stored in `results/experiments`, beside those of `replications`.

All networks are small (128 hidden units, 10,000 training images) and train for ten epochs. Runs
that are compared share their seeds, so that their differences can be taken pair by pair.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset
from mnist_tutorial.further.replications import Experiment
from mnist_tutorial.further.sweeps import Row, collect, grid, subset

BASE = Config(hidden_units=128, learning_rate=0.06, num_epochs=10)
NUM_TRAIN, NUM_VALIDATION = 10_000, 5_000
SEEDS = range(5)
KEEP = ("train_loss", "validation_loss", "validation_accuracy")
# Rates tried for each value of a setting. Two seeds choose the rate, five others report.
TRIED = [0.03, 0.06, 0.1, 0.2, 0.4]
RATES: dict[str, dict[Any, list[float]]] = {
    "batch_size": {16: [0.012, 0.024, 0.048], 128: [0.05, 0.1, 0.2, 0.4], 1_024: [0.2, 0.4, 0.8]},
    "hidden_units": {8: [0.01, 0.03, 0.06, 0.1], 32: TRIED, 128: TRIED, 512: TRIED},
    "num_hidden_layers": dict.fromkeys([1, 2, 3, 4], TRIED),
    "activation": {"identity": [0.003, 0.01, 0.03, 0.06], "tanh": TRIED, "relu": TRIED},
}
CHOOSING, REPORTING = range(2), range(2, 7)
# The step of SGD with momentum is as long, in the long run, as one of rate / (1 - momentum)
# without. These pairs, (rate, momentum), all make 0.6, and those of one rate don't.
MOMENTA = [0.0, 0.5, 0.8, 0.9, 0.95]
SAME_STRIDE = [(round(0.6 * (1 - momentum), 6), momentum) for momentum in MOMENTA]
PENALTIES = [0.0, 1e-4, 1e-3, 1e-2, 1e-1]


def _vary(**values: Sequence[object]) -> Callable[[Dataset], Experiment]:
    """Every value with every seed, all else as in BASE."""

    def experiment(data: Dataset) -> Experiment:
        return _experiment(grid(BASE, **values, seed=SEEDS), data)

    return experiment


def _experiment(configs: list[Config], data: Dataset) -> Experiment:
    return Experiment(configs, subset(data, NUM_TRAIN, NUM_VALIDATION), KEEP)


def _same_stride(data: Dataset) -> Experiment:
    configs = [
        config
        for rate, momentum in SAME_STRIDE
        for config in grid(BASE, learning_rate=rate, momentum=momentum, seed=SEEDS)
    ]
    return _experiment(configs, data)


def _own_rates(by: str) -> Callable[[Dataset], Experiment]:
    """Every value of a setting at each of its rates, all else as in BASE."""

    def experiment(data: Dataset) -> Experiment:
        seeds = [*CHOOSING, *REPORTING]
        configs = [
            config
            for value, rates in RATES[by].items()
            for config in grid(BASE, **{by: value}, learning_rate=rates, seed=seeds)
        ]
        return _experiment(configs, data)._replace(keep=("validation_accuracy",))

    return experiment


def _momentum_small_steps(data: Dataset) -> Experiment:
    """Momentum at a rate that is small enough for all, at the same rate and with equal strides."""
    pairs = [(0.006, momentum) for momentum in MOMENTA]
    pairs += [(round(0.06 * (1 - momentum), 6), momentum) for momentum in MOMENTA]
    configs = [
        config
        for rate, momentum in dict.fromkeys(pairs)
        for config in grid(BASE, learning_rate=rate, momentum=momentum, seed=SEEDS)
    ]
    return _experiment(configs, data)


def _l2(data: Dataset) -> Experiment:
    """Penalties where overfitting is likely: long training on few images."""
    configs = grid(replace(BASE, num_epochs=40), l2=PENALTIES, seed=SEEDS)
    return Experiment(configs, subset(data, 500, NUM_VALIDATION), KEEP)


EXPERIMENTS: dict[str, Callable[[Dataset], Experiment]] = {
    "learning-rate": _vary(learning_rate=[0.0006, 0.002, 0.006, 0.02, 0.06, 0.2, 0.6]),
    "momentum": _vary(momentum=MOMENTA),
    "momentum-same-stride": _same_stride,
    "momentum-small-steps": _momentum_small_steps,
    "l2": _l2,
    "initialisation": _vary(weight_init=["glorot_normal", "he_normal"]),
    "initial-scale": _vary(init_scale=[0.01, 0.1, 1.0, 10.0, 100.0]),
    "nesterov": _vary(nesterov=[False, True]),
    "batch-sizes-own-rates": _own_rates("batch_size"),
    "hidden-units-own-rates": _own_rates("hidden_units"),
    "hidden-layers-own-rates": _own_rates("num_hidden_layers"),
    "activation-own-rates": _own_rates("activation"),
    "seeds": lambda data: _experiment(grid(BASE, seed=range(40)), data),
}


def accuracies(rows: Iterable[Row], by: str) -> dict[Any, list[float]]:
    """Gathers the last validation accuracies, in percent, for each value of a setting.

    Args:
      rows: what `stored` returns; each value has the same seeds in the same order.
      by: the setting, a variable of `Config`.
    """
    return collect(rows, by, lambda row: 100 * row["validation_accuracy"][-1])


def with_own_rates(rows: Iterable[Row], by: str) -> dict[Any, tuple[float, list[float]]]:
    """Picks the best rate for each value of a setting, and what other seeds reach with it.

    Args:
      rows: what `stored` returns of an experiment that tries RATES.
      by: the setting, a variable of `Config`.

    Returns:
      Value → the rate with the best mean over CHOOSING, and the last validation accuracies, in
      percent, of REPORTING.
    """
    found = {}
    for value, several in collect(rows, by, lambda row: row).items():
        chosen = accuracies((r for r in several if r["seed"] in CHOOSING), "learning_rate")
        rate = max(chosen, key=lambda rate: np.mean(chosen[rate]))
        reported = accuracies((r for r in several if r["seed"] in REPORTING), "learning_rate")
        found[value] = rate, reported[rate]
    return found

"""Going further: the program that this book follows beside ours, and what was measured of both."""

import json
import statistics
from dataclasses import fields
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from mnist_tutorial.config import Config

MEASURED = Path(__file__).parent / "results" / "original.json"
ORIGINAL, OURS = "Deeplearning4j", "this book"


class Pair(NamedTuple):
    """A line of the original, and the line of this book that does the same.

    Attributes:
      original: as it is in `benchmarks/original`.
      ours: as it is in `module`.
      module: a module of this package.
      remark: how the two differ; empty if they don't.
    """

    original: str
    ours: str
    module: str
    remark: str = ""


PAIRS = [
    Pair("final int numRows = 28;", "num_rows: int = field(28,", "config"),
    Pair("int batchSize = 128;", "batch_size: int = field(128,", "config"),
    Pair(
        "new MnistDataSetIterator(batchSize, true, rngSeed)",
        "def load_mnist(",
        "data",
        "theirs hands out one batch at a time, ours everything at once",
    ),
    Pair(
        ".layer(0, new DenseLayer.Builder()",
        "self.hidden = layer(config.num_pixels, units)",
        "model",
    ),
    Pair(
        ".activation(Activation.RELU)",
        "x = self.activation(self.hidden(x))",
        "model",
        "theirs belongs to the layer, ours is a function that is applied to its result",
    ),
    Pair(
        ".weightInit(WeightInit.XAVIER)",
        "nnx.initializers.glorot_normal()",
        "model",
        "both names are those of Xavier Glorot; ours leaves out what lies beyond two standard "
        "deviations",
    ),
    Pair(
        "new OutputLayer.Builder(LossFunction.NEGATIVELOGLIKELIHOOD)",
        "optax.softmax_cross_entropy_with_integer_labels(logits, labels)",
        "training",
        "two names of the same loss",
    ),
    Pair(".activation(Activation.SOFTMAX)", "nnx.softmax(model(images))", "model"),
    Pair(
        ".updater(new Nesterovs(0.006, 0.9))",
        "optax.sgd(config.learning_rate, config.momentum, config.nesterov)",
        "training",
    ),
    Pair(
        ".l2(1e-4)",
        "l2 * l2_penalty(model)",
        "training",
        "theirs is added to the gradient, ours to the loss, so that the gradient comes out the "
        "same",
    ),
    Pair("model.fit(mnistTrain);", "train_epoch(", "training", "one epoch"),
    Pair("model.evaluate(mnistTest);", "def evaluate(", "evaluation"),
]


def measured() -> dict[str, Any]:
    """Reads what `python -m benchmarks.original --save` stored.

    Returns:
      `date`, `machine`, `versions`, `memory`, `native` (the build of Deeplearning4j's library),
      `threads`; the original's `settings` as read back from its network; `runs`, one for each
      time that a program trained, with its `program`, `seed`, `load` of the machine before it,
      `epoch_seconds`, `wall_seconds`, `cpu_seconds`, `peak_bytes` and `accuracy`; `discordant`,
      (runs, runs), how many test images two runs answer differently; and `modules`, whether
      Maven could fetch them.
    """
    found: dict[str, Any] = json.loads(MEASURED.read_text())
    return found


def in_our_words(settings: dict[str, Any]) -> dict[str, Any]:
    """Gives the original's settings the names and values that they have in `Config`."""
    ours = {"WeightInitXavier": "glorot_normal", "Nesterovs": True}
    return {
        field.name: ours.get(value, value) if isinstance(value, str) else value
        for field in fields(Config)
        if (value := settings.get(field.metadata["original"])) is not None
    }


def names() -> list[tuple[str, Any, str, Any]]:
    """Pairs each setting of `Config` with the original's.

    Returns:
      For each setting that the original has too: our name, our default, its name, and the value
      read back from the network that its program built.
    """
    settings = measured()["settings"]
    return [
        (field.name, field.default, field.metadata["original"], settings[its])
        for field in fields(Config)
        if (its := field.metadata["original"])
    ]


def seeds(program: str) -> dict[int, dict[str, Any]]:
    """Finds the first run of each seed of one program; a repetition gives the same answers."""
    runs = [run for run in measured()["runs"] if run["program"] == program]
    return {run["seed"]: run for run in reversed(runs)}


def medians(program: str) -> dict[str, float]:
    """Takes the medians of one program: of its seeds for the accuracy, of all runs for the rest.

    Each run's first epoch is warm-up.

    Returns:
      `epoch_seconds`, `cpu_seconds` (of all threads, from start to finish), `wall_seconds`,
      `peak_bytes` and `accuracy`, and the `lowest` and `highest` accuracy.
    """
    runs = [run for run in measured()["runs"] if run["program"] == program]
    epochs = [seconds for run in runs for seconds in run["epoch_seconds"][1:]]
    found = {"epoch_seconds": statistics.median(epochs)}
    for name in ("wall_seconds", "cpu_seconds", "peak_bytes"):
        found[name] = statistics.median(run[name] for run in runs)
    accuracies = [run["accuracy"] for run in seeds(program).values()]
    found["accuracy"] = statistics.median(accuracies)
    return found | {"lowest": min(accuracies), "highest": max(accuracies)}


def differences() -> dict[str, float]:
    """Takes the median number of test images, of 10,000, that two networks answer differently.

    Returns:
      For two seeds of each program, and for the two programs with the same seed. Each seed of a
      program counts once.
    """
    found = measured()
    runs, counts = found["runs"], found["discordant"]
    once = {(run["program"], run["seed"]): i for i, run in enumerate(runs)}
    groups: dict[str, list[int]] = {}
    for ((program, seed), i), ((other, its_seed), j) in combinations(once.items(), 2):
        if program == other:
            groups.setdefault(program, []).append(counts[i][j])
        elif seed == its_seed:
            groups.setdefault("both", []).append(counts[i][j])
    return {name: statistics.median(several) for name, several in groups.items()}

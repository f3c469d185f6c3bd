"""Trains the same network with each library: `python -m benchmarks.training`.

Each program runs in its own process, one program after another, for several rounds. Whatever else
the machine does then affects all of them alike. The values are medians.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.programs import PROGRAMS
from mnist_tutorial import Config, load_mnist

PACKAGES = ("jax", "numpy", "torch", "scikit-learn", "keras", "tensorflow-cpu")


def flop_per_update(config: Config) -> int:
    """Counts the floating-point operations in the matrix products of one update.

    There are two for each weight and image on the way forward, two for each weight's gradient,
    and two more for each weight that passes the error down; the pixels don't need the error.
    """
    first = config.num_pixels * config.hidden_units
    last = config.hidden_units * config.num_classes
    return config.batch_size * (4 * first + 6 * last)


def product_rate(rows: int, inner: int, columns: int, seconds: float = 0.5) -> float:
    """Measures the median rate of NumPy's matrix product of these shapes, in FLOP/s."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((rows, inner), np.float32)
    b = rng.standard_normal((inner, columns), np.float32)
    rates, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(rates) < 5:
        start = time.perf_counter()
        a @ b
        rates.append(2 * rows * inner * columns / (time.perf_counter() - start))
    return statistics.median(rates)


def timed(command: list[str]) -> dict:
    """Runs a program whose last line is JSON, in its own process.

    Returns:
      What it printed, with its `wall_seconds`, the `cpu_seconds` of all its threads together
      (on which the machine's other work has far less effect) and its `peak_bytes` of memory.

    Raises:
      RuntimeError: if the program fails; the message is its last line, or Java's exception.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0), errors.seek(0)
        if process.returncode:
            lines = errors.read().decode().strip().splitlines() or ["no message"]
            java = [line for line in lines if line.startswith("Exception in thread")]
            raise RuntimeError((java or lines[-1:])[0])
        result = json.loads(output.read().splitlines()[-1])
    scale = 1 if sys.platform == "darwin" else 1024
    return result | {
        "wall_seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * scale,
    }


def measure(name: str, data: Path, epochs: int, seed: int = Config().seed) -> dict:
    """Runs one of PROGRAMS in its own process, and adds what `timed` measures."""
    program = [sys.executable, "-m", "benchmarks.programs"]
    return timed([*program, name, str(data), str(epochs), str(seed)])


def summarize(runs: list[dict], num_images: int) -> dict:
    """Computes medians over the runs of one program; the first epoch of each is its warm-up."""
    steady = [s for run in runs for s in run["epoch_seconds"][1:] or run["epoch_seconds"]]
    epoch = statistics.median(steady)
    return {
        "images_per_second": num_images / epoch,
        "epoch_seconds": epoch,
        "train_seconds": statistics.median(sum(run["epoch_seconds"]) for run in runs),
        "wall_seconds": statistics.median(run["wall_seconds"] for run in runs),
        "peak_bytes": statistics.median(run["peak_bytes"] for run in runs),
        "accuracy": statistics.median(run["accuracy"] for run in runs),
    }


def compare(names: list[str], epochs: int, rounds: int, num_images: int) -> dict:
    """Runs all programs in turn, `rounds` times, and returns what `--json` prints.

    A program that fails once is left out of further rounds, and the reason is kept in `failed`.
    """
    config = Config(num_validation=0)
    dataset = load_mnist(config)
    train = [array[:num_images] for array in dataset.train]
    large, shaped, runs, failed = [], [], {name: [] for name in names}, {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "mnist.npz"
        np.savez(
            data,
            **dict(zip(("images", "labels"), train, strict=True)),
            **dict(zip(("test_images", "test_labels"), dataset.test, strict=True)),
        )
        for number in range(rounds):
            for name in [name for name in names if name not in failed]:
                print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
                try:
                    runs[name].append(measure(name, data, epochs))
                except RuntimeError as error:
                    failed[name] = str(error)
                    print(f"{name} is left out: {error}", file=sys.stderr, flush=True)
            large.append(product_rate(2048, 2048, 2048))
            shaped.append(product_rate(config.batch_size, config.num_pixels, config.hidden_units))
    updates = config.updates_per_epoch(len(train[1]))
    flop = flop_per_update(config) * len(train[1]) / config.batch_size
    rate = statistics.median(large)
    programs = {n: summarize(runs[n], len(train[1])) for n in names if n not in failed}
    for summary in programs.values():
        summary["share_of_bound"] = flop / rate / summary["epoch_seconds"]
    return {
        "config": f"784-{config.hidden_units}-10, batch {config.batch_size}, float32",
        "images": len(train[1]),
        "epochs": epochs,
        "rounds": rounds,
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "updates_per_epoch": updates,
        "flop_per_update": flop_per_update(config),
        "large_product_flop_per_second": rate,
        "product_at_these_shapes_flop_per_second": statistics.median(shaped),
        "bound_epoch_seconds": flop / rate,
        "versions": versions(),
        "programs": programs,
        "failed": failed,
    }


def versions() -> dict[str, str]:
    """Finds the installed versions of what is compared."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def render(result: dict) -> str:
    """Renders the result as a text table."""
    baseline = result["programs"].get("ours")
    lines = [
        f"{result['config']}; {result['images']:,} images, {result['epochs']} epochs, "
        f"{result['rounds']} interleaved rounds, {result['cores']} cores",
        ", ".join(f"{name} {version}" for name, version in result["versions"].items()),
        "",
        f"{'program':26}{'images/s':>9}{'epoch':>8}{'ours is':>9}{'training':>10}{'start to':>10}"
        f"{'peak':>8}{'test':>9}{'of the':>8}",
        f"{'':26}{'':>9}{'s':>8}{'faster':>9}{'s':>10}{'finish s':>10}"
        f"{'MB':>8}{'accuracy':>9}{'bound':>8}",
    ]
    for name, row in result["programs"].items():
        ratio = row["epoch_seconds"] / baseline["epoch_seconds"] if baseline else float("nan")
        lines.append(
            f"{name:26}{row['images_per_second']:9,.0f}{row['epoch_seconds']:8.2f}{ratio:8.2f}×"
            f"{row['train_seconds']:10.1f}{row['wall_seconds']:10.1f}"
            f"{row['peak_bytes'] / 1e6:8,.0f}{row['accuracy']:9.2%}{row['share_of_bound']:8.2f}"
        )
    lines += [f"{name:26}could not run: {reason}" for name, reason in result["failed"].items()]
    lines += [
        "",
        f"The bound is {result['bound_epoch_seconds']:.2f} s per epoch: "
        f"{result['flop_per_update'] / 1e6:.1f} MFLOP per update and "
        f"{result['updates_per_epoch']} updates per epoch, at the "
        f"{result['large_product_flop_per_second'] / 1e9:.0f} GFLOP/s of NumPy's product of "
        "2048 × 2048 matrices.",
        f"NumPy's product at the first layer's shapes: "
        f"{result['product_at_these_shapes_flop_per_second'] / 1e9:.0f} GFLOP/s.",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    about = "\n".join(f"  {name:20}{program.__doc__}" for name, program in PROGRAMS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training",
        description=__doc__.splitlines()[0],
        epilog=f"programs:\n{about}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=5, help="epochs per run (default 5)")
    parser.add_argument("--rounds", type=int, default=5, help="runs per program (default 5)")
    parser.add_argument(
        "--images", type=int, default=60_000, help="training images (default 60000)"
    )
    parser.add_argument(
        "--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS), metavar="NAME",
        help="which of the programs below to run (default: all of them)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print only a JSON object")
    options = parser.parse_args(arguments)
    result = compare(options.programs, options.epochs, options.rounds, options.images)
    print(json.dumps(result) if options.json else render(result))
    if not result["programs"]:
        sys.exit("none of the programs could run")


if __name__ == "__main__":
    main()

"""Measures the road to 99.7%: `python -m benchmarks.road`.

Trains every step of `mnist_tutorial.further.road`, several seeds each, in processes of one core.
Each trained network is kept in `_build/road`, so that a stopped command resumes where it was.
The test images are opened once, when a network has been trained. With `--save`, what was measured
goes into the package, where the chapter reads it; steps that `--steps` leaves out stay there as
they are.
"""

import argparse
import dataclasses
import importlib.metadata
import io
import json
import os
import platform
import re
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, load_mnist, write_whole
from mnist_tutorial.further.recipes import with_seed
from mnist_tutorial.further.road import (
    RESULTS,
    SEEDS,
    SHIFTS,
    STAGES,
    TOGETHER,
    Stage,
    accuracy,
    answer,
    fit_stage,
)
from mnist_tutorial.model import count_parameters
from mnist_tutorial.training import fit

KEPT = Path("_build/road")
PACKAGES = ("jax", "flax", "optax", "numpy")
# One core each: several small trainings side by side use a processor better than one alone.
ONE_CORE = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OMP_NUM_THREADS": "1",
}


def seeded(name: str, seed: int) -> Stage | Config:
    """A step of the road, to be trained from this seed."""
    step = STAGES[name]
    return (
        dataclasses.replace(step, seed=seed) if isinstance(step, Config) else with_seed(step, seed)
    )


def about(step: Stage | Config) -> dict:
    """Returns what makes a run: its configuration and the libraries, as JSON gives them back."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    written = {"configuration": dataclasses.asdict(step), "versions": versions}
    return json.loads(json.dumps(written))


def measure(step: Stage | Config, data: Dataset) -> tuple[dict, dict[str, np.ndarray]]:
    """Trains once, then opens the test images.

    Returns:
      What to tell of it, and the probabilities of each split, also averaged over `SHIFTS`.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    if isinstance(step, Config):
        model = fit(step, data)[0].model
    else:
        model, _ = fit_stage(step, data)
    told = about(step) | {
        "seconds": round(time.perf_counter() - wall, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "parameters": count_parameters(model),
    }
    answers = {}
    for split in ("validation", "test"):
        images = getattr(data, split).images
        answers[split] = answer([model], images)
        if getattr(step, "channels", ()):
            answers[f"{split}_shifted"] = answer([model], images, SHIFTS)
    return told, answers


def kept(name: str, seed: int) -> tuple[dict, dict[str, np.ndarray]] | None:
    """A training done before by the same configuration and libraries, or None."""
    step = seeded(name, seed)
    try:
        with np.load(_place(name, seed), allow_pickle=False) as file:
            answers = dict(file)
    except (OSError, ValueError, zipfile.BadZipFile):  # absent or damaged
        return None
    told = json.loads(str(answers.pop("told")))
    same = {key: told.get(key) for key in about(step)} == about(step)
    return (told, answers) if same else None


def keep(name: str, seed: int) -> None:
    """Trains one step from one seed and keeps what it gave."""
    step = seeded(name, seed)
    data = load_mnist(step if isinstance(step, Config) else step.config)
    told, answers = measure(step, data)
    buffer = io.BytesIO()
    np.savez(buffer, told=np.array(json.dumps(told)), **answers)
    write_whole(_place(name, seed), buffer.getbuffer())


def _place(name: str, seed: int) -> Path:
    return KEPT / f"{name.replace(' ', '-').replace(',', '')}-{seed}.npz"


def collect(names: list[str]) -> dict:
    """All that was kept of these steps, as the JSON that the chapter reads.

    Raises:
      FileNotFoundError: of a step nothing was kept.
    """
    data = load_mnist()
    labels = {"validation": data.validation.labels, "test": data.test.labels}

    def right(answers: dict, suffix: str = "") -> dict:
        found = {name: round(accuracy(answers[name + suffix], labels[name]), 5) for name in labels}
        wrong = answers["test" + suffix].argmax(axis=1) != labels["test"]
        return found | {"wrong": np.flatnonzero(wrong).tolist()}

    steps = {}
    for name in names:
        found = {seed: result for seed in SEEDS[name] if (result := kept(name, seed))}
        if not found:
            raise FileNotFoundError(f"{name} is not trained yet")
        runs, all_answers = [], []
        for seed, (told, answers) in found.items():
            run = {"seed": seed, **right(answers)}
            if "test_shifted" in answers:
                run["shifted"] = right(answers, "_shifted")
            runs.append(run | {key: told[key] for key in ("seconds", "cpu_seconds")})
            all_answers.append(answers)
        steps[name] = {
            "configuration": about(STAGES[name])["configuration"],
            "parameters": told["parameters"],
            "runs": runs,
        }
        if "test_shifted" in answers:
            steps[name]["together"] = []
            for i in range(0, len(runs) - TOGETHER + 1, TOGETHER):
                mean = {
                    split: np.mean([a[split] for a in all_answers[i : i + TOGETHER]], axis=0)
                    for split in answers
                }
                steps[name]["together"].append(
                    {
                        "seeds": [run["seed"] for run in runs[i : i + TOGETHER]],
                        **right(mean, "_shifted"),
                    }
                )
    return {
        "num_train": len(data.train.labels),
        "num_validation": len(data.validation.labels),
        "versions": about(Config())["versions"],
        "machine": platform.machine(),
        "cores_each": 1,
        "steps": steps,
    }


def completed(result: dict) -> dict:
    """Adds the steps that were left out, as RESULTS has them.

    Raises:
      ValueError: if a step is stored nowhere, or was made by another configuration or versions.
    """
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known = stored["steps"] if stored.get("versions") == result["versions"] else {}
    steps = known | result["steps"]
    for name in STAGES:
        wanted = about(STAGES[name])["configuration"]
        if name not in steps or steps[name]["configuration"] != wanted:
            raise ValueError(f"--save needs all steps; {name!r} must be trained too")
    return result | {"steps": {name: steps[name] for name in STAGES}}


def written(result: dict) -> str:
    """The result as JSON, lists of numbers on one line each."""
    text = json.dumps(result, indent=1) + "\n"
    return re.sub(r"\[[\d,\s]+\]", lambda found: re.sub(r"\s+", " ", found[0]), text)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.road",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--steps", nargs="+", choices=STAGES, default=list(STAGES), metavar="STEP")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="runs at once")
    parser.add_argument(
        "--seeds",
        type=int,
        default=max(map(len, SEEDS.values())),
        help="train at most so many of each step",
    )
    parser.add_argument("--one", type=int, metavar="SEED", help="train from this seed only, here")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args(arguments)
    if options.one is not None:
        for name in options.steps:
            keep(name, options.one)
        return
    # The first seed of every step, then the second: whoever stops it has some of each.
    jobs = [(name, seed) for name in options.steps for seed in SEEDS[name][: options.seeds]]
    jobs.sort(key=lambda job: SEEDS[job[0]].index(job[1]))
    missing = [job for job in jobs if not kept(*job)]

    def run(job: tuple[str, int]) -> None:
        name, seed = job
        print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "benchmarks.road", "--steps", name, "--one", str(seed)]
        subprocess.run(command, check=True, env=os.environ | ONE_CORE)

    began = time.perf_counter()
    with ThreadPoolExecutor(options.processes) as pool:
        list(pool.map(run, missing))
    minutes = (time.perf_counter() - began) / 60
    print(
        f"{len(missing)} training runs, {options.processes} at once: {minutes:.1f} minutes",
        file=sys.stderr,
    )
    result = collect(options.steps)
    if options.save:
        try:
            result = completed(result)
        except ValueError as error:
            parser.error(str(error))
        write_whole(RESULTS, written(result).encode())
    print(render(result))


def render(result: dict) -> str:
    """The result as a text table."""
    lines = [
        f"{'step':24}{'seeds':>6}{'validation':>12}{'test':>9}{'sd':>7}{'CPU s':>8}{'weights':>10}"
    ]

    def line(name: str, found: list[dict], seconds: float, parameters: int) -> None:
        held, test = (100 * np.array([run[split] for run in found]) for split in SPLITS)
        spread = test.std(ddof=1) if len(test) > 1 else np.nan
        lines.append(
            f"{name:24}{len(found):6}{held.mean():10.2f} %{test.mean():7.2f} %{spread:7.2f}"
            f"{seconds:8.0f}{parameters:10,}"
        )

    for name, step in result["steps"].items():
        runs, count = step["runs"], step["parameters"]
        seconds = float(np.median([run["cpu_seconds"] for run in runs]))
        line(name, runs, seconds, count)
        if "together" in step:
            line("  shifts averaged", [run["shifted"] for run in runs], seconds, count)
            line(f"  {TOGETHER} together", step["together"], TOGETHER * seconds, TOGETHER * count)
    return "\n".join(lines)


SPLITS = ("validation", "test")

if __name__ == "__main__":
    main()

"""Deeplearning4j's own program beside ours: `python -m benchmarks.original`.

The tutorial that this book follows was written for Deeplearning4j. `Original.java` is its
program in that library's present words, and Maven builds it. Here it trains in turn with ours,
each time in a process of its own, on the same 60,000 images, and both answer the same 10,000.
Each finished run is kept in `_build/original`, so a stopped measurement resumes there.
"""

import argparse
import gzip
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.training import measure, timed
from mnist_tutorial.config import Config
from mnist_tutorial.data import write_whole
from mnist_tutorial.evaluation import confusion_matrix, metrics
from mnist_tutorial.further.original import MEASURED, ORIGINAL, OURS, in_our_words

PROJECT = Path(__file__).parent
BUILD = PROJECT.parents[1] / "_build" / "original"
RUNS = BUILD / "runs.json"
KEPT = Path.home() / ".deeplearning4j/data/MNIST"  # where Deeplearning4j has long put them
# The four files of MNIST with the MD5 that Deeplearning4j asks of its own download.
FILES = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}
# Modules behind its claims: Spark, Hadoop, Kafka, several processors, graphics cards.
MODULES = [
    "org.deeplearning4j:dl4j-spark_2.12:1.0.0-M2.1",
    "org.deeplearning4j:dl4j-spark_2.12:1.0.0-M2",
    "org.deeplearning4j:dl4j-spark-parameterserver_2.12:1.0.0-M2",
    "org.datavec:datavec-spark_2.12:1.0.0-M2.1",
    "org.datavec:datavec-hadoop:1.0.0-M2.1",
    "org.datavec:datavec-hadoop:1.0.0-beta6",
    "org.deeplearning4j:dl4j-streaming_2.12:1.0.0-M2.1",
    "org.deeplearning4j:deeplearning4j-parallel-wrapper:1.0.0-M2.1",
    "org.nd4j:nd4j-cuda-11.6:1.0.0-M2.1",
]
# What Deeplearning4j's guide to memory sets: Java's own, its arrays outside of that, and both.
MEMORY = {
    "heap": "-Xmx2g",
    "arrays": "-Dorg.bytedeco.javacpp.maxbytes=4g",
    "process": "-Dorg.bytedeco.javacpp.maxphysicalbytes=6g",
}


def missing() -> str:
    """Says what has to be installed before the original can run; empty if nothing."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return (
            "the original is built with libraries for Linux on x86-64, and this is "
            f"{sys.platform} on {platform.machine()}"
        )
    absent = [name for name in ("java", "javac", "mvn") if not shutil.which(name)]
    if not absent:
        return ""
    return (
        f"the original needs Java 17 and Maven, and there is no {' and no '.join(absent)} here; "
        "on Debian and Ubuntu: apt install openjdk-17-jdk-headless maven"
    )


def classifier(cpu_info: str) -> str:
    """Names the build of Deeplearning4j's native library for a processor.

    Args:
      cpu_info: what Linux says of the processor, /proc/cpuinfo.
    """
    return "linux-x86_64-avx2" if " avx2 " in cpu_info else "linux-x86_64"


def build() -> None:
    """Builds the original with Maven, which downloads 0.3 GB the first time.

    Raises:
      RuntimeError: if Maven fails; the message has its first complaint.
    """
    native = classifier(Path("/proc/cpuinfo").read_text())
    command = ["mvn", "--quiet", "--batch-mode", f"-Dnd4j.classifier={native}", "compile"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no message"]
        raise RuntimeError(f"Maven could not build the original: {lines[0]}")


def modules() -> dict[str, bool]:
    """Tries to fetch each of MODULES, without what it needs itself, from Maven Central.

    Raises:
      RuntimeError: if Maven can't say whether it is there, as without an internet connection.
    """
    pom = ElementTree.parse(PROJECT / "pom.xml")
    version = {
        plugin.findtext("{*}artifactId"): plugin.findtext("{*}version")
        for plugin in pom.iterfind(".//{*}plugin")
    }["maven-dependency-plugin"]
    get = f"org.apache.maven.plugins:maven-dependency-plugin:{version}:get"
    command = ["mvn", "-q", "-B", "--update-snapshots", get, "-Dtransitive=false"]
    found = {}
    for name in MODULES:
        done = subprocess.run([*command, f"-Dartifact={name}"], capture_output=True, text=True)
        found[name] = done.returncode == 0
        if done.returncode and "Could not find artifact" not in done.stdout:
            raise RuntimeError(f"Maven can't look for {name}: {done.stdout.strip()[-200:]}")
    return found


def unpack(originals: Path, folder: Path) -> None:
    """Unpacks the four original files into a folder, where Deeplearning4j finds them.

    Raises:
      ValueError: if a file is absent or isn't the original; the message names it.
    """
    for name, md5 in FILES.items():
        packed = originals / f"{name}.gz"
        if not packed.is_file():
            raise ValueError(f"{packed} doesn't exist; {originals} must hold the four MNIST files")
        content = packed.read_bytes()
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != md5:
            raise ValueError(f"{packed} isn't the original: its MD5 is {found}, not {md5}")
        (folder / name).write_bytes(gzip.decompress(content))


def read_idx(path: Path) -> np.ndarray:
    """Reads a file of MNIST's own format: a head with the shape, then uint8."""
    content = path.read_bytes()
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def java_command(folder: Path, config: Config, images: int) -> list[str]:
    """The command that trains the original; `folder` holds MNIST, or will."""
    settings = {
        "org.deeplearning4j.resources.directory": folder,
        "rngSeed": config.seed,
        "numEpochs": config.num_epochs,
        "numExamples": images,
    }
    properties = [f"-D{name}={value}" for name, value in settings.items()]
    path = f"{BUILD / 'classes'}:{BUILD / 'lib'}/*"
    return ["java", *MEMORY.values(), *properties, "-cp", path, "Original"]


def check(run: dict, config: Config, labels: np.ndarray) -> dict:
    """Checks what the original printed: its settings are ours, its metrics follow from its answers.

    Args:
      labels: (n,) the true classes of the test images.

    Returns:
      The run.

    Raises:
      ValueError: if they don't.
    """
    for name, value in in_our_words(run["settings"]).items():
        if value != getattr(config, name):
            raise ValueError(f"the original has {name} = {value}, not {getattr(config, name)}")
    answers = np.array(list(run["answers"]), int)
    confusion = confusion_matrix(labels, answers, config.num_classes)
    if confusion.tolist() != run["confusion_matrix"]:
        raise ValueError("the original's confusion matrix isn't that of its answers")
    ours = metrics(confusion)
    for name, value in (
        ("accuracy", ours.accuracy),
        ("precision", ours.macro_precision),
        ("recall", ours.macro_recall),
        ("f1", ours.macro_f1),
    ):
        if abs(run[name] - value) > 1e-6:
            raise ValueError(f"the original says {name} {run[name]}; its answers say {value}")
    return run


def discordant(runs: list[dict]) -> list[list[int]]:
    """Counts, for each pair of runs, the test images that they answer differently."""
    answers = np.array([list(run["answers"]) for run in runs])
    return (answers[:, None] != answers).sum(axis=2).tolist()


def compare(
    folder: Path, seeds: list[int], epochs: int, images: int, tell: Callable[[str], None]
) -> list[dict]:
    """Trains both programs once for each of `seeds`, in turn; a seed may come again.

    Runs of an earlier, stopped measurement are taken over.
    """
    train, labels, test, test_labels = (read_idx(folder / name) for name in FILES)
    asked = {"epochs": epochs, "images": images}
    runs: list[dict] = json.loads(RUNS.read_text()) if RUNS.exists() else []
    runs = [run for run in runs if asked.items() <= run.items() and run["turn"] < len(seeds)]
    data = folder / "mnist.npz"
    np.savez(
        data,
        images=train[:images],
        labels=labels[:images].astype(np.int32),
        test_images=test,
        test_labels=test_labels.astype(np.int32),
    )
    for turn, seed in enumerate(seeds):
        config = Config(num_epochs=epochs, seed=seed)
        for program in (ORIGINAL, OURS):
            key = asked | {"turn": turn, "seed": seed, "program": program}
            if any(key.items() <= run.items() for run in runs):
                continue
            tell(f"run {turn + 1} of {len(seeds)}, seed {seed}: {program}")
            load = os.getloadavg()[0]
            if program == ORIGINAL:
                found = timed(java_command(folder, config, images))
                found = check(found, config, test_labels)
            else:
                found = measure("ours-first-start", data, epochs, seed)
            runs.append(key | {"load": round(load, 2)} | found)
            write_whole(RUNS, json.dumps(runs).encode())
    return runs


def versions() -> dict[str, str]:
    """The versions of what is compared; Deeplearning4j's is what pom.xml asks for."""
    pom = ElementTree.parse(PROJECT / "pom.xml")
    found = {ORIGINAL: pom.findtext(".//{*}dl4j.version") or ""}
    return found | {name: importlib.metadata.version(name) for name in ("jax", "flax", "optax")}


def machine() -> dict:
    """The processor's name and what of it this process can use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {"processor": names[0] if names else "", "cores": len(os.sched_getaffinity(0))}


def summary(runs: list[dict]) -> dict:
    """Everything that is stored: each run without its answers, and what the answers say."""
    java = next(run for run in runs if run["program"] == ORIGINAL)
    dropped = ("answers", "settings")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": versions() | {"Java": java["java"]},
        "memory": MEMORY,
        "native": classifier(Path("/proc/cpuinfo").read_text()),
        "threads": java["threads"],
        "settings": java["settings"],
        "runs": [{k: v for k, v in run.items() if k not in dropped} for run in runs],
        "discordant": discordant(runs),
        "modules": modules(),
    }


def render(result: dict) -> str:
    """The result as a text table of medians: of the seeds for the accuracy, of all runs for times.

    The first epoch is warm-up.
    """
    where, runs = result["machine"], result["runs"]
    lines = [
        f"{runs[0]['images']:,} images, {runs[0]['epochs']} epochs, runs in turn, "
        f"{where['cores']} cores ({where['processor']}), {result['date']}",
        ", ".join(f"{name} {version}" for name, version in result["versions"].items()),
        f"{result['native']}, {result['threads']} threads, {' '.join(result['memory'].values())}",
        f"load of the machine before each run: {min(run['load'] for run in runs)} to "
        f"{max(run['load'] for run in runs)}",
        "",
        f"{'program':16}{'runs':>5}{'epoch':>8}{'images':>9}{'start to':>10}{'processor':>11}"
        f"{'peak':>8}{'test accuracy':>24}",
        f"{'':16}{'':>5}{'s':>8}{'per s':>9}{'finish s':>10}{'s':>11}{'MB':>8}"
        f"{'median (lowest, highest)':>26}",
    ]
    for program in (ORIGINAL, OURS):
        its = [run for run in runs if run["program"] == program]
        epoch = statistics.median(s for run in its for s in run["epoch_seconds"][1:] or [0])
        wall, cpu, peak = (
            statistics.median(run[name] for run in its)
            for name in ("wall_seconds", "cpu_seconds", "peak_bytes")
        )
        accuracy = statistics.median({run["seed"]: run["accuracy"] for run in its}.values())
        lowest, highest = (best(run["accuracy"] for run in its) for best in (min, max))
        speed = its[0]["images"] / epoch if epoch else float("nan")
        lines.append(
            f"{program:16}{len(its):5}{epoch:8.2f}{speed:9,.0f}{wall:10.1f}{cpu:11.1f}"
            f"{peak / 1e6:8,.0f}{accuracy:10.2%} ({lowest:.2%}, {highest:.2%})"
        )
    lines += ["", "Test images answered differently:"]
    for (i, first), (j, second) in combinations(enumerate(runs), 2):
        names = " and ".join(f"{run['program']} {run['seed']}" for run in (first, second))
        lines.append(f"{result['discordant'][i][j]:6}  {names}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.original",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--originals",
        type=Path,
        metavar="DIR",
        default=KEPT if all((KEPT / f"{name}.gz").is_file() for name in FILES) else None,
        help=f"folder of MNIST's four packed files, {KEPT} if they are there; without them, "
        "Deeplearning4j downloads its own",
    )
    parser.add_argument("--seeds", type=int, default=5, help="how many: 123, then 1, 2, ...")
    parser.add_argument("--rounds", type=int, default=3, help="how often seed 123 is trained")
    parser.add_argument("--epochs", type=int, default=Config().num_epochs, help="of each run")
    parser.add_argument("--images", type=int, default=60_000, help="training images")
    parser.add_argument("--save", action="store_true", help=f"write {MEASURED.name}")
    options = parser.parse_args(arguments)
    for name in ("seeds", "rounds", "epochs", "images"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    if absent := missing():
        tell(absent)
        return 1
    seeds = [Config().seed, *range(1, options.seeds), *[Config().seed] * (options.rounds - 1)]
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            if options.originals:
                unpack(options.originals, folder)
            tell("Building the original (the first time, Maven downloads 0.3 GB)")
            build()
            if not options.originals:
                tell("Deeplearning4j downloads the images")
                try:
                    timed(java_command(folder, Config(num_epochs=1), 128))
                except RuntimeError as error:
                    raise RuntimeError(
                        f"Deeplearning4j got no images: {error}\n"
                        "Give it the four packed files of MNIST with --originals DIR"
                    ) from error
            runs = compare(folder, seeds, options.epochs, options.images, tell)
    except (ValueError, RuntimeError) as error:
        tell(str(error))
        return 1
    result = summary(runs)
    if options.save:
        write_whole(MEASURED, (json.dumps(result, indent=1) + "\n").encode())
        RUNS.unlink()  # the next measurement starts from nothing
    print(render(result))
    return 0

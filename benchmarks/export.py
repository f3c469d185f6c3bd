"""Measures the network outside the notebook: `.venv-extras/bin/python -m benchmarks.export`.

Exports the tutorial's network and compares every way out with the network itself, on all test
images: the files, a Spark job in its local mode, and the HTTP service over loopback. The service is
also put under load, and sent what it should refuse. With `--save`, what was measured goes into the
package, where the chapter reads it; `--ways service` measures only the service again and keeps the
rest. `make test-extras` makes the environment; Spark needs Java 17 or later.
"""

import argparse
import asyncio
import dataclasses
import importlib.metadata
import io
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from mnist_tutorial import predict
from mnist_tutorial.book.notebook import load_or_train
from mnist_tutorial.config import Config
from mnist_tutorial.data import load_mnist, write_whole
from mnist_tutorial.serving import service, spark_job
from mnist_tutorial.serving.export import (
    OPSET,
    RESULTS,
    TOLERANCE,
    Parity,
    compare,
    export,
    measured,
    run_stablehlo,
)

PACKAGES = ("jax", "numpy", "onnx", "onnxruntime", "pyspark", "pyarrow", "starlette", "uvicorn")
JSON, PNG = "application/json", "image/png"
BATCHES = (1, 7, 1_000, 10_000)  # images that the StableHLO file is given at a time
NUM_FILES = 5  # files that Spark finds
CONNECTIONS = (1, 8, 64)  # connections that ask at the same time
ROUNDS, REQUESTS = 3, 1_000  # in each round, every number of connections makes that many requests
WAYS = ("files", "spark", "service")
CROWD = 300  # connections, more than the service takes


def configuration() -> dict:
    """Lists what decides the results: of the network, the programs, the service and the load."""
    limits = ("BODY", "IMAGES", "BATCH", "WAITING", "CONNECTIONS")
    found = {
        "config": dataclasses.asdict(Config()),
        "tolerance": TOLERANCE,
        "opset": OPSET,
        "batches": BATCHES,
        "num_files": NUM_FILES,
        "schema": spark_job.SCHEMA,
        "connections": CONNECTIONS,
        "rounds": ROUNDS,
        "requests": REQUESTS,
        "crowd": CROWD,
        "limits": {f"MAX_{name}": getattr(service, f"MAX_{name}") for name in limits},
    }
    return json.loads(json.dumps(found))


def about(num_images: int) -> dict:
    """Describes what was measured and with what, as it is stored."""
    return {
        "num_images": num_images,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "configuration": configuration(),
    }


def kept(told: dict) -> dict:
    """Returns what is stored already if it was measured with the same, otherwise `told`."""
    if not RESULTS.exists():
        return told
    stored = measured()
    same = about(told["num_images"])
    return stored if {name: stored.get(name) for name in same} == same else told


def png(image: np.ndarray) -> bytes:
    """Makes one image, (rows, columns) uint8, a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def measure_spark(network: Path, images: np.ndarray, expected: np.ndarray) -> dict:
    """Runs the job in its own process, on Parquet files that are written here."""
    import pyarrow
    import pyarrow.parquet

    with tempfile.TemporaryDirectory() as folder:
        source, answers = Path(folder, "images"), Path(folder, "answers")
        source.mkdir()
        for i, ids in enumerate(np.array_split(np.arange(len(images)), NUM_FILES)):
            pixels = pyarrow.array([images[k].tobytes() for k in ids], pyarrow.binary())
            table = pyarrow.table({"id": ids, "image": pixels})
            pyarrow.parquet.write_table(table, source / f"part-{i}.parquet")
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, spark_job.__file__, str(network), str(source), str(answers)],
            env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable},
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"the Spark job failed:\n{done.stderr}")
        parts = sorted(answers.glob("*.parquet"))
        table = pyarrow.parquet.read_table(parts).sort_by("id")
    if table["id"].to_pylist() != list(range(len(images))):
        raise RuntimeError("the Spark job lost images")
    found = np.array(table["probabilities"].to_pylist(), np.float32)
    if table["digit"].to_pylist() != found.argmax(axis=1).tolist():
        raise RuntimeError("the Spark job's digits aren't those of its probabilities")
    return {
        "said": done.stdout.strip(),
        "files_written": len(parts),
        "seconds": round(seconds, 1),
        "parity": compare(found, expected)._asdict(),
    }


@contextmanager
def serving(network: Path, *options: str) -> Iterator[int]:
    """Runs the service in its own process. Yields its port."""
    command = [sys.executable, service.__file__, str(network), "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if found := re.search(r"running on http://\S+:(\d+)", line):
                    break
            else:
                raise RuntimeError("the service ended before it began")
            yield int(found[1])
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


class Connection:
    """Keeps one connection alive. Takes a request as bytes; answers with status and body.

    It does little, so that the load test measures the service and not the client.
    """

    async def open(self, port: int) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        return self

    async def ask(self, body: bytes, kind: str, method: str = "POST /predict") -> tuple[int, dict]:
        head = f"{method} HTTP/1.1\r\nHost: here\r\nContent-Type: {kind}\r\n"
        self.writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = re.search(r"content-length: (\d+)", answer)
        content = await self.reader.readexactly(int(length[1])) if length else b""
        status = int(answer.split()[1])
        try:
            return status, json.loads(content)
        except ValueError:  # uvicorn's own answer to too many connections
            return status, {"error": content.decode()}

    def close(self) -> None:
        self.writer.close()


async def load(port: int, bodies: list[bytes], kind: str, connections: int) -> dict:
    """Puts the service under load; each connection asks again as soon as it is answered.

    Args:
      bodies: the requests, which the connections take in turn.

    Returns:
      `answers` to the requests in their order, and what was measured.
    """
    numbers = iter(range(len(bodies)))
    answers: list[dict] = [{} for _ in bodies]
    milliseconds: list[float] = []

    async def reader() -> None:
        connection = await Connection().open(port)
        for i in numbers:
            begin = time.perf_counter()
            status, answers[i] = await connection.ask(bodies[i], kind)
            milliseconds.append(1_000 * (time.perf_counter() - begin))
            if status != 200:
                raise RuntimeError(f"the service answered {status}: {answers[i]}")
        connection.close()

    async def health() -> dict:
        connection = await Connection().open(port)
        _, told = await connection.ask(b"", JSON, "GET /health")
        connection.close()
        return told

    before = await health()
    start = time.perf_counter()
    await asyncio.gather(*(reader() for _ in range(connections)))
    seconds = time.perf_counter() - start
    after = await health()
    images, batches = (after[name] - before[name] for name in ("images", "batches"))
    return {
        "requests_per_second": round(len(bodies) / seconds),
        "images_per_second": round(images / seconds),
        "median_ms": round(float(np.median(milliseconds)), 2),
        "p99_ms": round(float(np.quantile(milliseconds, 0.99)), 2),
        "images_per_batch": round(images / batches, 1),
        "answers": answers,
    }


async def refused(port: int, images: np.ndarray) -> dict[str, list]:
    """Sends what is against the rules, and returns the status and words that come back."""
    wrong = images[:1].tolist()
    wrong[0][3][5] = 256
    many = images[: service.MAX_IMAGES + 1].tolist()
    cases = {
        "a pixel of 256": (json.dumps({"images": wrong}).encode(), JSON),
        "a sheet with nothing on it": (png(np.full((300, 400), 255, np.uint8)), PNG),
        "half a file": (png(images[0])[:100], PNG),
        f"{len(many)} images at once": (json.dumps({"images": many}).encode(), JSON),
        f"{service.MAX_BODY + 1:,} bytes": (bytes(service.MAX_BODY + 1), PNG),
        "words": (b"seven", "text/plain"),
    }
    found = {}
    for name, (body, kind) in cases.items():
        connection = await Connection().open(port)
        status, answer = await connection.ask(body, kind)
        found[name] = [status, answer["error"]]
        connection.close()
    return found


async def crowd(port: int, body: bytes, connections: int) -> dict[str, int]:
    """Asks over more connections than the service takes, and counts each status."""
    everybody = [await Connection().open(port) for _ in range(connections)]
    found = await asyncio.gather(*(each.ask(body, PNG) for each in everybody))
    for each in everybody:
        each.close()
    statuses = [str(status) for status, _ in found]
    return {status: statuses.count(status) for status in sorted(set(statuses))}


def measure_service(network: Path, images: np.ndarray, expected: np.ndarray) -> dict:
    """Measures the service under load, then with all test images, then with what it refuses.

    The load goes in turn to the service with its usual batches and to one with batches of one
    image, so that whatever else this machine does affects both. The median round counts.
    """
    parities = []

    def ask(port: int, bodies: list[bytes], kind: str, first: int, connections: int) -> dict:
        run = asyncio.run(load(port, bodies, kind, connections))
        answers = [row for answer in run.pop("answers") for row in answer["probabilities"]]
        found = np.array(answers, np.float32)
        parities.append(compare(found, expected[first : first + len(found)]))
        return run

    files = [png(image) for image in images[: ROUNDS * REQUESTS]]
    others = os.getloadavg()[0]  # programs that want a core, before ours start
    rounds: dict[tuple[int, int], list[dict]] = {}
    with serving(network) as port, serving(network, "--max-batch", "1") as alone:
        ports = {service.MAX_BATCH: port, 1: alone}
        for each in ports.values():
            ask(each, files[:100], PNG, 0, 1)  # so that what happens only once is over
        for first in range(0, ROUNDS * REQUESTS, REQUESTS):
            bodies = files[first : first + REQUESTS]
            for number in CONNECTIONS:
                for max_batch, each in ports.items():
                    run = ask(each, bodies, PNG, first, number)
                    rounds.setdefault((max_batch, number), []).append(run)
        size = service.MAX_IMAGES
        many = [
            json.dumps({"images": images[i : i + size].tolist()}).encode()
            for i in range(0, len(images), size)
        ]
        together = ask(port, many, JSON, 0, CONNECTIONS[1])
        refusals = asyncio.run(refused(port, images))
        statuses = asyncio.run(crowd(port, files[0], CROWD))
        ask(port, files[:1], PNG, 0, 1)  # it still serves
    worst = max(parities, key=lambda found: (found.num_different, found.difference))
    return {
        "others": round(others, 1),
        "runs": [
            {"max_batch": max_batch, "connections": number}
            | {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
            for (max_batch, number), runs in rounds.items()
        ],
        "json": together,
        "refused": refusals,
        "crowd": statuses,
        "parity": worst._replace(num_images=len(images))._asdict(),
    }


def measure_files(
    folder: Path, parities: dict[str, Parity], images: np.ndarray, expected: np.ndarray
) -> dict:
    """Lists the files' bytes and parities, and the parity of the program for each batch."""
    found: dict = {path.name: {"bytes": path.stat().st_size} for path in sorted(folder.iterdir())}
    for name, parity in parities.items():
        found[f"mnist.{name}"]["parity"] = parity._asdict()
    program = (folder / "mnist.stablehlo").read_bytes()
    found["mnist.stablehlo"]["batches"] = {
        str(n): compare(run_stablehlo(program, images[:n]), expected[:n])._asdict() for n in BATCHES
    }
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.export",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--images", type=int, default=10_000, help="number of test images")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="measure only these")
    parser.add_argument(
        "--save", action="store_true", help=f"write to {RESULTS.name}, and keep the rest of it"
    )
    options = parser.parse_args(arguments)
    config = Config()
    data = load_mnist(config)
    images = data.test.images[: options.images]
    if options.save and len(images) != len(data.test.images):
        parser.error("--save needs all test images")
    if len(images) < ROUNDS * REQUESTS and "service" in options.ways:
        parser.error(f"the service needs {ROUNDS * REQUESTS} images, got {len(images)}")
    model = load_or_train(config, data)[0].model
    expected = np.asarray(predict(model, images))
    result = about(len(images))
    with tempfile.TemporaryDirectory() as folder:
        parities = export(model, config, images, Path(folder))
        network = Path(folder, "mnist.onnx")
        for way in options.ways:
            print(f"{way} …", file=sys.stderr, flush=True)
            if way == "files":
                found = measure_files(Path(folder), parities, images, expected)
            elif way == "spark":
                found = measure_spark(network, images, expected)
            else:
                found = measure_service(network, images, expected)
            if options.save:
                result = kept(result) | {way: found}
                write_whole(RESULTS, (json.dumps(result, indent=1) + "\n").encode())
            result[way] = found
    print(render(result))


def render(result: dict) -> str:
    """Renders the result as text tables."""
    files = result.get("files", {})
    parities = {name: file["parity"] for name, file in files.items() if "parity" in file}
    parities |= {way: result[way]["parity"] for way in ("spark", "service") if way in result}
    lines = [f"{result['num_images']:,} test images"]
    lines += [
        f"{name:18}{parity['num_different']} answers differ, "
        f"and probabilities differ by at most {parity['difference']:.1e}"
        for name, parity in parities.items()
    ]
    if "spark" in result:
        spark = result["spark"]
        lines.append(f"Spark said after {spark['seconds']} s: {spark['said']}")
    if "service" not in result:
        return "\n".join(lines)
    served = result["service"]
    lines += [
        "",
        f"{'connections':>11}{'max batch':>11}{'requests/s':>12}{'images/s':>10}"
        f"{'median ms':>11}{'p99 ms':>9}{'images per batch':>18}",
    ]
    for run in [
        *served["runs"],
        {"max_batch": "JSON", "connections": CONNECTIONS[1]} | served["json"],
    ]:
        lines.append(
            f"{run['connections']:11}{run['max_batch']:11}{run['requests_per_second']:12,.0f}"
            f"{run['images_per_second']:10,.0f}{run['median_ms']:11.1f}{run['p99_ms']:9.1f}"
            f"{run['images_per_batch']:18.1f}"
        )
    lines.append("")
    lines += [f"{status} to {name}: {said}" for name, (status, said) in served["refused"].items()]
    lines.append(f"{CROWD} connections at once: {served['crowd']}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

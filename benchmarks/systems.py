"""The network in real systems of Java's world, measured: `python -m benchmarks.systems`.

Each system is started on this machine, given the test images, and a part of it is killed in the
middle. Every answer is compared with the network's own. With `--save`, what was measured goes
into the package, where the chapter reads it; `--ways kafka` measures the stream again and keeps
the rest. It runs in .venv-extras, which `make test-extras` makes, and needs Java 17 and Maven.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyspark
from PIL import Image

from examples.systems.start import ENVIRONMENT, Systems, command
from mnist_tutorial import Config, load_mnist, predict
from mnist_tutorial.book.notebook import load_or_train
from mnist_tutorial.data import write_whole
from mnist_tutorial.serving import spark_job, stream_job
from mnist_tutorial.serving.export import RESULTS, compare, export

ROOT = Path(__file__).parents[1]
NUM_TASKS = 20  # that the images are cut into
NUM_WORKERS, COPIES = (1, 2), (1, 100)  # of the Spark cluster, and of the test images
JAVA_IMAGES = 1_000
STEADY, PAUSE = 300, 0.05  # images that are sent one by one, and the seconds between two
SYSTEMS = RESULTS.with_name("systems.json")
KAFKA = f"org.apache.spark:spark-sql-kafka-0-10_2.13:{pyspark.__version__}"
WRONG = (b"", b"seven", bytes(783), None)  # messages that are no images


def install() -> None:
    """Fetches the systems' jars, with Maven."""
    fetch = [
        "mvn",
        "-q",
        "-B",
        "-f",
        str(ROOT / "examples/systems"),
        "dependency:copy-dependencies",
    ]
    subprocess.run(fetch, check=True)


def versions(pom: str) -> dict[str, str]:
    """The artifacts that an example's pom.xml names, with their versions."""
    text = (ROOT / "examples" / pom / "pom.xml").read_text()
    found = re.findall(r"<artifactId>(\S+)</artifactId>\s*<version>(\S+)</version>", text)
    return dict(found[1:])  # the first is the project itself


def measure_java(network: Path, images: np.ndarray, expected: np.ndarray) -> dict:
    """The Java program on the first test images as PNG files."""
    images, expected = images[:JAVA_IMAGES], expected[:JAVA_IMAGES]
    with tempfile.TemporaryDirectory() as folder:
        for i, image in enumerate(images):
            Image.fromarray(image).save(Path(folder, f"{i:05}.png"))
        line = ["mvn", "-q", "-B", "-f", str(ROOT / "examples/java"), "compile", "exec:java"]
        line.append(f"-Dexec.args={network} {folder}")
        start = time.perf_counter()
        said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
        seconds = time.perf_counter() - start
    answers = re.findall(r"/(\d+)\.png (\d) (\[.*\])\n", said)
    found = np.array([json.loads(probabilities) for _, _, probabilities in answers], np.float32)
    if [int(number) for number, _, _ in answers] != list(range(len(images))):
        raise RuntimeError("the Java program lost images")
    if [int(digit) for _, digit, _ in answers] != found.argmax(axis=1).tolist():
        raise RuntimeError("the Java program's digits are not those of its probabilities")
    parity = compare(found, expected)._asdict()
    return {"images_per_second": round(len(images) / seconds), "parity": parity}


def write_images(folder: Path, images: np.ndarray) -> None:
    """Writes a table with `id` and `image` as Parquet files, one for each task."""
    import pyarrow
    import pyarrow.parquet

    folder.mkdir()
    for i, ids in enumerate(np.array_split(np.arange(len(images)), NUM_TASKS)):
        pixels = pyarrow.array([images[k].tobytes() for k in ids], pyarrow.binary())
        pyarrow.parquet.write_table(
            pyarrow.table({"id": ids, "image": pixels}), folder / f"part-{i:02}.parquet"
        )


def read_answers(folder: Path, num_images: int) -> np.ndarray:
    """Returns the probabilities, (num_images, num_classes) float32, that a job wrote."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(sorted(folder.glob("*.parquet"))).sort_by("id")
    if table["id"].to_pylist() != list(range(num_images)):
        raise RuntimeError("the Spark job lost images, or answered some twice")
    lists = table["probabilities"].combine_chunks()
    found = lists.flatten().to_numpy().reshape(num_images, -1)
    if table["digit"].to_pylist() != found.argmax(axis=1).tolist():
        raise RuntimeError("the Spark job's digits are not those of its probabilities")
    return found


def submit(
    master: str, network: Path, source: str, answers: str, *options: str, kill: Any = None
) -> dict:
    """Sends the job to a cluster. `kill` is called when a fifth of its tasks are done.

    Raises:
      RuntimeError: if the job fails, or ends before it could be disturbed.
    """
    settings = ["spark.sql.files.openCostInBytes=1g", "spark.sql.files.maxPartitionBytes=1g"]
    settings += ["spark.executor.memory=512m", *options]  # with these, a file is a task
    options = tuple(word for setting in settings for word in ("--conf", setting))
    job = (spark_job.__file__, network, source, answers)
    line = command("spark-submit", "--master", master, *options, *job)
    start, log, environment = time.perf_counter(), "", os.environ | ENVIRONMENT
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        for text in process.stdout or ():
            log += text
            done = re.search(rf"Finished task .* \((\d+)/{NUM_TASKS}\)", text)
            if done and kill and int(done[1]) >= NUM_TASKS // 5:
                kill()
                kill = None
    if process.returncode or kill:
        raise RuntimeError(f"the Spark job failed:\n{log}")
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "lost_executors": len(re.findall("Lost executor", log)),
        "lost_tasks": len(re.findall("Lost task", log)),
    }


def measure_cluster(network: Path, images: np.ndarray, expected: np.ndarray) -> dict:
    """The Spark job on a cluster of two workers, one of which is killed in the last run."""
    runs = []
    with tempfile.TemporaryDirectory() as name, Systems(Path(name)) as systems:
        folder, master = Path(name), systems.spark(max(NUM_WORKERS))
        for copies in COPIES:
            many, right = np.tile(images, (copies, 1, 1)), np.tile(expected, (copies, 1))
            source = folder / f"images-{copies}"
            write_images(source, many)
            for workers in (*NUM_WORKERS, "killed"):
                if workers == "killed" and copies < max(COPIES):
                    continue
                answers = folder / f"answers-{copies}-{workers}"
                cores = max(NUM_WORKERS) if workers == "killed" else workers
                found = submit(
                    master, network, str(source), str(answers), f"spark.cores.max={cores}",
                    kill=(lambda: systems.kill("worker-0")) if workers == "killed" else None,
                )  # fmt: skip
                parity = compare(read_answers(answers, len(many)), right)
                found["images_per_second"] = round(len(many) / found["seconds"])
                runs.append({"workers": workers, **found, "parity": parity._asdict()})
                print(runs[-1], flush=True)
    calm = [run for run in runs if run["workers"] != "killed"]
    shares = np.array([[1, run["parity"]["num_images"] / run["workers"]] for run in calm])
    seconds = np.array([run["seconds"] for run in calm])
    (start, each), *_ = np.linalg.lstsq(shares, seconds)
    return {"runs": runs, "model": {"start": float(start), "each": float(each)}}


def files(address: str, *arguments: Any) -> None:
    """Runs Hadoop's shell, as `hdfs dfs` does."""
    shell = ("org.apache.hadoop.fs.FsShell", "-D", "dfs.replication=2", "-fs", address)
    line = command("spark-class", *shell, *arguments)
    environment = os.environ | ENVIRONMENT | {"HADOOP_CONF_DIR": str(ROOT / "examples/systems")}
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"Hadoop's shell failed:\n{done.stderr}")


def measure_hdfs(network: Path, images: np.ndarray, expected: np.ndarray) -> dict:
    """The Spark job from HDFS to HDFS, where one of the two DataNodes is killed."""
    with tempfile.TemporaryDirectory() as name, Systems(Path(name)) as systems:
        folder, address, master = Path(name), systems.hdfs(), systems.spark(max(NUM_WORKERS))
        write_images(folder / "images", images)
        files(address, "-put", folder / "images", "/images")
        ends = (f"{address}/images", f"{address}/answers")
        found = submit(master, network, *ends, kill=lambda: systems.kill("data-0"))
        files(address, "-get", "/answers", folder / "answers")
        parity = compare(read_answers(folder / "answers", len(images)), expected)
    rate = round(len(images) / found["seconds"])
    return found | {"images_per_second": rate, "parity": parity._asdict()}


def messages(broker: str, topic: str) -> list[Any]:
    """Returns all valid messages of a topic. Those of an unfinished transaction aren't."""
    from confluent_kafka import (
        OFFSET_BEGINNING,
        Consumer,
        KafkaError,
        KafkaException,
        TopicPartition,
    )

    settings = {"bootstrap.servers": broker, "group.id": "reader", "enable.partition.eof": True}
    consumer = Consumer(settings)
    partitions = consumer.list_topics(topic).topics[topic].partitions
    consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in partitions])
    found, open_partitions = [], set(partitions)
    while open_partitions:
        message = consumer.poll()
        if not message.error():
            found.append(message)
        elif message.error().code() == KafkaError._PARTITION_EOF:
            open_partitions.discard(message.partition())  # said again if more has come
        else:
            raise KafkaException(message.error())
    consumer.close()
    return found


@contextmanager
def streaming(
    master: str, network: Path, broker: str, checkpoint: Path
) -> Iterator[subprocess.Popen]:
    """The stream as a process of its own; at the end of the block it is killed, if it runs."""
    job = [stream_job.__file__, network, broker, checkpoint]
    line = command("spark-submit", "--master", master, "--packages", KAFKA, *job)
    with (checkpoint.parent / "stream.log").open("a") as log:
        process = subprocess.Popen(
            line, stdout=log, stderr=log, env=os.environ | ENVIRONMENT, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(
    broker: str, number: int, process: subprocess.Popen, topic: str = stream_job.ANSWERS
) -> None:
    """Waits until a topic has so many messages. Raises RuntimeError: if the stream ends before."""
    while len(messages(broker, topic)) < number:
        if process.poll() is not None:
            raise RuntimeError("the stream ended before it had answered")
        time.sleep(0.2)


def send(broker: str, contents: list[bytes | None], first: int = 0, pause: float = 0) -> None:
    """Sends images to the topic, their numbers as keys; `pause` is in seconds."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": broker})
    for i, content in enumerate(contents, first):
        producer.produce(stream_job.IMAGES, content, str(i))
        if pause:
            producer.flush()
            time.sleep(pause)
    producer.flush()


def measure_kafka(network: Path, images: np.ndarray, expected: np.ndarray) -> dict:
    """The stream: on all images at once, killed twice and started again; then one by one."""
    contents: list[bytes | None] = [image.tobytes() for image in images]
    contents[len(images) // 2 : len(images) // 2] = WRONG
    with tempfile.TemporaryDirectory() as name, Systems(Path(name)) as systems:
        broker, checkpoint, master = systems.kafka(), Path(name, "checkpoint"), "local[2]"
        send(broker, contents)
        with streaming(master, network, broker, checkpoint) as process:
            wait_for(broker, 1, process)  # and is killed in the middle
        cut = len(messages(broker, stream_job.ANSWERS))
        # The worst moment is between Kafka's note of a batch and Spark's. So Spark's notes are set
        # back to the first batch, as if it had been killed then, and it repeats what is answered.
        for path in [*checkpoint.glob("offsets/*"), *checkpoint.glob("commits/*")]:
            if path.parent.name == "commits" or path.name not in ("0", ".0.crc"):
                path.unlink()
        with streaming(master, network, broker, checkpoint) as process:
            wait_for(broker, len(images), process)
            wait_for(broker, len(WRONG), process, stream_job.DEAD_LETTERS)
        answers = messages(broker, stream_job.ANSWERS)
        dead = messages(broker, stream_job.DEAD_LETTERS)
        with streaming(master, network, broker, checkpoint) as process:
            total = len(answers) + STEADY
            send(broker, contents[:1], first=len(contents))  # what happens once has happened
            wait_for(broker, len(answers) + 1, process)
            send(broker, contents[:STEADY], first=len(contents) + 1, pause=PAUSE)
            wait_for(broker, total + 1, process)
        steady = messages(broker, stream_job.ANSWERS)
        sent = {each.key(): each.timestamp()[1] for each in messages(broker, stream_job.IMAGES)}
    numbers = np.array([int(message.key()) for message in answers])
    is_image = np.array([content not in WRONG for content in contents])
    counts = np.bincount(numbers, minlength=len(contents))
    told = [json.loads(message.value()) for message in answers]
    right = expected[np.cumsum(is_image)[numbers] - 1]
    digits = np.array([each["digit"] for each in told])
    confidences = np.array([each["confidence"] for each in told])
    times = sorted(message.timestamp()[1] / 1_000 for message in answers)[cut:]
    waits = [
        message.timestamp()[1] - sent[message.key()]
        for message in steady
        if int(message.key()) > len(contents)
    ]
    return {
        "before_the_kill": cut,
        "never": int((counts[is_image] == 0).sum()),
        "twice": int((counts > 1).sum()),
        "parity": {
            "difference": float(np.abs(confidences - right.max(axis=1)).max()),
            "num_different": int((digits != right.argmax(axis=1)).sum()),
            "num_images": len(answers),
        },
        "dead_letters": sorted(message.headers()[0][1].decode() for message in dead),
        "images_per_second": round((len(times) - stream_job.MAX_BATCH) / (times[-1] - times[0])),
        "median_ms": float(np.median(waits)),
        "p99_ms": float(np.quantile(waits, 0.99)),
    }


WAYS = {
    "java": measure_java,
    "cluster": measure_cluster,
    "hdfs": measure_hdfs,
    "kafka": measure_kafka,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.systems", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--save", action="store_true", help=f"write {SYSTEMS.name}")
    options = parser.parse_args(arguments)
    config = Config()
    data = load_mnist(config)
    model = load_or_train(config, data)[0].model
    expected = np.asarray(predict(model, data.test.images))
    install()
    about = {"cores": os.cpu_count(), "spark": pyspark.__version__}
    about |= versions("java") | versions("systems")
    with tempfile.TemporaryDirectory() as folder:
        export(model, config, data.test.images, Path(folder), ["onnx"])
        for way in options.ways:
            others = round(os.getloadavg()[0], 1)  # programs that want a core, before ours do
            found = WAYS[way](Path(folder, "mnist.onnx"), data.test.images, expected)
            found["others"] = others
            print(way, json.dumps(found), flush=True)
            if options.save:
                stored = json.loads(SYSTEMS.read_text()) if SYSTEMS.exists() else {}
                result = stored | about | {way: found}
                write_whole(SYSTEMS, (json.dumps(result, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()

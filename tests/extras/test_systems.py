"""Spark's cluster, HDFS and Kafka, each with a part of it killed; started here, on loopback."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from benchmarks import systems as benchmark
from examples.systems import start
from mnist_tutorial.serving import export

NUM_IMAGES = 4_000

pytestmark = pytest.mark.skipif(
    not (shutil.which("java") and shutil.which("mvn")),
    reason="these systems need Java 17 or later and Maven, and they aren't here",
)


@pytest.fixture(scope="module", autouse=True)
def jars():
    benchmark.install()


@pytest.fixture
def some(network):
    return network.onnx, network.images[:NUM_IMAGES], network.probabilities[:NUM_IMAGES]


def right(parity, num_images=NUM_IMAGES):
    assert parity["difference"] <= 1e-5
    return (parity["num_different"], parity["num_images"]) == (0, num_images)


def test_a_cluster_that_loses_a_worker_loses_no_image(some, monkeypatch):
    monkeypatch.setattr(benchmark, "COPIES", (1,))
    found = benchmark.measure_cluster(*some)
    assert [run["workers"] for run in found["runs"]] == [1, 2, "killed"]
    assert all(right(run["parity"]) for run in found["runs"])
    assert [run["lost_executors"] > 0 for run in found["runs"]] == [False, False, True]


def test_hdfs_gives_and_takes_though_a_datanode_is_killed(some):
    assert right(benchmark.measure_hdfs(*some)["parity"])


def test_a_stream_that_is_killed_answers_each_image_once(some, monkeypatch):
    monkeypatch.setattr(benchmark, "STEADY", 20)
    found = benchmark.measure_kafka(*some)
    assert right(found["parity"])
    assert 0 < found["before_the_kill"] < NUM_IMAGES
    assert (found["never"], found["twice"]) == (0, 0)
    sizes = sorted(f"{len(wrong or b'')} bytes, not 28 × 28" for wrong in benchmark.WRONG)
    assert found["dead_letters"] == sizes


def sessions():
    """The sessions of all processes that run on this machine."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session, *_ = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if state != "Z":  # has ended, and waits for its parent to notice
            yield int(session)


def listening(process):
    """The addresses that a process listens at, in the kernel's hexadecimal notation."""
    links = (link.readlink().name for link in Path(f"/proc/{process}/fd").iterdir())
    inodes = {link[8:-1] for link in links if link.startswith("socket:")}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            _, address, _, state, *more = line.split()
            if state == "0A" and more[5] in inodes:
                yield address.partition(":")[0]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="it reads Linux's /proc")
def test_all_listen_on_this_machine_only_and_end_with_the_command():
    command = [sys.executable, start.__file__, "spark", "hdfs", "kafka"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = [process.stdout.readline() for _ in range(3)]
        assert [line.partition(":")[0] for line in said] == ["spark", "hdfs", "kafka"]
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        found = [address for child in children for address in listening(child)]
        process.send_signal(signal.SIGTERM)
    loopback = {"0100007F", "0000000000000000FFFF00000100007F"}  # of IPv4, also written as IPv6
    assert len(found) > 5 and set(found) <= loopback
    assert process.returncode == 0
    assert not set(sessions()) & set(map(int, children))


def test_what_does_not_start_says_why_and_is_ended(tmp_path):
    with pytest.raises(RuntimeError, match="ghost didn't start") as error:
        with start.Systems(tmp_path) as systems:
            systems.start("ghost", "never", "no.such.Program")
    assert "no.such.Program" in str(error.value)
    assert not systems.processes


def test_what_the_book_quotes_was_measured_with_todays_versions():
    stored = export.measured("systems")
    today = {"spark": pyspark.__version__} | benchmark.versions("java")
    today |= benchmark.versions("systems")
    assert {name: stored[name] for name in today} == today


def test_the_jars_are_of_the_versions_that_spark_brings():
    jars = Path(start.SPARK_HOME, "jars").glob("hadoop-client-api-*.jar")
    (hadoop,) = (re.search(r"api-([\d.]+)\.jar", jar.name)[1] for jar in jars)
    assert benchmark.versions("systems")["hadoop-client-minicluster"] == hadoop

"""Starts real systems on this machine, for the jobs in mnist_tutorial/serving.

    python examples/systems/start.py spark hdfs kafka

Each part is a process of its own on 127.0.0.1. Ctrl-C ends them. Java 17 is needed.
"""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pyspark

HOST, SPARK_HOME = "127.0.0.1", Path(pyspark.__file__).parent
ENVIRONMENT = {  # of these processes, and of the jobs that are sent to them
    "SPARK_LOCAL_IP": HOST,
    "SPARK_DIST_CLASSPATH": f"{Path(__file__).parent}/target/dependency/*",
    "SPARK_DAEMON_MEMORY": "256m",
    "SPARK_DAEMON_JAVA_OPTS": "-Dspark.master.rest.enabled=false",
    "SPARK_DRIVER_MEMORY": "512m",
    "JAVA_TOOL_OPTIONS": "-Dlog4j2.configurationFile=org/apache/spark/log4j2-defaults.properties",
    "PYSPARK_PYTHON": sys.executable,
}


def command(program: str, *arguments: Any) -> list[str]:
    """Returns the command line of one of Spark's programs, such as spark-submit."""
    return [str(SPARK_HOME / "bin" / program), *map(str, arguments)]


class Systems(AbstractContextManager["Systems"]):
    """Starts the systems, with logs and data in an empty folder. Leaving `with` ends them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, dict[str, subprocess.Popen[bytes]]()

    def __exit__(self, *_: object) -> None:
        for name in list(self.processes):
            self.kill(name)

    def start(self, name: str, ready: str, main_class: str, *arguments: Any) -> str:
        """Starts a Java program in a session of its own, and waits until its log says `ready`.

        Returns what the group in `ready` matched. Raises RuntimeError: if it takes five minutes.
        """
        path, late = self.folder / f"{name}.log", time.monotonic() + 300
        line, environment = command("spark-class", main_class, *arguments), os.environ | ENVIRONMENT
        with path.open("wb") as log:
            self.processes[name] = subprocess.Popen(
                line, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        while not (found := re.search(ready, path.read_text(errors="replace"))):
            if self.processes[name].poll() is not None or time.monotonic() > late:
                raise RuntimeError(f"{name} didn't start:\n{path.read_text(errors='replace')}")
            time.sleep(0.1)
        return found[1]

    def kill(self, name: str) -> None:
        """Ends a process and those that it started, at once, as a power cut would."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def spark(self, num_workers: int = 2) -> str:
        """Starts a master, and workers of one core each. Returns the cluster's address."""
        package, ready = "org.apache.spark.deploy.", r"Starting Spark master at (\S+)"
        common = ["--host", HOST, "--port", "0", "--webui-port", "0"]
        master = self.start("master", ready, package + "master.Master", *common)
        common += ["--cores", "1", "--memory", "1g", "--work-dir", f"{self.folder}/work", master]
        for i in range(num_workers):
            ready = "(Successfully registered) with master"
            self.start(f"worker-{i}", ready, package + "worker.Worker", *common)
        return master

    def hdfs(self) -> str:
        """Starts a NameNode and two DataNodes. Returns the file system's address."""
        package, known = "org.apache.hadoop.hdfs.server.", "datanode.registration.ip-hostname-check"
        names = [package + "namenode.NameNode", "-D", f"dfs.namenode.name.dir={self.folder}/names"]
        names += ["-D", f"dfs.namenode.http-address={HOST}:0", "-D", f"dfs.namenode.{known}=false"]
        names += ["-D", f"fs.defaultFS=hdfs://{HOST}:0"]
        self.start("format", "(successfully formatted)", *names, "-format", "-nonInteractive")
        self.processes["format"].wait()
        address = "hdfs://" + self.start("names", r"RPC up at: \S*?([\d.]+:\d+)", *names)
        data = [package + "datanode.DataNode", "-D", f"fs.defaultFS={address}"]
        for port in ("", "ipc.", "http."):
            data += ["-D", f"dfs.datanode.{port}address={HOST}:0"]
        for name in ("data-0", "data-1"):
            place = f"dfs.datanode.data.dir={self.folder}/{name}"
            self.start(name, "(successfully registered) with NN", *data, "-D", place)
        return address

    def kafka(self) -> str:
        """Starts a broker, which makes a topic where one is first used. Returns its address."""
        with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as two:
            broker, controller = (f"{HOST}:{each.getsockname()[1]}" for each in (one, two))
        path = self.folder / "kafka.properties"
        path.write_text(
            f"process.roles=broker,controller\nnode.id=1\nlog.dirs={self.folder}/topics\n"
            f"listeners=PLAINTEXT://{broker},CONTROLLER://{controller}\nnum.partitions=2\n"
            f"controller.listener.names=CONTROLLER\ncontroller.quorum.voters=1@{controller}\n"
            "offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n"
            "transaction.state.log.min.isr=1\n"
        )
        tool, cluster = "kafka.tools.StorageTool", "MNISTMNISTMNISTMNISTMN"
        self.start("kafka-format", "(Formatting)", tool, "format", "-t", cluster, "-c", path)
        self.processes["kafka-format"].wait()
        self.start("kafka", "Kafka Server (started)", "kafka.Kafka", path)
        return broker


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=("spark", "hdfs", "kafka"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with tempfile.TemporaryDirectory() as name, Systems(Path(name)) as systems:
        for name in parser.parse_args().names:
            print(f"{name}: {getattr(systems, name)()}", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()

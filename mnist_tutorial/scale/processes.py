"""Going further: one training run in several processes, on one machine or on many.

Every process runs the whole command. JAX brings them together and makes their devices one mesh
for `devices`; only process 0 prints and writes.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnist_tutorial.config import Config, ConfigError

if TYPE_CHECKING:
    from mnist_tutorial.data import Dataset
    from mnist_tutorial.training import History, TrainState

# JAX is imported late, because the process that only watches can do without it.

TRAINS = "MNIST_TUTORIAL_TRAINS"  # set in the environment of a process that is watched
PATIENCE = 30  # seconds without a sign of life after which a process counts as dead
START = 45  # seconds within which all processes must have joined
# With these exit codes, a watched process tells its watcher what 1 doesn't: some versions of JAX's
# runtime exit with 1 when another process is lost, others abort.
SAID, ALONE = 3, 4  # it has said what was wrong; it has lost the others
LOST = (
    "another process of this training run has ended or can't be reached, so this one ends too. "
    "Start all of them again; with --checkpoint they resume after the last complete epoch"
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the command-line options for many devices."""
    group = parser.add_argument_group("many devices")
    group.add_argument(
        "--all-devices",
        action="store_true",
        help="split every batch over all devices that JAX finds, instead of using only the first",
    )
    group.add_argument(
        "--distributed",
        action="store_true",
        help="like --all-devices, but over several processes, each started with this command; "
        "Slurm, Open MPI, Kubernetes and Cloud TPU are detected, and elsewhere the next three "
        "options are needed",
    )
    group.add_argument("--coordinator", metavar="HOST:PORT", help="where process 0 listens")
    group.add_argument("--num-processes", type=int, metavar="INT", help="number of processes")
    group.add_argument("--process-id", type=int, metavar="INT", help="which one this is, from 0")


def check_options(options: argparse.Namespace) -> None:
    """Checks that the options for several processes fit together.

    Raises:
      ConfigError: if something is missing or out of range.
    """
    num_processes, process_id = options.num_processes, options.process_id
    place = (options.coordinator, num_processes, process_id)
    missing = [value is None for value in place]
    if not all(missing) and not options.distributed:
        raise ConfigError("--coordinator, --num-processes and --process-id need --distributed")
    if all(missing):
        return
    if any(missing):
        raise ConfigError("--coordinator, --num-processes and --process-id are needed together")
    host, _, port = options.coordinator.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"--coordinator must be HOST:PORT, got {options.coordinator}")
    if num_processes < 1:
        raise ConfigError(f"--num-processes must be at least 1, got {num_processes}")
    if not 0 <= process_id < num_processes:
        raise ConfigError(
            f"--process-id must be from 0 to {num_processes - 1} (one less than "
            f"--num-processes), got {process_id}"
        )


def on_all_devices() -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any], str]:
    """Makes `fit`, `evaluate` and `load_training` that use the devices of all processes.

    Returns:
      The three functions, with the same arguments as the core's, and what to call the devices.
    """
    import jax

    from mnist_tutorial.scale import devices

    mesh = devices.make_mesh()
    kind = jax.devices()[0].device_kind
    return (
        lambda config, data, *rest: devices.fit(config, data, mesh, *rest),
        lambda model, examples: devices.evaluate(model, examples, mesh),
        load_training,
        f"{mesh.size} devices ({kind}, processes: {jax.process_count()})",
    )


def watch(arguments: list[str]) -> int:
    """Runs the command in its own process, and reports on its behalf if it dies.

    If JAX's runtime is the first to notice that another process is lost, it aborts on the
    spot, with nothing but a trace of its C++ code.

    Returns:
      The command's exit code; 1 if it was killed from outside.
    """
    command = [sys.executable, "-m", "mnist_tutorial", *arguments]
    # Its standard input ends when this process does, however that happens.
    child = subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | {TRAINS: "1"})
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the child too
    code = child.wait()
    signal.signal(signal.SIGINT, usual)
    if code == SAID:
        return 1
    if code in (1, ALONE, -signal.SIGABRT):
        why = LOST
    elif code < 0:
        why = f"the training process was killed from outside ({signal.strsignal(-code)})"
    else:
        return code
    print(f"mnist-tutorial: {why}", file=sys.stderr)
    return 1


def join(coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Makes this process one of several. Must come before anything else is done with JAX.

    Args:
      coordinator: host:port of process 0. Like the other two, it's None where JAX finds out
        by itself, as under Slurm, Open MPI and Kubernetes and on Cloud TPU.
      num_processes: the number of processes.
      process_id: which of them this is, from 0.

    Raises:
      ConfigError: if JAX can't find out by itself here.
    """
    import jax

    # Gloo, which carries the messages between CPUs, writes a greeting to the standard output.
    sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.excepthook = _leave_with_trace
    threading.Thread(target=_end_with_the_watcher, daemon=True).start()
    try:
        jax.distributed.initialize(
            coordinator,
            num_processes,
            process_id,
            initialization_timeout=START,
            heartbeat_timeout_seconds=PATIENCE,
        )
    except ValueError as error:
        raise ConfigError(
            f"JAX couldn't detect a launcher of several processes here ({error}) Pass "
            "--coordinator HOST:PORT, --num-processes and --process-id"
        ) from error


def _end_with_the_watcher() -> None:
    os.read(0, 1)
    os._exit(1)


def leave(code: int) -> None:
    """Ends this process at once, because an ordinary exit would wait for the others."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(SAID if code == 1 else code)


def _leave_with_trace(*error: Any) -> None:
    traceback.print_exception(*error)
    leave(1)


def fetch(path: Path) -> bytes | None:
    """Returns the content of process 0's file to all processes, or None if there is no file.

    Processes on other machines don't need to see the file.
    """
    import jax
    from jax.experimental.multihost_utils import broadcast_one_to_all

    content = path.read_bytes() if jax.process_index() == 0 and path.exists() else None
    length = int(broadcast_one_to_all(np.int32(-1 if content is None else len(content))))
    if length <= 0:
        return None if length else b""
    shared = broadcast_one_to_all(np.frombuffer(content or bytes(length), np.uint8))
    return bytes(np.asarray(shared))


def load_training(
    path: Path, config: Config, data: "Dataset"
) -> "tuple[TrainState, History] | None":
    """Loads process 0's file in all processes, as `checkpoints.load_training` does.

    Returns:
      The state and the history; None if there is no such file.

    Raises:
      CheckpointError: in all processes, if `checkpoints.load_training` raises it.
    """
    from mnist_tutorial import checkpoints

    content = fetch(path)
    if content is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        copy.write_bytes(content)
        try:
            return checkpoints.load_training(copy, config, data)
        except checkpoints.CheckpointError as error:
            message = str(error).replace(str(copy), str(path))
            raise checkpoints.CheckpointError(message) from error

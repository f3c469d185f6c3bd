"""Going further: the same training on many devices, in one process or in several.

Every device holds the whole network and all images. It takes its own rows of each batch, and the
gradients are summed over all devices, with one all-reduce for each update. The programs are those
of `training` and `model`; this module says only where their arrays live.
"""

import functools
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from mnist_tutorial import evaluation, training
from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, Examples, check_images
from mnist_tutorial.evaluation import Evaluation
from mnist_tutorial.model import MLP, predict
from mnist_tutorial.training import History, TrainState, create_state, train_step, validate


def make_mesh(num_devices: int | None = None) -> Mesh:
    """Puts the first `num_devices` devices in a row, or by default all of them.

    With several processes, these are the devices of all processes.

    Raises:
      ValueError: if there aren't that many devices.
    """
    found = jax.devices()
    if num_devices is not None and not 1 <= num_devices <= len(found):
        raise ValueError(
            f"num_devices must be from 1 to {len(found)}, the number that JAX sees, got "
            f"{num_devices}. To simulate more on a CPU, set XLA_FLAGS="
            f"--xla_force_host_platform_device_count={num_devices} before JAX starts"
        )
    chosen = found[:num_devices]
    return jax.make_mesh((len(chosen),), ("data",), (AxisType.Auto,), devices=chosen)


def batch_sharded(mesh: Mesh) -> NamedSharding:
    """Cuts an array along its first axis, so that each device holds its own rows."""
    return NamedSharding(mesh, PartitionSpec("data"))


def replicated(mesh: Mesh) -> NamedSharding:
    """Gives every device a copy of an array."""
    return NamedSharding(mesh, PartitionSpec())


@functools.cache
def on_all_devices(function: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """Makes `train_step`, `validate` or `predict` run on all devices, each on its own rows.

    The rows don't have to divide evenly. If they don't, the last devices get fewer, or none,
    and the labels are exchanged too.

    Returns:
      A function with the same arguments and results.
    """

    @jax.jit
    def parallel(state: Any, images: jax.Array, *rest: Any) -> Any:
        # Cut only here, or the compiler will cut the order of an epoch's images as well.
        images, *rest = jax.lax.with_sharding_constraint((images, *rest), replicated(mesh))
        images = jax.lax.with_sharding_constraint(images, batch_sharded(mesh))
        results = function(state, images, *rest)
        return jax.lax.with_sharding_constraint(results, replicated(mesh))

    return parallel


def replicate(examples: Examples, mesh: Mesh) -> Examples:
    """Puts all examples on every device, with each process handing in only its own rows.

    Each device first gets its share, read by its own process; then all exchange their shares.
    """
    return Examples(*(_replicate(array, mesh) for array in examples))


def _replicate(array: np.ndarray, mesh: Mesh) -> Any:
    missing = -len(array) % mesh.size  # all shares must have the same size
    padded = np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
    own = np.split(padded, jax.process_count())[jax.process_index()]
    parts = jax.make_array_from_process_local_data(batch_sharded(mesh), own, padded.shape)
    return jax.jit(lambda parts: parts[: len(array)], out_shardings=replicated(mesh))(parts)


def fit(
    config: Config,
    data: Dataset,
    mesh: Mesh,
    resume: tuple[TrainState, History | None] | None = None,
    on_epoch: Callable[[TrainState, History], None] | None = None,
) -> tuple[TrainState, History]:
    """Trains as `training.fit` does, with the same batches, on all devices of the mesh.

    Only the order in which the gradients are summed differs, and with it the last digits.

    Raises:
      DataError, ConfigError, FloatingPointError: if `training.fit` would raise them.
    """
    training.check_training(config, data)
    state, history = resume or (create_state(config), None)
    shared = data._replace(
        train=replicate(data.train, mesh), validation=replicate(data.validation, mesh)
    )
    return training.fit(
        config,
        shared,
        (jax.device_put(state, replicated(mesh)), history),
        on_epoch,
        update=on_all_devices(train_step, mesh),
        validation_step=on_all_devices(validate, mesh),
    )


def evaluate(model: MLP, examples: Examples, mesh: Mesh) -> Evaluation:
    """Evaluates as `evaluation.evaluate` does, with each device answering its own rows.

    Raises:
      DataError, FloatingPointError: if `evaluation.evaluate` would raise them.
    """
    check_images(examples.images)
    images = replicate(examples, mesh).images
    return evaluation.evaluate_probabilities(
        on_all_devices(predict, mesh)(model, images), examples.labels
    )


class Collective(NamedTuple):
    """Describes one message that all devices of a compiled program exchange.

    Attributes:
      kind: "all-reduce", "all-gather" and the like.
      shapes: the shapes of the arrays that come out of it on each device.
      num_bytes: the size of these arrays in bytes.
      in_loop: whether it's repeated, as an update is in an epoch.
    """

    kind: str
    shapes: list[tuple[int, ...]]
    num_bytes: int
    in_loop: bool


_KINDS = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter|ragged-all-to-all"
_COLLECTIVE = re.compile(rf"= (.+?) ({_KINDS})(?:-start)?\(")
_ARRAY = re.compile(r"([a-z]+)(\d+)\[([\d,]*)\]")


def collectives(program: jax.stages.Compiled) -> list[Collective]:
    """Lists what devices say to each other in a compiled program, according to its text.

    A message in a loop is listed once.
    """
    found, in_loop = [], True
    for line in (program.as_text() or "").splitlines():
        if line.endswith("{"):  # a part of the program begins
            in_loop = not line.startswith("ENTRY")
        if match := _COLLECTIVE.search(line):
            arrays = _ARRAY.findall(match[1])
            shapes = [tuple(map(int, filter(None, sizes.split(",")))) for *_, sizes in arrays]
            bits = [int(width) for _, width, _ in arrays]
            sizes = [width * math.prod(shape) for width, shape in zip(bits, shapes, strict=True)]
            found.append(Collective(match[2], shapes, sum(sizes) // 8, in_loop))
    return found

"""Going further: the same training on many devices, in one process or in several.

Every device holds the whole network and all images. Of each batch it takes its own rows, and
the gradients are summed over all devices: one all-reduce for each update. The programs are
those of `training` and `model`; only where their arrays lie is said here.
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
from mnist_tutorial.data import Dataset, Examples
from mnist_tutorial.evaluation import Evaluation
from mnist_tutorial.model import MLP, predict
from mnist_tutorial.training import History, TrainState, create_state, train_step, validate


def make_mesh(num_devices: int | None = None) -> Mesh:
    """The first `num_devices` devices in a row, all of them by default.

    With several processes these are the devices of all processes.

    Raises:
      ValueError: there are not so many devices.
    """
    found = jax.devices()
    if num_devices is not None and not 1 <= num_devices <= len(found):
        raise ValueError(
            f"num_devices must be from 1 to {len(found)}, the devices that JAX sees, got "
            f"{num_devices}. XLA_FLAGS=--xla_force_host_platform_device_count={num_devices} "
            "in the environment, set before JAX starts, simulates more on a CPU"
        )
    chosen = found[:num_devices]
    return jax.make_mesh((len(chosen),), ("data",), (AxisType.Auto,), devices=chosen)


def rows(mesh: Mesh) -> NamedSharding:
    """An array cut along its first axis: each device holds its own rows."""
    return NamedSharding(mesh, PartitionSpec("data"))


def whole(mesh: Mesh) -> NamedSharding:
    """An array of which every device holds a copy."""
    return NamedSharding(mesh, PartitionSpec())


@functools.cache
def split(function: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """`train_step`, `validate` or `predict`, each device working on its own rows.

    The rows need not divide evenly: the last devices then get fewer, or none, and the labels
    are exchanged too.

    Returns:
      A function of the same arguments and results.
    """

    @jax.jit
    def on_all_devices(state: Any, images: jax.Array, *rest: Any) -> Any:
        # Cut only here: otherwise the compiler cuts the order of an epoch's images as well.
        images, *rest = jax.lax.with_sharding_constraint((images, *rest), whole(mesh))
        images = jax.lax.with_sharding_constraint(images, rows(mesh))
        results = function(state, images, *rest)
        return jax.lax.with_sharding_constraint(results, whole(mesh))

    return on_all_devices


def share(examples: Examples, mesh: Mesh) -> Examples:
    """All examples on every device, where each process hands in only its own rows.

    A device is first given its share, read by its own process; then all exchange theirs.
    """
    return Examples(*(_share(array, mesh) for array in examples))


def _share(array: np.ndarray, mesh: Mesh) -> Any:
    length = -(-len(array) // mesh.size) * mesh.size  # shares must be of one size

    def read(index: Any) -> np.ndarray:
        start, stop, _ = index[0].indices(length)
        own = array[start:stop]
        return np.pad(own, [(0, stop - start - len(own))] + [(0, 0)] * (array.ndim - 1))

    parts = jax.make_array_from_callback((length, *array.shape[1:]), rows(mesh), read)
    return jax.jit(lambda parts: parts[: len(array)], out_shardings=whole(mesh))(parts)


def fit(
    config: Config,
    data: Dataset,
    mesh: Mesh,
    resume: tuple[TrainState, History | None] | None = None,
    on_epoch: Callable[[TrainState, History], None] | None = None,
) -> tuple[TrainState, History]:
    """`training.fit` on all devices of the mesh: the same batches, the same updates.

    Only the order in which gradients are summed differs, and with it the last digits.

    Raises:
      ValueError, FloatingPointError: as `training.fit`.
    """
    state, history = resume or (create_state(config), None)
    shared = data._replace(train=share(data.train, mesh), validation=share(data.validation, mesh))
    return training.fit(
        config,
        shared,
        (jax.device_put(state, whole(mesh)), history),
        on_epoch,
        update=split(train_step, mesh),
        validate=split(validate, mesh),
    )


def evaluate(model: MLP, examples: Examples, mesh: Mesh) -> Evaluation:
    """`evaluation.evaluate`, each device answering its own rows."""
    images = share(examples, mesh).images
    return evaluation.judge(split(predict, mesh)(model, images), examples.labels)


class Collective(NamedTuple):
    """One message that all devices of a compiled program exchange.

    Attributes:
      kind: "all-reduce", "all-gather" and the like.
      shapes: of the arrays that come out of it on each device.
      num_bytes: their size.
      in_loop: whether it is repeated, as an update is in an epoch.
    """

    kind: str
    shapes: list[tuple[int, ...]]
    num_bytes: int
    in_loop: bool


_KINDS = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter|ragged-all-to-all"
_COLLECTIVE = re.compile(rf"= (.+?) ({_KINDS})(?:-start)?\(")
_ARRAY = re.compile(r"([a-z]+)(\d+)\[([\d,]*)\]")


def collectives(program: jax.stages.Compiled) -> list[Collective]:
    """What devices say to each other in a compiled program, read off its text.

    What stands in a loop is listed once.
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

"""Saves and loads trained weights, training runs to resume, and compiled programs.

The first two are safetensors files, which hold named arrays and the configuration as JSON, but
no code.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors.numpy
from flax import nnx
from safetensors import SafetensorError, safe_open

from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, cache_dir, fingerprint, write_whole
from mnist_tutorial.model import MLP, create_model
from mnist_tutorial.training import History, TrainState, create_state


class CheckpointError(Exception):
    """The file is missing, damaged, or made for a different network."""


def save_model(path: str | Path, trained: MLP, config: Config) -> None:
    """Writes a network's weights to a file, which appears complete or not at all."""
    _save(path, _named(trained, "model."), config)


def load_model(path: str | Path) -> tuple[MLP, Config]:
    """Reads a network and the configuration it was made with.

    Raises:
      CheckpointError: if the file is missing, damaged, or doesn't hold such a network.
    """
    arrays, config, _ = _read(path)
    return _fill(path, jax.eval_shape(create_model, config), arrays, "model."), config


def save_training(
    path: str | Path, state: TrainState, history: History, config: Config, data: Dataset
) -> None:
    """Writes everything that is needed to resume training later, including its history.

    The file holds the weights under the same names as `save_model`'s, so `load_model` can read
    both. It recognises the data by their fingerprint.
    """
    _save(path, _named(state) | _named(history, "history."), config, data=fingerprint(data))


def load_training(path: str | Path, config: Config, data: Dataset) -> tuple[TrainState, History]:
    """Reads a training run that was made with the same configuration and data.

    Only `num_epochs` may differ, which is how you train for longer.

    Raises:
      CheckpointError: if the file is missing, damaged, made with a different configuration or
        different data, or past `config.num_epochs`.
    """
    arrays, saved, made_with = _read(path)
    if dataclasses.replace(saved, num_epochs=config.num_epochs) != config:
        before, now = dataclasses.asdict(saved), dataclasses.asdict(config)
        changed = [name for name in now if now[name] != before[name] and name != "num_epochs"]
        raise CheckpointError(
            f"{path} was made with a different "
            + ", ".join(f"{name} ({before[name]}, now {now[name]})" for name in changed)
            + "; choose a different file to start from the beginning"
        )
    state = _fill(path, jax.eval_shape(create_state, config), arrays)
    if state.epoch > config.num_epochs:
        raise CheckpointError(
            f"{path} was trained for {state.epoch} epochs, more than num_epochs "
            f"{config.num_epochs}; choose a different file, or more epochs"
        )
    nothing = np.zeros(())
    history = {name: arrays.get(f"history.{name}", nothing) for name in History._fields}
    for name, values in history.items():
        dimensions = 2 if name == "update_loss" else 1
        fits = values.shape[:1] == (state.epoch,) and values.ndim == dimensions
        if not fits or values.dtype != np.float32:
            raise CheckpointError(f"{path} has no valid {name} for its {state.epoch} epochs")
    if made_with != fingerprint(data):
        raise CheckpointError(
            f"{path} was made with different images or labels; choose a different file to start "
            "from the beginning"
        )
    return state, History(**history)


def keep_compiled() -> None:
    """Lets JAX keep its compiled programs, small ones too, in the cache directory."""
    jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _named(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Names the variables of a tree by their place in it, such as `model.hidden.kernel`."""
    leaves = jax.tree.leaves_with_path(tree, is_leaf=lambda node: isinstance(node, nnx.Variable))
    return {
        prefix + jax.tree_util.keystr(path, simple=True, separator="."): leaf
        for path, leaf in leaves
    }


def _save(path: str | Path, named: dict[str, Any], config: Config, **metadata: str) -> None:
    arrays = {name: np.asarray(jax.tree.leaves(array)[0]) for name, array in named.items()}
    metadata["config"] = json.dumps(dataclasses.asdict(config))
    write_whole(Path(path), safetensors.numpy.save(arrays, metadata))


def _read(path: str | Path) -> tuple[dict[str, np.ndarray], Config, str | None]:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            config = Config(**json.loads(metadata["config"]))
            arrays = {name: file.get_tensor(name) for name in file.keys()}
        # The network is built next, so its configuration mustn't claim more than the file holds.
        layers, numbers = len(arrays), sum(array.size for array in arrays.values())
        sizes = (config.num_pixels, config.hidden_units, config.num_classes)
        if config.num_hidden_layers > layers or max(sizes) > numbers:
            raise ValueError(f"it is too small for {config}")
        return arrays, config, metadata.get("data")
    except FileNotFoundError:
        raise CheckpointError(f"{path} doesn't exist") from None
    except (
        SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError
    ) as error:  # fmt: skip
        raise CheckpointError(f"{path} holds no network from this tutorial ({error})") from error


def _fill(path: str | Path, template: Any, arrays: dict[str, np.ndarray], prefix: str = "") -> Any:
    """Fills the template with the arrays of the file, and checks each of them."""
    leaves = []
    for name, wanted in _named(template, prefix).items():
        array = arrays.get(name)
        if array is None or array.shape != wanted.shape or array.dtype != wanted.dtype:
            found = "nothing" if array is None else f"{array.dtype}{list(array.shape)}"
            raise CheckpointError(
                f"{path}: {name} must be {wanted.dtype}{list(wanted.shape)}, found {found}"
            )
        if not np.isfinite(array).all():
            raise CheckpointError(f"{path}: {name} holds values that aren't finite numbers")
        leaves.append(jax.numpy.asarray(array))
    return jax.tree.unflatten(jax.tree.structure(template), leaves)

"""Saving and loading: trained weights, unfinished training, compiled programs.

The first two are safetensors files: named arrays with the configuration as JSON, no code.
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
    """The file is absent, damaged, or made for another network."""


def save_model(path: str | Path, trained: MLP, config: Config) -> None:
    """Writes the weights of a network. The file appears complete or not at all."""
    _save(path, _named(trained, "model."), config)


def load_model(path: str | Path) -> tuple[MLP, Config]:
    """Reads a network and the configuration it was made with.

    Raises:
      CheckpointError: if the file is absent, damaged, or doesn't hold such a network.
    """
    arrays, config, _ = _read(path)
    return _fill(path, jax.eval_shape(create_model, config), arrays, "model."), config


def save_training(
    path: str | Path, state: TrainState, history: History, config: Config, data: Dataset
) -> None:
    """Writes all that is needed to go on with the training later, with its history.

    The file holds the weights under the same names as `save_model`'s: both can be read
    with `load_model`. It knows the data by their fingerprint.
    """
    _save(path, _named(state) | _named(history, "history."), config, data=fingerprint(data))


def load_training(path: str | Path, config: Config, data: Dataset) -> tuple[TrainState, History]:
    """Reads a training that was made with the same configuration and data.

    Only `num_epochs` may differ: that is how a training goes on for longer.

    Raises:
      CheckpointError: if the file is absent, damaged, of another configuration or other data,
        or past `config.num_epochs`.
    """
    arrays, saved, made_with = _read(path)
    if dataclasses.replace(saved, num_epochs=config.num_epochs) != config:
        before, now = dataclasses.asdict(saved), dataclasses.asdict(config)
        changed = [name for name in now if now[name] != before[name] and name != "num_epochs"]
        raise CheckpointError(
            f"{path} was made with another "
            + ", ".join(f"{name} ({before[name]}, now {now[name]})" for name in changed)
            + "; choose another file to start from the beginning"
        )
    state = _fill(path, jax.eval_shape(create_state, config), arrays)
    if state.epoch > config.num_epochs:
        raise CheckpointError(
            f"{path} is {state.epoch} epochs old, more than num_epochs {config.num_epochs}; "
            "choose another file, or more epochs"
        )
    nothing = np.zeros(())
    history = {name: arrays.get(f"history.{name}", nothing) for name in History._fields}
    for name, values in history.items():
        dimensions = 2 if name == "update_loss" else 1
        fits = values.shape[:1] == (state.epoch,) and values.ndim == dimensions
        if not fits or values.dtype != np.float32:
            raise CheckpointError(f"{path} holds no history of its {state.epoch} epochs: no {name}")
    if made_with != fingerprint(data):
        raise CheckpointError(
            f"{path} was made with other images or labels; choose another file to start "
            "from the beginning"
        )
    return state, History(**history)


def keep_compiled() -> None:
    """Lets JAX keep its compiled programs in the cache directory, for the next start."""
    jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


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
        # What the configuration claims is built next: no more than the file can hold.
        layers, numbers = len(arrays), sum(array.size for array in arrays.values())
        sizes = (config.num_pixels, config.hidden_units, config.num_classes)
        if config.num_hidden_layers > layers or max(sizes) > numbers:
            raise ValueError(f"it is too small for {config}")
        return arrays, config, metadata.get("data")
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}") from None
    except (
        SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError
    ) as error:  # fmt: skip
        raise CheckpointError(f"{path} holds no network of this tutorial ({error})") from error


def _fill(path: str | Path, template: Any, arrays: dict[str, np.ndarray], prefix: str = "") -> Any:
    """Fills the template with the arrays of the file, each checked."""
    leaves = []
    for name, wanted in _named(template, prefix).items():
        array = arrays.get(name)
        if array is None or array.shape != wanted.shape or array.dtype != wanted.dtype:
            found = "nothing" if array is None else f"{array.dtype}{list(array.shape)}"
            raise CheckpointError(
                f"{path}: {name} must be {wanted.dtype}{list(wanted.shape)}, found {found}"
            )
        if not np.isfinite(array).all():
            raise CheckpointError(f"{path}: {name} holds values that are not finite numbers")
        leaves.append(jax.numpy.asarray(array))
    return jax.tree.unflatten(jax.tree.structure(template), leaves)

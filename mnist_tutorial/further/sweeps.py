"""Trains many networks at once, to see what one setting does, all else being equal.

`grid` declares an experiment, `run` trains it and resumes where it was stopped, and `collect`
gathers what `plots.intervals` draws.
"""

import dataclasses
import importlib.metadata
import itertools
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import mnist_tutorial
from mnist_tutorial.checkpoints import CheckpointError
from mnist_tutorial.config import STATIC, Config, ConfigError
from mnist_tutorial.data import Dataset, Examples, fingerprint, write_whole
from mnist_tutorial.model import MLP
from mnist_tutorial.training import (
    TrainState,
    batch_sizes,
    check_training,
    create_state,
    train_epoch,
    validate,
)


class Sweep(NamedTuple):
    """Holds what `train_many` measured. The first axis of every array is the network.

    Attributes:
      models: one `MLP`, in which every array has that extra axis in front.
      train_loss, train_accuracy: (networks, epochs) float32, over the epoch's batches.
      validation_loss, validation_accuracy: (networks, epochs) float32, after the epoch.
    """

    models: MLP
    train_loss: np.ndarray
    train_accuracy: np.ndarray
    validation_loss: np.ndarray
    validation_accuracy: np.ndarray


# One network: all settings of its `Config`, its METRICS as lists with one number for each epoch,
# and `seconds`, its part of the time that its group took.
Row = dict[str, Any]
METRICS = Sweep._fields[1:]


def subset(data: Dataset, num_train: int, num_validation: int = 2_000) -> Dataset:
    """Takes only the first training and validation images, with which training takes a second."""
    return Dataset(
        train=Examples(*(array[:num_train] for array in data.train)),
        validation=Examples(*(array[:num_validation] for array in data.validation)),
        test=data.test,
    )


@partial(jax.jit, donate_argnums=0)
def _epoch_of_many(
    states: TrainState, train: Examples, validation: Examples, configs: Config
) -> tuple[TrainState, tuple[jax.Array, ...]]:
    nothing = jnp.float32(jnp.nan), jnp.float32(jnp.nan)  # without validation images, as in `fit`

    def one(state: TrainState, config: Config) -> tuple[TrainState, tuple[jax.Array, ...]]:
        state, metrics = train_epoch(state, *train, config)
        held_out = validate(state.model, *validation) if len(validation.labels) else nothing
        return state, (*metrics, *held_out)

    return jax.vmap(one)(states, configs)


def train_many(configs: Sequence[Config], data: Dataset) -> Sweep:
    """Trains one network for each configuration, all in one compiled program.

    `jax.vmap` turns the program that trains one network into one that trains many.

    Args:
      configs: may differ in the traced fields (seed, init_scale, learning_rate, momentum and
        l2). The static fields shape the program and must be the same.

    Raises:
      DataError: if `fit` would raise it.
      ConfigError: if `fit` would raise it, or the configurations differ in more than that.
    """
    for name in STATIC:
        values = {getattr(config, name) for config in configs}
        if len(values) != 1:
            raise ConfigError(
                f"networks trained at once need the same {name}, got {sorted(map(str, values))}; "
                "train them one after another"
            )
    check_training(configs[0], data)
    stacked = jax.tree.map(lambda *values: jnp.stack(values), *configs)
    train, validation = jax.tree.map(jnp.asarray, (data.train, data.validation))
    states = jax.vmap(create_state)(stacked)
    epochs = []
    for _ in range(configs[0].num_epochs):
        states, metrics = _epoch_of_many(states, train, validation, stacked)
        epochs.append(metrics)
    losses, accuracies, *held_out = (np.stack(m, axis=1) for m in zip(*epochs, strict=True))
    sizes = batch_sizes(configs[0], len(train.labels))
    means = [np.average(values, axis=2, weights=sizes) for values in (losses, accuracies)]
    return Sweep(states.model, *np.asarray(means, np.float32), *held_out)


def grid(base: Config, **values: Any) -> list[Config]:
    """Makes every combination of the given values; what isn't named is as in `base`.

    `grid(Config(), batch_size=[32, 128], seed=range(5))` makes ten configurations.

    Raises:
      TypeError, ValueError: if there is no such setting, or it has no values or an invalid one.
    """
    for name in values:
        if name not in Config.__dataclass_fields__:
            raise ValueError(f"a Config has no {name}; it has {', '.join(vars(base))}")
    lists = [np.atleast_1d(several).tolist() for several in values.values()]
    for name, several in zip(values, lists, strict=True):
        if not several:
            raise ValueError(f"{name} has no values to try")
    combinations = itertools.product(*lists)
    return [
        dataclasses.replace(base, **dict(zip(values, chosen, strict=True)))
        for chosen in combinations
    ]


def run(
    configs: Sequence[Config],
    data: Dataset,
    store: str | Path | None = None,
    on_group: Callable[[int, int], None] | None = None,
    keep: Iterable[str] = METRICS,
) -> list[Row]:
    """Trains one network for each configuration, and those of one shape at once.

    Args:
      configs: what `grid` makes; several such lists can be added.
      store: a file for the results. It is rewritten in full after each group. Networks that
        are in it already aren't trained again, so a run that was stopped can resume.
      on_group: called at the start and after each group with the number of networks done
        and the number of all networks.
      keep: which of METRICS a row holds; the store can hold more.

    Returns:
      A row for each configuration, in the order given.

    Raises:
      CheckpointError: if the store is damaged, or was made with different data or versions.
    """
    made_by, keep = _versions(data), list(keep)
    if unknown := set(keep) - set(METRICS):
        raise ConfigError(f"keep must be some of {', '.join(METRICS)}, got {', '.join(unknown)}")
    done = _read(Path(store), made_by) if store else {}
    groups: dict[tuple[Any, ...], list[Config]] = {}
    for config in dict.fromkeys(configs):
        if config not in done or not done[config].keys() >= set(keep):
            shape = tuple(getattr(config, name) for name in STATIC)
            groups.setdefault(shape, []).append(config)
    num_all = len(set(configs))
    num_done = num_all - sum(map(len, groups.values()))
    for group in ([], *groups.values()):
        if group:
            start = time.perf_counter()
            sweep = train_many(group, data)
            seconds = (time.perf_counter() - start) / len(group)
            for i, config in enumerate(group):
                curves = {name: getattr(sweep, name)[i].tolist() for name in keep}
                done[config] = _rounded(curves | {"seconds": seconds})
            if store:
                _write(Path(store), made_by, done)
        num_done += len(group)
        if on_group:
            on_group(num_done, num_all)
    return [dataclasses.asdict(config) | done[config] for config in configs]


def collect(rows: Iterable[Row], by: str, value: Callable[[Row], Any]) -> dict[Any, list[Any]]:
    """Gathers what `value` says of each row by the setting `by`, in order of appearance."""
    gathered: dict[Any, list[Any]] = {}
    for row in rows:
        gathered.setdefault(row[by], []).append(value(row))
    return gathered


def load_rows(path: str | Path) -> tuple[list[Row], dict[str, str]]:
    """Reads what `run` has stored: the rows, and the data and versions that made them.

    Raises:
      CheckpointError: if the file is missing, damaged, or holds something else.
    """
    try:
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
        made_by, rows = dict(stored["made_by"]), stored["rows"]
        return [stored["common"] | row for row in rows], made_by
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} holds no results of experiments ({error!r}); delete it, or name a different "
            "file"
        ) from error


def _versions(data: Dataset) -> dict[str, str]:
    """Lists what the results depend on besides the configuration."""
    versions = {name: importlib.metadata.version(name) for name in ("jax", "flax", "optax")}
    return versions | {
        "mnist_tutorial": mnist_tutorial.__version__,
        "device": jax.devices()[0].device_kind,
        "data": fingerprint(data),
    }


def _rounded(results: Mapping[str, Any]) -> Row:
    """Rounds to six decimals; NaN, which JSON doesn't have, becomes None after a diverged run."""

    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [short(one) for one in value]
        return round(value, 6) if np.isfinite(value) else None

    return {name: short(value) for name, value in results.items()}


def _write(path: Path, made_by: dict[str, str], done: Mapping[Config, Row]) -> None:
    """Writes each row on one line, and settings that are the same in all rows only once."""
    variables = [dataclasses.asdict(config) for config in done]
    first = variables[0]
    common = {k: v for k, v in first.items() if all(each[k] == v for each in variables)}
    rows = [
        {k: v for k, v in each.items() if k not in common} | results
        for each, results in zip(variables, done.values(), strict=True)
    ]
    lines = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
    head = f'"made_by": {json.dumps(made_by)},\n"common": {json.dumps(common)}'
    write_whole(path, f'{{{head},\n"rows": [\n{lines}\n]}}\n'.encode())


def _read(path: Path, made_by: dict[str, str]) -> dict[Config, Row]:
    if not path.exists():
        return {}
    rows, before = load_rows(path)
    changed = [name for name in made_by if made_by[name] != before.get(name)]
    if changed:
        differences = ", ".join(f"{k} {before.get(k)}, now {made_by[k]}" for k in changed)
        raise CheckpointError(
            f"{path} was made with different data or versions ({differences}); delete it, or name "
            "a different file"
        )
    names = Config.__dataclass_fields__
    try:
        return {
            Config(**{k: row[k] for k in names}): {k: row[k] for k in row if k not in names}
            for row in rows
        }
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} holds rows without a configuration ({error!r})") from error

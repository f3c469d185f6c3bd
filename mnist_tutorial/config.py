"""Chapter 3: every choice that is ours to make, in one place."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import jax


class ConfigError(ValueError):
    """A setting is out of range, or doesn't fit the data."""


def field(
    default: Any, meaning: str, original: str = "", traced: bool = False, **limits: Any
) -> Any:
    """Makes a field that knows its meaning, its name in the original, and what is allowed.

    The limits are `low` and `high` (both allowed), `above` and `below` (not allowed
    themselves), or `choices`. A traced field is an ordinary input of compiled code.
    """
    metadata = {"meaning": meaning, "original": original, "traced": traced, "limits": limits}
    return dataclasses.field(default=default, metadata=metadata)


_LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "low": (lambda value, bound: value >= bound, "at least"),
    "high": (lambda value, bound: value <= bound, "at most"),
    "above": (lambda value, bound: value > bound, "above"),
    "below": (lambda value, bound: value < bound, "below"),
    "choices": (lambda value, bound: value in bound, "one of"),
}


def check_fields(instance: Any) -> None:
    """Checks that each field of a new dataclass has the right type and is within its limits.

    Raises:
      TypeError: if a value has the wrong type.
      ConfigError: if a value is out of range. The message names it and what is allowed.
    """
    for each in dataclasses.fields(instance):
        value: Any = getattr(instance, each.name)
        expected: type = type(each.default)
        if expected is float and type(value) is int:
            try:
                value = float(value)
            except OverflowError:
                value = math.inf
            object.__setattr__(instance, each.name, value)
        if type(value) is not expected:
            raise TypeError(f"{each.name} must be of type {expected.__name__}, got {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{each.name} must be a finite number, got {value}")
        for limit, bound in each.metadata["limits"].items():
            allowed, wording = _LIMITS[limit]
            if not allowed(value, bound):
                raise ConfigError(f"{each.name} must be {wording} {bound}, got {value!r}")


@dataclasses.dataclass(frozen=True)
class Config:
    """Holds every setting of the tutorial. The defaults are the original's values.

    A `Config` is checked when it is made and can't be changed afterwards;
    `dataclasses.replace(config, batch_size=32)` makes a changed copy.

    Raises:
      TypeError: if a value has the wrong type.
      ConfigError: if a value is out of range. The message names it and what is allowed.
    """

    dataset: str = field("mnist", "name of the data set in TensorFlow Datasets")
    num_rows: int = field(28, "rows of pixels in an image", "numRows", low=1)
    num_columns: int = field(28, "columns of pixels in an image", "numColumns", low=1)
    num_classes: int = field(10, "possible answers, digits 0 to 9", "outputNum", low=2)
    num_validation: int = field(
        5_000, "training images held out for validation (original: 0)", low=0, high=2**31 - 1
    )
    batch_size: int = field(128, "images per update", "batchSize", low=1)
    num_epochs: int = field(
        15, "passes over the training images", "numEpochs", low=1, high=2**31 - 1
    )
    seed: int = field(
        123, "seed of the random number generator", "rngSeed", traced=True, low=0, high=2**31 - 1
    )
    hidden_units: int = field(1_000, "units in each hidden layer", "nOut", low=1)
    num_hidden_layers: int = field(1, "number of hidden layers", "list", low=1)
    activation: str = field(
        "relu",
        "activation function of the hidden units",
        "activation",
        choices=("relu", "tanh", "identity"),
    )
    weight_init: str = field(
        "glorot_normal",
        "how the initial weights are drawn",
        "weightInit",
        choices=("glorot_normal", "he_normal"),
    )
    init_scale: float = field(1.0, "multiplier for the initial weights", traced=True, low=0)
    learning_rate: float = field(0.006, "size of a step", "learningRate", traced=True, above=0)
    momentum: float = field(
        0.9, "fraction of the previous step carried over", "momentum", traced=True, low=0, below=1
    )
    nesterov: bool = field(True, "use Nesterov momentum, which looks ahead", "NESTEROVS")
    l2: float = field(1e-4, "strength of the penalty on large weights", "l2", traced=True, low=0)

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def num_pixels(self) -> int:
        """Counts the numbers that one image is made of."""
        return self.num_rows * self.num_columns

    def updates_per_epoch(self, num_images: int) -> int:
        """Counts the updates in one pass over `num_images`; the last may be smaller."""
        return math.ceil(num_images / self.batch_size)


# JAX takes a Config as an argument of compiled code. The traced fields are ordinary inputs there,
# so a new value needs no new compilation, and `jax.vmap` can train many networks that differ in
# them; Optax does the same for an optimizer's settings with `optax.inject_hyperparams`. All other
# fields are static: they decide the shape of the program. `jax.tree_util.register_dataclass`
# would call the checks on traced values, which have no value yet, hence the two functions.
_FIELDS = dataclasses.fields(Config)
TRACED = tuple(field.name for field in _FIELDS if field.metadata["traced"])
STATIC = tuple(field.name for field in _FIELDS if not field.metadata["traced"])


def _flatten(config: Config) -> tuple[list[Any], tuple[Any, ...]]:
    values = vars(config)
    return [values[name] for name in TRACED], tuple(values[name] for name in STATIC)


def _unflatten(static: tuple[Any, ...], traced: Iterable[Any]) -> Config:
    config = object.__new__(Config)
    config.__dict__.update(zip(TRACED, traced, strict=True))
    config.__dict__.update(zip(STATIC, static, strict=True))
    return config


jax.tree_util.register_pytree_node(Config, _flatten, _unflatten)

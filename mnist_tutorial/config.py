"""Chapter 3: every choice that is ours to make, in one place."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any


def variable(default: Any, meaning: str, original: str = "", **limits: Any) -> Any:
    """A field that knows its meaning, its name in the original, and what is allowed.

    The limits are `low` and `high` (both allowed), `above` and `below` (not allowed
    themselves), or `choices`.
    """
    metadata = {"meaning": meaning, "original": original, "limits": limits}
    return dataclasses.field(default=default, metadata=metadata)


_LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "low": (lambda value, bound: value >= bound, "at least"),
    "high": (lambda value, bound: value <= bound, "at most"),
    "above": (lambda value, bound: value > bound, "above"),
    "below": (lambda value, bound: value < bound, "below"),
    "choices": (lambda value, bound: value in bound, "one of"),
}


def check(variables: Any) -> None:
    """Holds each field of a new dataclass to its type and its limits.

    Raises:
      TypeError: a value has the wrong type.
      ValueError: a value is out of range. The message names it and what is allowed.
    """
    for field in dataclasses.fields(variables):
        value: Any = getattr(variables, field.name)
        expected: type = type(field.default)
        if expected is float and type(value) is int:
            try:
                value = float(value)
            except OverflowError:
                value = math.inf
            object.__setattr__(variables, field.name, value)
        if type(value) is not expected:
            raise TypeError(f"{field.name} must be of type {expected.__name__}, got {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{field.name} must be a finite number, got {value}")
        for limit, bound in field.metadata["limits"].items():
            allowed, wording = _LIMITS[limit]
            if not allowed(value, bound):
                raise ValueError(f"{field.name} must be {wording} {bound}, got {value!r}")


@dataclasses.dataclass(frozen=True)
class Config:
    """Every variable of the tutorial. The defaults are the original's figures.

    A `Config` is checked when it is made and can't be changed afterwards;
    `dataclasses.replace(config, batch_size=32)` makes a changed copy.

    Raises:
      TypeError: a value has the wrong type.
      ValueError: a value is out of range. The message names it and what is allowed.
    """

    dataset: str = variable("mnist", "name of the data set in TensorFlow Datasets")
    num_rows: int = variable(28, "rows of pixels in an image", "numRows", low=1)
    num_columns: int = variable(28, "columns of pixels in an image", "numColumns", low=1)
    num_classes: int = variable(10, "possible answers, digits 0 to 9", "outputNum", low=2)
    num_validation: int = variable(
        5_000, "training images held out to choose by (the original: 0)", low=0, high=2**31 - 1
    )
    batch_size: int = variable(128, "images in one update", "batchSize", low=1)
    num_epochs: int = variable(
        15, "passes over the training images", "numEpochs", low=1, high=2**31 - 1
    )
    seed: int = variable(123, "where the random numbers start", "rngSeed", low=0, high=2**31 - 1)
    hidden_units: int = variable(1_000, "units in each hidden layer", "nOut", low=1)
    num_hidden_layers: int = variable(1, "number of hidden layers", "list", low=1)
    activation: str = variable(
        "relu",
        "what a hidden unit does with its sum",
        "activation",
        choices=("relu", "tanh", "identity"),
    )
    weight_init: str = variable(
        "glorot_normal",
        "how the first weights are drawn",
        "weightInit",
        choices=("glorot_normal", "he_normal"),
    )
    init_scale: float = variable(1.0, "factor on the first weights", low=0)
    learning_rate: float = variable(0.006, "size of a step", "learningRate", above=0)
    momentum: float = variable(
        0.9, "share of the last step that goes on", "momentum", low=0, below=1
    )
    nesterov: bool = variable(True, "momentum that looks ahead", "NESTEROVS")
    l2: float = variable(1e-4, "price of large weights", "l2", low=0)

    def __post_init__(self) -> None:
        check(self)

    @property
    def num_pixels(self) -> int:
        """How many numbers one image is made of."""
        return self.num_rows * self.num_columns

    def updates_per_epoch(self, num_images: int) -> int:
        """How many updates one pass over `num_images` takes; the last may be smaller."""
        return math.ceil(num_images / self.batch_size)

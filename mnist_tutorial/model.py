"""Chapter 4: the network, its layers and its first weights."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mnist_tutorial.config import Config
from mnist_tutorial.data import DataError, check_images

# Inside compiled code these variables are ordinary inputs: a new value needs no new
# compilation, and `jax.vmap` can train many networks that differ in them. All others
# decide the shape of the program.
KNOBS = (
    "num_validation",
    "num_epochs",
    "seed",
    "init_scale",
    "learning_rate",
    "momentum",
    "l2",
)
SHAPES = tuple(name for name in Config.__dataclass_fields__ if name not in KNOBS)


def _flatten(config: Config) -> tuple[list[Any], tuple[Any, ...]]:
    return [getattr(config, name) for name in KNOBS], tuple(
        getattr(config, name) for name in SHAPES
    )


def _unflatten(shapes: tuple[Any, ...], knobs: Iterable[Any]) -> Config:
    config = object.__new__(Config)  # no checks: knobs may be traced arrays here
    config.__dict__.update(zip(KNOBS, knobs, strict=True))
    config.__dict__.update(zip(SHAPES, shapes, strict=True))
    return config


jax.tree_util.register_pytree_node(Config, _flatten, _unflatten)

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nnx.relu,
    "tanh": nnx.tanh,
    "identity": lambda x: x,
}

# Made once: two networks share compiled code only if they hold the same function.
WEIGHT_INITS = {
    "glorot_normal": nnx.initializers.glorot_normal(),
    "he_normal": nnx.initializers.he_normal(),
}


class MLP(nnx.Module):
    """A multilayer perceptron: pixels → hidden layer(s) → one score per class.

    Weights start as `config.weight_init` draws them, biases at zero. Glorot's draw
    has variance 2 / (inputs + outputs) (Glorot and Bengio 2010), He's 2 / inputs
    (He et al. 2015); both come from a normal distribution cut off at two standard
    deviations, widened so that the variance is right after the cut.

    Attributes:
      hidden: the first hidden layer; kernel (num_pixels, hidden_units) float32.
      deeper: any further hidden layers; none in the original's network.
      output: the output layer; kernel (hidden_units, num_classes) float32.
    """

    def __init__(self, config: Config, *, rngs: nnx.Rngs):
        def layer(inputs: int, outputs: int) -> nnx.Linear:
            kernel_init = WEIGHT_INITS[config.weight_init]
            return nnx.Linear(inputs, outputs, kernel_init=kernel_init, rngs=rngs)

        units = config.hidden_units
        self.hidden = layer(config.num_pixels, units)
        self.deeper = nnx.Sequential(
            *[layer(units, units) for _ in range(config.num_hidden_layers - 1)]
        )
        self.output = layer(units, config.num_classes)
        self.activation = ACTIVATIONS[config.activation]

    def __call__(self, images: jax.Array) -> jax.Array:
        """Scores images.

        Args:
          images: (n, num_rows, num_columns), pixels from 0 to 255 of any dtype.

        Returns:
          Logits, (n, num_classes) float32: scores before softmax.
        """
        x = images.reshape(len(images), -1).astype(jnp.float32) / 255
        x = self.activation(self.hidden(x))
        for layer in self.deeper.layers:
            x = self.activation(layer(x))
        return self.output(x)


@jax.jit
def create_model(config: Config) -> MLP:
    """Makes a new network. The same `config.seed` gives the same weights."""
    init_key, _ = jax.random.split(jax.random.key(config.seed))
    model = MLP(config, rngs=nnx.Rngs(init_key))
    scaled: MLP = jax.tree.map(lambda weights: config.init_scale * weights, model)
    return scaled


def count_parameters(model: MLP) -> int:
    """How many numbers training may change."""
    return sum(weights.size for weights in jax.tree.leaves(model))


def predict(model: Callable[[jax.Array], jax.Array], images: jax.Array | np.ndarray) -> jax.Array:
    """Probabilities of each class, (n, num_classes) float32; each row sums to 1.

    Args:
      model: an `MLP`, or any other network that makes logits of images.

    Raises:
      DataError: as `check_images`, or images of another size than the network's.
    """
    if not isinstance(images, jax.core.Tracer):  # in code that is being compiled, no values yet
        check_images(images)
        if isinstance(model, MLP) and images[0].size != model.hidden.in_features:
            raise DataError(
                f"images of {images.shape[1:]} pixels don't fit a network with "
                f"{model.hidden.in_features} inputs"
            )
    probabilities: jax.Array = _predict(model, images)
    return probabilities


@jax.jit
def _predict(model: Callable[[jax.Array], jax.Array], images: jax.Array) -> jax.Array:
    return nnx.softmax(model(images))

"""Chapter 4: the network, its layers and its first weights."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mnist_tutorial.config import Config
from mnist_tutorial.data import DataError, check_images

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


class Keys(NamedTuple):
    """One JAX key for each use of random numbers in a run, all made from one seed."""

    init: jax.Array
    shuffle: jax.Array
    augment: jax.Array


def make_keys(seed: int) -> Keys:
    """Makes the keys of a run: the same seed gives the same keys."""
    root = jax.random.key(seed)
    return Keys(*(jax.random.fold_in(root, i) for i in range(len(Keys._fields))))


@jax.jit
def create_model(config: Config) -> MLP:
    """Makes a new network. The same `config.seed` gives the same weights."""
    model = MLP(config, rngs=nnx.Rngs(make_keys(config.seed).init))
    scaled: MLP = jax.tree.map(lambda weights: config.init_scale * weights, model)
    return scaled


def count_parameters(model: nnx.Module) -> int:
    """Counts the numbers that training may change.

    What a network merely remembers, such as the means of a batch norm, is not among them.
    """
    return sum(weights.size for weights in jax.tree.leaves(nnx.state(model, nnx.Param)))


def predict(model: Callable[[jax.Array], jax.Array], images: jax.Array | np.ndarray) -> jax.Array:
    """Computes the probability of each class, (n, num_classes) float32; each row sums to 1.

    Args:
      model: an `MLP`, or any other network that makes logits of images. A module is put into
        evaluation mode: dropout lets everything through, batch norm uses what it remembers.
      images: (n, num_rows, num_columns), pixels from 0 to 255 of any dtype.

    Raises:
      DataError: as `check_images`, or if the images have another size than the network's.
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
    if isinstance(model, nnx.Module):
        model.eval()  # a copy: compiled code never changes its arguments
    return nnx.softmax(model(images))

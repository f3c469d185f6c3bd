"""Going further: a network that knows that pixels have neighbours."""

import jax
import jax.numpy as jnp
from flax import nnx

from mnist_tutorial.config import Config

SIZES = (5, 3, 3, 3)  # rows and columns of each convolution's kernels


def convolve(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """Applies small detectors at every place: sums over a window that slides over the image.

    Every window becomes a column of one large matrix, and one matrix product does the rest.
    The images are the last axis, so that windows are copied in long runs.

    Args:
      images: (channels, rows, columns, n) float32.
      kernel: (height, width, channels, detectors) float32.

    Returns:
      (detectors, rows - height + 1, columns - width + 1, n) float32, since no window reaches
      beyond the border.
    """
    height, width, channels, detectors = kernel.shape
    rows, columns = images.shape[1] - height + 1, images.shape[2] - width + 1
    windows = [
        images[:, i : i + rows, j : j + columns] for i in range(height) for j in range(width)
    ]
    matrix = jnp.concatenate(windows).reshape(height * width * channels, -1)
    return (kernel.reshape(-1, detectors).T @ matrix).reshape(detectors, rows, columns, -1)


def max_pool(images: jax.Array) -> jax.Array:
    """Keeps the largest of every 2 × 2 pixels, and leaves out an odd last row or column.

    Args:
      images: (channels, rows, columns, n).

    Returns:
      (channels, rows // 2, columns // 2, n).
    """
    _, rows, columns, _ = images.shape
    images = images[:, : rows // 2 * 2, : columns // 2 * 2]
    images = jnp.maximum(images[:, 0::2], images[:, 1::2])
    return jnp.maximum(images[:, :, 0::2], images[:, :, 1::2])


class ConvNet(nnx.Module):
    """Computes four convolutions, then one score per class.

    Of 28 × 28 pixels, the 5 × 5 kernels leave 24 × 24, pooled to 12 × 12; the 3 × 3 kernels
    leave 10 × 10, then 8 × 8, pooled to 4 × 4, then 2 × 2. The initial kernels are drawn as in
    He et al. (2015). Each channel is brought to mean 0 and variance 1 over the batch (Ioffe
    and Szegedy 2015), then scaled and shifted by learned numbers, and then goes through ReLU.

    Attributes:
      kernels: one (size, size, channels, detectors) float32 for each convolution.
      norms: one batch norm for each; its running statistics aren't an `nnx.Param`.
      output: the output layer; kernel (4 × the last channels, num_classes) float32.
    """

    def __init__(self, config: Config, channels: tuple[int, ...], *, rngs: nnx.Rngs):
        """Draws a new network.

        Raises:
          ValueError: if there aren't four numbers of channels, or the images are too small.
        """
        if len(channels) != len(SIZES) or min(channels) < 1:
            raise ValueError(f"channels must be {len(SIZES)} numbers of at least 1, got {channels}")
        height, width = (
            ((side - 4) // 2 - 4) // 2 - 2 for side in (config.num_rows, config.num_columns)
        )
        if min(height, width) < 1:
            raise ValueError(
                f"images of {config.num_rows} × {config.num_columns} pixels are too small for "
                "these convolutions, which need at least 24 × 24"
            )
        draw = nnx.initializers.he_normal()
        shapes = zip(SIZES, (1, *channels), channels, strict=False)
        self.kernels = nnx.data(
            [nnx.Param(draw(rngs.params(), (s, s, inputs, n))) for s, inputs, n in shapes]
        )
        self.norms = nnx.data([nnx.BatchNorm(n, axis=0, momentum=0.9, rngs=rngs) for n in channels])
        self.output = nnx.Linear(height * width * channels[-1], config.num_classes, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Scores images.

        A new network is in training mode: it normalises by the batch itself, and remembers
        the mean and variance. After `eval()`, it normalises by what it remembers.

        Args:
          images: (n, num_rows, num_columns), pixels from 0 to 255 of any dtype.

        Returns:
          Logits, (n, num_classes) float32.
        """
        x = images.astype(jnp.float32).transpose(1, 2, 0)[None] / 255
        for i, (kernel, norm) in enumerate(zip(self.kernels, self.norms, strict=True)):
            x = convolve(x, kernel[...])
            if i in (0, 2):
                x = max_pool(x)
            x = nnx.relu(norm(x))
        return self.output(x.reshape(-1, len(images)).T)

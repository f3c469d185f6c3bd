"""Going further: images changed before a network sees them, at random or to be alike.

`augment` shows a network each image a little otherwise every time; `deskew` makes images alike,
those that a network learns from and those that it is asked about.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates

from mnist_tutorial.data import Examples

SPREAD = 5.5, 4.0  # standard deviation of a normalised digit's ink, down and across, in pixels


def augment(
    key: jax.Array,
    images: jax.Array,
    shift: float = 0.0,
    rotation: float = 0.0,
    scale: float = 0.0,
) -> jax.Array:
    """Moves, turns and scales each image by its own random amounts.

    Every new pixel looks up where it came from and mixes its four neighbours there; what
    comes from outside is background.

    Args:
      images: (n, rows, columns) of any dtype.
      shift: the pixels it is moved by at most, down and to the right.
      rotation: the degrees it is turned by at most.
      scale: the fraction it grows or shrinks by at most.

    Returns:
      The same shape, float32.
    """
    num_images, rows, columns = images.shape
    down, right, turn, grow = jax.random.uniform(key, (4, num_images, 1, 1), minval=-1, maxval=1)
    y, x = jnp.mgrid[:rows, :columns] - jnp.array([rows - 1, columns - 1])[:, None, None] / 2
    angle, size = jnp.deg2rad(rotation * turn), 1 + scale * grow
    sine, cosine = jnp.sin(angle) / size, jnp.cos(angle) / size
    from_y = cosine * y - sine * x + (rows - 1) / 2 + shift * down
    from_x = sine * y + cosine * x + (columns - 1) / 2 + shift * right

    def look_up(image: jax.Array, *places: jax.Array) -> jax.Array:
        moved: jax.Array = map_coordinates(image, places, order=1)
        return moved

    return jax.vmap(look_up)(images.astype(jnp.float32), from_y, from_x)


def deskew(examples: Examples) -> Examples:
    """Puts each digit upright, in the middle, and half-way to one size ("moment normalization").

    Everything is taken from where the ink lies, in means, variances and covariance, as Casey
    (1970) did: the centre of mass goes to the centre of the image; every row is pushed sideways
    by covariance / variance of the rows, pixel for pixel of height; height and width are then
    divided by the square root of standard deviation / `SPREAD`, from 1/2 to 2. Labels play no
    part, so test images may be normalised too.

    Args:
      examples: images (n, rows, columns) uint8.

    Returns:
      The same shape and dtype; a blank image stays blank.
    """
    images, labels = examples
    parts = [images[i : i + 1000] for i in range(0, max(len(images), 1), 1000)]
    return Examples(np.concatenate([_normalize(part) for part in parts]), labels)


@jax.jit
@jax.vmap
def _normalize(image: jax.Array) -> jax.Array:
    rows, columns = image.shape
    y, x = jnp.mgrid[:rows, :columns].astype(jnp.float32)
    ink = image / jnp.maximum(image.sum(dtype=jnp.float32), 1)
    middle_y, middle_x = (ink * y).sum(), (ink * x).sum()
    below, beside = y - middle_y, x - middle_x
    variance = jnp.maximum((ink * below**2).sum(), 1e-6)
    slant = (ink * below * beside).sum() / variance
    upright_variance = (ink * (beside - slant * below) ** 2).sum()
    tall, wide = (
        jnp.clip((variance**0.5 / spread) ** 0.5, 0.5, 2)
        for variance, spread in zip((variance, upright_variance), SPREAD, strict=True)
    )
    down, right = tall * (y - (rows - 1) / 2), wide * (x - (columns - 1) / 2)
    places = middle_y + down, middle_x + right + slant * down
    moved = map_coordinates(image.astype(jnp.float32), places, order=1)
    return jnp.round(moved).astype(jnp.uint8)

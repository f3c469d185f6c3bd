"""What happens to images before a network sees them, against moments and float64."""

import jax
import numpy as np
from scipy.ndimage import affine_transform

from mnist_tutorial.data import Examples
from mnist_tutorial.further.augment import augment, deskew

KEY = jax.random.key(0)


def bars(count):
    """The same upright bar in the middle, `count` times."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 8:20, 13:15] = 200
    return images


def moments(images):
    """Centre of mass (down, right), spread along and across, and angle of each image's ink."""
    ink = np.asarray(images, np.float64)
    y, x = np.mgrid[:28, :28]
    total = ink.sum(axis=(1, 2))
    down, right = ((ink * place).sum(axis=(1, 2)) / total for place in (y, x))
    y, x = y - down[:, None, None], x - right[:, None, None]
    yy, xx, xy = ((ink * a).sum(axis=(1, 2)) / total for a in (y * y, x * x, x * y))
    angle = np.rad2deg(np.arctan2(2 * xy, yy - xx) / 2)
    return down, right, np.sqrt(yy), angle


def test_nothing_asked_for_nothing_changes(few):
    images = few.train.images[:20]
    np.testing.assert_allclose(augment(KEY, images), images, atol=1e-3)


def test_images_move_by_at_most_the_shift_each_on_its_own():
    down, right, length, angle = moments(augment(KEY, bars(200), shift=3.0))
    before = moments(bars(1))
    for moved, start in ((down, before[0]), (right, before[1])):
        assert np.abs(moved - start).max() <= 3.01
        assert moved.min() < start - 2.5 and moved.max() > start + 2.5
    assert abs(np.corrcoef(down, right)[0, 1]) < 0.3
    assert np.abs(angle).max() < 0.5 and np.abs(length / before[2] - 1).max() < 0.02


def test_images_turn_by_at_most_the_rotation():
    down, right, length, angle = moments(augment(KEY, bars(200), rotation=30.0))
    before = moments(bars(1))
    assert 27 < angle.max() <= 30.5 and -27 > angle.min() >= -30.5
    assert np.abs(down - before[0]).max() < 0.05 and np.abs(right - before[1]).max() < 0.05
    assert np.abs(length / before[2] - 1).max() < 0.15  # across, the bar is seen in its angle


def test_images_grow_and_shrink_by_at_most_the_scale():
    down, right, length, angle = moments(augment(KEY, bars(200), scale=0.2))
    size = length / moments(bars(1))[2]
    assert 1.17 < size.max() <= 1.22 and 0.79 <= size.min() < 0.83
    assert np.abs(angle).max() < 0.5


def test_what_comes_from_outside_is_background():
    full = np.full((50, 28, 28), 255, np.uint8)
    moved = np.asarray(augment(KEY, full, shift=2.0))
    assert moved[:, 2:-2, 2:-2].min() > 254.9
    assert (moved[:, [0, -1]].min(axis=(1, 2)) < 200).mean() > 0.8
    assert moved.min() >= 0 and moved.max() <= 255.01


def shape(image):
    """Centre of mass, slant, and the standard deviations of height and of width without slant."""
    y, x = np.mgrid[:28, :28]
    middle = [np.average(axis, weights=image) for axis in (y, x)]
    spread = np.cov([y.ravel(), x.ravel()], aweights=image.ravel().astype(float), ddof=0)
    slant = spread[0, 1] / spread[0, 0]
    return *middle, slant, np.sqrt(spread[0, 0]), np.sqrt(spread[1, 1] - slant * spread[0, 1])


def test_normalised_digits_against_float64(mnist):
    digits = Examples(mnist.validation.images[:200], mnist.validation.labels[:200])
    found = deskew(digits)
    assert found.images.dtype == np.uint8 and (found.labels == digits.labels).all()
    for before, after in zip(digits.images.astype(float), found.images, strict=True):
        down, right, slant, tall, wide = shape(before)
        tall, wide = np.clip(np.sqrt([tall / 5.5, wide / 4]), 0.5, 2)
        # Where each pixel comes from is linear in where it is.
        matrix = np.array([[tall, 0], [slant * tall, wide]])
        offset = [down, right] - matrix @ [13.5, 13.5]
        expected = affine_transform(
            before.astype(float), matrix, offset, order=1, mode="grid-constant"
        )
        assert np.abs(after - expected).max() <= 0.6  # rounded to whole numbers
    before, after = (np.array([shape(image) for image in each.images]) for each in (digits, found))
    assert np.abs(after[:, :2] - 13.5).max() < 0.2  # in the middle
    assert np.median(np.abs(after[:, 2])) < np.median(np.abs(before[:, 2])) / 5  # upright
    assert (after[:, 3:].std(axis=0) < 0.7 * before[:, 3:].std(axis=0)).all()  # of like size


def test_a_blank_image_stays_blank_when_it_is_normalised():
    blank = Examples(np.zeros((2, 28, 28), np.uint8), np.zeros(2, int))
    assert not deskew(blank).images.any()

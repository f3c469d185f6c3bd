"""What the living parts are given: weights, images, and their place on a page."""

import gzip

import jax
import numpy as np
import pytest
import safetensors.numpy

from mnist_tutorial import live
from mnist_tutorial.config import Config
from mnist_tutorial.model import create_model


def unpacked(content):
    return safetensors.numpy.load(gzip.decompress(content))


def test_rounded_weights_are_off_by_half_a_scale_at_most():
    weights = np.random.default_rng(0).normal(size=(3, 5, 784))
    weights[0, 0] = 0  # a unit without weights has no scale of its own
    rounded, scale = live.quantize(weights)
    assert rounded.dtype == np.int8 and scale.shape == (3, 5)
    assert (np.abs(weights - rounded * scale[..., None]) <= scale[..., None] * 0.5001).all()
    assert np.abs(rounded[1:]).max() == 127


def test_the_networks_file_holds_the_network_and_ten_digits(mnist):
    model = create_model(Config(hidden_units=12))
    file = unpacked(live.network_file(model, live.samples(mnist)))
    weights = file["hidden_kernel"] * file["hidden_scale"][:, None]
    assert np.allclose(weights.T, model.hidden.kernel, atol=file["hidden_scale"].max())
    assert np.array_equal(file["output_kernel"], model.output.kernel)
    places = [
        np.flatnonzero((mnist.validation.images == image).all(axis=(1, 2)))[0]
        for image in file["samples"]
    ]
    assert mnist.validation.labels[places].tolist() == list(range(10))


def test_the_trainings_file_holds_mnists_first_images_and_no_test_image(mnist):
    content = live.training_file(mnist)
    file = unpacked(content)
    assert np.array_equal(file["train_images"], mnist.train.images[:12_000])
    assert np.array_equal(file["train_labels"], mnist.train.labels[:12_000])
    assert np.array_equal(file["validation_images"], mnist.validation.images[:2_000])
    assert np.array_equal(file["validation_labels"], mnist.validation.labels[:2_000])
    assert content == live.training_file(mnist)  # no time of day in it


def test_the_units_files_hold_every_unit_of_every_epoch(mnist):
    models = [jax.device_get(create_model(Config(hidden_units=20, seed=seed))) for seed in range(3)]
    examples = mnist.validation
    files = [unpacked(content) for content in live.unit_files(models, examples)]
    assert len(files) == 2
    unit, epoch = 13, 1
    file, row = files[unit // 10], unit % 10
    weights = file["hidden_kernel"][row, epoch] * file["hidden_scale"][row, epoch]
    assert np.allclose(
        weights, models[epoch].hidden.kernel[:, unit], atol=file["hidden_scale"].max()
    )
    assert np.array_equal(file["votes"][row, epoch], models[epoch].output.kernel[unit])
    # By a plain loop: how strongly each image excites the unit after the last epoch.
    sums = [
        float(image.ravel() / 255 @ models[-1].hidden.kernel[:, unit]) for image in examples.images
    ]
    best = sorted(range(len(sums)), key=lambda i: -sums[i])[:8]
    assert np.array_equal(file["digits"][row], examples.images[best])
    assert np.array_equal(file["labels"][row], examples.labels[best])


@pytest.mark.parametrize("on_page", [True, False])
def test_a_page_gets_the_place_and_a_notebook_the_part(mnist, monkeypatch, on_page):
    if on_page:
        monkeypatch.setenv("MNIST_TUTORIAL_PAGE", "1")
    else:
        monkeypatch.delenv("MNIST_TUTORIAL_PAGE", raising=False)
    shown = live.draw(create_model(Config(hidden_units=4)), mnist).data
    assert ('data-live="draw"' in shown) == on_page and ("<iframe" in shown) != on_page
    assert 'data-unit="7"' in live.look(7).data  # has no frame: its files are too many

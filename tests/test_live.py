"""What the living parts are given: weights, images, and their place on a page."""

import gzip
import html
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from mnist_tutorial.book import live
from mnist_tutorial.config import Config
from mnist_tutorial.data import Examples
from mnist_tutorial.evaluation import evaluate
from mnist_tutorial.model import create_model
from mnist_tutorial.training import TrainState


def unpacked(content):
    return safetensors.numpy.load(gzip.decompress(content))


def shown(packed):
    """Images as the page unpacks them."""
    pairs = np.stack([packed >> 4, packed & 15], axis=-1)
    return 17 * pairs.reshape(len(packed), 28, 28)


def sixteen_shades(images):
    return 17 * np.round(images / 17).astype(np.uint8)


def test_four_bits_keep_the_order_of_pixels_and_sixteen_shades():
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    packed = live.four_bits(images)
    assert packed.dtype == np.uint8 and np.array_equal(shown(packed), sixteen_shades(images))
    assert np.abs(shown(packed).astype(int) - images).max() <= 8


def test_rounded_weights_are_off_by_half_a_scale_at_most():
    weights = np.random.default_rng(0).normal(size=(3, 5, 784))
    weights[0, 0] = 0  # a unit without weights has no scale of its own
    rounded, scale = live.quantize(weights)
    assert rounded.dtype == np.int8 and scale.shape == (3, 5)
    assert (np.abs(weights - rounded * scale[..., None]) <= scale[..., None] * 0.5001).all()
    assert np.abs(rounded[1:]).max() == 127


def test_european_hands_are_added_to_mnists(mnist):
    taught = live.with_european(mnist.train)
    count = len(mnist.train.labels)
    assert np.array_equal(taught.images[:count], mnist.train.images)
    images, labels = taught.images[count:], taught.labels[count:]
    assert images.dtype == np.uint8 and len(images) == live.NUM_EUROPEAN
    assert np.bincount(labels, minlength=10).tolist() == [800, 800, 0, 0, 0, 0, 0, 800, 0, 0]
    assert (images.max(axis=(1, 2)) > 200).all() and len(np.unique(images, axis=0)) == len(images)


def test_the_networks_file_holds_the_network_and_ten_digits(mnist):
    model = create_model(Config(hidden_units=12))
    model.hidden.bias, model.output.bias = jnp.arange(12.0), jnp.arange(10.0) - 3
    file = unpacked(live.network_file(model, live.samples(mnist)))
    weights = file["hidden_kernel"] * file["hidden_scale"][:, None]
    assert np.allclose(weights.T, model.hidden.kernel, atol=file["hidden_scale"].max())
    for name, stored in (
        ("hidden_bias", model.hidden.bias),
        ("output_kernel", model.output.kernel),
        ("output_bias", model.output.bias),
    ):
        assert np.array_equal(file[name], stored), name
    places = [
        np.flatnonzero((mnist.validation.images == image).all(axis=(1, 2)))[0]
        for image in file["samples"]
    ]
    assert mnist.validation.labels[places].tolist() == list(range(10))


def test_the_trainings_file_holds_mnists_first_images_and_no_test_image(mnist):
    content = live.training_file(mnist)
    file = unpacked(content)
    assert file["train_images"].shape == (12_000, 392)
    assert np.array_equal(shown(file["train_images"]), sixteen_shades(mnist.train.images[:12_000]))
    assert np.array_equal(file["train_labels"], mnist.train.labels[:12_000])
    validation = sixteen_shades(mnist.validation.images[:2_000])
    assert np.array_equal(shown(file["validation_images"]), validation)
    assert np.array_equal(file["validation_labels"], mnist.validation.labels[:2_000])
    assert content == live.training_file(mnist)  # no time of day in it


def test_the_units_files_hold_every_unit_of_every_epoch(mnist):
    models = [jax.device_get(create_model(Config(hidden_units=20, seed=seed))) for seed in range(3)]
    examples = mnist.validation
    files = [unpacked(content) for content in live.unit_files(models, examples)]
    assert len(files) == 2
    unit, epoch = 13, 0
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


def test_the_nudged_networks_file_holds_it_with_the_images_of_its_loss(mnist):
    model = create_model(Config(hidden_units=12))
    file = unpacked(live.nudge_file(model, mnist.train))
    assert np.array_equal(shown(file["images"]), sixteen_shades(mnist.train.images[:128]))
    assert np.array_equal(file["labels"], mnist.train.labels[:128])
    assert np.array_equal(file["output_kernel"], model.output.kernel)


def test_the_network_to_nudge_has_begun_to_learn_and_has_much_to_learn(mnist):
    begun = evaluate(live.begun_network(mnist), mnist.validation).metrics.accuracy
    assert 0.2 < begun < 0.9


def test_the_matrixs_file_holds_every_mistake_and_a_few_right_answers(mnist):
    examples = Examples(mnist.validation.images[:300], mnist.validation.labels[:300])
    found = evaluate(create_model(Config(hidden_units=12)), examples)
    file = unpacked(live.confusion_file(found, examples))
    assert np.array_equal(file["matrix"], found.confusion)
    truths, answers = file["truths"], file["answers"]
    assert (truths != answers).sum() == found.num_errors
    for digit in range(10):
        right = found.confusion[digit, digit]
        assert ((truths == digit) & (answers == digit)).sum() == min(right, live.RIGHT_SHOWN)
    wrong = np.flatnonzero(found.predictions != examples.labels)
    assert np.array_equal(shown(file["images"][:1])[0], sixteen_shades(examples.images[wrong[0]]))
    assert np.allclose(file["shares"][0] / 255, found.probabilities[wrong[0]], atol=0.003)


def test_averages_are_rounded_means(mnist):
    means = live.averages_of(mnist.train)
    file = unpacked(live.averages_file(means))
    assert file["means"].dtype == np.uint8 and np.abs(file["means"] - means).max() <= 0.5
    nines = mnist.train.images[mnist.train.labels == 9]
    assert np.allclose(means[9], nines.mean(axis=0))


@pytest.mark.parametrize("on_page", [True, False])
def test_a_page_gets_the_place_and_a_notebook_the_part(mnist, monkeypatch, on_page):
    if on_page:
        monkeypatch.setenv("MNIST_TUTORIAL_PAGE", "1")
    else:
        monkeypatch.delenv("MNIST_TUTORIAL_PAGE", raising=False)
    model = create_model(Config(hidden_units=4))
    for part in (
        live.draw(model, mnist),
        live.train(mnist),
        live.nudge(mnist),
        live.softmax(np.arange(10.0), 3),
        live.averages(np.zeros((10, 28, 28))),
        live.neuron(),
        live.confusion(evaluate(model, mnist.validation), mnist.validation),
    ):
        assert ('<div class="live" data-live=' in part.data) == on_page
        assert ("<iframe" in part.data) != on_page
    assert 'data-unit="7"' in live.look(7, 1000).data  # has no frame: its files are too many


def test_a_page_moves_the_threshold_by_whole_percents(monkeypatch):
    monkeypatch.setenv("MNIST_TUTORIAL_PAGE", "1")
    scores, positive = np.array([0.1, 0.5, 0.7, 0.995]), np.array([False, True, False, True])
    shown = html.unescape(live.threshold(scores, positive, "9").data)
    counts = json.loads(re.search(r"\[\[.*?\]\]", shown)[0])
    assert len(counts) == 99
    for percent, found in enumerate(counts, start=1):
        said = scores >= percent / 100
        assert found == [
            sum(said & positive), sum(said & ~positive), sum(~said & positive),
            sum(~said & ~positive),
        ]  # fmt: skip


@pytest.mark.parametrize("variables", [{"num_hidden_layers": 2}, {"activation": "tanh"}])
def test_a_network_that_the_page_cannot_read_is_refused(mnist, variables):
    model = create_model(Config(hidden_units=4, **variables))
    with pytest.raises(ValueError, match="num_hidden_layers=1 and activation='relu'"):
        live.network_file(model, live.samples(mnist))


def test_without_validation_images_there_is_a_clear_error(mnist):
    none = mnist._replace(validation=Examples(*(array[:0] for array in mnist.validation)))
    for part in (live.samples, live.training_file):
        with pytest.raises(ValueError, match="num_validation above 0"):
            part(none)
    few = mnist._replace(validation=Examples(*(array[:5] for array in mnist.validation)))
    with pytest.raises(ValueError, match="only the digits .* set num_validation higher"):
        live.samples(few)


def test_export_writes_the_trained_network_last(mnist, monkeypatch, tmp_path):
    models = [create_model(Config(hidden_units=20, seed=seed)) for seed in (1, 2)]
    written = []

    def fit(config, data, on_epoch):
        for model in models:
            on_epoch(TrainState(model, None, None), None)

    def write_whole(path, content):
        written.append(path.name)
        path.write_bytes(content)

    monkeypatch.setattr(live, "fit", fit)
    monkeypatch.setattr(live, "write_whole", write_whole)
    monkeypatch.setattr(live, "create_state", lambda _: TrainState(models[0], None, None))
    monkeypatch.setattr(live, "begun_network", lambda _: models[0])
    monkeypatch.setattr(live, "valley_file", lambda _: b"")
    taught = {live.HOME: models[0], live.PAD: models[1]}
    monkeypatch.setattr(live, "fit_recipe", lambda r, _: (TrainState(taught[r], None, None), None))
    live.export(tmp_path / "new")
    assert written[-1] == "draw.bin" and sorted(written) == sorted(set(written))
    drawn = unpacked((tmp_path / "new" / "draw.bin").read_bytes())
    assert np.array_equal(drawn["output_kernel"], models[-1].output.kernel)
    units = unpacked((tmp_path / "new" / "units-01.bin").read_bytes())
    assert units["hidden_kernel"].shape == (10, 3, 784)
    assert np.array_equal(units["votes"][:, 2], models[-1].output.kernel[10:])
    validation = {image.tobytes() for image in mnist.validation.images}
    assert all(image.tobytes() in validation for image in units["digits"].reshape(-1, 28, 28))

"""Many devices give what one gives, and say no more to each other than they must."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_tutorial.config import Config
from mnist_tutorial.data import DataError
from mnist_tutorial.evaluation import evaluate
from mnist_tutorial.model import create_model
from mnist_tutorial.scale import devices

RUNS = ["32, 8", "30, 8", "31, 3"]  # batch size, devices
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def found():
    """What tests/eight_devices.py prints."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=8"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "tests.eight_devices"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kinds(collectives, kind, other=False):
    return [collective for collective in collectives if (collective[0] == kind) != other]


@pytest.mark.parametrize("name", RUNS)
def test_many_devices_train_as_one_does(found, name):
    run = found["runs"][name]
    assert run["moved"] > 0.05
    assert run["update_loss"] < 5e-6 and run["validation_loss"] < 5e-6
    assert 0 < run["weights"] < 5e-6  # exactly equal would mean that nothing was divided


def test_updates_validation_and_answers_are_all_divided(found):
    assert found["split"] == ["predict", "train_step", "validate"]


@pytest.mark.parametrize("name", RUNS)
def test_many_devices_answer_as_one_does(found, name):
    assert found["runs"][name]["probabilities"] < 5e-6 and found["runs"][name]["same answers"]


@pytest.mark.parametrize("name", RUNS)
def test_every_device_ends_with_the_same_network(found, name):
    run = found["runs"][name]
    assert run["devices"] == int(name.split(", ")[1]) and run["copies"] == 1


@pytest.mark.parametrize("batch_size", ["32", "30"])
def test_an_update_is_one_all_reduce_of_all_gradients(found, batch_size):
    programs = found["programs"][batch_size]
    (once,) = kinds(programs["update"], "all-reduce")
    # Two kernels, two biases, and the batch's loss and accuracy.
    num_bytes = 4 * (784 * 16 + 16 + 160 + 10 + 2)
    assert once[2:] == [num_bytes, False]
    # An epoch holds it twice: in its loop, and for the last, smaller batch.
    in_epoch = [each[2:] for each in kinds(programs["epoch"], "all-reduce")]
    assert in_epoch == [[num_bytes, True], [num_bytes, False]]


def test_where_a_batch_divides_an_update_exchanges_nothing_else(found):
    programs = found["programs"]["32"]
    assert len(programs["update"]) == 1
    assert len([c for c in programs["epoch"] if c[3]]) == 1


def test_where_it_does_not_the_labels_are_exchanged_too_and_never_images(found):
    for program in found["programs"]["30"].values():
        others = kinds(program, "all-reduce", other=True)
        # One number for each image at most, of which a batch has 32 once it is filled up.
        assert others and all(num_bytes <= 4 * 32 for *_, num_bytes, _ in others)


def test_validation_exchanges_two_numbers_and_prediction_its_answers(found):
    programs = found["programs"]["32"]
    assert [each[2] for each in programs["validation"]] == [4 * 2]
    assert [each[2] for each in programs["prediction"]] == [4 * 48 * 10]


def test_one_device_talks_to_nobody(found):
    assert found["programs"]["32"]["one device"] == []


def test_shared_examples_are_the_same_on_every_device(found):
    assert found["shared"] == 0 and found["holders"] == 3


def test_asking_for_more_devices_than_there_are_says_how_to_simulate_them():
    with pytest.raises(ValueError, match="from 1 to .* got 99.*device_count=99"):
        devices.make_mesh(99)
    with pytest.raises(ValueError, match="got 0"):
        devices.make_mesh(0)


def test_images_that_one_device_refuses_are_refused_by_many(few):
    scaled = few.test._replace(images=few.test.images / 255)
    model = create_model(Config(hidden_units=3))
    for judge in (evaluate, lambda *these: devices.evaluate(*these, devices.make_mesh())):
        with pytest.raises(DataError, match="Multiply what was scaled to 1 by 255"):
            judge(model, scaled)

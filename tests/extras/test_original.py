"""The original is built with Maven and trains for one epoch on 2,000 images."""

import numpy as np
import pytest

from benchmarks import original
from benchmarks.training import timed
from mnist_tutorial import Config, load_mnist

pytestmark = pytest.mark.skipif(bool(original.missing()), reason=original.missing())


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    path.write_bytes(head + array.astype(np.uint8).tobytes())


def test_one_epoch_of_the_original(tmp_path):
    data, config = load_mnist(Config(num_validation=0)), Config(num_epochs=1)
    for name, array in zip(original.FILES, (*data.train, *data.test), strict=True):
        write_idx(tmp_path / name, array)
    original.build()
    run = timed(original.java_command(tmp_path, config, 2_000))
    original.check(run, config, data.test.labels)
    assert run["num_parameters"] == 795_010 and len(run["epoch_seconds"]) == 1
    assert 0.5 < run["accuracy"] < 0.9 and run["heap_bytes"] <= 2**31


def test_a_failure_of_the_program_is_one_line(tmp_path):
    original.build()
    for name in original.FILES:
        (tmp_path / name).write_bytes(b"not an image")
    with pytest.raises(RuntimeError, match="Exception in thread"):
        timed(original.java_command(tmp_path, Config(num_epochs=1), 2_000))

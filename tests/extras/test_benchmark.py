"""The measurements that the chapter quotes, on few images."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks import export as benchmark
from mnist_tutorial.serving import service


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(benchmark, "CONNECTIONS", (1, 6))
    monkeypatch.setattr(benchmark, "ROUNDS", 3)
    monkeypatch.setattr(benchmark, "REQUESTS", 30)
    return 200


def test_the_service_is_held_against_the_network_and_put_under_load(network, few):
    found = benchmark.measure_service(
        network.onnx, network.images[:few], network.probabilities[:few]
    )
    assert found["parity"]["num_different"] == 0 and found["parity"]["num_images"] == few
    assert found["json"]["images_per_batch"] > 1
    assert 0 < found["parity"]["difference"] <= 1e-5
    runs = {(run["max_batch"], run["connections"]): run for run in found["runs"]}
    assert set(runs) == {(size, n) for size in (service.MAX_BATCH, 1) for n in (1, 6)}
    for (size, number), run in runs.items():
        assert 0 < run["median_ms"] <= run["p99_ms"]
        assert (run["images_per_batch"] > 1) == (size > 1 and number > 1)
    assert {status for status, _ in found["refused"].values()} == {400, 413, 415, 422}
    # Who asks before the last have come is still served.
    assert set(found["crowd"]) - {"200"} == {"503"}
    assert sum(found["crowd"].values()) == benchmark.CROWD


def test_an_answer_to_another_image_is_seen(network, few):
    expected = np.roll(network.probabilities[:few], 1, axis=0)
    found = benchmark.measure_service(network.onnx, network.images[:few], expected)
    assert found["parity"]["num_different"] > 50


def test_a_job_that_failed_is_no_result(network, monkeypatch):
    usual = subprocess.run

    def fails(command, **more):
        return usual([sys.executable, "-c", "exit('no cluster')"], **more)

    monkeypatch.setattr(subprocess, "run", fails)
    with pytest.raises(RuntimeError, match="the Spark job failed:\nno cluster"):
        benchmark.measure_spark(network.onnx, network.images[:9], network.probabilities[:9])


def test_a_part_of_the_images_is_not_saved(capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--images", "10", "--save"])
    assert "--save needs all test images" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        benchmark.main(["--images", "10"])
    assert "the service needs 3000 images, got 10" in capsys.readouterr().err

"""The Spark job as a process of its own, on this machine's cores."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from mnist_tutorial.serving import spark_job

NUM_FILES = 5

# On a cluster there is the file alone, without the libraries that trained the network.
ALONE = """
import runpy, sys
for name in ("jax", "flax", "mnist_tutorial"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

pytestmark = pytest.mark.skipif(
    not (shutil.which("java") or os.environ.get("JAVA_HOME")),
    reason="Spark needs Java 17 or later, and there is no java here",
)


def write(folder, images, ids=None, num_files=1):
    """Images as the job reads them."""
    folder.mkdir()
    ids = np.arange(len(images)) if ids is None else ids
    for i, part in enumerate(np.array_split(np.arange(len(images)), num_files)):
        pixels = [None if images[k] is None else bytes(images[k]) for k in part]
        table = pyarrow.table({"id": ids[part], "image": pyarrow.array(pixels, pyarrow.binary())})
        pyarrow.parquet.write_table(table, folder / f"part-{i}.parquet")


def run(tmp_path, *arguments):
    copy = shutil.copy(spark_job.__file__, tmp_path)
    command = [sys.executable, "-c", ALONE, copy, *map(str, arguments)]
    local = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    local["PYSPARK_SUBMIT_ARGS"] = "--master local[2] pyspark-shell"  # on one core too
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | local)


def test_spark_reads_all_test_images_as_jax_does(network, tmp_path):
    write(tmp_path / "images", network.images.reshape(10_000, -1), num_files=NUM_FILES)
    done = run(tmp_path, network.onnx, tmp_path / "images", tmp_path / "answers")
    assert done.returncode == 0, done.stderr
    digits = network.probabilities.argmax(axis=1)
    listed = ", ".join(f"{count} × {digit}" for digit, count in enumerate(np.bincount(digits)))
    assert done.stdout == f"10,000 images read: {listed}\n"
    assert (tmp_path / "answers" / "_SUCCESS").exists()
    parts = list((tmp_path / "answers").glob("*.parquet"))
    assert len(parts) > 1  # more than one task did it
    found = pyarrow.parquet.read_table(parts).sort_by("id")
    assert found["id"].to_pylist() == list(range(10_000))
    assert found["digit"].to_pylist() == digits.tolist()
    probabilities = np.array(found["probabilities"].to_pylist(), np.float32)
    assert np.abs(probabilities - network.probabilities).max() <= 1e-5

    # A second run doesn't overwrite the first one's answers.
    done = run(tmp_path, network.onnx, tmp_path / "images", tmp_path / "answers")
    assert done.returncode == 1 and "PATH_ALREADY_EXISTS" in done.stderr


def test_an_image_of_another_size_is_named_and_nothing_is_written(network, tmp_path):
    images = [*network.images[:3].reshape(3, -1), network.images[3].reshape(-1)[:-1]]
    write(tmp_path / "images", images, ids=np.array([11, 12, 13, 17]))
    done = run(tmp_path, network.onnx, tmp_path / "images", tmp_path / "answers")
    assert done.returncode == 1 and not done.stdout
    said = "id 17 has an image of 783 bytes; 28 × 28 pixels are 784 bytes, one each, row by row"
    assert said in done.stderr.splitlines()[-1]
    assert not (tmp_path / "answers" / "_SUCCESS").exists()
    assert not list((tmp_path / "answers").glob("*.parquet"))


def test_each_batch_of_rows_gets_its_answers_in_order(network):
    """The work of one task, without Spark."""
    score = spark_job.make_scorer(network.onnx.read_bytes())
    batches = [
        pyarrow.record_batch({"id": ids, "image": [bytes(network.images[i]) for i in ids]})
        for ids in ([5, 3], [], [8])
    ]
    answers = list(score(iter(batches)))
    assert [answer["id"].to_pylist() for answer in answers] == [[5, 3], [], [8]]
    digits = [digit for answer in answers for digit in answer["digit"].to_pylist()]
    assert digits == network.probabilities[[5, 3, 8]].argmax(axis=1).tolist()


def test_a_row_without_an_image_is_named(network):
    score = spark_job.make_scorer(network.onnx.read_bytes())
    pixels = pyarrow.array([bytes(network.images[0]), None], pyarrow.binary())
    batch = pyarrow.record_batch({"id": [1, 2], "image": pixels})
    with pytest.raises(ValueError, match="id 2 has no image"):
        list(score(iter([batch])))


def test_a_network_that_is_not_there_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        spark_job.main([str(tmp_path / "none.onnx"), "images", "answers"])
    assert left.value.code == 2
    assert "can't read the network" in capsys.readouterr().err


def test_without_its_packages_it_says_how_to_get_them(network, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)
    with pytest.raises(SystemExit):
        spark_job.main([str(network.onnx), "images", "answers"])
    assert "python -m pip install pyspark pandas pyarrow onnxruntime" in capsys.readouterr().err

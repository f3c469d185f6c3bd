"""The Java program of the examples, run as its reader runs it: by one Maven command."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

JAVA = Path(__file__).parents[2] / "examples" / "java"

pytestmark = pytest.mark.skipif(
    not (shutil.which("mvn") and shutil.which("javac")),
    reason="the Java program needs a JDK 17 or later and Maven, and they aren't here",
)


def run(*arguments):
    command = ["mvn", "-q", "-B", "-f", str(JAVA), "compile", "exec:java"]
    command.append(f"-Dexec.args={' '.join(map(str, arguments))}")
    return subprocess.run(command, capture_output=True, text=True)


def test_java_reads_a_thousand_test_images_as_jax_does(network, tmp_path):
    for i, image in enumerate(network.images[:1_000]):
        Image.fromarray(image).save(tmp_path / f"{i:03}.png")
    done = run(network.onnx, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"/(\d+)\.png (\d) (\[.*\])\n", done.stdout)
    numbers, digits, lists = zip(*found, strict=True)
    assert list(map(int, numbers)) == list(range(1_000))
    probabilities = np.array([json.loads(each) for each in lists], np.float32)
    assert np.abs(probabilities - network.probabilities[:1_000]).max() <= 1e-5
    assert list(map(int, digits)) == network.probabilities[:1_000].argmax(axis=1).tolist()


@pytest.mark.parametrize("wrong", ["size", "colour", "no image"])
def test_java_names_a_file_that_it_can_not_read(network, tmp_path, wrong):
    path = tmp_path / "wrong.png"
    if wrong == "no image":
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    else:
        shape = (27, 28) if wrong == "size" else (28, 28, 3)
        Image.fromarray(np.zeros(shape, np.uint8)).save(path)
    done = run(network.onnx, path)
    assert done.returncode != 0
    assert f"{path} is not an 8-bit grey PNG" in (done.stdout + done.stderr)

import dataclasses
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import reference

from mnist_tutorial.checkpoints import save_model
from mnist_tutorial.config import Config
from mnist_tutorial.model import create_model, predict
from mnist_tutorial.serving import export
from mnist_tutorial.serving.export import main, run_onnx, to_onnx


def test_onnx_runtime_gives_the_same_answers_to_all_test_images(network):
    session = onnxruntime.InferenceSession(network.onnx, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": network.images})
    assert found.shape == (10_000, 10) and found.dtype == np.float32
    np.testing.assert_array_equal(found.argmax(axis=1), network.probabilities.argmax(axis=1))
    difference = np.abs(found - network.probabilities).max()
    assert difference <= 1e-5
    assert network.parities["onnx"] == (difference, 0, 10_000)
    for n in (0, 1, 7, 1000):
        (some,) = session.run(["probabilities"], {"images": network.images[:n]})
        np.testing.assert_allclose(some, found[:n], atol=1e-6, rtol=0)


def test_the_file_says_what_it_is(network):
    session = onnxruntime.InferenceSession(network.onnx, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["config"]) == dataclasses.asdict(network.config)
    (images,), (probabilities,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, images.shape) == ("images", "tensor(uint8)", ["n", 28, 28])
    assert (probabilities.type, probabilities.shape) == ("tensor(float)", ["n", 10])
    model = onnx.load(network.onnx)
    assert model.producer_name == "mnist_tutorial"
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)


@pytest.mark.parametrize(
    "variables",
    [
        {"num_hidden_layers": 12},
        {"activation": "tanh", "num_hidden_layers": 2},
        {"activation": "identity"},
        {"num_rows": 5, "num_columns": 7},
    ],
)
def test_every_network_of_the_tutorial_can_be_exported(variables):
    config = Config(hidden_units=12, init_scale=2.0, num_classes=4, **variables)
    model = create_model(config)
    shape = (9, config.num_rows, config.num_columns)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    content = to_onnx(model, config)
    expected = np.asarray(predict(model, images))
    np.testing.assert_allclose(run_onnx(content, images), expected, atol=1e-5)
    # A second reading of the same file, by the specification's own implementation.
    (found,) = reference.ReferenceEvaluator(onnx.load_from_string(content)).run(
        None, {"images": images}
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_command_writes_all_formats(tmp_path, capsys):
    config = Config(hidden_units=12)
    save_model(tmp_path / "weights", create_model(config), config)
    assert main([str(tmp_path / "weights"), str(tmp_path / "out")]) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["mnist.onnx", "mnist.safetensors", "mnist.stablehlo"]
    assert capsys.readouterr().out.count("0 of 10,000 answers differ") == 2


def test_a_graph_that_answers_otherwise_stops_the_whole_export(tmp_path, monkeypatch, capsys):
    config = Config(hidden_units=12)
    save_model(tmp_path / "weights", create_model(config), config)
    other = create_model(Config(hidden_units=12, seed=1))
    wrong = (lambda model, config: to_onnx(other, config), run_onnx)
    monkeypatch.setitem(export.PROGRAMS, "onnx", wrong)
    assert main([str(tmp_path / "weights"), str(tmp_path / "out")]) == 1
    assert "the onnx program is off by" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

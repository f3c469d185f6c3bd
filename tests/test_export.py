"""What can be exported with what every reader has; ONNX is tested in tests/extras."""

import subprocess
import sys

import jax
import numpy as np
import pytest
import safetensors.numpy

from benchmarks import export as benchmark
from mnist_tutorial.checkpoints import load_model, save_model
from mnist_tutorial.config import Config
from mnist_tutorial.model import create_model, predict
from mnist_tutorial.serving import export, service
from mnist_tutorial.serving.export import ExportError, compare, main, run_stablehlo, to_stablehlo
from mnist_tutorial.training import fit

SMALL = Config(hidden_units=12)
WITHOUT_ONNX = ["--formats", "stablehlo", "safetensors"]

# What a program without the tutorial does, and without the libraries that trained the network.
READ_BACK = """
import sys
for name in ("flax", "optax", "mnist_tutorial"):
    sys.modules[name] = None
import jax.export, numpy as np
exported = jax.export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
images = np.load(sys.argv[2])
for n in (1, 7, 1000, 10000):
    np.save(f"{sys.argv[2]}.{n}", exported.call(images[:n]))
print(exported.in_avals, exported.platforms)
"""


@pytest.fixture(scope="module")
def network(mnist):
    config = Config(num_epochs=1)
    return fit(config, mnist)[0].model, config


def test_a_fresh_process_with_jax_alone_gives_the_same_answers(network, mnist, tmp_path):
    program, images = tmp_path / "mnist.stablehlo", tmp_path / "images.npy"
    program.write_bytes(to_stablehlo(*network))
    np.save(images, mnist.test.images)
    command = [sys.executable, "-c", READ_BACK, str(program), str(images)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "uint8[n,28,28]" in done.stdout and "'cpu', 'cuda', 'tpu'" in done.stdout
    for n in (1, 7, 1000, 10_000):
        found = np.load(f"{images}.{n}.npy")
        expected = np.asarray(predict(network[0], mnist.test.images[:n]))
        np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)
        np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))


@pytest.mark.parametrize(
    "variables",
    [{"num_hidden_layers": 3}, {"activation": "tanh"}, {"num_rows": 5, "num_columns": 7}],
)
def test_every_network_of_the_tutorial_can_be_exported(variables):
    config = Config(hidden_units=12, init_scale=3.0, num_classes=4, **variables)
    model = create_model(config)
    shape = (9, config.num_rows, config.num_columns)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    found = run_stablehlo(to_stablehlo(model, config), images)
    np.testing.assert_allclose(found, predict(model, images), atol=1e-6)


def test_images_of_another_kind_are_refused():
    content = to_stablehlo(create_model(SMALL), SMALL)
    with pytest.raises(ValueError, match="float64|float32"):
        run_stablehlo(content, np.zeros((2, 28, 28), np.float32))
    with pytest.raises(ValueError, match="[Ss]hape|dimension"):
        run_stablehlo(content, np.zeros((2, 28, 27), np.uint8))


def test_the_command_writes_files_that_are_right(network, mnist, tmp_path, capsys):
    model, config = network
    save_model(tmp_path / "weights", model, config)
    assert main([str(tmp_path / "weights"), str(tmp_path / "new" / "folder"), *WITHOUT_ONNX]) == 0
    written = {path.name: path for path in (tmp_path / "new" / "folder").iterdir()}
    assert sorted(written) == ["mnist.safetensors", "mnist.stablehlo"]
    found = run_stablehlo(written["mnist.stablehlo"].read_bytes(), mnist.test.images)
    parity = compare(found, np.asarray(predict(model, mnist.test.images)))
    assert parity.num_different == 0 and parity.difference <= 1e-6
    said = capsys.readouterr().out
    assert f"{written['mnist.stablehlo'].stat().st_size:,} bytes" in said
    assert "0 of 10,000 answers differ" in said
    # The weights as anybody reads them, multiplied in float64.
    weights = safetensors.numpy.load_file(written["mnist.safetensors"])
    x = mnist.test.images.reshape(10_000, -1) / 255
    x = np.maximum(x @ weights["model.hidden.kernel"] + weights["model.hidden.bias"], 0)
    x = x @ weights["model.output.kernel"] + weights["model.output.bias"]
    np.testing.assert_array_equal(x.argmax(axis=1), found.argmax(axis=1))
    assert load_model(written["mnist.safetensors"])[1] == config


def test_a_kept_training_is_exported_without_its_optimizer(few, tmp_path):
    from mnist_tutorial.checkpoints import save_training

    config = Config(hidden_units=12, batch_size=32, num_epochs=1)
    save_training(tmp_path / "training", *fit(config, few), config, few)
    assert main([str(tmp_path / "training"), str(tmp_path), *WITHOUT_ONNX]) == 0
    names = safetensors.numpy.load_file(tmp_path / "mnist.safetensors")
    assert sorted(names) == sorted(
        f"model.{layer}.{part}" for layer in ("hidden", "output") for part in ("bias", "kernel")
    )


@pytest.mark.parametrize("change", [lambda p: p + 2e-5, lambda p: p * np.nan])
def test_a_program_that_answers_otherwise_is_not_written(mnist, tmp_path, monkeypatch, change):
    make, run = export.PROGRAMS["stablehlo"]
    wrong = (make, lambda content, images: change(run(content, images)))
    monkeypatch.setitem(export.PROGRAMS, "stablehlo", wrong)
    images = mnist.test.images[:10]
    with pytest.raises(ExportError, match="stablehlo program is off by"):
        export.export(create_model(SMALL), SMALL, images, tmp_path, ["safetensors", "stablehlo"])
    assert not list(tmp_path.iterdir())


def test_parity_counts_answers_and_finds_the_largest_difference():
    expected = np.array([[0.5, 0.4, 0.1], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0]], np.float32)
    found = expected.copy()
    found[0] = [0.4, 0.5, 0.1]
    found[1, 0] -= np.float32(0.15)
    assert compare(found, expected) == (pytest.approx(0.15), 1, 3)


@pytest.mark.parametrize(
    "weights, words",
    [("absent", "doesn't exist"), ("damaged", "holds no network")],
)
def test_weights_that_cannot_be_read_give_one_line_and_code_1(tmp_path, capsys, weights, words):
    (tmp_path / "damaged").write_bytes(b"no weights")
    assert main([str(tmp_path / weights), str(tmp_path / "out"), *WITHOUT_ONNX]) == 1
    said = capsys.readouterr()
    assert words in said.err and said.err.count("\n") == 1 and not said.out
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to_gives_one_line_and_code_1(tmp_path, capsys):
    save_model(tmp_path / "weights", create_model(SMALL), SMALL)
    (tmp_path / "out").write_text("a file, no folder")
    assert main([str(tmp_path / "weights"), str(tmp_path / "out"), *WITHOUT_ONNX]) == 1
    assert "out" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "a file, no folder"


def test_without_the_packages_for_onnx_it_says_how_to_get_them(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    save_model(tmp_path / "weights", create_model(SMALL), SMALL)
    with pytest.raises(SystemExit) as left:
        main([str(tmp_path / "weights"), str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert left.value.code == 2 and not (tmp_path / "out").exists()
    assert "python -m pip install onnx onnxruntime" in said and "--formats stablehlo" in said


def test_the_program_is_lowered_for_every_platform():
    exported = jax.export.deserialize(bytearray(to_stablehlo(create_model(SMALL), SMALL)))
    assert exported.platforms == ("cpu", "cuda", "tpu")


def test_what_the_book_quotes_was_measured_with_todays_export():
    found = export.measured()
    assert found["configuration"] == benchmark.configuration()
    files, served = found["files"], found["service"]
    assert sorted(files) == [f"mnist.{name}" for name in sorted(export.FORMATS)]
    parities = [file["parity"] for file in files.values() if "parity" in file]
    parities += [found["spark"]["parity"], served["parity"]]
    assert len(parities) == 4
    for parity in parities:
        assert parity["num_images"] == found["num_images"] == 10_000
        assert parity["num_different"] == 0 and parity["difference"] <= export.TOLERANCE
    batches = files["mnist.stablehlo"]["batches"]
    assert [batches[str(n)]["num_images"] for n in benchmark.BATCHES] == list(benchmark.BATCHES)
    assert all(batch["difference"] <= export.TOLERANCE for batch in batches.values())
    assert found["spark"]["said"].startswith("10,000 images read: ")
    assert served["others"] >= 0
    sizes = (service.MAX_BATCH, 1)
    assert [(run["max_batch"], run["connections"]) for run in served["runs"]] == [
        (size, number) for number in benchmark.CONNECTIONS for size in sizes
    ]
    assert all(400 <= status < 500 and words for status, words in served["refused"].values())
    assert sum(served["crowd"].values()) == benchmark.CROWD

"""Going further: the trained network as files that other systems can read.

    python -m mnist_tutorial.serving.export WEIGHTS FOLDER

Each program takes images, (n, num_rows, num_columns) uint8 for any n, and gives what `predict`
gives. `mnist.stablehlo` is compiled and needs only JAX, `mnist.onnx` is read by ONNX Runtime in a
dozen languages, and `mnist.safetensors` holds the weights for everything else. Nothing is written
until all of it has been checked against the network itself.
"""

import argparse
import dataclasses
import importlib.util
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import export as jax_export

import mnist_tutorial
from mnist_tutorial.checkpoints import CheckpointError, load_model, save_model
from mnist_tutorial.config import Config
from mnist_tutorial.data import DataError, load_mnist, write_whole
from mnist_tutorial.model import MLP, predict

PLATFORMS = ("cpu", "cuda", "tpu")  # for which the StableHLO program can be compiled
TOLERANCE = 1e-5  # how far a probability may be from the network's own
OPSET, IR_VERSION = 17, 8  # of ONNX in 2022, so that older runtimes can read it too
RESULTS = Path(__file__).parent / "results.json"


class ExportError(Exception):
    """An exported network doesn't answer as the network does, or can't be made."""


class Parity(NamedTuple):
    """Compares an exported network with the one it was made from.

    Attributes:
      difference: the largest difference between their probabilities of one image and class.
      num_different: the number of images whose most probable class differs.
      num_images: the number of images that both were shown.
    """

    difference: float
    num_different: int
    num_images: int


def to_stablehlo(model: MLP, config: Config) -> bytes:
    """Makes the network a program, which `jax.export.deserialize(content).call(images)` runs.

    The weights are constants of the program. It is written for one image and mapped over
    n of them, where the caller decides n.
    """
    (n,) = jax_export.symbolic_shape("n")
    images = jax.ShapeDtypeStruct((n, config.num_rows, config.num_columns), np.uint8)
    score = jax.vmap(lambda image: predict(model, image[None])[0])
    exported = jax_export.export(jax.jit(score), platforms=PLATFORMS)(images)
    return bytes(exported.serialize())


def to_onnx(model: MLP, config: Config) -> bytes:
    """Makes the network an ONNX graph, with the configuration in its metadata.

    The graph is written out by hand, because it's small, and because the one exporter from JAX
    that is still maintained would bring sixty packages and an older version of one of ours.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    activation = {"relu": "Relu", "tanh": "Tanh", "identity": "Identity"}[config.activation]
    layers: dict[str, Any] = {"hidden": model.hidden}
    layers |= {f"deeper.layers.{i}": layer for i, layer in enumerate(model.deeper.layers)}
    layers["output"] = model.output
    weights = {"full_ink": np.asarray(255, np.float32)}  # named as in the safetensors file
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["pixels"]),
        helper.make_node("Div", ["pixels", "full_ink"], ["x0"]),
    ]
    for i, (name, layer) in enumerate(layers.items()):
        kernel, bias = f"model.{name}.kernel", f"model.{name}.bias"
        weights |= {kernel: np.asarray(layer.kernel), bias: np.asarray(layer.bias)}
        nodes.append(helper.make_node("Gemm", [f"x{i}", kernel, bias], [f"sum{i}"]))
        if name != "output":
            nodes.append(helper.make_node(activation, [f"sum{i}"], [f"x{i + 1}"]))
    nodes.append(helper.make_node("Softmax", [f"sum{len(layers) - 1}"], ["probabilities"]))
    shape = ["n", config.num_rows, config.num_columns]
    answers = ["n", config.num_classes]
    graph = helper.make_graph(
        nodes,
        "mnist",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, answers)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    onnx_model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="mnist_tutorial",
        producer_version=mnist_tutorial.__version__,
    )
    helper.set_model_props(onnx_model, {"config": json.dumps(dataclasses.asdict(config))})
    checker.check_model(onnx_model, full_check=True)
    return bytes(onnx_model.SerializeToString())


def run_stablehlo(content: bytes, images: np.ndarray) -> np.ndarray:
    """Runs the exported program on images; gives (n, num_classes) float32."""
    return np.asarray(jax_export.deserialize(bytearray(content)).call(images))


def run_onnx(content: bytes, images: np.ndarray) -> np.ndarray:
    """Runs the graph in ONNX Runtime on images; gives (n, num_classes) float32."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(None, {"images": images})
    return np.asarray(probabilities)


PROGRAMS: dict[str, tuple[Callable[[MLP, Config], bytes], Callable[..., np.ndarray]]] = {
    "stablehlo": (to_stablehlo, run_stablehlo),
    "onnx": (to_onnx, run_onnx),
}
FORMATS = (*PROGRAMS, "safetensors")


def compare(found: np.ndarray, expected: np.ndarray) -> Parity:
    """Compares two sets of probabilities, each (n, num_classes)."""
    different = found.argmax(axis=1) != expected.argmax(axis=1)
    return Parity(float(np.abs(found - expected).max()), int(different.sum()), len(found))


def export(
    model: MLP,
    config: Config,
    images: np.ndarray,
    folder: Path,
    formats: Iterable[str] = FORMATS,
) -> dict[str, Parity]:
    """Writes a network in several formats. Each file appears whole, and none before all are right.

    Args:
      images: (n, num_rows, num_columns) uint8, on which every program is tried.
      formats: names from `FORMATS`.

    Returns:
      For each program, how closely it matches the network.

    Raises:
      ExportError: if a program doesn't answer as the network does; nothing is written then.
      ImportError: if a package is missing; nothing is written then.
    """
    expected = np.asarray(predict(model, images))
    contents, parities = {}, {}
    for name in formats:
        if name in PROGRAMS:
            make, run = PROGRAMS[name]
            contents[name] = make(model, config)
            parities[name] = compare(run(contents[name], images), expected)
            if not parities[name].difference <= TOLERANCE:  # NaN isn't either
                raise ExportError(
                    f"the {name} program is off by {parities[name].difference:.1e} in a "
                    f"probability, more than {TOLERANCE:.0e}; nothing was written"
                )
    for name, content in contents.items():
        write_whole(folder / f"mnist.{name}", content)
    if "safetensors" in formats:
        save_model(folder / "mnist.safetensors", model, config)
    return parities


def measured(name: str = "results") -> dict[str, Any]:
    """Reads what `python -m benchmarks.export --save` measured on all test images.

    Args:
      name: "systems" for what `python -m benchmarks.systems --save` measured instead.

    Returns:
      What it ran on, `configuration`, `files` with their bytes, and what `spark` and the
      `service` answered, each with its `parity` with the network. For the systems, their
      versions and what each of them answered.
    """
    found: dict[str, Any] = json.loads(RESULTS.with_stem(name).read_text())
    return found


def main(arguments: list[str] | None = None) -> int:
    """Runs the command. Returns 0 on success, 1 if there is a problem with files or programs."""
    parser = argparse.ArgumentParser(
        prog="python -m mnist_tutorial.serving.export",
        description="Write a trained network as files that other systems can read.",
    )
    parser.add_argument("weights", type=Path, help="the weights saved by python -m mnist_tutorial")
    parser.add_argument("folder", type=Path, help="where to write the files")
    parser.add_argument(
        "--formats", nargs="+", choices=FORMATS, default=FORMATS, help="default: all of them"
    )
    options = parser.parse_args(arguments)
    missing = [name for name in ("onnx", "onnxruntime") if not importlib.util.find_spec(name)]
    if missing and "onnx" in options.formats:
        parser.error(
            f"the format onnx needs {' and '.join(missing)}; install with "
            "python -m pip install onnx onnxruntime, "
            "or leave the format out with --formats stablehlo safetensors"
        )
    try:
        model, config = load_model(options.weights)
        images = load_mnist(config).test.images
        parities = export(model, config, images, options.folder, options.formats)
    except (CheckpointError, DataError, ExportError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    for name in options.formats:
        path = options.folder / f"mnist.{name}"
        line = f"{path}: {path.stat().st_size:,} bytes"
        if name in parities:
            difference, num_different, num_images = parities[name]
            line += (
                f", {num_different} of {num_images:,} answers differ, "
                f"and probabilities differ by at most {difference:.1e}"
            )
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())

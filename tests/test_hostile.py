"""Damaged and hostile files: the documented error, no crash, no code run, little memory.

Each file that the code reads is damaged in many ways, always the same: FUZZ_CASES in the
environment asks for more of them than the usual few (FUZZ_CASES=5000, say, over night).
"""

import ast
import base64
import dataclasses
import gzip
import io
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from mnist_tutorial import data as data_module
from mnist_tutorial.book import live
from mnist_tutorial.checkpoints import (
    CheckpointError,
    load_model,
    load_training,
    save_model,
    save_training,
)
from mnist_tutorial.config import Config
from mnist_tutorial.data import DataError, Examples, fingerprint
from mnist_tutorial.further import recipes
from mnist_tutorial.model import create_model
from mnist_tutorial.training import fit

CASES = int(os.environ.get("FUZZ_CASES", 60))
ROOT = Path(__file__).parents[1]


def damaged(content: bytes, case: int) -> bytes:
    """One of endlessly many ways to damage a file, always the same for the same case."""
    rng, broken = random.Random(case), bytearray(content)
    place = rng.choice([rng.randrange(len(broken)), rng.randrange(min(400, len(broken)))])
    match case % 7:
        case 0:  # truncated
            del broken[place:]
        case 1:  # some bits flipped
            for _ in range(rng.randint(1, 8)):
                broken[rng.choice([place, rng.randrange(len(broken))])] ^= 1 << rng.randrange(8)
        case 2:  # a length that is not true
            start = rng.choice([0, place])
            length = rng.choice([0, 2**63, 2**64 - 1, 2**32, len(broken), 10**8, 5])
            broken[start : start + 8] = length.to_bytes(8, "little")
        case 3:  # a part left out, or twice
            part = broken[place : place + rng.randint(1, 500)]
            broken[place : place + rng.choice([0, 1]) * len(part)] = rng.choice([b"", part])
        case 4:  # noise
            broken[place : place + 50] = rng.randbytes(50)
        case 5:  # other digits: shapes, offsets, variables
            digits = [i for i, byte in enumerate(broken[:3000]) if chr(byte).isdigit()]
            for i in rng.sample(digits, min(len(digits), rng.randint(1, 4))):
                broken[i] = ord(rng.choice("0123456789-"))
        case 6:  # another type
            old, new = rng.sample([b"F32", b"F64", b"I32", b"BF16", b"U8", b"BOOL", b"I64"], 2)
            broken = bytearray(bytes(broken).replace(b"F32", new).replace(old, new))
    return bytes(broken)


@pytest.fixture(autouse=True)
def no_hang():
    def stop(*_):
        raise AssertionError("a reader hangs")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(600)
    yield
    signal.alarm(0)


@pytest.fixture
def no_more_memory_than():
    """Holds a call to ten times the file's size; small objects of Python's own come on top."""

    def run(num_bytes, function, *arguments):
        tracemalloc.start()
        try:
            return function(*arguments)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 10 * num_bytes + 2_000_000, f"{peak} bytes for {num_bytes}"

    return run


SMALL = Config(hidden_units=64, batch_size=32, num_epochs=2)


@pytest.fixture(scope="module")
def files(tmp_path_factory, few):
    folder = tmp_path_factory.mktemp("files")
    state, history = fit(SMALL, few)
    save_model(folder / "model", state.model, SMALL)
    save_training(folder / "training", state, history, SMALL, few)
    return {name: (folder / name).read_bytes() for name in ("model", "training")}


@pytest.mark.parametrize("kind", ["model", "training"])
def test_damaged_weights_and_trainings(tmp_path, files, few, no_more_memory_than, kind):
    path, refused = tmp_path / kind, 0
    for case in range(CASES):
        path.write_bytes(damaged(files[kind], case))
        read = {"model": (load_model, path), "training": (load_training, path, SMALL, few)}[kind]
        try:
            no_more_memory_than(path.stat().st_size, *read)
        except CheckpointError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > CASES / 2  # a flipped bit of a weight is another weight


def test_a_header_of_endless_brackets(tmp_path, files):
    header = {"__metadata__": {"config": "[" * 100_000}}
    text = json.dumps(header).encode()
    (tmp_path / "model").write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(CheckpointError, match="holds no network"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.update({"epoch": np.int32(-1)}),
        lambda a: a.update({"epoch": np.int32(1)}),
        lambda a: a.update({"history.train_loss": np.zeros((2, 3), np.float32)}),
        lambda a: a.update({"history.update_loss": np.zeros(2, np.float32)}),
        lambda a: a.update({"history.seconds": np.zeros(2, np.complex64)}),
        lambda a: a.update({"history.seconds": np.zeros(2, np.int64)}),
    ],
)
def test_a_history_of_another_form_is_refused(tmp_path, files, few, change):
    arrays = safetensors.numpy.load(files["training"])
    change(arrays)
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    config = {"config": json.dumps(dataclasses.asdict(SMALL)), "data": fingerprint(few)}
    (tmp_path / "training").write_bytes(safetensors.numpy.save(arrays, config))
    with pytest.raises(CheckpointError, match="history|must be"):
        load_training(tmp_path / "training", SMALL, few)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of a hundred images; where it can't be used, they are decoded again."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (100, 28, 28), np.uint8)
    made = Examples(images, rng.integers(0, 10, 100, np.int32))
    monkeypatch.setattr(data_module, "cache_dir", lambda: tmp_path)
    monkeypatch.setattr(data_module, "SPLITS", ("test",))
    monkeypatch.setattr(data_module, "_decode", lambda *_: made)
    folder = data_module.find_prepared("mnist")

    def read():
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            (found,) = data_module._read_cached(folder)
        np.testing.assert_array_equal(found.images, made.images)
        np.testing.assert_array_equal(found.labels, made.labels)
        return said

    assert not read()
    (file,) = tmp_path.iterdir()
    return file, read, made


def test_a_damaged_cache_is_never_believed(cache, no_more_memory_than):
    file, read, _ = cache
    content = file.read_bytes()
    for case in range(CASES):
        file.write_bytes(damaged(content, case))
        no_more_memory_than(len(content), read)
    file.write_bytes(content)
    assert not read()


class Payload:
    """Pickled, it asks whoever reads it to make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


# Whoever can write the reader's cache could also write the reader's own files: what counts is that
# a damaged file is noticed and that nothing in it is run.
HOSTILE = {
    "a pickled object": lambda images, labels: pickle.dumps(Payload(TOUCHED)),
    "an object inside": lambda images, labels: archive(
        test_images=np.array([Payload(TOUCHED)], object), test_labels=labels
    ),
    "one array": lambda images, labels: archive(test_images=images),
}
TOUCHED = Path("touched")


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_cache_is_never_believed(cache, kind, monkeypatch, tmp_path, no_more_memory_than):
    monkeypatch.chdir(tmp_path)
    file, read, made = cache
    file.write_bytes(HOSTILE[kind](images=made.images, labels=made.labels))
    said = no_more_memory_than(file.stat().st_size, read)
    assert "is damaged" in str(said[0].message)
    assert not TOUCHED.exists()
    assert not read()  # repaired


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def huge_png():
    """A hundred million pixels, all black, in a hundred thousand bytes."""
    rows = zlib.compress(bytes(10_001) * 10_000, 9)

    def chunk(kind, content):
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + check

    size = (10_000).to_bytes(4, "big")
    head = chunk(b"IHDR", size + size + bytes([8, 0, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def decode(monkeypatch):
    """Decodes a split of one image, whose file a test chooses."""
    tfds = data_module._tensorflow_datasets()

    def run(content):
        class Source:
            def __getitems__(self, places):
                return [{"image": content, "label": 3}]

        monkeypatch.setattr(tfds.core.DatasetBuilder, "as_data_source", lambda *_, **__: Source())
        return data_module._decode(data_module.find_prepared("mnist"), "test")

    run(png(np.zeros((28, 28), np.uint8)))  # what is imported isn't the hostile file's memory
    return run


def test_damaged_images_in_a_prepared_copy(mnist, decode, no_more_memory_than):
    image = mnist.test.images[0]
    content = png(image)
    np.testing.assert_array_equal(decode(content).images, image[None])
    for case in range(CASES):
        try:
            found = no_more_memory_than(len(content), decode, damaged(content, case))
        except DataError as error:
            assert "test split" in str(error)
        else:
            assert found.images.shape[1:3] == (28, 28)


@pytest.mark.filterwarnings("ignore:Image size:PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(huge_png, id="a bomb"),
        pytest.param(lambda: png(np.zeros((28, 29), np.uint8)), id="another size"),
        pytest.param(lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28", id="EPS"),
        pytest.param(lambda: b"GIF89a\x1c\0\x1c\0\0\0\0;", id="GIF"),
        pytest.param(lambda: b"", id="nothing"),
    ],
)  # fmt: skip
def test_hostile_images_in_a_prepared_copy(decode, content, no_more_memory_than):
    content = content()
    with pytest.raises(DataError, match="test split .* is damaged or incomplete"):
        no_more_memory_than(len(content), decode, content)


def test_damaged_measurements_are_no_json(tmp_path, monkeypatch):
    content = recipes.MEASURED.read_bytes()
    monkeypatch.setattr(recipes, "MEASURED", tmp_path / "measured.json")
    for case in range(CASES):
        recipes.MEASURED.write_bytes(damaged(content, case))
        try:
            recipes.measured()
        except ValueError as error:  # of which JSON's and Unicode's own are kinds
            assert str(error)


READ = """
import { load } from "MODULE";
const results = [];
for (const content of JSON.parse(await new Response(process.stdin).text())) {
  try {
    const arrays = await load("data:application/octet-stream;base64," + content);
    for (const { data, shape } of Object.values(arrays)) {
      if (data.length !== shape.reduce((a, b) => a * b, 1)) throw "a shape that isn't true";
    }
    results.push("read");
  } catch (error) {
    results.push(error instanceof Error ? "refused" : String(error));
  }
}
console.log(JSON.stringify(results));
"""


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_damaged_files_of_the_living_parts(mnist):
    content = live.network_file(create_model(Config(hidden_units=8)), live.samples(mnist))
    plain = gzip.decompress(content)
    cases = [content]
    cases += [damaged(content, case) for case in range(CASES)]
    cases += [gzip.compress(damaged(plain, case)) for case in range(CASES)]
    module = (live.MODULES / "files.mjs").as_uri()
    done = subprocess.run(
        ["node", "--max-old-space-size=200", "--input-type=module", "-e",
         READ.replace("MODULE", module)],
        input=json.dumps([base64.b64encode(case).decode() for case in cases]),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results[0] == "read" and len(results) == len(cases)
    assert set(results) == {"read", "refused"}


def test_nothing_read_may_run_code():
    """No pickle, no eval; NumPy is told so at every call."""
    forbidden = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
    for folder in ("mnist_tutorial", "tools", "_ext"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    names = [alias.name for alias in node.names] + [getattr(node, "module", "")]
                    assert not forbidden & {str(n).split(".")[0] for n in names}, file
                if isinstance(node, ast.Call):
                    called = ast.unparse(node.func)
                    assert called not in ("eval", "exec", "compile", "yaml.load"), file
                    if called in ("np.load", "numpy.load"):
                        told = {word.arg: ast.unparse(word.value) for word in node.keywords}
                        assert told.get("allow_pickle") == "False", file

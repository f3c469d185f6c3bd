"""Killed at any moment: what is on the disk is whole, and the next run goes on from it.

KILLS in the environment asks for more kills of each kind than the usual few: `make interrupted`
asks for a hundred. Half of them come at random times, half at a step of writing a file.
"""

import functools
import gzip
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mnist_tutorial import __main__ as command
from mnist_tutorial import data as data_module
from mnist_tutorial.book import live
from mnist_tutorial.checkpoints import keep_compiled, load_training
from mnist_tutorial.config import Config
from mnist_tutorial.data import Examples, write_whole
from mnist_tutorial.further.sweeps import subset
from mnist_tutorial.training import create_state

KILLS = int(os.environ.get("KILLS", 4))
ROOT = Path(__file__).parents[1]
TINY = dict(num_epochs=8, hidden_units=8, num_validation=59_000)

# Processes are forked from one that has imported everything and started nothing.
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.test_interrupted", "mnist_tutorial.further.recipes"])


def in_child(cache, step, work, *arguments):
    """Does the work in a new process, which may die at one of the steps of writing a file."""
    os.environ["XDG_CACHE_HOME"] = str(cache)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    taken = 0

    def dying(function):
        def run(*arguments, **named):
            nonlocal taken
            taken += 1
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return run

    if step:
        tempfile.mkstemp = dying(tempfile.mkstemp)
        for name in ("fdopen", "fsync", "chmod", "replace"):
            setattr(os, name, dying(getattr(os, name)))
    work(*arguments)


def start(cache, work, *arguments, step=0):
    process = context.Process(target=in_child, args=(cache, step, work, *arguments))
    process.start()
    return process


def run(cache, work, *arguments):
    process = start(cache, work, *arguments)
    process.join()
    assert process.exitcode == 0


def killed(number, seconds, steps, cache, work, *arguments):
    """Starts the work and kills it, at a random time or a random step; it may be quicker."""
    rng = random.Random(number)
    process = start(
        cache, work, *arguments, step=rng.randint(1, steps) if number % 2 else 0
    )  # fmt: skip
    process.join(None if number % 2 else rng.uniform(0, seconds))
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)


@pytest.fixture
def cache(tmp_path, mnist):
    """A cache folder with the decoded images in it."""
    folder = tmp_path / "cache" / "mnist_tutorial"
    folder.mkdir(parents=True)
    for file in data_module.cache_dir().glob("mnist-*.npz"):
        shutil.copyfile(file, folder / file.name)
    return folder.parent


def train(folder, checkpoint):
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    arguments += ["--save", str(folder / "weights")]
    if checkpoint:
        arguments += ["--checkpoint", str(folder / "checkpoint")]
    sys.exit(command.main(arguments))


def test_a_killed_training_goes_on_bit_by_bit_as_if_nothing_had_happened(tmp_path, cache):
    folder, kept, config = tmp_path / "folder", tmp_path / "folder" / "checkpoint", Config(**TINY)
    (tmp_path / "calm").mkdir()
    began = time.monotonic()
    run(cache, train, tmp_path / "calm", False)
    seconds = time.monotonic() - began
    expected, epochs = (tmp_path / "calm" / "weights").read_bytes(), 0
    folder.mkdir()
    for number in range(KILLS):
        killed(number, seconds, 5 * 9, cache, train, folder, True)
        if kept.exists():
            state, history = load_training(kept, config, data_module.load_mnist(config))
            assert int(state.epoch) == len(history.seconds) >= epochs  # nothing kept was lost
            epochs = int(state.epoch)
        if (folder / "weights").exists():  # it was quicker
            assert (folder / "weights").read_bytes() == expected
            shutil.rmtree(folder)
            folder.mkdir()
            epochs = 0
    run(cache, train, folder, True)
    assert (folder / "weights").read_bytes() == expected


IMAGES = np.random.default_rng(0).integers(0, 256, (20_000, 28, 28), np.uint8)
DECODED = Examples(IMAGES, np.arange(20_000, dtype=np.int32) % 10)


def read_cache(decode=True):
    """Reads the images, which take no time to decode here, and holds them to what they are."""
    data_module.SPLITS = ("test",)
    data_module._decode = (lambda *_: DECODED) if decode else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no file is ever found damaged
        (found,) = data_module._read_cached(data_module.find_prepared("mnist"))
    assert (found.images == DECODED.images).all() and (found.labels == DECODED.labels).all()


def test_a_cache_whose_writing_is_killed(tmp_path):
    files = tmp_path / "mnist_tutorial"
    for number in range(KILLS):
        killed(number, 0.3, 5, tmp_path, read_cache)
        run(tmp_path, read_cache)  # whole, or decoded again
        run(tmp_path, read_cache, False)  # and now it is there
        (whole,) = files.glob("mnist-*.npz")
        whole.unlink()
    for left in files.iterdir():
        os.utime(left, (0, 0))
    run(tmp_path, read_cache)
    assert [file.suffix for file in files.iterdir()] == [".npz"]  # leftovers are gone


@pytest.mark.parametrize("number", [2, 10])
def test_many_processes_at_once_on_an_empty_cache(tmp_path, number):
    processes = [start(tmp_path, read_cache) for _ in range(number)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * number
    assert [file.suffix for file in (tmp_path / "mnist_tutorial").iterdir()] == [".npz"]
    run(tmp_path, read_cache, False)


def test_only_old_leftovers_are_removed(tmp_path):
    old, new, other = (tmp_path / name for name in (".file.a", ".file.b", ".other.a"))
    for left in (old, new, other):
        left.touch()
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    write_whole(tmp_path / "file", b"content")
    assert not old.exists() and new.exists() and other.exists()


def export(folder):
    """Exports untrained networks: what is written matters here, not what they know."""
    keep_compiled()
    small = functools.partial(subset, num_train=2_000, num_validation=2_000)
    live.load_mnist = lambda config: small(data_module.load_mnist(config))
    live.Config = functools.partial(Config, hidden_units=20)
    live.NUM_TRAIN = live.NUM_VALIDATION = 1_000
    live.fit = lambda config, data, on_epoch=lambda *_: None: (create_state(config), None)
    live.fit_recipe = lambda recipe, data: (create_state(recipe.config), None)
    live.NUM_EUROPEAN = 30
    live.VALLEY = (-1.5, 7.5, 4), (-2.0, 2.0, 3)
    live.export(folder)


def test_a_killed_export(tmp_path, cache):
    began = time.monotonic()
    run(cache, export, tmp_path / "calm")
    seconds = time.monotonic() - began
    expected = {file.name: file.read_bytes() for file in (tmp_path / "calm").iterdir()}
    folder = tmp_path / "folder"
    for number in range(KILLS):
        killed(number, seconds, 5 * len(expected), cache, export, folder)
        found = {file.name for file in folder.glob("*.bin")}
        for name in found:
            safetensors.numpy.load(gzip.decompress((folder / name).read_bytes()))
        assert "draw.bin" not in found or found == set(expected)  # it stands for all
        if "draw.bin" in found:
            shutil.rmtree(folder)
    run(cache, export, folder)
    assert {name: (folder / name).read_bytes() for name in expected} == expected


# In the place of Python, pip and uv: it does little, counts its steps, and at one of them kills
# all of make. Like uv, it takes for installed what is half there.
TOOL = """#!/bin/sh
step() {
  echo >> steps
  [ "$(wc -l < steps)" -ne "${DIE:-0}" ] || kill -9 0
}
case "$*" in
  -c*) ;;
  "-m venv"*) mkdir -p .venv/bin; step; cp "$0" .venv/bin/python; step; touch .venv/pip ;;
  *uv==*) [ -e .venv/pip ] || exit 1; step; cp "$0" .venv/bin/uv; step ;;
  *requirements.txt) [ -e .venv/info ] || { touch .venv/info; step; touch .venv/modules; } ;;
  *editable*) step; touch .venv/editable; step ;;
esac
"""


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize("step", range(1, 8))
def test_a_killed_installation_begins_anew(tmp_path, step):
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "tool").write_text(TOOL)
    (tmp_path / "tool").chmod(0o755)
    install = ["make", ".venv/installed", "PYTHON=./tool"]

    def make(**environment):
        return subprocess.run(
            install, cwd=tmp_path, env=os.environ | environment, start_new_session=True,
            capture_output=True, text=True,
        )  # fmt: skip

    assert make(DIE=str(step)).returncode == -signal.SIGKILL
    done = make()
    assert done.returncode == 0, done.stderr
    made = {path.name for path in (tmp_path / ".venv").iterdir()}
    assert made == {"bin", "pip", "info", "modules", "editable", "installed"}


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one million bytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1000k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_gives_a_clear_error_and_leaves_what_was_there(small_disk, capsys):
    weights = small_disk / "weights"
    weights.write_bytes(b"old")
    arguments = ["--num-epochs=1", "--hidden-units=512", "--num-validation=59000"]
    assert command.main([*arguments, "--save", str(weights)]) == 1
    said = capsys.readouterr().err.strip().split("\n")[-1]
    assert "No space left on device" in said and str(weights) in said
    assert weights.read_bytes() == b"old" and list(small_disk.iterdir()) == [weights]


def test_a_cache_on_a_full_disk_is_done_without(small_disk, monkeypatch):
    monkeypatch.setattr(data_module, "cache_dir", lambda: small_disk)
    monkeypatch.setattr(data_module, "SPLITS", ("test",))
    monkeypatch.setattr(data_module, "_decode", lambda *_: DECODED)
    with pytest.warns(UserWarning, match="can't keep the decoded images in .* \\(No space left"):
        data_module._read_cached(data_module.find_prepared("mnist"))
    assert not list(small_disk.iterdir())

"""Two real processes on this machine: what they learn, and what happens when one is killed."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from mnist_tutorial.__main__ import main
from mnist_tutorial.scale import processes

ROOT = Path(__file__).parents[1]
# 999 images, 32 in a batch: neither the images nor the last batch divide by two.
# Not ReLU: at its corner the last digit decides whether a weight learns, and more digits follow.
SMALL = ["--hidden-units", "16", "--batch-size", "32", "--num-validation", "59001", "--json"]
SMALL += ["--activation", "tanh"]


STARTED = []


@pytest.fixture(scope="module", autouse=True)
def nobody_stays():
    yield
    for process in STARTED:
        process.kill()
        process.wait()


# Read by Python at its start: a lost process is missed sooner than a user would want it to be.
IMPATIENT = "from mnist_tutorial.scale import processes\nprocesses.PATIENCE = 5\n"


def start(folder, num_epochs, module="mnist_tutorial", **more):
    """Two processes, each with a folder of its own, as on two machines."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "sitecustomize.py").write_text(IMPATIENT)
    paths = os.pathsep.join([str(ROOT), str(folder), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": paths} | more
    started = []
    for number in "01":
        own = folder / number
        own.mkdir(exist_ok=True)
        keep = [str(folder / f"{number}.npz")] if module != "mnist_tutorial" else []
        command = [sys.executable, "-m", module, *keep, *SMALL, "--num-epochs", str(num_epochs)]
        command += ["--checkpoint", "c", "--save", "w", "--distributed"]
        command += ["--coordinator", f"127.0.0.1:{port}"]
        command += ["--num-processes", "2", "--process-id", number]
        with open(folder / f"{number}.out", "w") as out, open(folder / f"{number}.err", "w") as err:
            started.append(
                subprocess.Popen(
                    command, cwd=own, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=err
                )
            )
    STARTED.extend(started)
    return started


def errors(folder):
    return "".join((folder / f"{number}.err").read_text() for number in "01")


def wait(started, folder):
    codes = [process.wait(timeout=600) for process in started]
    assert codes == [0, 0], errors(folder)


def epochs_done(folder):
    file = folder / "0" / "c"
    return int(safetensors.numpy.load_file(file)["epoch"]) if file.exists() else 0


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A training that is killed twice in mid-run, once by the death of each process, and gone on
    with each time: its folder, its epochs, and for each death (victim's number, epochs done,
    the other's exit code, seconds and last words)."""
    folder = tmp_path_factory.mktemp("killed")
    deaths, before = [], 0
    for victim in (0, 1):
        started = start(folder, 100_000)
        deadline = time.monotonic() + 600
        while epochs_done(folder) <= before:
            assert all(process.poll() is None for process in started), errors(folder)
            assert time.monotonic() < deadline, "they wait for each other"
            time.sleep(0.01)
        started[victim].kill()
        begin = time.monotonic()
        code = started[1 - victim].wait(timeout=120)
        seconds = time.monotonic() - begin
        started[victim].wait()
        before = epochs_done(folder)
        last_words = (folder / f"{1 - victim}.err").read_text().strip().split("\n")[-1]
        deaths.append((victim, before, code, seconds, last_words))
    wait(start(folder, before + 2), folder)
    return folder, before + 2, deaths


@pytest.fixture(scope="module")
def undisturbed(killed, tmp_path_factory):
    """Two processes that nobody kills, for as many epochs; and one alone, for two."""
    _, total, _ = killed
    folder = tmp_path_factory.mktemp("undisturbed")
    wait(start(folder, total, "tests.one_process", **{processes.TRAINS: "1"}), folder)
    alone = tmp_path_factory.mktemp("alone")
    paths = ["--checkpoint", str(alone / "c"), "--save", str(alone / "w")]
    assert main([*SMALL, "--num-epochs", "2", *paths]) == 0
    return folder, alone


def test_the_others_end_with_a_message_within_a_minute(killed):
    for _, _, code, seconds, last_words in killed[2]:
        assert code == 1 and seconds < 60
        assert last_words == f"mnist-tutorial: {processes.LOST}"


def test_a_training_gone_on_with_is_bit_exact(killed, undisturbed):
    folder, total, deaths = killed
    assert f"Resuming after epoch {deaths[-1][1]}, from c" in (folder / "0.err").read_text()
    expected, arrays = (
        safetensors.numpy.load_file(f / "c") for f in (undisturbed[0] / "0", folder / "0")
    )
    assert arrays.keys() == expected.keys() and arrays["epoch"] == total
    for name in expected.keys() - {"history.seconds"}:
        assert arrays[name].tobytes() == expected[name].tobytes(), name
    assert (folder / "0/w").read_bytes() == (undisturbed[0] / "0/w").read_bytes()


def test_two_processes_learn_what_one_does(undisturbed):
    folder, alone = undisturbed
    files = (folder / "0" / "c", alone / "c")
    two, one = (safetensors.numpy.load_file(file)["history.update_loss"][:2] for file in files)
    np.testing.assert_allclose(two, one, atol=5e-6)
    assert (two != one).any()  # divided indeed


def test_both_processes_hold_the_same_to_the_last_bit(undisturbed):
    first, second = (np.load(undisturbed[0] / f"{number}.npz") for number in "01")
    assert first["update_loss"].tobytes() == second["update_loss"].tobytes()
    names = [name for name in first if name.isdigit()]
    assert len(names) == 9  # four arrays, their momentum, the epoch
    for name in names:
        assert first[name].tobytes() == second[name].tobytes()


def test_each_process_hands_in_its_own_half_only(undisturbed):
    for number in "01":
        rows = np.load(undisturbed[0] / f"{number}.npz")["rows"].tolist()
        assert rows == [[1_000, 500]] * 2 + [[59_002, 29_501]] * 2


def test_the_first_process_alone_speaks_and_writes(undisturbed):
    folder, _ = undisturbed
    result = json.loads((folder / "0.out").read_text())
    assert result["config"]["hidden_units"] == 16
    assert (folder / "1.out").read_text() == ""
    assert "2 devices (cpu, processes: 2)" in (folder / "0.err").read_text()
    assert "epoch" not in (folder / "1.err").read_text()
    assert sorted(path.name for path in (folder / "0").iterdir()) == ["c", "w"]
    assert not any((folder / "1").iterdir())


@pytest.mark.parametrize(
    "end, code, words",
    [
        ("os.kill(os.getpid(), 6)", 1, processes.LOST),
        ("os._exit(processes.ALONE)", 1, processes.LOST),
        ("os._exit(1)", 1, processes.LOST),
        ("processes.leave(1)", 1, ""),
        ("os.kill(os.getpid(), 9)", 1, "the training process was killed from outside (Killed)"),
        ("os._exit(130)", 130, ""),
        ("os._exit(0)", 0, ""),
    ],
)
def test_a_watched_command_that_dies_is_spoken_for(end, code, words, monkeypatch, capsys):
    usual = subprocess.Popen
    dies = [sys.executable, "-c", f"import os; from mnist_tutorial import processes; {end}"]
    monkeypatch.setattr(subprocess, "Popen", lambda command, **more: usual(dies, **more))
    assert processes.watch([]) == code
    assert capsys.readouterr().err == (f"mnist-tutorial: {words}\n" if words else "")


def test_a_process_that_fails_by_itself_says_why_and_nothing_of_others(tmp_path):
    command = [sys.executable, "-m", "mnist_tutorial", "--distributed", "--dataset", "minst"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        command += ["--coordinator", f"127.0.0.1:{free.getsockname()[1]}"]
    command += ["--num-processes", "1", "--process-id", "0", "--save", str(tmp_path / "w")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no prepared copy of the data set 'minst'" in done.stderr
    assert processes.LOST not in done.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--process-id", "0"], "need --distributed"),
        (["--distributed", "--process-id", "0"], "are needed together"),
        (
            ["--distributed", "--coordinator", "here", "--num-processes", "2", "--process-id", "0"],
            "--coordinator must be HOST:PORT, got here",
        ),
        (
            ["--distributed", "--coordinator", "a:1", "--num-processes", "2", "--process-id", "2"],
            "--process-id must be from 0 to 1 (one less than --num-processes), got 2",
        ),
        (["--distributed", "--recipe", "fast"], "--distributed works only with --recipe original"),
        (["--all-devices", "--recipe", "fast"], "--all-devices works only with --recipe original"),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(arguments, words, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2 and words in capsys.readouterr().err


def test_where_no_launcher_is_known_the_message_says_what_to_give():
    command = [sys.executable, "-m", "mnist_tutorial", "--distributed"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    last = done.stderr.strip().split("\n")[-1]
    assert last.startswith("mnist-tutorial: JAX couldn't detect a launcher")
    assert last.endswith("Pass --coordinator HOST:PORT, --num-processes and --process-id")


def test_all_devices_of_one_process(tmp_path, capsys):
    paths = ["--checkpoint", str(tmp_path / "c"), "--save", str(tmp_path / "w"), "--all-devices"]
    assert main([*SMALL, "--num-epochs", "1", *paths]) == 0
    assert main([*SMALL, "--num-epochs", "2", *paths]) == 0
    captured = capsys.readouterr()
    assert "processes: 1" in captured.err and "Resuming after epoch 1" in captured.err
    history = safetensors.numpy.load_file(tmp_path / "c")["history.update_loss"]
    assert history.shape == (2, 32)

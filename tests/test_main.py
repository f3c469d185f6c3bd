import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from jax.errors import JaxRuntimeError

from mnist_tutorial import __main__
from mnist_tutorial.__main__ import main
from mnist_tutorial.checkpoints import load_model
from mnist_tutorial.config import Config
from mnist_tutorial.data import PREPARED
from mnist_tutorial.evaluation import evaluate
from mnist_tutorial.scale import processes

QUICK = ["--num-epochs", "1", "--hidden-units", "16", "--num-validation", "50000"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    command = [sys.executable, "-m", "mnist_tutorial", "--json", *QUICK]
    return folder, subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_json_is_one_object_and_nothing_else(run, mnist):
    folder, done = run
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {
        "accuracy", "macro_precision", "macro_recall", "macro_f1", "confusion_matrix",
        "train_seconds", "num_parameters", "config",
    } <= set(result)  # fmt: skip
    expected = Config(num_epochs=1, hidden_units=16, num_validation=50_000)
    assert result["config"] == dataclasses.asdict(expected)
    assert result["num_parameters"] == 784 * 16 + 16 + 160 + 10
    assert 0 < result["train_seconds"] < 600
    model, config = load_model(folder / "mnist.safetensors")
    assert config == expected
    evaluation = evaluate(model, mnist.test)
    np.testing.assert_array_equal(result["confusion_matrix"], evaluation.confusion)
    assert result["accuracy"] == evaluation.metrics.accuracy > 0.5
    assert result["macro_f1"] == evaluation.metrics.macro_f1


def test_progress_goes_to_stderr_line_by_line(run):
    _, done = run
    assert "\r" not in done.stderr and "epoch 1 of 1:" in done.stderr
    assert "Saved the weights to mnist.safetensors" in done.stderr


def test_the_report_for_people(tmp_path, capsys):
    assert main([*QUICK, "--save", str(tmp_path / "weights")]) == 0
    out = capsys.readouterr().out
    assert "errors in 10,000 (95% interval:" in out and "Confusion matrix" in out
    assert (tmp_path / "weights").exists()


def test_a_checkpoint_is_gone_on_from(tmp_path, capsys):
    command = [*QUICK[2:], "--save", str(tmp_path / "w"), "--checkpoint", str(tmp_path / "c")]
    main(["--num-epochs", "1", *command])
    assert main(["--num-epochs", "3", "--json", *command]) == 0
    captured = capsys.readouterr()
    assert "Resuming after epoch 1" in captured.err and "epoch 3 of 3" in captured.err
    assert "epoch 1 of 3" not in captured.err
    main(["--num-epochs", "3", "--json", *QUICK[2:], "--save", str(tmp_path / "x")])
    undisturbed = json.loads(capsys.readouterr().out)
    resumed = json.loads(captured.out.strip().split("\n")[-1])
    assert resumed["confusion_matrix"] == undisturbed["confusion_matrix"]


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path, capsys):
    command = ["--save", str(tmp_path / "w"), "--checkpoint", str(tmp_path / "c"), *QUICK]
    main(command)
    capsys.readouterr()
    assert main([*command, "--seed", "4"]) == 1
    assert "a different seed (123, now 4)" in capsys.readouterr().err


def test_help_lists_every_variable_with_default_and_meaning(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    words = " ".join(capsys.readouterr().out.split())
    for field in dataclasses.fields(Config):
        assert f"--{field.name.replace('_', '-')}" in words
        assert field.metadata["meaning"] in words
        assert f"(default: {field.default})" in words


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--batch-size", "0"], "batch_size must be at least 1, got 0"),
        (["--batch-size", "many"], "argument --batch-size: invalid int value: 'many'"),
        (["--learning-rate", "-1"], "learning_rate must be above 0, got -1.0"),
        (["--num-epochs", "0"], "num_epochs must be at least 1, got 0"),
        (["--activation", "step"], "argument --activation: invalid choice: 'step'"),
        (["--colour", "red"], "unrecognized arguments: --colour red"),
        (["--save", "no/such/folder/file"], "can't write to no/such/folder/file"),
        (["--batch-size", "60000"], "batch_size 60000 is larger than the 55000 training images"),
        (["--recipe", "fast", "--l2", "0.1"], "--l2 works only with --recipe original, got fast"),
        (["--save", "w", "--checkpoint", "./w"], "--save and --checkpoint must be different files"),
        (
            ["--distributed", "--coordinator", "h:1", "--num-processes", "0", "--process-id", "0"],
            "--num-processes must be at least 1, got 0",
        ),
        (["--num-validation", "60000"], "num_validation 60000 leaves nothing to train on"),
    ],
)
def test_bad_arguments_give_one_line_and_code_2(arguments, words, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    captured = capsys.readouterr()
    assert left.value.code == 2 and not captured.out
    assert words in captured.err.strip().split("\n")[-1]


def test_bad_arguments_are_found_before_anything_is_read():
    command = [sys.executable, "-m", "mnist_tutorial", "--l2", "-1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "mnist-tutorial: l2 must be at least 0, got -1.0\n"


def test_the_line_of_progress_is_gone_before_anything_else_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    command = [*QUICK, "--save", str(tmp_path / "w")]
    assert main([*command, "--learning-rate", "1e9"]) == 1
    shown, _, message = capsys.readouterr().err.rpartition("\r")
    assert "epoch" in shown and shown.endswith(" ")
    assert message.startswith("mnist-tutorial: the loss is no longer")


@pytest.mark.parametrize(
    "message, code",
    [("INTERNAL: Out of memory allocating 9 bytes", 1), ("UNAVAILABLE: gone", processes.ALONE)],
)
def test_only_a_lost_process_is_blamed_on_others(message, code, monkeypatch, capsys):
    def fail(*_):
        raise JaxRuntimeError(message)

    monkeypatch.setenv(processes.TRAINS, "1")
    monkeypatch.setattr(processes, "join", lambda *place: None)
    monkeypatch.setattr(processes, "leave", lambda code: None)
    monkeypatch.setattr(__main__, "run", fail)
    assert main(["--distributed"]) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--dataset", "minst"], "no prepared copy of the data set 'minst'"),
        (["--num-rows", "14"], "num_rows, num_columns = (14, 28)"),
        ([*QUICK, "--learning-rate", "1e9"], "Lower learning_rate (1000000000.0)"),
    ],
)
def test_what_goes_wrong_later_gives_code_1(arguments, words, tmp_path, capsys):
    assert main([*arguments, "--save", str(tmp_path / "weights")]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "weights").exists()


def run_alone(*arguments, **environment):
    """Runs the command in a process of its own, as a reader does."""
    command = [sys.executable, "-m", "mnist_tutorial", *arguments]
    environment = os.environ | environment
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_too_little_memory_is_one_line_that_says_what_to_lower(tmp_path):
    """For real: the weights alone would take more than any machine has."""
    units = "900000000"
    done = run_alone(*QUICK, "--hidden-units", units, "--save", str(tmp_path / "w"))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    last = done.stderr.strip().split("\n")[-1]
    assert "not enough memory; choose a smaller hidden_units or batch_size" in last


def test_a_device_that_is_not_there_is_one_line(tmp_path):
    done = run_alone(*QUICK, "--save", str(tmp_path / "w"), JAX_PLATFORMS="cuda")
    assert done.returncode and done.stdout == ""
    assert done.stderr.startswith("mnist-tutorial: JAX finds no device with JAX_PLATFORMS=cuda")
    assert len(done.stderr.strip().split("\n")) == 1


def test_a_file_that_cannot_be_written_is_found_before_the_training(monkeypatch, capsys):
    monkeypatch.setattr(__main__, "run", None)  # must not be reached
    with pytest.raises(SystemExit):
        main([*QUICK, "--save", "/proc/mnist.safetensors"])
    message = capsys.readouterr().err
    assert message.startswith("mnist-tutorial: can't write to /proc/mnist.safetensors (")


def test_prepared_data_may_lie_in_a_folder_of_the_readers(tmp_path, monkeypatch, capsys):
    shutil.copytree(PREPARED / "mnist", tmp_path / "mine" / "digits")
    command = [*QUICK, "--dataset", "digits", "--save", str(tmp_path / "w")]
    assert main(command) == 1
    assert "no prepared copy of the data set 'digits'" in capsys.readouterr().err
    for variables, options in (({}, ["--data-dir", "mine"]), ({"TFDS_DATA_DIR": "mine"}, [])):
        monkeypatch.chdir(tmp_path)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with contextlib.suppress(SystemExit):
            main([*command, *options, "--learning-rate", "1e9"])
        assert "no prepared copy" not in capsys.readouterr().err

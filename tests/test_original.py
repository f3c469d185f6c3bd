"""Deeplearning4j's program beside ours: what it printed is read and checked. Nothing runs here."""

import copy
import gzip
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import original
from mnist_tutorial.config import Config
from mnist_tutorial.further.original import (
    MEASURED,
    ORIGINAL,
    OURS,
    PAIRS,
    differences,
    in_our_words,
    measured,
    medians,
    names,
    seeds,
)

ROOT = Path(__file__).parents[1]
JAVA = (ROOT / "benchmarks/original/src/main/java/Original.java").read_text(encoding="utf-8")
# One epoch on 2,000 images, seed 123: the line that the program printed, and the test labels in
# the order of the original file, which isn't that of TensorFlow Datasets.
RECORDED = json.loads((Path(__file__).parent / "original.json").read_text(encoding="utf-8"))
SHORT = Config(num_epochs=1)


@pytest.fixture
def line():
    return copy.deepcopy(RECORDED["line"])


@pytest.fixture
def labels():
    return np.array(list(RECORDED["labels"]), int)


def test_the_recorded_line_passes(line, labels):
    assert original.check(line, SHORT, labels) is line
    assert line["num_parameters"] == 795_010 and len(line["epoch_seconds"]) == 1


def test_another_setting_is_refused(line, labels):
    line["settings"]["momentum"] = 0.5
    with pytest.raises(ValueError, match="the original has momentum = 0.5, not 0.9"):
        original.check(line, SHORT, labels)


def test_a_matrix_or_metric_that_the_answers_do_not_make_is_refused(line, labels):
    line["f1"] += 1e-3
    with pytest.raises(ValueError, match="the original says f1"):
        original.check(line, SHORT, labels)
    with pytest.raises(ValueError, match="confusion matrix"):
        original.check(line, SHORT, np.roll(labels, 1))


def test_settings_take_our_names_and_are_our_defaults(line):
    ours = in_our_words(line["settings"] | {"numEpochs": 15})
    assert len(ours) == 14
    assert ours == {name: getattr(Config(), name) for name in ours}


def test_every_name_of_the_original_is_in_its_program():
    for name, _, its, _ in names():
        # Today's `Nesterovs` is the class of the seed's NESTEROVS, and takes both numbers.
        assert its in JAVA, name
    assert len(JAVA.splitlines()) <= 120


def test_chapter_3_names_what_is_in_the_program():
    chapter = json.loads((ROOT / "chapters/03-configuring-the-mnist-example.ipynb").read_text())
    shown = json.dumps([cell.get("outputs", []) for cell in chapter["cells"]])
    rows = re.findall(r"\| `(\w+)` \|\\n", shown)  # the last column: the original's names
    assert len(rows) >= 14
    # Today's library has no iterations: one call of fit is one pass over the images.
    assert {name for name in rows if name not in JAVA} <= {"iterations"}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.module)
def test_both_lines_of_a_pair_are_in_their_programs(pair):
    assert pair.original in JAVA
    assert pair.ours in (ROOT / f"mnist_tutorial/{pair.module}.py").read_text(encoding="utf-8")


def test_originals_are_unpacked_where_their_md5_is_right(tmp_path, monkeypatch):
    packed = gzip.compress(b"some bytes")
    md5 = hashlib.md5(packed).hexdigest()
    monkeypatch.setattr(original, "FILES", {"one": md5})
    with pytest.raises(ValueError, match="one.gz doesn't exist"):
        original.unpack(tmp_path, tmp_path)
    (tmp_path / "one.gz").write_bytes(packed)
    original.unpack(tmp_path, tmp_path)
    assert (tmp_path / "one").read_bytes() == b"some bytes"
    (tmp_path / "one.gz").write_bytes(packed + b"!")
    with pytest.raises(ValueError, match=f"isn't the original: its MD5 is .*, not {md5}"):
        original.unpack(tmp_path, tmp_path)


def test_idx_files_are_read(tmp_path):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    head = bytes([0, 0, 8, 3]) + np.array(pixels.shape, ">i4").tobytes()
    (tmp_path / "images").write_bytes(head + pixels.tobytes())
    np.testing.assert_array_equal(original.read_idx(tmp_path / "images"), pixels)


def test_without_maven_one_line_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(original.sys, "platform", "linux")
    monkeypatch.setattr(original.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(original.shutil, "which", lambda name: None if name == "mvn" else name)
    assert original.main([]) == 1
    message = capsys.readouterr().err
    assert "there is no mvn here" in message and "apt install" in message
    assert message.count("\n") == 1
    monkeypatch.setattr(original.platform, "machine", lambda: "arm64")
    assert "x86-64" in original.missing()


def test_the_build_is_the_one_for_the_processor():
    assert original.classifier("flags : avx avx2 bmi") == "linux-x86_64-avx2"
    assert original.classifier("flags : avx bmi") == "linux-x86_64"


def test_a_stopped_measurement_resumes_and_runs_alternate(tmp_path, monkeypatch, line, labels):
    monkeypatch.setattr(original, "RUNS", tmp_path / "runs.json")
    arrays = [np.zeros((5, 28, 28)), np.zeros(5), np.zeros((2, 28, 28)), labels]
    monkeypatch.setattr(
        original, "read_idx", lambda path: arrays[list(original.FILES).index(path.name)]
    )
    ran = []

    def timed(command):
        ran.append(ORIGINAL)
        seed = next(int(part.split("=")[1]) for part in command if "rngSeed" in part)
        line["settings"] |= {"rngSeed": seed}
        if len(ran) == 3:
            raise RuntimeError("stopped")
        return copy.deepcopy(line)

    def measure(program, *arguments):
        ran.append(OURS)
        return {"answers": line["answers"]}

    monkeypatch.setattr(original, "timed", timed)
    monkeypatch.setattr(original, "measure", measure)
    with pytest.raises(RuntimeError):
        original.compare(tmp_path, [123, 1], 1, 5, lambda text: None)
    runs = original.compare(tmp_path, [123, 1], 1, 5, lambda text: None)
    assert [(run["program"], run["seed"]) for run in runs] == [
        (ORIGINAL, 123), (OURS, 123), (ORIGINAL, 1), (OURS, 1),
    ]  # fmt: skip
    assert ran == [
        ORIGINAL, OURS, ORIGINAL, ORIGINAL, OURS,
    ]  # fmt: skip
    assert original.discordant(runs) == np.zeros((4, 4)).tolist()


def test_without_images_it_says_how_to_give_some(monkeypatch, capsys):
    def timed(command):
        raise RuntimeError("java.net.UnknownHostException: example.org")

    for name, instead in {"missing": lambda: "", "build": lambda: None, "timed": timed}.items():
        monkeypatch.setattr(original, name, instead)
    monkeypatch.setattr(original, "KEPT", ROOT / "nowhere")
    assert original.main(["--rounds", "1", "--seeds", "1"]) == 1
    assert "UnknownHostException: example.org\nGive it" in capsys.readouterr().err


def test_images_answered_differently_are_counted_for_each_pair():
    runs = [{"answers": answers} for answers in ("0123", "0124", "9124")]
    assert original.discordant(runs) == [[0, 1, 2], [1, 0, 1], [2, 1, 0]]


def test_what_is_stored_is_a_whole_fair_measurement():
    found = measured()
    runs = found["runs"]
    assert {run["images"] for run in runs} == {60_000} and {run["epochs"] for run in runs} == {15}
    turns = [run["program"] for run in runs]
    assert turns == [ORIGINAL, OURS] * (len(runs) // 2)  # in turn
    assert [run["seed"] for run in runs[::2]] == [run["seed"] for run in runs[1::2]]
    assert in_our_words(found["settings"]).items() <= vars(Config()).items()
    for counts, first in zip(found["discordant"], runs, strict=True):
        for count, second in zip(counts, runs, strict=True):
            same = [first[name] == second[name] for name in ("program", "seed")]
            assert (count == 0) == all(same)  # a repetition gives the same answers
    for program in (ORIGINAL, OURS):
        assert len(seeds(program)) == 5
        assert 0.96 < medians(program)["lowest"] <= medians(program)["highest"] < 0.98
    assert set(differences()) == {ORIGINAL, OURS, "both"}
    assert original.render(found).count(ORIGINAL) > 2
    assert "answers" not in MEASURED.read_text()


def test_readme_says_what_was_measured():
    said = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"We measured both on {measured()['date']}" in said
    for program in (ORIGINAL, OURS):
        found = medians(program)
        assert f"{found['accuracy']:.2%} in {found['wall_seconds']:.0f}" in " ".join(said.split())

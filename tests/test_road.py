import dataclasses
import json

import jax
import numpy as np
import pytest

from benchmarks import road as benchmark
from mnist_tutorial.config import Config
from mnist_tutorial.evaluation import evaluate
from mnist_tutorial.further import road
from mnist_tutorial.further.convolution import ConvNet
from mnist_tutorial.further.recipes import with_seed
from mnist_tutorial.further.road import STAGES, Stage, answer, fit_stage, move
from mnist_tutorial.model import MLP, count_parameters, predict

TINY = Config(batch_size=40, num_epochs=2, learning_rate=0.004)
STEP = Stage(TINY, shift=1.0, ema_decay=0.5, channels=(2, 3, 3, 4))


def test_networks_trained_together_equal_networks_trained_alone(few):
    first, second = road.members(road.fit_together(STEP, [123, 5], few))
    alone, _ = fit_stage(with_seed(STEP, 5), few)
    for ours, theirs in zip(jax.tree.leaves(second), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    first, second = (np.asarray(model.output.kernel[...]) for model in (first, second))
    assert np.abs(first - second).max() > 0.01


def test_the_averaged_network_is_the_average_of_those_after_each_update(few):
    num_updates, config = 7, dataclasses.replace(TINY, num_epochs=1)
    step = dataclasses.replace(STEP, config=config, ema_decay=0.15)
    update = jax.jit(road.make_averaging_update(step, num_updates))
    state = road.create_averaged(step, num_updates, config)
    wanted = jax.tree.map(np.float64, state.model)
    for i in range(num_updates):
        batch = slice(20 * i, 20 * i + 20)
        state, _ = update(state, few.train.images[batch], few.train.labels[batch], config)
        keep = min(0.15, (1 + i) / (10 + i))
        wanted = jax.tree.map(
            lambda old, new, keep=keep: keep * old + (1 - keep) * np.float64(new),
            wanted,
            state.model,
        )
    averaged = state.averaged
    for found, mean in zip(jax.tree.leaves(averaged), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(found, mean, rtol=1e-4, atol=1e-6)
    assert not np.allclose(averaged.output.kernel[...], state.model.output.kernel[...], atol=1e-5)


def test_averaging_soon_forgets_the_first_weights(few):
    """With a share of 0.99 alone, 0.99^7 = 93 % of the first network would still be there."""
    config = dataclasses.replace(TINY, num_epochs=1)
    stage = dataclasses.replace(STEP, config=config, ema_decay=0.99)
    update = jax.jit(road.make_averaging_update(stage, 7))
    state = road.create_averaged(stage, 7, config)
    first = np.asarray(state.model.output.kernel[...])
    for _ in range(7):
        state, _ = update(state, few.train.images[:40], few.train.labels[:40], config)
    moved = [
        np.abs(each.output.kernel[...] - first).sum() for each in (state.averaged, state.model)
    ]
    assert moved[0] > moved[1] / 2


def test_with_averaging_the_averaged_network_is_returned(few):
    states = []
    model, _ = fit_stage(STEP, few, lambda state, _: states.append(jax.device_get(state)))
    averaged, last = states[-1].averaged, states[-1].model
    for ours, theirs in zip(jax.tree.leaves(model), jax.tree.leaves(averaged), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert np.abs(model.output.kernel[...] - last.output.kernel[...]).max() > 1e-4


def test_without_averaging_the_last_network_is_returned(few):
    step = dataclasses.replace(STEP, ema_decay=0.0)
    states = []
    model, history = fit_stage(
        step, few, lambda state, _: states.append(jax.device_get(state.model))
    )
    for ours, theirs in zip(jax.tree.leaves(model), jax.tree.leaves(states[-1]), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(history.seconds) == 2


def test_a_step_without_averaging_is_training_by_a_recipe(few):
    """The network of chapter 5, with smoothing and distortion: `fit_recipe` to the bit."""
    from mnist_tutorial.further import recipes

    config = dataclasses.replace(TINY, hidden_units=16)
    means = dict(shift=1.0, label_smoothing=0.1)
    ours, _ = fit_stage(Stage(config, **means), few)
    theirs = recipes.fit_recipe(recipes.Recipe(config, **means), few)[0].model
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_what_batch_norm_remembers_is_learnt_but_not_counted(few):
    model, _ = fit_stage(STEP, few)
    assert np.abs(model.norms[0].mean[...]).max() > 0.001
    c = (1, *STEP.channels)
    weights = sum(k * k * i * o for k, i, o in zip((5, 3, 3, 3), c, c[1:], strict=False))
    assert count_parameters(model) == weights + 2 * sum(c[1:]) + 4 * c[-1] * 10 + 10
    assert count_parameters(road.create_network(Stage(), Config())) == 795_010


def test_a_convolutional_network_learns(mnist):
    from mnist_tutorial.further.sweeps import subset

    config = dataclasses.replace(TINY, num_epochs=3)
    step = dataclasses.replace(STEP, config=config, ema_decay=0.9, channels=(4, 8, 8, 16))
    data = subset(mnist, 2_000, 500)
    model, _ = fit_stage(step, data)
    found = answer([model], data.validation.images)
    assert road.accuracy(found, data.validation.labels) > 0.85
    np.testing.assert_allclose(
        found, evaluate(model, data.validation).probabilities, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("down, right", [(0, 0), (1, 0), (-1, 2), (0, -3)])
def test_moved_images_are_moved_and_filled_with_background(down, right):
    images = np.arange(1, 2 * 28 * 28 + 1).reshape(2, 28, 28)
    moved = move(images, down, right)
    assert moved.shape == images.shape
    for y in range(28):
        for x in range(28):
            inside = 0 <= y - down < 28 and 0 <= x - right < 28
            wanted = images[:, y - down, x - right] if inside else 0
            assert (moved[:, y, x] == wanted).all()


def test_an_answer_is_the_mean_over_networks_and_shifts(few):
    models = [road.create_network(STEP, dataclasses.replace(TINY, seed=seed)) for seed in (1, 2)]
    images, shifts = few.test.images[:7], [(0, 0), (1, -1)]
    wanted = np.mean(
        [predict(model, move(images, *shift)) for model in models for shift in shifts], axis=0
    )
    np.testing.assert_allclose(answer(models, images, shifts, batch_size=3), wanted, rtol=1e-5)
    assert len(set(road.SHIFTS)) == 9 and (0, 0) in road.SHIFTS


def test_each_step_adds_one_means_to_the_one_before():
    steps = [step for step in STAGES.values() if isinstance(step, Stage)]
    added = [
        {
            field.name
            for field in dataclasses.fields(Stage)
            if getattr(before, field.name) != getattr(after, field.name)
        }
        for before, after in zip(steps, steps[1:], strict=False)
    ]
    assert added == [
        {"shift", "rotation", "scale"},
        {"label_smoothing", "ema_decay"},
        {"channels"},
        {"channels"},
    ]
    assert steps[0].label_smoothing == 0
    for step in steps:
        for name in ("batch_size", "num_epochs", "hidden_units", "num_validation"):
            assert getattr(step.config, name) == getattr(Config(), name)
    kinds = [type(road.create_network(step, TINY)) for step in steps]
    assert kinds == [MLP, MLP, MLP, ConvNet, ConvNet]


def test_a_step_is_checked_like_a_recipe():
    with pytest.raises(ValueError, match="ema_decay must be below 1, got 1"):
        Stage(ema_decay=1)
    with pytest.raises(ValueError, match="channels must be 4 numbers of at least 1"):
        Stage(channels=(1, 2))
    with pytest.raises(ValueError, match="warmup_fraction must be below 1"):
        Stage(warmup_fraction=2)


@pytest.fixture
def workshop(few, monkeypatch, tmp_path):
    """The command on a few images, three tiny steps, and a folder of its own."""
    data = few._replace(test=type(few.test)(few.test.images[:100], few.test.labels[:100]))
    steps = {
        "original": dataclasses.replace(TINY, hidden_units=8),
        "AdamW, one": Stage(dataclasses.replace(TINY, hidden_units=8)),
        "conv": dataclasses.replace(STEP, config=dataclasses.replace(TINY, num_epochs=1)),
    }
    seeds = {"original": (1,), "AdamW, one": (1, 2), "conv": (1, 2, 3, 4, 5)}
    monkeypatch.setattr(benchmark, "load_mnist", lambda config=None: data)
    monkeypatch.setattr(benchmark, "STAGES", steps)
    monkeypatch.setattr(benchmark, "SEEDS", seeds)
    monkeypatch.setattr(benchmark, "TOGETHER", 2)
    monkeypatch.setattr(benchmark, "RESULTS", tmp_path / "road.json")
    monkeypatch.chdir(tmp_path)
    jobs = []

    def here(command, check, env):  # instead of in a process of its own
        assert check and env["OMP_NUM_THREADS"] == "1"
        jobs.append(tuple(command[-3:]))
        benchmark.main(command[3:])

    monkeypatch.setattr(benchmark.subprocess, "run", here)
    return data, jobs


def test_the_command_trains_what_is_missing_and_only_that(workshop, monkeypatch, capsys):
    data, jobs = workshop
    benchmark.main(["--processes", "1", "--seeds", "1"])
    assert [job[::2] for job in jobs] == [("original", "1"), ("AdamW, one", "1"), ("conv", "1")]
    benchmark.main(["--processes", "1", "--save"])
    assert len(jobs) == 8 and len(set(jobs)) == 8
    result = json.loads((benchmark.RESULTS).read_text())
    text = capsys.readouterr().out
    assert "  2 together" in text and "AdamW, one" in text
    benchmark.main(["--processes", "1"])
    assert len(jobs) == 8
    changed = dict(benchmark.STAGES) | {"original": dataclasses.replace(TINY, hidden_units=9)}
    monkeypatch.setattr(benchmark, "STAGES", changed)
    benchmark.main(["--processes", "1"])
    assert jobs[8:] == [("original", "--one", "1")]
    conv = result["steps"]["conv"]
    assert [run["seed"] for run in conv["runs"]] == [1, 2, 3, 4, 5]
    assert [each["seeds"] for each in conv["together"]] == [[1, 2], [3, 4]]
    assert "together" not in result["steps"]["original"]
    assert (result["num_train"], result["num_validation"]) == (200, 50)
    # Two of them, by hand: probabilities of all shifts and networks, then the mean.
    models = [fit_stage(with_seed(benchmark.STAGES["conv"], s), data)[0] for s in (1, 2)]
    right = answer(models, data.test.images, road.SHIFTS).argmax(1) == data.test.labels
    assert conv["together"][0]["test"] == pytest.approx(right.mean(), abs=1e-5)
    assert conv["together"][0]["wrong"] == np.flatnonzero(~right).tolist()
    single = answer(models[:1], data.validation.images).argmax(1) == data.validation.labels
    assert conv["runs"][0]["validation"] == pytest.approx(single.mean(), abs=1e-5)
    assert conv["runs"][0]["cpu_seconds"] > 0


def test_half_of_the_steps_is_not_saved(workshop, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--steps", "conv", "--save"])
    assert "--save needs all steps" in capsys.readouterr().err


def test_steps_that_are_left_out_stay_as_they_are_stored(workshop):
    benchmark.main(["--processes", "1", "--seeds", "1", "--save"])
    before = json.loads(benchmark.RESULTS.read_text())
    benchmark.main(["--processes", "1", "--steps", "AdamW, one", "--save"])
    after = json.loads(benchmark.RESULTS.read_text())
    assert len(after["steps"]["AdamW, one"]["runs"]) == 2  # the other seed was trained now
    del before["steps"]["AdamW, one"], after["steps"]["AdamW, one"]
    assert after == before


def test_a_damaged_file_is_trained_again(workshop, capsys):
    _, jobs = workshop
    arguments = ["--processes", "1", "--steps", "original"]
    benchmark.main(arguments)
    (file,) = benchmark.KEPT.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    benchmark.main(arguments)
    assert len(jobs) == 2
    with pytest.raises(FileNotFoundError, match="conv is not trained yet"):
        benchmark.collect(["conv"])


def test_what_is_stored_is_what_this_code_would_run():
    stored = road.measured()
    assert set(stored["versions"]) == set(benchmark.PACKAGES)
    data = Config()
    assert stored["num_train"] + stored["num_validation"] == 60_000
    assert stored["num_validation"] == data.num_validation
    assert list(stored["steps"]) == list(STAGES)
    for name, step in stored["steps"].items():
        assert step["configuration"] == benchmark.about(STAGES[name])["configuration"]
        assert [run["seed"] for run in step["runs"]] == list(road.SEEDS[name])
        for run in [*step["runs"], *step.get("together", [])]:
            assert run["test"] == pytest.approx(1 - len(run["wrong"]) / 10_000)
    together = [group["seeds"] for group in stored["steps"]["wider"]["together"]]
    assert together == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]  # no seed in two

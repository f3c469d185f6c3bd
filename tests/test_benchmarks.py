import dataclasses
import json

import jax
import numpy as np
import pytest

from benchmarks import growth, recipes, training
from benchmarks.programs import PROGRAMS, _numpy
from mnist_tutorial.config import Config
from mnist_tutorial.evaluation import evaluate
from mnist_tutorial.further.augment import deskew
from mnist_tutorial.further.recipes import measured
from mnist_tutorial.training import create_state, fit, loss_fn
from tests.numpy_network import NumpyNetwork


@pytest.mark.parametrize("nesterov", [True, False])
def test_the_numpy_peer_is_the_same_training(few, nesterov):
    """Against float64, over two epochs; a last batch that isn't full included."""
    config = Config(hidden_units=70, batch_size=32, num_epochs=2, l2=0.01, nesterov=nesterov)
    model = create_state(config).model
    weights = [np.array(layer.kernel) for layer in (model.hidden, model.output)]
    biases = [np.array(layer.bias) for layer in (model.hidden, model.output)]
    reference = NumpyNetwork(
        weights[0], biases[0], weights[1], biases[1],
        config.learning_rate, config.momentum, config.l2, nesterov,
    )  # fmt: skip
    rng = np.random.default_rng(5)
    for _ in range(config.num_epochs):
        order = rng.permutation(200)
        for start in range(0, 200, 32):
            batch = order[start : start + 32]
            reference.update(few.train.images[batch], few.train.labels[batch])
    rng = np.random.default_rng(5)
    for _ in _numpy(config, *few.train, few.test.images[:50], weights, biases, rng):
        pass
    for found, wanted in zip(
        (weights[0], biases[0], weights[1], biases[1]), reference.parameters, strict=True
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_the_operations_of_an_update_are_those_the_compiler_counts():
    config = Config(hidden_units=500, batch_size=64, l2=0.0)
    model = create_state(config).model
    images, labels = np.zeros((64, 28, 28), np.uint8), np.zeros(64, np.int32)
    gradient = jax.jit(jax.grad(lambda *arguments: loss_fn(*arguments, 0.0)[0]))
    counted = gradient.lower(model, images, labels).compile().cost_analysis()["flops"]
    assert training.flop_per_update(config) == pytest.approx(counted, rel=0.02)
    assert training.flop_per_update(Config()) == pytest.approx(409.1e6, rel=1e-3)


def test_the_first_epoch_is_warm_up_and_medians_are_taken():
    runs = [
        {"epoch_seconds": first, "wall_seconds": w, "peak_bytes": p, "accuracy": a}
        for first, w, p, a in [
            ([9, 1, 2], 20, 5, 0.9),
            ([8, 3, 4], 30, 6, 0.8),
            ([1, 5, 6], 10, 7, 0.7),
        ]
    ]
    summary = training.summarize(runs, num_images=700)
    assert summary["epoch_seconds"] == 3.5 and summary["images_per_second"] == 200
    assert summary["train_seconds"] == 12 and summary["wall_seconds"] == 20
    assert summary["peak_bytes"] == 6 and summary["accuracy"] == 0.8


def test_the_command_measures_processes_of_their_own(capsys):
    names = ["ours", "numpy"]
    training.main(
        ["--images", "500", "--epochs", "2", "--rounds", "1", "--json", "--programs", *names]
    )
    result = json.loads(capsys.readouterr().out)
    assert list(result["programs"]) == names and result["updates_per_epoch"] == 4
    for row in result["programs"].values():
        assert 0.1 < row["accuracy"] < 1 and row["peak_bytes"] > 5e7
        assert row["wall_seconds"] > row["train_seconds"] > row["epoch_seconds"] > 0
    text = training.render(result)
    assert all(name in text for name in names) and "1.00×" in text


def test_a_program_that_fails_says_so(tmp_path):
    with pytest.raises(RuntimeError, match="FileNotFoundError: .*absent.npz"):
        training.measure("ours", tmp_path / "absent.npz", 1)


def test_where_one_peer_cannot_run_the_others_go_on(few, monkeypatch, capsys):
    asked = []

    def measure(name, data, epochs):
        asked.append(name)
        if name == "keras":
            raise RuntimeError("ModuleNotFoundError: No module named 'keras'")
        return {"epoch_seconds": [2, 1], "wall_seconds": 3, "peak_bytes": 4, "accuracy": 0.9}

    monkeypatch.setattr(training, "measure", measure)
    monkeypatch.setattr(training, "load_mnist", lambda config: few)
    training.main(["--rounds", "2", "--programs", "keras", "numpy"])
    assert asked == ["keras", "numpy", "numpy"]  # what failed isn't asked again
    table = capsys.readouterr().out
    assert "could not run: ModuleNotFoundError: No module named 'keras'" in table
    assert table.count("90.00%") == 1
    with pytest.raises(SystemExit, match="none of the programs could run"):
        training.main(["--rounds", "2", "--programs", "keras"])


def test_programs_can_be_typed_and_help_says_what_each_is(capsys):
    assert not [name for name in PROGRAMS if set(" ,") & set(name)]
    with pytest.raises(SystemExit):
        training.main(["--help"])
    text = capsys.readouterr().out
    for name, program in PROGRAMS.items():
        assert any(
            line.split()[:1] == [name] and program.__doc__ in line for line in text.split("\n")
        )


def test_growth_draws_what_it_measured():
    seconds = {what: {v: 0.1 * v for v in values} for what, values in growth.SETTINGS.items()}
    assert growth.doublings(seconds["epochs"]) == pytest.approx([2, 2, 2])
    figure = growth.draw(seconds)
    assert [ax.get_xlabel() for ax in figure.axes[:5]] == list(growth.SETTINGS)


def test_recipes_are_measured_with_the_variables_asked_for(few, monkeypatch, capsys):
    monkeypatch.setattr(recipes, "load_mnist", lambda config: few)
    recipes.main(["--seeds", "1", "2", "--epochs", "1", "--recipes", "fast", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert list(result["runs"]) == ["fast"] and result["num_train"] == 200
    first, second = result["runs"]["fast"]
    assert (first["seed"], second["seed"]) == (1, 2)
    assert first["validation_accuracy"] != second["validation_accuracy"]
    assert len(first["seconds"]) == 1 and 0 < first["test_accuracy"] < 1
    assert "fast" in recipes.render(result)


@pytest.mark.parametrize("name", ["better", "normalised"])
def test_where_images_are_normalised_all_splits_are(few, monkeypatch, name):
    used = []
    config = Config(batch_size=100, num_epochs=1, num_validation=10)
    monkeypatch.setattr(
        recipes, "evaluate", lambda model, test: used.append(test) or evaluate(model, test)
    )
    recipes.measure(name, lambda data: used.extend(data[:2]) or fit(config, data), few)
    for split, given in zip(used, few, strict=True):
        expected = deskew(given) if name == "normalised" else given
        np.testing.assert_array_equal(split.images, expected.images)


def test_what_the_book_quotes_was_measured_with_todays_recipes():
    found = measured()
    assert found["num_train"] == 55_000
    assert list(found["runs"]) == ["original", *recipes.TAUGHT]
    for name, runs in found["runs"].items():
        config = recipes.TAUGHT[name].config if name in recipes.TAUGHT else Config()
        assert len({run["seed"] for run in runs}) == 5
        assert found["configs"][name] == as_written(recipes.TAUGHT.get(name, config))
        for run in runs:
            assert len(run["seconds"]) == len(run["validation_accuracy"]) == config.num_epochs
            assert run["seconds"] == sorted(run["seconds"]) and 0.9 < run["test_accuracy"] < 1


def as_written(recipe):
    return json.loads(json.dumps(dataclasses.asdict(recipe)))

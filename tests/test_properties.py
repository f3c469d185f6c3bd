"""What must hold for any input: Config, metrics, images, labels and weights, by hypothesis."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sklearn_metrics

from mnist_tutorial.__main__ import make_parser
from mnist_tutorial.checkpoints import CheckpointError, load_model, save_model
from mnist_tutorial.config import Config
from mnist_tutorial.data import DataError, Examples, check_examples
from mnist_tutorial.evaluation import (
    calibration,
    confusion_matrix,
    evaluate,
    evaluate_probabilities,
    metrics,
    threshold_counts,
    wilson_interval,
)
from mnist_tutorial.model import create_model, predict
from mnist_tutorial.training import fit

# The same cases each time, on a machine of any speed; HYPOTHESIS_MAX_EXAMPLES is not ours.
FIXED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# By hand, not read from Config: name → what a value must be, besides its type.
RULES = {
    "dataset": lambda v: True,
    "num_rows": lambda v: v >= 1,
    "num_columns": lambda v: v >= 1,
    "num_classes": lambda v: v >= 2,
    "num_validation": lambda v: 0 <= v < 2**31,
    "batch_size": lambda v: v >= 1,
    "num_epochs": lambda v: 1 <= v < 2**31,
    "seed": lambda v: 0 <= v < 2**31,
    "hidden_units": lambda v: v >= 1,
    "num_hidden_layers": lambda v: v >= 1,
    "activation": lambda v: v in ("relu", "tanh", "identity"),
    "weight_init": lambda v: v in ("glorot_normal", "he_normal"),
    "init_scale": lambda v: v >= 0,
    "learning_rate": lambda v: v > 0,
    "momentum": lambda v: 0 <= v < 1,
    "nesterov": lambda v: True,
    "l2": lambda v: v >= 0,
}
ANYTHING = (
    st.integers() | st.integers(-2, 3) | st.floats() | st.floats(-1, 2) | st.booleans()
    | st.text(max_size=3) | st.none() | st.sampled_from(["relu", "tanh", "he_normal", [], (), {}])
)  # fmt: skip


def allowed(name, value):
    expected = type(getattr(Config(), name))
    if expected is float and type(value) is int:
        value = float(value)
    finite = expected is not float or (type(value) is float and math.isfinite(value))
    return type(value) is expected and finite and RULES[name](value)


def test_every_variable_has_a_rule():
    assert list(RULES) == [field.name for field in dataclasses.fields(Config)]


@settings(FIXED, max_examples=500)
@given(st.sampled_from(list(RULES)), ANYTHING)
def test_a_config_is_right_or_names_the_value(name, value):
    if allowed(name, value):
        assert getattr(Config(**{name: value}), name) == value
    else:
        with pytest.raises((TypeError, ValueError)) as refused:
            Config(**{name: value})
        assert name in str(refused.value)
        assert repr(value) in str(refused.value) or repr(float(value)) in str(refused.value)


CONFIGS = st.builds(
    Config,
    batch_size=st.integers(1, 10**6),
    seed=st.integers(0, 2**31 - 1),
    activation=st.sampled_from(["relu", "tanh", "identity"]),
    weight_init=st.sampled_from(["glorot_normal", "he_normal"]),
    learning_rate=st.floats(0, exclude_min=True, allow_infinity=False),
    momentum=st.floats(0, 1, exclude_max=True),
    nesterov=st.booleans(),
    l2=st.floats(0, 1),
)


@FIXED
@given(CONFIGS)
def test_a_config_survives_json_and_the_command_line(config):
    assert Config(**json.loads(json.dumps(dataclasses.asdict(config)))) == config
    arguments = []
    for name, value in dataclasses.asdict(config).items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{'' if value else 'no-'}{flag}")
        else:
            arguments += [f"--{flag}", str(value)]
    options = vars(make_parser().parse_args(arguments))
    assert Config(**{name: options[name] for name in RULES}) == config


@st.composite
def answers(draw):
    classes = draw(st.integers(2, 12))
    size = draw(st.integers(1, 60))
    some = hnp.arrays(np.int32, size, elements=st.integers(0, classes - 1))
    return classes, draw(some), draw(some)


@settings(FIXED, max_examples=40)
@given(answers())
def test_metrics_equal_scikit_learn_on_any_answers(case):
    classes, labels, said = case
    confusion = confusion_matrix(labels, said, classes)
    wanted = sklearn_metrics.confusion_matrix(labels, said, labels=range(classes))
    np.testing.assert_array_equal(confusion, wanted)
    found = metrics(confusion)
    assert found.accuracy == pytest.approx(sklearn_metrics.accuracy_score(labels, said))
    for average, ours in (
        (None, (found.precision, found.recall, found.f1)),
        ("macro", (found.macro_precision, found.macro_recall, found.macro_f1)),
    ):
        theirs = sklearn_metrics.precision_recall_fscore_support(
            labels, said, labels=range(classes), average=average, zero_division=0
        )
        for a, b in zip(ours, theirs, strict=False):
            np.testing.assert_allclose(a, b, rtol=1e-12)
    right = int((labels == said).sum())
    low, high = wilson_interval(right, len(labels))
    assert -1e-12 <= low <= right / len(labels) + 1e-12 <= high + 2e-12 <= 1 + 1e-11


@FIXED
@given(answers(), st.floats(0, 1))
def test_what_is_judged_adds_up(case, threshold):
    classes, labels, said = case
    rng = np.random.default_rng(int(labels.sum()))
    probabilities = rng.dirichlet(np.ones(classes), len(labels)).astype(np.float32)
    found = evaluate_probabilities(probabilities, labels)
    assert found.num_examples == len(labels) == calibration(found)[2].sum()
    assert found.num_errors == (probabilities.argmax(axis=1) != labels).sum()
    counts = threshold_counts(probabilities[:, 0], labels == 0, threshold)
    matrix = sklearn_metrics.confusion_matrix(
        labels == 0, probabilities[:, 0] >= threshold, labels=[False, True]
    )
    tn, fp, fn, tp = matrix.ravel()
    assert counts == (tp, fp, fn, tn)


@pytest.fixture(scope="module")
def network():
    return create_model(Config(hidden_units=3))


PIXELS = hnp.arrays(
    st.sampled_from([np.uint8, np.int8, np.int64, np.float16, np.float32, np.float64, bool,
                     complex, "U1", "datetime64[s]"]),
    st.sampled_from([(0, 28, 28), (28, 28), (1, 784), (784,), (), (1, 28, 28, 1), (1, 28, 28),
                     (2, 28, 28), (1, 28, 27), (1, 14, 56)]),
)  # fmt: skip


def sensible(images):
    if images.ndim != 3 or not images.size or images.dtype.kind not in "uif":
        return False
    low, high = images.min(), images.max()
    return bool(low >= 0 and high <= 255 and (images.dtype == np.uint8 or high == 0 or high > 1))


@settings(FIXED, max_examples=300)
@given(PIXELS)
def test_predict_answers_or_says_what_is_wrong(network, images):
    if sensible(images) and images[0].size == 784:
        probabilities = np.asarray(predict(network, images))
        assert probabilities.shape == (len(images), 10)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    else:
        with pytest.raises(DataError, match="images"):
            predict(network, images)


@pytest.mark.parametrize(
    "images, words",
    [
        (np.full((1, 28, 28), 256.0), "from 256.0 to 256.0"),
        (np.full((1, 28, 28), -1), "from -1.0 to -1.0"),
        (np.full((1, 28, 28), np.nan), "from nan to nan"),
        (np.full((1, 28, 28), 0.5), "from 0.5 to 0.5. Multiply .* by 255"),
        (np.ones((1, 28, 28), np.uint8), "from 1.0 to 1.0. Multiply .* by 255"),
        (np.ones((1, 28, 28), np.int64), "from 1.0 to 1.0. Multiply .* by 255"),
        (np.zeros((28, 28)), r"the shape \(28, 28\); a single image .* image\[None\]"),
        (np.zeros((0, 28, 28)), r"at least one image, got the shape \(0, 28, 28\)"),
        (np.zeros((1, 28, 28), bool), "real numbers, got bool"),
        (np.zeros((1, 28, 28), object), "real numbers, got object"),
        (np.zeros((1, 14, 14)), r"\(14, 14\) pixels don't fit a network with 784 inputs"),
        ([[[0] * 28] * 28], "real numbers, got object"),
    ],
)
def test_bad_images_are_named(network, images, words):
    with pytest.raises(DataError, match=words):
        predict(network, images)


LABELS = [
    (np.array([0, 1, 10]), "has the label 10, but the classes go from 0 to 9"),
    (np.array([0, -1, 3]), "has the label -1"),
    (np.array([0, 1]), r"array of 3 whole numbers as labels.* got int64 of shape \(2,\)"),
    (np.array([0.0, 1.0, 2.0]), "got float64"),
    (np.array([[0], [1], [2]]), r"of shape \(3, 1\)"),
    ([0, 1, 2], "got object"),
]


@pytest.mark.parametrize("labels, words", LABELS)
def test_bad_labels_are_named_wherever_they_come_in(few, network, labels, words):
    bad = Examples(few.train.images[:3], labels)
    with pytest.raises(DataError, match=words):
        evaluate(network, bad)
    one = Config(hidden_units=3, batch_size=1, num_epochs=1)
    with pytest.raises(DataError, match=f"the training set .*{words}"):
        fit(one, few._replace(train=bad))
    with pytest.raises(DataError, match=f"the validation set .*{words}"):
        fit(one, few._replace(validation=bad))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda images: images / np.float32(255), "the images of the training set .*by 255"),
        (lambda images: images * 2.0, "to 510.0"),
        (lambda images: images[:0], r"at least one image, got the shape \(0, 28, 28\)"),
        (lambda images: images[:, :14], r"has images of \(14, 28\) pixels, but .* \(28, 28\)"),
        (lambda images: np.where(images > 9, np.nan, images), "from nan"),
    ],
)
def test_bad_images_do_not_get_into_a_training(few, change, words):
    bad = few.train._replace(images=change(few.train.images))
    with pytest.raises(DataError, match=words):
        fit(Config(hidden_units=3, batch_size=2), few._replace(train=bad))


def test_a_network_that_diverged_is_not_judged(network):
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        evaluate_probabilities(np.full((2, 10), np.nan, np.float32), np.array([0, 1]))


def test_nothing_is_not_judged():
    with pytest.raises(DataError, match="no examples"):
        evaluate_probabilities(np.zeros((0, 10), np.float32), np.zeros(0, int))


@settings(FIXED, max_examples=200)
@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 3))),
    hnp.arrays(st.sampled_from([np.int32, np.uint8, np.float32]), st.integers(0, 3),
               elements=st.integers(0, 12)),
)  # fmt: skip
def test_examples_fit_the_configuration_or_are_refused(images, labels):
    fits = (
        len(images) == len(labels) > 0
        and images.shape[1:] == (2, 3)
        and labels.dtype.kind in "ui"
        and labels.max() < 10
    )
    try:
        check_examples(Examples(images, labels), Config(num_rows=2, num_columns=3), "it")
    except DataError:
        assert not fits
    else:
        assert fits


@settings(FIXED, max_examples=6)
@given(
    st.integers(1, 6), st.integers(1, 3), st.integers(2, 5), st.integers(1, 4),
    st.sampled_from(["relu", "tanh", "identity"]), st.integers(0, 99),
)  # fmt: skip
def test_any_network_is_loaded_as_it_was_saved(tmp_path, units, layers, classes, rows, act, seed):
    config = Config(
        num_rows=rows, num_classes=classes, hidden_units=units, num_hidden_layers=layers,
        activation=act, seed=seed,
    )  # fmt: skip
    model = create_model(config)
    save_model(tmp_path / "model", model, config)
    loaded, same = load_model(tmp_path / "model")
    assert same == config
    images = np.random.default_rng(seed).integers(0, 256, (2, rows, 28), np.uint8)
    np.testing.assert_array_equal(predict(model, images), predict(loaded, images))


@pytest.mark.parametrize(
    "claim",
    [dict(num_hidden_layers=10**6), dict(hidden_units=10**30), dict(num_rows=10**400)],
    ids=["num_hidden_layers", "hidden_units", "num_rows"],
)
def test_a_file_may_not_claim_more_than_it_holds(tmp_path, network, claim):
    """Or a small file would keep the reader busy for hours."""
    save_model(tmp_path / "model", network, Config(**claim))
    with pytest.raises(CheckpointError, match=f"too small for .*{next(iter(claim))}"):
        load_model(tmp_path / "model")

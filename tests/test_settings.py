"""The fair comparisons of settings: what is stored shows what the pages say."""

import numpy as np
import pytest

from mnist_tutorial.config import Config
from mnist_tutorial.further import settings
from mnist_tutorial.further.replications import stored


@pytest.mark.parametrize(
    "name, by",
    [
        ("learning-rate", "learning_rate"),
        ("momentum", "momentum"),
        ("hidden-units", "hidden_units"),
        ("hidden-layers", "num_hidden_layers"),
        ("activation", "activation"),
        ("initialisation", "weight_init"),
        ("initial-scale", "init_scale"),
        ("nesterov", "nesterov"),
    ],
)
def test_values_of_a_setting_differ_in_nothing_else_and_share_their_seeds(mnist, name, by):
    configs = settings.EXPERIMENTS[name](mnist).configs
    seeds = {}
    for config in configs:
        seeds.setdefault(getattr(config, by), []).append(config.seed)
        base = vars(settings.BASE) | {by: getattr(config, by), "seed": config.seed}
        assert vars(config) == base
    assert len(seeds) >= 2 and {tuple(each) for each in seeds.values()} == {(0, 1, 2, 3, 4)}


def test_momentum_is_compared_at_one_stride(mnist):
    configs = settings.EXPERIMENTS["momentum-same-stride"](mnist).configs
    strides = [config.learning_rate / (1 - config.momentum) for config in configs]
    np.testing.assert_allclose(strides, 0.6, rtol=1e-4)


def test_other_seeds_report_than_choose():
    assert not set(settings.CHOOSING) & set(settings.REPORTING)
    rows = [
        {
            "batch_size": 16,
            "learning_rate": rate,
            "seed": seed,
            "validation_accuracy": [0.1, accuracy],
        }
        for rate, chosen, reported in ((0.1, 0.9, 0.5), (0.2, 0.8, 0.95))
        for seeds, accuracy in ((settings.CHOOSING, chosen), (settings.REPORTING, reported))
        for seed in seeds
    ]
    assert settings.with_own_rates(rows) == {16: (0.1, [50.0] * len(settings.REPORTING))}


def test_the_stored_results_show_what_the_pages_say():
    depth = settings.accuracies(stored("hidden-layers"), "num_hidden_layers")
    assert np.mean(depth[3]) - np.mean(depth[1]) == pytest.approx(0.8, abs=0.3)
    activation = settings.accuracies(stored("activation"), "activation")
    assert np.mean(activation["identity"]) < 91 < 94 < np.mean(activation["tanh"])
    assert np.mean(activation["tanh"]) < np.mean(activation["relu"])
    found = settings.with_own_rates(stored("batch-sizes-own-rates"))
    assert set(found) == set(settings.RATES)
    for size, (rate, accuracies) in found.items():
        assert rate not in (settings.RATES[size][0], settings.RATES[size][-1]), size
        assert np.mean(accuracies) > 94.5
    assert Config().momentum == settings.BASE.momentum

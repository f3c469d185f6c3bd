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
    found = settings.with_own_rates(rows, "batch_size")
    assert found == {16: (0.1, [50.0] * len(settings.REPORTING))}


OWN_RATES = {
    "batch-sizes": "batch_size",
    "hidden-units": "hidden_units",
    "hidden-layers": "num_hidden_layers",
    "activation": "activation",
}


@pytest.mark.parametrize("name, by", OWN_RATES.items())
def test_the_best_rate_of_each_value_lies_between_others_that_were_tried(name, by):
    found = settings.with_own_rates(stored(f"{name}-own-rates"), by)
    assert list(found) == list(settings.RATES[by])
    for value, (rate, several) in found.items():
        assert rate not in (settings.RATES[by][value][0], settings.RATES[by][value][-1]), value
        assert len(several) == len(settings.REPORTING)


def test_the_stored_results_show_what_the_pages_say():
    at_one_rate = settings.accuracies(stored("learning-rate"), "learning_rate")
    assert np.mean(at_one_rate[0.2]) - np.mean(at_one_rate[0.06]) > 0.5
    size, depth, bend = (
        {
            value: np.mean(several)
            for value, (_, several) in settings.with_own_rates(
                stored(f"{name}-own-rates"), OWN_RATES[name]
            ).items()
        }
        for name in ("batch-sizes", "hidden-layers", "activation")
    )
    assert size[16] > size[128] > size[1_024] > 94.5
    assert max(depth[1], depth[2], depth[3]) - min(depth[1], depth[2], depth[3]) < 0.5
    assert depth[4] < depth[3]
    assert bend["identity"] < 92 < 95 < min(bend["tanh"], bend["relu"])
    assert Config().momentum == settings.BASE.momentum

"""A file as a reader may write it, for `make lint`: the public names have types.

Each mistake here is one that mypy must find. Where it no longer does, the comment that excuses it
is unused, and mypy complains about that.
"""

from mnist_tutorial import Config, evaluate, fit, load_mnist


def train() -> float:
    """Trains by the tutorial's names, as a reader would."""
    config = Config(batch_size=32)
    data = load_mnist(config)
    state, history = fit(config, data)
    accuracy: float = evaluate(state.model, data.test).metrics.accuracy
    return accuracy + float(history.seconds.sum())


def make_mistakes() -> None:
    """Does what mypy must not let through."""
    config = Config(batchsize=3)  # type: ignore[call-arg]
    fit(load_mnist(config), config)  # type: ignore[arg-type]
    load_mnist(data_directory="here")  # type: ignore[call-arg]

"""What several tests share. A session reads the data once and trains the network once."""

import pytest

from mnist_tutorial.config import Config
from mnist_tutorial.data import load_mnist
from mnist_tutorial.further.sweeps import subset
from mnist_tutorial.training import fit


@pytest.fixture(scope="session")
def mnist():
    return load_mnist()


@pytest.fixture(scope="session")
def few(mnist):
    """So few images that a training takes no time; the last batch of 32 is not full."""
    return subset(mnist, num_train=200, num_validation=50)


@pytest.fixture(scope="session")
def trained(mnist):
    """The network of the tutorial, trained with the original's figures: half a minute."""
    config = Config()
    state, history = fit(config, mnist)
    return config, state, history

"""What several tests share: a session reads the data once."""

import os

import pytest

from mnist_tutorial.checkpoints import keep_compiled
from mnist_tutorial.data import load_mnist
from mnist_tutorial.further.sweeps import subset

# To the same bits, a small program takes a fifth of the time to compile without LLVM's last level.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=2"
keep_compiled()  # as the command does: what one process compiled, no other compiles again


@pytest.fixture(scope="session")
def mnist():
    return load_mnist()


@pytest.fixture(scope="session")
def few(mnist):
    """So few images that a training takes no time; the last batch of 32 is not full."""
    return subset(mnist, num_train=200, num_validation=50)

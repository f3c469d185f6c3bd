"""The tutorial's network, trained by an earlier run or now, and its exported files."""

from types import SimpleNamespace

import numpy as np
import pytest

from mnist_tutorial import Config, load_mnist, predict
from mnist_tutorial.book.notebook import load_or_train
from mnist_tutorial.serving.export import export


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """Its `model`, `config`, `folder` of exported files, test `images`, and `probabilities`."""
    config = Config()
    data = load_mnist(config)
    model = load_or_train(config, data)[0].model
    folder = tmp_path_factory.mktemp("exported")
    parities = export(model, config, data.test.images, folder)
    return SimpleNamespace(
        model=model,
        config=config,
        folder=folder,
        onnx=folder / "mnist.onnx",
        parities=parities,
        images=data.test.images,
        probabilities=np.asarray(predict(model, data.test.images)),
    )

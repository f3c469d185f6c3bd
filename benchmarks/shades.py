"""What "train it here" loses by pixels of four bits in place of eight.

    python -m benchmarks.shades

trains the network of that part, with its settings, on both: the same seeds, the same images,
and prints each seed's validation accuracy on images of the same kind.
"""

import numpy as np

from mnist_tutorial.book.live import NUM_TRAIN, NUM_VALIDATION
from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, Examples, load_mnist
from mnist_tutorial.further.sweeps import subset, train_many

SETTINGS = {"hidden_units": 128, "batch_size": 128, "learning_rate": 0.1, "num_epochs": 15}
SEEDS = range(10)


def sixteen_shades(examples: Examples) -> Examples:
    """The images as the page has them: 17 times a whole number from 0 to 15."""
    return examples._replace(images=(17 * np.rint(examples.images / 17)).astype(np.uint8))


def compare(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Validation accuracy of each seed with 256 and with 16 shades, both (seeds,) float."""
    configs = [Config(seed=seed, **SETTINGS) for seed in SEEDS]
    coarse = data._replace(
        train=sixteen_shades(data.train), validation=sixteen_shades(data.validation)
    )
    fine, rough = (train_many(configs, each).validation_accuracy[:, -1] for each in (data, coarse))
    return fine, rough


if __name__ == "__main__":
    fine, rough = compare(subset(load_mnist(Config()), NUM_TRAIN, NUM_VALIDATION))
    for seed, pair in zip(SEEDS, zip(fine, rough, strict=True), strict=True):
        print(f"seed {seed}: {100 * pair[0]:.2f} % with 256 shades, {100 * pair[1]:.2f} % with 16")
    lost = 100 * (fine - rough)
    print(f"lost: {lost.mean():.2f} ± {lost.std(ddof=1) / len(lost) ** 0.5:.2f} points")

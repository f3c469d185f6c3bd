"""Prepares a data set in the format that the package reads. A maintainer's one-off.

Needs TensorFlow, which nothing else here does:

    pip install tensorflow-cpu
    python tools/prepare_data.py mnist mnist_tutorial/datasets --originals FOLDER

`--originals` names a folder with the downloads of the data set (for MNIST, the four .gz
files); without it TensorFlow Datasets downloads them. It checks size and SHA-256 of each.
"""

import argparse
from pathlib import Path

import tensorflow_datasets as tfds


def main() -> None:
    """Reads the command line and writes the prepared copy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="name in TensorFlow Datasets, such as mnist or fashion_mnist")
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("~/tensorflow_datasets").expanduser(),
        help="where the copy goes; load_mnist() looks into the default",
    )
    parser.add_argument("--originals", type=Path, help="folder with the original downloads")
    options = parser.parse_args()
    builder = tfds.builder(options.name, data_dir=options.folder, file_format="array_record")
    config = tfds.download.DownloadConfig(manual_dir=options.originals)
    builder.download_and_prepare(download_config=config)
    print(f"Prepared {builder.info.full_name} in {builder.data_path}")


if __name__ == "__main__":
    main()

"""Prepares a data set in the format that the package reads. A maintainer's one-off.

Needs TensorFlow, which nothing else here does:

    pip install tensorflow-cpu
    python tools/prepare_data.py mnist mnist_tutorial/datasets --originals FOLDER

`--originals` names a folder with the files of the data set; without it TensorFlow Datasets
downloads them. For MNIST and Fashion-MNIST, the four files may be compressed in any way, or not
at all: only what is in them counts. TensorFlow Datasets compares the compressed bytes instead, and
so refuses Debian's package `dataset-fashion-mnist`, whose .gz files lack a name in their header.
"""

import argparse
import gzip
import hashlib
import tempfile
import zlib
from pathlib import Path
from typing import Any

FILES = ("train-images", "train-labels", "t10k-images", "t10k-labels")
# SHA-256 of these files once they are unpacked, in this order.
UNPACKED = {
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "fashion_mnist": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}


def unpack(originals: Path, digests: tuple[str, ...], target: Path) -> list[Path]:
    """Unpacks the files of a data set and compares them with its originals.

    Args:
      originals: the folder they are in, each as `NAME-idx3-ubyte` or `NAME-idx1-ubyte`, with or
        without `.gz`.
      digests: SHA-256 of what must be in them, in the order of `FILES`.
      target: the folder that gets the unpacked files.

    Returns:
      The unpacked files, in the order of `FILES`.

    Raises:
      OSError: if a file is missing.
      ValueError: if a file can't be unpacked, or holds something else than the original does.
    """
    unpacked = []
    for file, digest in zip(FILES, digests, strict=True):
        name = f"{file}-idx{3 if file.endswith('images') else 1}-ubyte"
        path = originals / name
        if path.is_file():
            content = path.read_bytes()
        else:
            path = originals / f"{name}.gz"
            try:
                content = gzip.decompress(path.read_bytes())
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise ValueError(
                    f"{path} can't be unpacked ({error}). Get the file again"
                ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != digest:
            raise ValueError(
                f"{path} doesn't hold what the original does: its unpacked bytes have the SHA-256 "
                f"{found}, not {digest}. Get the file again"
            )
        unpacked.append(target / name)
        unpacked[-1].write_bytes(content)
    return unpacked


def prepare(name: str, folder: Path, originals: Path | None) -> Any:
    """Writes the prepared copy with TensorFlow Datasets.

    Args:
      name: of the data set in TensorFlow Datasets.
      folder: where the copy goes.
      originals: the folder with the data set's files; None downloads them.

    Returns:
      The builder of TensorFlow Datasets, which knows where the copy is.

    Raises:
      OSError, ValueError: as `unpack`.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=folder, file_format="array_record")
    with tempfile.TemporaryDirectory() as place:
        if originals and name in UNPACKED:
            train_images, train_labels, *test = unpack(originals, UNPACKED[name], Path(place))
            # The builder reads and writes its examples as ever, only that it isn't asked to
            # download the files: there it would compare the compressed bytes.
            builder._split_generators = lambda *_: {
                "train": builder._generate_examples(60_000, train_images, train_labels),
                "test": builder._generate_examples(10_000, *test),
            }
        config = tfds.download.DownloadConfig(manual_dir=originals)
        builder.download_and_prepare(download_config=config)
    return builder


def main() -> None:
    """Reads the command line and writes the prepared copy."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", help="name in TensorFlow Datasets, such as mnist or fashion_mnist")
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("~/tensorflow_datasets").expanduser(),
        help="where the copy goes; load_mnist() looks into the default",
    )
    parser.add_argument("--originals", type=Path, help="folder with the data set's files")
    options = parser.parse_args()
    try:
        builder = prepare(options.name, options.folder, options.originals)
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    print(f"Prepared {builder.info.full_name} in {builder.data_path}")


if __name__ == "__main__":
    main()

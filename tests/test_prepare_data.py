"""The tool that prepares data sets: genuine files are taken however they are compressed."""

import gzip
import hashlib

import pytest

from tools.prepare_data import FILES, UNPACKED, unpack

CONTENTS = [b"pixels to learn from", b"their labels", b"pixels to test on", b"their labels too"]
DIGESTS = tuple(hashlib.sha256(content).hexdigest() for content in CONTENTS)
NAMES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


@pytest.fixture
def originals(tmp_path):
    """A folder with the four files of a small data set, and an empty one to unpack them in."""
    (tmp_path / "target").mkdir()
    for name, content in zip(NAMES, CONTENTS, strict=True):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content, mtime=123))
    return tmp_path


def test_files_that_were_compressed_again_or_not_at_all_are_genuine(originals):
    (originals / f"{NAMES[0]}.gz").write_bytes(gzip.compress(CONTENTS[0], 1, mtime=456))
    (originals / f"{NAMES[1]}.gz").unlink()
    (originals / NAMES[1]).write_bytes(CONTENTS[1])
    unpacked = unpack(originals, DIGESTS, originals / "target")
    assert [path.name for path in unpacked] == NAMES
    assert [path.read_bytes() for path in unpacked] == CONTENTS


def test_what_is_not_genuine_is_named(originals):
    changed = originals / f"{NAMES[2]}.gz"
    changed.write_bytes(gzip.compress(b"pixels of something else"))
    with pytest.raises(ValueError, match=f"{NAMES[2]}.gz doesn't hold what the original does"):
        unpack(originals, DIGESTS, originals / "target")
    changed.write_bytes(gzip.compress(CONTENTS[2])[:-4])
    with pytest.raises(ValueError, match=f"{NAMES[2]}.gz can't be unpacked"):
        unpack(originals, DIGESTS, originals / "target")
    changed.unlink()
    with pytest.raises(FileNotFoundError, match=NAMES[2]):
        unpack(originals, DIGESTS, originals / "target")


def test_every_known_data_set_has_a_digest_for_each_file():
    assert all(len(set(digests)) == len(FILES) for digests in UNPACKED.values())

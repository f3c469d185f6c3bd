"""The repository's public address: one place, many repeats, one command that changes them all."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.repository import ROOT, address, tracked

OWNER, NAME = address().removeprefix("https://github.com/").split("/")
# Files in which a reader meets it; every notebook installs from it in its first cell.
REPEATS = ["README.md", "index.md", "_config.yml", "CITATION.cff", "CHANGELOG.md"]
NOTEBOOKS = [str(path.relative_to(ROOT)) for path in (ROOT / "chapters").rglob("[!.]*.ipynb")]


def strange(text: str, owner: str, name: str) -> list[str]:
    """Addresses of a repository or site of this name that belongs to somebody else."""
    found = re.findall(rf"github(?:\.com)?/([\w.-]+)/{re.escape(name)}(?![\w-])", text)
    found += re.findall(rf"/gh/([\w.-]+)/{re.escape(name)}(?![\w-])", text)
    found += re.findall(rf"([\w-]+)\.github\.io/{re.escape(name)}(?![\w-])", text)
    return [each for each in found if each.lower() != owner.lower()]


def test_the_public_address_is_everywhere_the_same():
    for path in tracked():
        assert not strange(path.read_text(encoding="utf-8"), OWNER, NAME), path
    for name in REPEATS + NOTEBOOKS:
        assert f"{OWNER}/{NAME}" in (ROOT / name).read_text(encoding="utf-8"), name
    assert len(NOTEBOOKS) >= 8


@pytest.fixture
def fork(tmp_path):
    """A repository with the Makefile and the files that repeat the address."""
    for name in ("Makefile", "pyproject.toml", *REPEATS):
        shutil.copyfile(ROOT / name, tmp_path / name)
    for command in (["git", "init", "-q"], ["git", "add", "."]):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def change(root: Path, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-s", "address", f"URL={url}"], cwd=root, capture_output=True, text=True
    )


def test_the_command_changes_every_repeat(fork):
    before = {name: (fork / name).read_bytes() for name in REPEATS}
    (fork / "other.md").write_text(f"x{OWNER}/{NAME} {OWNER}/{NAME}-case\n")
    subprocess.run(["git", "add", "."], cwd=fork, check=True)
    assert change(fork, "https://github.com/Ada-L/digits.2").returncode == 0
    assert address(fork) == "https://github.com/Ada-L/digits.2"
    for name in REPEATS:
        text = (fork / name).read_text(encoding="utf-8")
        assert f"{OWNER}/{NAME}" not in text and f"{OWNER}.github.io" not in text, name
        assert "Ada-L/digits.2" in text and not strange(text, "Ada-L", "digits.2"), name
    home = (fork / "index.md").read_text(encoding="utf-8")
    assert "cd digits.2\n" in home and "deeplearning4j.org/mnist-for-beginners.html" in home
    assert (fork / "other.md").read_text() == f"x{OWNER}/{NAME} {OWNER}/{NAME}-case\n"
    assert change(fork, address()).returncode == 0
    assert before == {name: (fork / name).read_bytes() for name in REPEATS}


@pytest.mark.parametrize("url", ["digits", "https://example.org/a/b", "https://github.com/ada", ""])
def test_an_address_that_is_none_changes_nothing(fork, url):
    result = change(fork, url)
    assert result.returncode != 0 and f"got '{url}'" in result.stdout
    assert address(fork) == address()

"""The repository's public address: one place, many repeats, one command that changes them all."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.change_address import address, change_text, tracked

ROOT = Path(__file__).parents[1]
OWN = address()
OWNER, NAME = OWN.removeprefix("https://github.com/").split("/")
# Files in which a reader meets it.
REPEATS = ["README.md", "index.md", "_config.yml", "CITATION.cff", "CHANGELOG.md"]


def strange(text: str, owner: str, name: str) -> list[str]:
    """Addresses of a repository or site of this name that belongs to somebody else."""
    found = re.findall(rf"github(?:\.com)?/([\w.-]+)/{re.escape(name)}(?![\w-])", text)
    found += re.findall(rf"/gh/([\w.-]+)/{re.escape(name)}(?![\w-])", text)
    found += re.findall(rf"([\w-]+)\.github\.io/{re.escape(name)}(?![\w-])", text)
    return [each for each in found if each.lower() != owner.lower()]


def test_no_file_names_another_address():
    for path in tracked(ROOT):
        assert not strange(path.read_text(encoding="utf-8"), OWNER, NAME), path


@pytest.mark.parametrize("name", REPEATS)
def test_it_stands_where_readers_look(name):
    assert f"{OWNER}/{NAME}" in (ROOT / name).read_text(encoding="utf-8")


def test_every_first_cell_installs_from_it():
    notebooks = sorted((ROOT / "chapters").rglob("[!.]*.ipynb"))
    for path in notebooks:
        assert f"git+{OWN}" in path.read_text(encoding="utf-8"), path
    assert len(notebooks) >= 8


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    """A copy of all that git knows, with the address changed by the command."""
    root = tmp_path_factory.mktemp("fork")
    for path in tracked(ROOT):
        copy = root / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    run_in(root, "https://github.com/Ada-L/digits.2")
    return root


def run_in(root: Path, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.change_address", url]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def test_the_command_changes_every_repeat(fork):
    assert address(fork) == "https://github.com/Ada-L/digits.2"
    for path in tracked(fork):
        text = path.read_text(encoding="utf-8")
        assert f"{OWNER}/{NAME}" not in text and f"{OWNER}.github.io" not in text, path
        assert not strange(text, "Ada-L", "digits.2"), path
    for name in REPEATS:
        assert "Ada-L/digits.2" in (fork / name).read_text(encoding="utf-8")
    assert "cd digits.2\n" in (fork / "index.md").read_text(encoding="utf-8")


def test_it_changes_nothing_else(fork):
    assert "deeplearning4j.org/mnist-for-beginners.html" in (fork / "index.md").read_text()
    back = run_in(fork, OWN)
    assert back.returncode == 0 and "pyproject.toml" in back.stdout.splitlines()
    for path in set(tracked(ROOT)) - {Path(__file__)}:  # this file tells of other addresses
        assert (fork / path.relative_to(ROOT)).read_bytes() == path.read_bytes(), path


@pytest.mark.parametrize(
    "url", ["digits", "https://example.org/ada/digits", "https://github.com/ada", "", "ada/digits"]
)
def test_an_address_that_is_none_changes_nothing(tmp_path, url):
    result = run_in(ROOT, url)
    assert result.returncode == 1 and repr(url) in result.stderr
    assert address() == OWN


def test_only_whole_names_are_changed():
    old, new = "https://github.com/a/book", "https://github.com/b/tome"
    text = "a/book a/bookcase ja/book a.github.io/book/x cd book a/book.git gh/a/book/main"
    assert change_text(text, old, new) == (
        "b/tome a/bookcase ja/book b.github.io/tome/x cd tome b/tome.git gh/b/tome/main"
    )


def test_a_persons_own_site_has_no_folder():
    old, new = "https://github.com/a/book", "https://github.com/B/b.github.io"
    text = "https://a.github.io/book/x.html https://github.com/a/book"
    changed = "https://b.github.io/x.html https://github.com/B/b.github.io"
    assert change_text(text, old, new) == changed
    assert change_text(changed, new, old) == text

"""What `pip install` brings: the wheel holds all that the package needs, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repository import tracked

ROOT = Path(__file__).parents[1]


def run(*command: str, cwd: Path, **environment: str) -> str:
    """The output of a command that must succeed, errors included."""
    result = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def build(what: str, source: Path, dist: Path) -> str:
    """Builds in a folder with the installed setuptools, as `make dist` does with a fresh one."""
    code = f"import sys; from setuptools import build_meta; build_meta.build_{what}(sys.argv[1])"
    return run(sys.executable, "-c", code, str(dist), cwd=source)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source distribution, the wheel made from it, and what the builder said."""
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for path in tracked(ROOT, binary=True):
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    said = build("sdist", source, dist)
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(dist, filter="data")
    said += build("wheel", dist / sdist.name.removesuffix(".tar.gz"), dist)
    (wheel,) = dist.glob("*.whl")
    return sdist, wheel, said


def package_files() -> dict[str, Path]:
    """The files of the package by their names in the wheel."""
    files = {
        path.relative_to(ROOT).as_posix(): path
        for path in tracked(ROOT, binary=True)
        if path.is_relative_to(ROOT / "mnist_tutorial")
    }
    for suffix in ("mjs", "css"):
        for path in (ROOT / "_static" / "live").glob(f"*.{suffix}"):
            files[f"mnist_tutorial/book/browser/{path.name}"] = path
    return files


def test_the_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
        about = {name for name in names if ".dist-info/" in name}
        files = package_files()
        assert names - about == files.keys()
        for name, path in files.items():
            assert wheel.read(name) == path.read_bytes(), name
    assert {name.split(".dist-info/")[1] for name in about} == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt",
        "licenses/LICENSE", "licenses/LICENSES.md", "licenses/_static/fonts/OFL.txt",
    }  # fmt: skip
    assert "mnist_tutorial/py.typed" in files


def test_the_source_distribution_holds_what_makes_the_wheel(built):
    with tarfile.open(built[0]) as archive:
        names = {
            Path(name).relative_to(Path(name).parts[0]).as_posix() for name in archive.getnames()
        }
    folders = {name.split("/")[0] for name in names if "/" in name}
    assert folders == {"mnist_tutorial", "mnist_tutorial.egg-info", "_static"}
    assert {"pyproject.toml", "README.md", "LICENSE", "LICENSES.md", "PKG-INFO"} <= names
    assert not [name for name in names if name.endswith((".pyc", ".ipynb", ".bin", ".safetensors"))]


def pins(name: str, **environment: str) -> dict[str, str]:
    """The versions that a lock pins in an environment; every line must carry hashes."""
    found = {}
    for line in (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "").splitlines():
        if line and not line.startswith("#"):
            pin = re.fullmatch(r"(.*?)( +--hash=sha256:[0-9a-f]{64})+", line)
            assert pin, line
            requirement = Requirement(pin[1])
            if requirement.marker is None or requirement.marker.evaluate(environment):
                assert requirement.name not in found, line
                found[requirement.name] = str(requirement.specifier).removeprefix("==")
    return found


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_the_locks_carry_hashes_agree_and_hold_what_the_project_asks_for(system, python):
    environment = {
        "sys_platform": system,
        "os_name": "nt" if system == "win32" else "posix",
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    main = pins("requirements.txt", **environment)
    extra = pins("requirements-extras.txt", **environment)
    shared = main.keys() & extra.keys()
    assert len(shared) > 50
    assert {name: main[name] for name in shared} == {name: extra[name] for name in shared}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = project["dependencies"] + sum(project["optional-dependencies"].values(), [])
    for requirement in map(Requirement, asked):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            version = (main | extra)[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), requirement


def test_it_is_built_without_a_warning(built):
    said = [line for line in built[2].splitlines() if re.search("warn|deprecat", line, re.I)]
    # Its own word that it looks for files which aren't there.
    assert not [line for line in said if "no previously-included" not in line], said


def test_the_command_works_away_from_the_checkout(built, tmp_path):
    home = tmp_path / "installed"
    run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps"),
        *("--no-index", "--target", str(home), str(built[1])),
        cwd=tmp_path,
    )
    command = str(home / "bin" / "mnist-tutorial")
    assert "--batch-size" in run(command, "--help", cwd=tmp_path, PYTHONPATH=str(home))
    code = "from mnist_tutorial import data; print(data.__file__, data.find_prepared('mnist'))"
    places = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(home)).split()
    assert len(places) == 2 and all(place.startswith(str(home)) for place in places)

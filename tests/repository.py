"""What several tests ask of the repository: its public address, and the files that git knows."""

import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def address(root: Path = ROOT) -> str:
    """The public address of the repository, from its one place in pyproject.toml."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


def tracked(root: Path = ROOT, binary: bool = False) -> list[Path]:
    """The text files that git knows, or would if they were added; all files with `binary`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    paths = [root / name for name in sorted(set(listed.split("\0"))) if name]
    paths = [path for path in paths if path.is_file()]
    return [path for path in paths if binary or b"\0" not in path.read_bytes()]

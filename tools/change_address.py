"""Changes the repository's public address everywhere, for whoever forks the book.

    python -m tools.change_address https://github.com/OWNER/NAME

The address stands in pyproject.toml; this replaces it there and in every file that repeats it:
links, badges, the first cells of the chapters, the addresses of the published pages.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = re.compile(r"https://github\.com/([A-Za-z0-9-]+)/([A-Za-z0-9._-]+)")


def address(root: Path = ROOT) -> str:
    """The public address of the repository, from the place where it stands."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


def change_text(text: str, old: str, new: str) -> str:
    """Returns a text with the new address in place of the old one.

    Args:
        text: of any file.
        old, new: addresses as in pyproject.toml.
    """
    (old_owner, old_name), (new_owner, new_name) = (_parts(each) for each in (old, new))
    pairs = {
        f"{old_owner}/{old_name}": f"{new_owner}/{new_name}",
        _site(old_owner, old_name): _site(new_owner, new_name),
        f"cd {old_name}": f"cd {new_name}",  # what a reader types after cloning
    }
    choices = "|".join(map(re.escape, pairs))
    return re.sub(rf"(?<![\w.-])({choices})(?![\w-])", lambda match: pairs[match[0]], text)


def _site(owner: str, name: str) -> str:
    """Where GitHub shows the repository's pages; OWNER/OWNER.github.io is the owner's own site."""
    host = f"{owner.lower()}.github.io"
    return host if name.lower() == host else f"{host}/{name}"


def _parts(url: str) -> tuple[str, str]:
    match = ADDRESS.fullmatch(url.strip().removesuffix("/").removesuffix(".git"))
    if match is None:
        raise ValueError(f"the address must read https://github.com/OWNER/NAME, got {url!r}")
    return match[1], match[2]


def tracked(root: Path, binary: bool = False) -> list[Path]:
    """The text files that git knows, or would if they were added; all files with `binary`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    paths = [root / name for name in sorted(set(listed.split("\0"))) if name]
    paths = [path for path in paths if path.is_file()]
    return [path for path in paths if binary or b"\0" not in path.read_bytes()]


def change(new: str, root: Path = ROOT) -> list[Path]:
    """Changes the address in all files.

    Returns:
        The files that were changed.

    Raises:
        ValueError: the new address isn't one of a repository on GitHub.
    """
    old, new = address(root), "https://github.com/" + "/".join(_parts(new))
    changed = []
    for path in tracked(root):
        text = path.read_bytes().decode("utf-8")  # not read_text: line ends stay as they are
        if (replaced := change_text(text, old, new)) != text:
            path.write_bytes(replaced.encode("utf-8"))
            changed.append(path)
    return changed


def main() -> int:
    """Runs the change from the command line."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        changed = change(sys.argv[1])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for path in changed:
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())

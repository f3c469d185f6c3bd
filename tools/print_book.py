"""Prints the whole book into one PDF, with Chromium.

    python -m tools.print_book

Made from the one file that the build leaves beside the pages, with answers unfolded. Needs
Chromium: apt-get install chromium, or CHROMIUM=/path/to/it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mnist_tutorial.data import write_whole

BUILT = Path(__file__).parents[1] / "_build"
BOOK, PDF = BUILT / "html/mnist-for-beginners.html", BUILT / "mnist-for-beginners.pdf"


def find_chromium() -> str:
    """The browser that prints.

    Raises:
        FileNotFoundError: there is none.
    """
    # The first has no windows, and takes half the processor's time.
    names = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise FileNotFoundError(
            "no Chromium found: apt-get install chromium, or set CHROMIUM=/path/to/it"
        )
    return found


def print_book(book: Path, target: Path) -> None:
    """Writes the PDF, whole or not at all.

    Args:
        book: the book in one file.
        target: where the PDF goes.

    Raises:
        OSError: the book or Chromium isn't there.
        subprocess.SubprocessError: Chromium failed or took more than five minutes.
    """
    text = book.read_text("utf-8").replace("<details", "<details open")
    with tempfile.TemporaryDirectory() as folder:
        page, pdf = Path(folder, "book.html"), Path(folder, "book.pdf")
        page.write_text(text, "utf-8")
        command = [find_chromium(), "--headless", "--no-sandbox", "--disable-gpu"]
        command += ["--no-pdf-header-footer", "--generate-pdf-document-outline"]
        command += [f"--print-to-pdf={pdf}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        write_whole(target, pdf.read_bytes())


def main() -> int:
    """Runs from the command line."""
    try:
        print_book(BOOK, PDF)
    except (OSError, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Wrote {PDF.relative_to(BUILT.parent)}, {PDF.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

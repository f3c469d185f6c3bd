"""Sphinx extension: behind each interactive part is a picture of it.

It's seen on paper and where there is no JavaScript, and fetched only there. `tools/make_stills.py`
takes the pictures.
"""

from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from PIL import Image
from sphinx.application import Sphinx

# What is seen on each picture, for those who don't see.
STILLS = {
    "draw": "A drawing pad with a digit, its 28 by 28 pixels, and the network's ten probabilities.",
    "averages": "A drawing pad with a digit, and its distance from each of the ten average digits.",
    "neuron": "One neuron: ink times weights, added up, plus a bias, and what ReLU makes of it.",
    "way": "A digit on its way: pixels, hidden units lit by how active they are, scores, answers.",
    "softmax": "Ten sliders for the scores, the probabilities that softmax makes, and the loss.",
    "nudge": "The loss as a curve over one weight, with the slope at the weight's present value.",
    "downhill": "The loss as a landscape seen from above, and the path of training downhill.",
    "train": "Sliders for the settings of a network, its learning curves, and a pad to try it on.",
    "confusion": "The confusion matrix, and the digits behind one of its cells.",
    "threshold": "A slider for the threshold, the four counts that follow, precision and recall.",
    "look": "One hidden unit: its weights after each epoch, its votes, and what excites it most.",
}


def attach(page: BeautifulSoup, up: str, folder: Path) -> int:
    """Puts its picture behind each interactive part of a page.

    Args:
      up: the way from the page to the book's root, such as "../".
      folder: where the pictures are.

    Returns:
      How many parts got one.
    """
    count = 0
    for part in page.select("article [data-live]:not(form)"):  # a form is an exercise
        name = str(part["data-live"])
        with Image.open(folder / f"{name}.webp") as picture:
            width, height = map(str, picture.size)
        source = f"{up}_static/live/{name}.webp"
        attributes = {"class": "live-still", "src": source, "alt": STILLS[name]}
        attributes |= {"width": width, "height": height, "loading": "lazy"}
        part.insert_after(page.new_tag("img", attrs=attributes))
        count += 1
    return count


def attach_all(app: Sphinx, exception: Exception | None) -> None:
    """Goes through the finished pages."""
    if exception or app.builder.name != "html":
        return
    root = Path(app.outdir)
    for name in app.env.found_docs:
        path = root / f"{name}.html"
        page = BeautifulSoup(path.read_text("utf-8"), "html.parser")
        if attach(page, "../" * name.count("/"), Path(app.srcdir, "_static/live")):
            path.write_text(str(page), "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connects the pictures to the end of the build, before the pages are made slim."""
    app.connect("build-finished", attach_all, priority=880)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Makes the fonts of the pages and figures, small, from the packages that npm has of them.

    npm install --prefix _build/fonts @fontsource-variable/inter @fontsource-variable/source-serif-4
    python -m tools.make_fonts _build/fonts

Takes Inter and Source Serif 4 (both under the SIL Open Font License), keeps weights from 400 to
700 and the signs of English text, and writes them to _static/fonts under names of their own, as
that licence asks where a name is reserved. Figures have the first, as Matplotlib reads it: a file
for each weight, in mnist_tutorial/book/fonts. Needs brotli beside fontTools.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

FONTS = {"inter": "Book Sans", "source-serif-4": "Book Serif"}
TARGET = Path(__file__).parents[1] / "_static" / "fonts"
FOR_FIGURES = Path(__file__).parents[1] / "mnist_tutorial" / "book" / "fonts"
WEIGHTS = {"Regular": 400, "Bold": 700}
SIGNS = [*range(0x20, 0x7F), *map(ord, "\xa0°±²³·×é–—‘’“”•…→−≈≤≥")]


def make(source: Path, name: str, target: Path) -> None:
    """Writes the small font of one file."""
    font = TTFont(source)
    options = subset.Options(
        hinting=False, name_IDs=[0, 13, 14], layout_features=["kern", "mark", "ccmp", "tnum"]
    )
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=SIGNS)
    subsetter.subset(font)
    font = instancer.instantiateVariableFont(font, {"wght": (400, 700)})
    for identifier, text in {1: name, 4: name, 6: name.replace(" ", "")}.items():
        font["name"].setName(text, identifier, 3, 1, 0x409)
    font.flavor = "woff2"
    font.recalcTimestamp = False
    font.save(target)


def make_still(source: Path, style: str, target: Path) -> None:
    """Writes one weight of a font that has many."""
    font = instancer.instantiateVariableFont(TTFont(source), {"wght": WEIGHTS[style]})
    family = str(font["name"].getDebugName(1))
    for identifier, text in {2: style, 4: f"{family} {style}", 6: f"BookSans-{style}"}.items():
        font["name"].setName(text, identifier, 3, 1, 0x409)
    font.flavor = None
    font.recalcTimestamp = False
    font.save(target)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for package, name in FONTS.items():
        folder = Path(sys.argv[1], "node_modules/@fontsource-variable", package)
        (source,) = folder.glob("files/*-latin-wght-normal.woff2")
        target = TARGET / f"{name.lower().replace(' ', '-')}.woff2"
        make(source, name, target)
        print(f"{target.name}: {target.stat().st_size / 1000:.1f} kB")
    for style in WEIGHTS:
        target = FOR_FIGURES / f"book-sans-{style.lower()}.ttf"
        make_still(TARGET / "book-sans.woff2", style, target)
        print(f"{target.name}: {target.stat().st_size / 1000:.1f} kB")

"""The book's colours and letters, in one place for figures; `_static/book.css` has the same.

Each colour means one thing: ink is data, orange the network's answer, red and blue the signs of
weights, green the truth, and grey what a figure only compares with. Lines that differ in nothing
but their name are shades from ink to grey, and differ in their marks and dashes too.

    import matplotlib.pyplot as plt
    from mnist_tutorial.book import style

    with plt.rc_context(style.RC):
        ...
"""

from pathlib import Path
from typing import Any

import numpy as np
from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.font_manager import fontManager

INK = "#1c2430"
ANSWER = "#d55e00"
TRUTH = "#00795a"
QUIET = "#8a94a0"
POSITIVE, NEGATIVE = "#b2182b", "#2166ac"  # weights: ink excites the unit, or quiets it
MUTED = "#56606e"  # words beside a figure's lines
LINE = "#ded9cf"
WORDS = {ANSWER: "#b04a00", QUIET: MUTED}  # what a colour is in words, where it is too light

WEIGHTS = LinearSegmentedColormap.from_list("weights", [NEGATIVE, "white", POSITIVE])
ERRORS = LinearSegmentedColormap.from_list("errors", ["white", ANSWER])

for font in Path(__file__).parent.glob("fonts/*.ttf"):
    fontManager.addfont(font)

SIZE = 11  # points of all letters: those of the page beside, and readable on a phone
RC: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.labelsize": SIZE,
    "axes.prop_cycle": cycler(color=[INK, ANSWER, QUIET, TRUTH]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": SIZE,
    "axes.titleweight": "bold",
    "errorbar.capsize": 3,
    "figure.facecolor": "white",
    "font.family": ["Book Sans", "DejaVu Sans"],  # the second has what the first lacks: ✗ → ⋮
    "font.size": SIZE,
    "grid.color": LINE,
    "legend.borderpad": 0.2,
    "legend.fontsize": SIZE,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "mathtext.cal": "Book Sans",
    "mathtext.fontset": "custom",
    "mathtext.it": "Book Sans",
    "mathtext.rm": "Book Sans",
    "svg.hashsalt": "mnist",
    "text.color": INK,
    "xtick.color": QUIET,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": SIZE,
    "ytick.color": QUIET,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": SIZE,
}


def shades(count: int) -> list[str]:
    """Returns so many colours from ink to grey, for lines without a meaning of their own."""
    return [to_hex(colour) for colour in np.linspace(to_rgb(INK), to_rgb(QUIET), count)]

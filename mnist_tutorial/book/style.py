"""The book's colours and letters, in one place for figures; `_static/book.css` has the same.

Each colour means one thing: ink is data, orange the network's answer, red and blue the signs of
weights, green the truth, and grey what a figure only compares with.

    import matplotlib.pyplot as plt
    from mnist_tutorial.book import style

    with plt.rc_context(style.RC):
        ...
"""

from typing import Any

from cycler import cycler

INK = "#1c2430"
ANSWER = "#d55e00"
TRUTH = "#00795a"
QUIET = "#8a94a0"
POSITIVE, NEGATIVE = "#b2182b", "#2166ac"  # weights: ink excites the unit, or quiets it
MUTED = "#56606e"  # words beside a figure's lines
LINE = "#ded9cf"

RC: dict[str, Any] = {
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.prop_cycle": cycler(color=[INK, ANSWER, QUIET, TRUTH]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "grid.color": LINE,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelsize": 10,
    "ytick.color": MUTED,
    "ytick.labelsize": 10,
}

"""The colours of figures and of pages are the same, and can be told from their paper."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb
from matplotlib.font_manager import findfont, get_font

from mnist_tutorial.book import plots, style

STATIC = Path(__file__).parents[1] / "_static"
CSS = (STATIC / "book.css").read_text(encoding="utf-8")


def theme(name):
    rules = re.search(rf'data-theme="{name}"\] {{(.*?)}}', CSS, re.S)[1]
    return dict(re.findall(r"(--[\w-]+): (#\w+);", rules))


def contrast(one, other):
    """That of WCAG 2.1, from 1 to 21."""

    def luminance(colour):
        shares = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * shares[0] + 0.7152 * shares[1] + 0.0722 * shares[2]

    light, dark = sorted((luminance(to_rgb(one)), luminance(to_rgb(other))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_pages_and_figures_have_the_same_colours():
    light = theme("light")
    assert style.INK == light["--pst-color-text-base"]
    assert style.MUTED == light["--pst-color-text-muted"]
    assert style.LINE == light["--pst-color-border"]
    for name in ("answer", "truth", "quiet"):
        assert getattr(style, name.upper()) == light[f"--{name}"]
    assert style.WORDS[style.ANSWER] == light["--answer-text"]
    live = (STATIC / "live/live.css").read_text(encoding="utf-8")
    assert f"--live-for: {style.POSITIVE};" in live
    assert f"--live-against: {style.NEGATIVE};" in live


@pytest.mark.parametrize("name", ["light", "dark"])
def test_words_can_be_read_and_marks_can_be_seen(name):
    colours = theme(name)
    papers = [colours["--pst-color-background"], colours["--pst-color-surface"], colours["--card"]]
    for paper in papers:
        for words in (
            "--pst-color-text-base",
            "--pst-color-text-muted",
            "--pst-color-link",
            "--pst-color-link-hover",
            "--answer-text",
        ):
            assert contrast(colours[words], paper) >= 4.5, (words, paper)
        for marks in ("--answer", "--truth"):
            assert contrast(colours[marks], paper) >= 3, (marks, paper)


def test_words_in_figures_can_be_read_and_lines_be_seen():
    for words in (style.INK, style.TRUTH, style.MUTED, *style.WORDS.values()):
        assert contrast(words, "white") >= 4.5
    for marks in (style.ANSWER, style.POSITIVE, style.NEGATIVE, *style.shades(5)):
        assert contrast(marks, "white") >= 3


def test_shades_go_from_ink_to_grey():
    assert style.shades(1) == [style.INK]
    first, *between, last = style.shades(4)
    assert (first, last) == (style.INK, style.QUIET) and len({*between}) == 2


def test_matplotlib_takes_the_style():
    with plt.rc_context(style.RC):
        _, axes = plt.subplots()
        (line,) = axes.plot([0, 1])
        assert line.get_color() == style.INK
        plt.close()


def test_figures_have_the_style_with_nothing_set():
    figure = plots.curves({"training": ([1, 2], [3, 4]), "validation": ([1, 2], [4, 5])}, "x", "y")
    (ax,) = figure.axes
    assert [line.get_color() for line in ax.lines] == [style.INK, style.ANSWER]
    assert ax.xaxis.label.get_size() == style.SIZE and not ax.spines["top"].get_visible()
    assert [name.get_text() for name in ax.texts] == ["training", "validation"]


def test_every_sign_of_a_figure_has_a_letter():
    book, other = (get_font(findfont(family)) for family in style.RC["font.family"])
    assert book.family_name == "Book Sans"
    for sign in "azAZ09%.,:()/−–±":
        assert book.get_char_index(ord(sign)), sign
    for sign in "✗⋮→":
        assert other.get_char_index(ord(sign)), sign

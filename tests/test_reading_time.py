"""The clock counts what a newcomer sees without a click."""

import pytest
from nbformat import v4

from tools.reading_time import Count, count, main

WORDS = "one two three [four](https://example.org/a/b) don't\n\n| a | b |\n|---|---|\n| 1 | 2 |"
FOLDED = "<details><summary>Five more words are here</summary>\n\nMany others aren't.\n\n</details>"


def output(**data):
    return v4.new_output("display_data", {name.replace("_", "/"): v for name, v in data.items()})


def code(*tags, outputs=()):
    return v4.new_code_cell("a = 1\n\nb = 2", metadata={"tags": [*tags]}, outputs=[*outputs])


SHOWN = [output(image_png="x"), output(text_markdown="Two words.\n\n| a |\n|---|\n| 1 |")]
LIVE = output(text_html='<div class="live"></div>')


@pytest.mark.parametrize(
    "cell, seen",
    [
        (v4.new_markdown_cell(WORDS), Count(words=5, rows=3)),
        (v4.new_markdown_cell(FOLDED), Count(words=5)),
        (code(), Count(lines=2)),
        (code(outputs=SHOWN), Count(lines=2, figures=1, words=2, rows=3)),
        (code(outputs=[output(**{"image/svg+xml": "x"})]), Count(lines=2, figures=1)),
        (code("hide-input", outputs=[*SHOWN, LIVE]), Count(2, 0, 1, 3, 1)),
        (code("hide-cell", outputs=SHOWN), Count()),
        (code(outputs=[output(text_markdown="```python\nx\ny\n```")]), Count(lines=4)),
        (v4.new_markdown_cell("## Try it\n\nAn exercise."), Count()),
    ],
)
def test_each_thing_is_counted_as_what_it_is(cell, seen):
    assert count([cell]) == seen


def test_the_exercises_are_free():
    cells = [code(), v4.new_markdown_cell("Last.\n\n## Try it\n\nWrite."), code()]
    assert count(cells) == Count(lines=2)


def test_minutes_are_rounded_up():
    assert Count(words=200).stated == 1
    assert Count(words=200, lines=1).stated == 2
    assert Count(1, 1, 1, 1, 1).minutes == pytest.approx((0.3 + 4 + 15 + 2 + 45) / 60)


def test_the_seven_chapters_are_summed_up(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8 and lines[0].startswith("01-introduction: ")
    assert lines[-1].startswith("sum: ")

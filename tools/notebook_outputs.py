"""What a notebook's outputs mean: how they are tidied, and when two runs of a cell count as equal.

Shared by `tools/run_notebooks.py`, which stores outputs, and `chapters/conftest.py`, which verifies
them, so that what one stores the other accepts.

Training is floating-point arithmetic: another processor moves the last digits of a loss, and after
fifteen epochs it moves a few of the 300 mistakes. Text and whole numbers are therefore compared
exactly, numbers with decimals within a relative tolerance, and a cell whose numbers come out of a
long training says so with a tag:

- `tolerance-0.05`: all numbers of the cell, whole ones included, may be off by 5%;
- `count-8`: whole numbers of the cell may be off by 8 (small counts, as in a confusion matrix);
- `picture-0.05`: in each picture of the cell 5% of the pixels may differ; in a drawing (SVG), 5% of
  its marks, and all may be off by 5% of its width.
"""

import base64
import io
import json
import math
import os
import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbformat import NotebookNode
from PIL import Image, ImageFilter

TOLERANCE = 5e-3  # relative, for numbers with decimals
PICTURE_SHARE = 2e-3  # of a picture's pixels may differ ...
PICTURE_STEP = 16  # ... by more than this many of 255 levels ...
PICTURE_BLUR = 2  # ... after a Gaussian blur of so many pixels, which evens out antialiasing
DRAWING_STEP = 1.5  # by so many of a drawing's units, 1/72 inch, a mark may be off
MAX_LINES = 6  # of differences named per output: the first ones tell what is wrong

IGNORE_TAG = "nbval-ignore-output"


# Tidying ----------------------------------------------------------------------------------------


def fold(text: str) -> str:
    r"""Returns what a terminal shows after a text with carriage returns.

    `\r` goes back to the start of the line, a backspace one column back, `ESC[K` erases the rest of
    the line and `ESC[2K` all of it; what follows overwrites what was there. Lines that use
    none of these are kept as they are; blanks at the end of those that do are dropped, and a text
    of which nothing remains becomes empty.
    """
    if not _CONTROL.search(text):
        return text
    lines = [_fold_line(line) for line in text.split("\n")]
    return "\n".join(lines) if any(line.strip() for line in lines) else ""


_CONTROL = re.compile(r"(\r|\x08|\x1b\[[02]?K)")


def _fold_line(line: str) -> str:
    parts = _CONTROL.split(line)
    if len(parts) == 1:
        return line
    shown: list[str] = []
    column = 0
    for part in parts:
        if part == "\r":
            column = 0
        elif part == "\x08":
            column = max(column - 1, 0)
        elif part == "\x1b[2K":
            shown = [" "] * column
        elif part.startswith("\x1b["):
            del shown[column:]
        else:
            shown[column : column + len(part)] = part
            column += len(part)
    return "".join(shown).rstrip()


def tidy(outputs: Iterable[Mapping[str, Any]]) -> list[NotebookNode]:
    """Returns a cell's outputs with adjacent streams joined, progress folded, transients dropped.

    Args:
        outputs: outputs as nbformat 4 has them; they are not changed.

    Returns:
        New outputs; a stream of which nothing remains is left out.
    """
    tidied: list[NotebookNode] = []
    for output in outputs:
        output = nbformat.from_dict(
            {key: value for key, value in output.items() if key != "transient"}
        )
        last = tidied[-1] if tidied else None
        if output.output_type == "stream" and last and last.get("name") == output.name:
            last.text += output.text
        else:
            tidied.append(output)
    for output in tidied:
        if output.output_type == "stream":
            output.text = fold(output.text)
    return [output for output in tidied if output.output_type != "stream" or output.text]


def replay(messages: Iterable[Mapping[str, Any]]) -> list[NotebookNode]:
    """Returns the outputs that a front end shows after a kernel's messages about one cell.

    Unlike nbval 0.11 it follows `clear_output` and `update_display_data`, as nbclient does.

    Args:
        messages: the cell's iopub messages, in the order of their arrival.
    """
    shown: list[tuple[str | None, NotebookNode]] = []
    clear_first = False
    for message in messages:
        kind, content = message["msg_type"], message["content"]
        display_id = content.get("transient", {}).get("display_id")
        if kind == "clear_output":
            clear_first = content.get("wait", False)
            if not clear_first:
                shown.clear()
        elif kind == "update_display_data":
            for its_id, output in shown:
                if its_id == display_id:
                    output.data = nbformat.from_dict(content["data"])
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if clear_first:
                shown.clear()
                clear_first = False
            shown.append((display_id, nbformat.v4.output_from_msg(message)))
    return [output for _, output in shown]


# The policy -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Policy:
    """What may differ between two runs of one cell.

    Attributes:
        tolerance: relative tolerance of all numbers, whole ones too; None means that whole numbers
            are exact and the others within `TOLERANCE`.
        count: absolute tolerance of whole numbers.
        picture: share of a picture's pixels that may differ, 0 to 1; of a drawing's marks, and of
            its width, by which they may be off.
        compare_pictures: False where another matplotlib draws; they must then only be there.
    """

    tolerance: float | None = None
    count: int = 0
    picture: float = PICTURE_SHARE
    compare_pictures: bool = True


def tags(cell: Mapping[str, Any]) -> list[str]:
    """Returns the tags of a cell."""
    return list(cell["metadata"].get("tags", []))


def policy_of(cell: Mapping[str, Any], compare_pictures: bool = True) -> Policy:
    """Returns the policy that a cell's tags ask for.

    Raises:
        ValueError: a tag such as `tolerance-much` has no usable number.
    """
    asked: dict[str, Any] = {}
    for tag in tags(cell):
        name, _, number = tag.partition("-")
        if name not in ("tolerance", "count", "picture") or not number:
            continue
        try:
            asked[name] = int(number) if name == "count" else float(number)
        except ValueError:
            raise ValueError(f"tag {tag!r}: {number!r} is not a number") from None
        if not 0 < asked[name] <= (math.inf if name == "count" else 1):
            raise ValueError(f"tag {tag!r}: the number must be above 0 (a fraction: at most 1)")
    return Policy(compare_pictures=compare_pictures, **asked)


def stored_problems(notebook: NotebookNode) -> list[str]:
    """Returns why a stored notebook can't be trusted: cells not run, run out of order or failed."""
    problems = []
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code_cells, start=1):
        count = cell.get("execution_count")
        if count is None:
            first_line = _shorten(cell.source.partition("\n")[0])
            problems.append(f"code cell {number} was never run: {first_line}")
        elif count != number:
            problems.append(f"code cell {number} has execution count {count}, not {number}")
        problems += [f"code cell {number}: {text}" for text in output_problems(cell.outputs)]
        try:
            policy_of(cell)
        except ValueError as error:
            problems.append(f"code cell {number}: {error}")
    return problems


def output_problems(outputs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns what no cell of the book may output: errors and text on stderr."""
    problems = []
    for output in outputs:
        if output["output_type"] == "error":
            problems.append(f"error {output['ename']}: {output['evalue']}")
        elif output["output_type"] == "stream" and output["name"] == "stderr":
            problems.append(f"text on stderr: {output['text'].strip()}")
    return problems


# Comparing --------------------------------------------------------------------------------------


def differences(
    stored: Sequence[Mapping[str, Any]], computed: Sequence[Mapping[str, Any]], policy: Policy
) -> list[str]:
    """Returns how a cell's computed outputs differ from the stored ones, one line each.

    Args:
        stored: the outputs in the notebook.
        computed: the outputs of a new run.
        policy: what may differ.

    Returns:
        An empty list where the two count as equal.
    """
    stored, computed = tidy(stored), tidy(computed)
    if len(stored) != len(computed):
        return [
            f"stored {len(stored)} outputs ({', '.join(map(_kind, stored)) or 'none'}), "
            f"computed {len(computed)} ({', '.join(map(_kind, computed)) or 'none'})"
        ]
    found = []
    for number, (left, right) in enumerate(zip(stored, computed, strict=True), start=1):
        found += [f"output {number}, {text}" for text in _output_differences(left, right, policy)]
    return found


def _output_differences(stored: NotebookNode, computed: NotebookNode, policy: Policy) -> list[str]:
    if _kind(stored) != _kind(computed):
        return [f"stored as {_kind(stored)}, computed as {_kind(computed)}"]
    if stored.output_type == "stream":
        found = text_differences(stored.text, computed.text, policy)
        return [f"{stored.name}, {text}" for text in found]
    if stored.output_type == "error":
        same = (stored.ename, stored.evalue) == (computed.ename, computed.evalue)
        return [] if same else [f"error: stored {stored.ename}, computed {computed.ename}"]
    # What a page knows of a cell beside what is shown (`book/exercises.py`).
    left, right = (_as_text(output.get("metadata", {})) for output in (stored, computed))
    found = [f"metadata, {text}" for text in text_differences(left, right, policy)]
    for mime in sorted(stored.data):
        left, right = stored.data[mime], computed.data[mime]
        if mime in ("image/png", "image/jpeg"):
            problem = picture_difference(left, right, policy)
            found += [f"{mime}, {problem}"] if problem else []
        elif mime == "image/svg+xml":
            problem = drawing_difference(left, right, policy)
            found += [f"{mime}, {problem}"] if problem else []
        else:
            texts = text_differences(_as_text(left), _as_text(right), policy)
            found += [f"{mime}, {text}" for text in texts]
    return found


def _kind(output: NotebookNode) -> str:
    if output.output_type == "stream":
        return str(output.name)
    return "+".join(sorted(output.get("data", {}))) or output.output_type


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, indent=1)


@dataclass(frozen=True)
class _Number:
    """A number in a text: where it is, how it's written, and the step of its last digit."""

    start: int
    raw: str
    value: float
    whole: bool
    unit: float


_NUMBER = re.compile(
    r"""
    (?<![\w.\#])                    # not inside a name (x1, float32), a version or a colour
    [-+\u2212]?                     # the sign may be a typographic minus
    (?: (?: [0-9]{1,3} (?:,[0-9]{3})+ | [0-9]+ ) (?:\.[0-9]*)? | \.[0-9]+ )
    (?: [eE][-+]?[0-9]+ )?
    (?! [0-9] | \.[0-9] )           # not the start of a version such as 0.10.2
    """,
    re.VERBOSE,
)


def _split(text: str) -> tuple[list[str], list[_Number]]:
    """Splits a text into its n numbers and the n + 1 pieces of text around them."""
    pieces, numbers = [], []
    end = depth = 0
    for match in _NUMBER.finditer(text):
        raw = match.group()
        depth += text.count("[", end, match.start()) - text.count("]", end, match.start())
        if raw.endswith(".") and depth <= 0:
            raw = raw[:-1]  # "it has 784." ends a sentence; "[784. 785.]" is an array of floats
        pieces.append(text[end : match.start()])
        end = match.start() + len(raw)
        plain = raw.replace(",", "").replace("\u2212", "-")
        mantissa, _, exponent = plain.lower().partition("e")
        decimals = len(mantissa.partition(".")[2])
        whole = "." not in mantissa and not exponent
        unit = 10.0 ** max(min(int(exponent or 0) - decimals, 300), -300)
        numbers.append(_Number(match.start(), raw, float(plain), whole, unit))
    return [*pieces, text[end:]], numbers


def _without_padding(piece: str) -> str:
    return re.sub(r"([-=\u2500])\1+", r"\1", re.sub(r"\s+", "", piece))


def text_differences(stored: str, computed: str, policy: Policy) -> list[str]:
    """Returns how two texts differ, numbers by their value and everything else exactly.

    Blanks, line breaks and the length of rules (`-----`) count only where every number is as wide
    as it was: a wider one moves the padding of its column and the wrapping of its array.
    """
    pairs = _pairs(stored, computed)
    if pairs is None:
        return [_first_different_line(stored, computed, policy)]
    found = []
    for a, b in pairs:
        if _differ(a, b, policy):
            line = stored.count("\n", 0, a.start) + 1
            off, allowed = abs(a.value - b.value), max(_allowed(a, b, policy), 0)
            found.append(
                f"line {line}: stored {a.raw}, computed {b.raw} "
                f"(off by {off:.3g}, allowed {allowed:.3g})"
            )
    if len(found) > MAX_LINES:
        found[MAX_LINES:] = [f"and {len(found) - MAX_LINES} more numbers"]
    return found


def _pairs(stored: str, computed: str) -> list[tuple[_Number, _Number]] | None:
    """Returns the numbers of two texts in pairs, or None where the text around them differs."""
    (left, stored_numbers), (right, computed_numbers) = _split(stored), _split(computed)
    if len(left) != len(right):
        return None
    pairs = list(zip(stored_numbers, computed_numbers, strict=True))
    if any(len(a.raw) != len(b.raw) for a, b in pairs):
        left, right = [[_without_padding(piece) for piece in side] for side in (left, right)]
    return pairs if left == right else None


def _differ(a: _Number, b: _Number, policy: Policy) -> bool:
    # Not `>`, which is false for what overflows: inf - inf is no number.
    return a.raw != b.raw and not abs(a.value - b.value) <= _allowed(a, b, policy)


def _allowed(a: _Number, b: _Number, policy: Policy) -> float:
    """Returns by how much two numbers that are written differently may differ."""
    size = max(abs(a.value), abs(b.value))
    if a.whole and b.whole:
        if policy.tolerance is None and not policy.count:
            return -1.0  # not even by nothing: 795010 isn't written like 795,010
        allowed = max((policy.tolerance or 0) * size, policy.count)
    else:
        allowed = max((policy.tolerance or TOLERANCE) * size, min(a.unit, b.unit))
    return allowed * (1 + 1e-9)  # 0.30 - 0.29 is 0.010000000000000009


def _first_different_line(stored: str, computed: str, policy: Policy) -> str:
    left, right = stored.split("\n"), computed.split("\n")
    number = 0  # of equal lines at the start
    for a, b in zip(left, right, strict=False):
        pairs = _pairs(a, b)
        if pairs is None or any(_differ(*pair, policy) for pair in pairs):
            break
        number += 1
    first = [_shorten(side[number]) if number < len(side) else None for side in (left, right)]
    lines = f" ({len(left)} lines stored, {len(right)} computed)" if len(left) != len(right) else ""
    return f"line {number + 1}: stored {first[0]!r}, computed {first[1]!r}{lines}"


def _shorten(text: str, length: int = 200) -> str:
    return text if len(text) <= length else text[: length - 1] + "\u2026"


def picture_difference(stored: str, computed: str, policy: Policy) -> str | None:
    """Returns how two pictures (base64) differ, or None where they count as equal."""
    if stored == computed or not policy.compare_pictures:
        return None
    try:
        left, right = _pixels(stored), _pixels(computed)
    except (OSError, ValueError) as error:
        return f"a picture can't be read: {error}"
    if left.shape != right.shape:
        sizes = [f"{pixels.shape[1]} x {pixels.shape[0]}" for pixels in (left, right)]
        return f"stored {sizes[0]} pixels, computed {sizes[1]}"
    share = float((np.abs(left - right).max(axis=2) > PICTURE_STEP).mean())
    if share <= policy.picture:
        return None
    return f"{share:.2%} of the pixels differ, allowed {policy.picture:.2%}"


def _pixels(picture: str) -> np.ndarray:
    """Returns a base64 picture on white, blurred: int16, shape (height, width, 3)."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGBA")
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image)
    blurred = paper.convert("RGB").filter(ImageFilter.GaussianBlur(PICTURE_BLUR))
    return np.asarray(blurred, dtype=np.int16)


def drawing_difference(stored: str, computed: str, policy: Policy) -> str | None:
    """Returns how two drawings (SVG) differ, or None where they count as equal.

    Each mark of one is looked for in the other: of the same kind, and at its place.
    """
    if stored == computed or not policy.compare_pictures:
        return None
    try:
        (size, left), (other_size, right) = _marks(stored), _marks(computed)
    except ElementTree.ParseError as error:
        return f"a drawing can't be read: {error}"
    if size != other_size:
        return "stored {} x {}, computed {} x {}".format(*size, *other_size)
    step = max(DRAWING_STEP, policy.picture * size[0])
    lost = _lost(left, right, step) + _lost(right, left, step)
    share = len(lost) / sum(map(len, [*left.values(), *right.values()]))
    if share <= policy.picture:
        return None
    return f"{share:.2%} of the marks differ, allowed {policy.picture:.2%}; one is {lost[0]}"


Marks = Mapping[str, Sequence[tuple[float, float]]]


def _marks(svg: str) -> tuple[tuple[float, float], Marks]:
    """Returns a drawing's size and its marks: kind → places.

    Marks are the points of lines and areas, with their style, what is drawn several times, such as
    dots, and words, which Matplotlib draws as paths under a comment that holds them.
    """
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    root = ElementTree.fromstring(svg, parser)
    marks: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def read(element: ElementTree.Element) -> None:
        words = ""
        for child in element:
            if callable(child.tag):  # a comment
                words = str(child.text).strip()
                continue
            name, style = child.tag.rpartition("}")[2], child.get("style", "")
            if words:
                marks[words].append(_points(child.get("transform", ""))[0])
            elif name == "path":
                marks[f"a line, {style}"] += _points(child.get("d", ""))
            elif name in ("use", "image"):
                shape = next(text for key, text in child.items() if key.endswith("href"))
                place = f"{child.get('x', 0)} {child.get('y', 0)}"
                marks[f"{name} {_shorten(shape)}, {style}"] += _points(place)
            elif name != "defs":
                read(child)
            words = ""

    read(root)
    return _points(f"{root.get('width')} {root.get('height')}")[0], marks


def _points(text: str) -> list[tuple[float, float]]:
    numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", text)]
    return list(zip(numbers[::2], numbers[1::2], strict=False))


def _lost(marks: Marks, others: Marks, step: float) -> list[str]:
    """Returns the kind of each mark that isn't among the others, or more than a step away."""
    lost = []
    for kind, places in marks.items():
        near = np.array(others.get(kind, [(math.inf, math.inf)]))
        off = np.abs(np.array(places)[:, None] - near).max(axis=2).min(axis=1)
        lost += [kind] * int((off > step).sum())
    return lost


# Kernels ----------------------------------------------------------------------------------------


def kernel_environment() -> dict[str, str]:
    """Returns the environment of a notebook's kernel: it imports the package of this checkout.

    `PYTEST_CURRENT_TEST` is left out: with it ipykernel doesn't listen to what programs write past
    Python, so that storing and verifying would see different outputs.
    """
    paths = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    environment.pop("PYTEST_CURRENT_TEST", None)
    environment["MNIST_TUTORIAL_PAGE"] = "1"  # what mnist_tutorial.book.live shows: its place only
    return environment

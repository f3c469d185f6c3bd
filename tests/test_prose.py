"""The English of the book: what a machine can hold of the rules in CONTRIBUTING.md."""

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What isn't to be written, a sentence in which it occurs, and what is written instead.
RULES = [
    (
        r"(?<!there )\b(is|are|was|were) no (?!longer|accident|more|less|fewer)",
        "It is no digit.",
        "isn't a",
    ),
    (r"\bst(and|ands|anding|ood)\b(?! (for|out)\b)", "The rules stand in a file.", "is, are"),
    (r"\banew\b", "It is made anew.", "again, re-…"),
    (r"\btrainings\b", "Three trainings.", "training runs"),
    (
        r"\b(a|each|every|another|one) training"
        r"(?=[,.;:?!)]| (is|was|that|of|on|to|with|and|in|for)\b)",
        "The updates of a training.",
        "a training run",
    ),
    (r"\d[ \u00a0]%", "97.0 % are right.", "97.0%"),
    (r"\bknobs?\b", "Turn every knob.", "setting"),
    (r"\bkinks?\b", "Each unit has a kink.", "bend, activation function"),
    (r"\bwhoever\b", "Whoever uses it.", "if you, anyone who"),
    (r"\bsomebody\b", "Somebody has read it.", "someone, or you"),
    (r"\b(hold|holds|held|holding)( \w+)? against\b", "Held against a library.", "compared with"),
    (
        r"\bhow (do|does|did) [^.?!]{1,40} look\b(?! like)",
        "How does it look?",
        "what does it look like",
    ),
    (r"\bin the end\b", "In the end it rises.", "at the end, eventually"),
    (r"\b(go|goes|going|went|gone) on\b", "It goes on.", "continue, resume"),
    (r"\bfrom [\d.]+ on\b", "Yes from 0.9 on.", "at or above"),
    (r"\bcomes on top\b", "That comes on top.", "adds to that"),
    (r"\b(as there|at hand|but for|made after)\b", "All but for one.", "as in, available, except"),
    (r"\b(a|the) shares?\b(?! (a|the)\b)", "A share of them.", "fraction"),
    (r"\bthe whole(?=[.,;:)]| (of|as)\b)", "The whole of it.", "all, everything"),
    (
        r"\b(updates|seconds|images|minutes|points) an? (epoch|second|image|cell|update|minute)\b",
        "430 updates an epoch.",
        "per",
    ),
    (r"\bfeeling for\b", "A feeling for it.", "a feel for"),
    (r"\b(read|reads|answered) right\b", "Most are read right.", "gets right, correct"),
    (r"\bliving (part|page|picture)s?\b", "The living parts.", "interactive"),
    (r"\bafterwards you can\b", "Afterwards you can say it.", "by the end, you'll be able to"),
    (r"\bown \w+, while\b|\bby heart\b", "It knows them by heart.", "from memory, memorised"),
    (r"\banother way\b|\botherwise than\b", "It rounds another way.", "differently"),
    (r"\bprice of\b", "The price of large weights.", "penalty, cost"),
    (r"\bdice\b[^.]*\bhidden\b|\bhidden dice\b", "It has no hidden dice.", "say it plainly"),
]
PAGES = sorted(ROOT.glob("*.md")) + sorted((ROOT / "chapters").rglob("[!.]*.ipynb"))
MODULES = [
    path
    for folder in ("mnist_tutorial", "_ext", "benchmarks", "tools")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.name != "mutants.py"  # its strings are pieces of code
]


def markdown(text):
    """Returns the prose: no code, no addresses, no comments."""
    return re.sub(r"(?ms)^```.*?^```|`[^`\n]*`|\]\([^)]*\)|<!--.*?-->", " ", text)


def sentences(path):
    """Yields (where, text) of everything in a file that people read."""
    if path.suffix == ".md":
        yield "", markdown(path.read_text(encoding="utf-8"))
    elif path.suffix == ".ipynb":
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                yield cell["id"], markdown("".join(cell["source"]))
            shown = cell["metadata"].get("mystnb", {})
            yield cell["id"], shown.get("figure", {}).get("caption", "")
            yield cell["id"], shown.get("image", {}).get("alt", "")
            for output in cell.get("outputs", []):
                yield cell["id"], markdown("".join(output.get("data", {}).get("text/markdown", "")))
    else:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            # Docstrings and messages; a string without a blank is a name.
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                yield str(node.lineno), markdown(node.value)


def problems(text):
    """Returns what the rules find in a text, one line each."""
    text = " ".join(text.split())
    found = []
    for pattern, _, instead in RULES:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            around = text[max(match.start() - 30, 0) : match.end() + 30]
            found.append(f"…{around}… (instead of {match[0]!r}: {instead})")
    return found


@pytest.mark.parametrize("pattern, wrong, instead", RULES, ids=[rule[1] for rule in RULES])
def test_each_rule_finds_its_example(pattern, wrong, instead):
    assert problems(wrong) and not problems(f"We say “{instead}” here.")


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PAGES + MODULES, ids=name_of)
def test_the_english_follows_the_rules(path):
    found = [f"{where}: {line}" for where, text in sentences(path) for line in problems(text)]
    assert not found, "\n" + "\n".join(found)

import ast
import re
from pathlib import Path

import pytest

from tools.mutants import MUTANTS, ROOT

TESTS = Path(__file__).parent


def test_every_promise_is_held_by_tests_that_are_there():
    there = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    promises = re.findall(r"^\| ([^*|].*) \| (.*) \|$", (TESTS / "PROMISES.md").read_text(), re.M)
    for promise, holders in promises[1:]:  # without the table's head
        names = re.findall(r"`(test_\w+)`", holders)
        assert names, promise
        for name in names:
            assert f"def {name}(" in there, name
    assert len(promises) > 20


def test_every_mutant_still_changes_one_place_of_the_package():
    for mutant in MUTANTS:
        text = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert ast.parse(mutant.apply(text)) and mutant.apply(text) != text, mutant
        for file in re.findall(r"\S+\.(?:py|ipynb)", mutant.tests):
            assert (ROOT / file).is_file(), file


def test_a_mutant_that_finds_no_place_says_so():
    mutant = MUTANTS[0]
    with pytest.raises(ValueError, match="has no Config, so no mistake can be made in it"):
        mutant.apply("def other(): pass")
    with pytest.raises(ValueError, match="holds 0 times, not once"):
        mutant.apply("class Config:\n    def updates_per_epoch(self):\n        return 1\n")

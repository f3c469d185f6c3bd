import re
from pathlib import Path

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
        assert text.count(mutant.old) == 1, (mutant.file, mutant.old)

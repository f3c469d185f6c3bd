"""What runs on every change: only commands that exist, only actions that can't change."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def steps(request):
    jobs = yaml.safe_load(request.param.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_every_action_is_pinned_by_its_commit(steps):
    actions = [step["uses"] for step in steps if "uses" in step]
    assert actions
    for action in actions:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action)


def test_every_command_exists(steps):
    commands = [step["run"] for step in steps if "run" in step]
    assert commands
    for command in commands:
        program, *words = command.split()
        if program == "make":
            assert words[0] in TARGETS, command
        else:
            assert program == "gh" or (ROOT / program).is_file(), command


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".ci/run", "index.md"])
def test_readers_are_sent_to_commands_that_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"(?m)(?:^|`)make ([a-z-]+)", text)
    assert set(found) <= TARGETS, set(found) - TARGETS

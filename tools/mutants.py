"""Puts one mistake at a time into a copy of the book, and asks the tests to notice.

    make mutants                                      # all thirty, a few minutes
    .venv/bin/python -m tools.mutants momentum plots  # those whose line holds one of the words

Each mutant is a mistake that would teach a reader something wrong. It is killed when the tests
named beside it fail. Those tests pass without it: they are run first. The checkout and the
user's cache stay as they are. Needs a system that can fork.
"""

import ast
import contextlib
import importlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

SECONDS = 900  # for the tests of one mutant
TOO_LONG = -signal.SIGALRM

# Imported once; every mutant then runs in a fork of this process.
SLOW_TO_IMPORT = ("pytest", "hypothesis", "jax", "flax.nnx", "optax", "sklearn.metrics")


class Mutant(NamedTuple):
    """A mistake.

    Attributes:
      place: where it is made: a module of the package, a colon, and the function, such as
        `book.plots:images` or `model:MLP.__call__`.
      old: a regular expression that matches once in that function.
      new: what the match becomes; may refer to the match's groups.
      lesson: what a reader would learn wrongly, or lose.
      tests: arguments of pytest; they must fail.
    """

    place: str
    old: str
    new: str
    lesson: str
    tests: str

    @property
    def file(self) -> str:
        """The path of the module from the checkout's root."""
        return f"mnist_tutorial/{self.place.split(':')[0].replace('.', '/')}.py"

    def apply(self, source: str) -> str:
        """Makes the mistake in the text of the module.

        Raises:
          ValueError: if there is no such function, or it doesn't hold the pattern once.
        """
        found: ast.AST = ast.parse(source)
        for name in self.place.split(":")[1].split("."):
            named = [each for each in ast.iter_child_nodes(found) if _name(each) == name]
            if not named:
                raise ValueError(f"{self.file} has no {name}, so no mistake can be made in it")
            found = named[0]
        lines = source.splitlines(keepends=True)
        start, end = getattr(found, "lineno", 1) - 1, getattr(found, "end_lineno", len(lines))
        text, count = re.subn(self.old, self.new, "".join(lines[start:end]))
        if count != 1:
            raise ValueError(f"{self.place} holds {count} times, not once: {self.old}")
        return "".join([*lines[:start], text, *lines[end:]])


def _name(node: ast.AST) -> str | None:
    """What a definition or an assignment defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    return target.id if isinstance(target, ast.Name) else None


STEP = "tests/test_training.py -k 'float64 or plain_loop'"
L2 = "tests/test_training.py -k 'float64 or l2'"
ORDER = "tests/test_training.py -k new_order"
SPLITS = "tests/test_data.py -k 'validation or two_splits or original_examples or order'"
PICTURES = "--nbval chapters/02-the-mnist-dataset.ipynb"

MUTANTS = [
    Mutant("config:Config.updates_per_epoch", r"math\.ceil\((.+)/ (.+)\)", r"int(\1/ \2)",
           "an epoch has one update fewer than it has", "tests/test_config.py"),
    Mutant("data:load_mnist", r"validation=Examples\(train\.images\[cut:\], train\.labels\[cut:\]",
           "validation=Examples(test.images[cut:], test.labels[cut:]",
           "choices are made on test images", SPLITS),
    Mutant("data:load_mnist", r"train=Examples\(.+\)", "train=train",
           "validation images are trained on", SPLITS),
    Mutant("data:load_mnist", r"train=Examples\((.+), (.+)\)",
           r"train=Examples(\1, np.roll(\2, 1))", "every image has its neighbour's label", SPLITS),
    Mutant("model:MLP.__call__", r" / 255", "", "pixels need no normalisation",
           "tests/test_model.py"),
    Mutant("model:MLP.__call__", r"self\.activation\((self\.hidden\(x\))\)", r"\1",
           "a network without ReLU is a deep one", "tests/test_model.py"),
    Mutant("model:make_keys", r"key\(seed\)", "key(0)", "the seed changes nothing",
           "tests/test_model.py"),
    Mutant("model:_predict", r"nnx\.softmax\((.+)\)", r"nnx.softmax(nnx.softmax(\1))",
           "no answer is ever sure: softmax twice", "tests/test_model.py"),
    Mutant("training:make_optimizer", r"config\.learning_rate", "-config.learning_rate",
           "learning climbs: the rate has the wrong sign", STEP),
    Mutant("training:make_optimizer", r"config\.momentum", "0.0", "momentum changes nothing", STEP),
    Mutant("training:l2_penalty", r" if .+ndim > 1", "", "L2 shrinks biases too", L2),
    Mutant("training:l2_penalty", r" / 2\b", "", "L2 costs twice its price", L2),
    Mutant("training:loss_fn", r"\.mean\(\)", ".sum()", "larger batches take larger steps", STEP),
    Mutant("training:train_epoch", r"jax\.random\.permutation\(key, (.+)\)",
           r"jnp.arange(\1)", "images come in the same order always", ORDER),
    Mutant("training:train_epoch", r"fold_in\((.+), state\.epoch\)", r"fold_in(\1, 0)",
           "images are shuffled once for all", ORDER),
    Mutant("training:train_epoch", r"labels\[batch\]", "labels[jnp.sort(batch)]",
           "images are shuffled, their labels aren't", STEP),
    Mutant("training:train_epoch", r"if full < .+:", "if False:",
           "the last images of an epoch are left out", STEP),
    Mutant("training:fit", r"\*validation\)", "*train)",
           "validation is measured on what was learnt", "tests/test_training.py -k weighs"),
    Mutant("training:fit", r"data\.train, data\.validation\)\)", "data.train, data.test))",
           "choices are made on test images",
           "tests/test_training.py -k 'never_touched or weighs'"),
    Mutant("evaluation:confusion_matrix", r"labels(\S*) \* num_classes \+ predictions",
           r"predictions\1 * num_classes + labels", "rows are the answers",
           "tests/test_evaluation.py"),
    Mutant("evaluation:metrics", r"precision = (.+)axis=0", r"precision = \1axis=1",
           "precision is recall", "tests/test_evaluation.py"),
    Mutant("evaluation:metrics", r"f1\.mean\(\)", "np.average(f1, weights=confusion.sum(axis=1))",
           "macro F1 counts large classes more", "tests/test_evaluation.py"),
    Mutant("evaluation:wilson_interval", r"0\.95", "0.68",
           "intervals are half as wide as they are", "tests/test_evaluation.py"),
    Mutant("evaluation:worst_mistakes", r"argsort\(-", "argsort(",
           "the worst mistakes are the smallest", "tests/test_evaluation.py"),
    Mutant("checkpoints:load_training", r"return state, History\(\*\*history\)",
           "return create_state(config)._replace(model=state.model, epoch=state.epoch), "
           "History(**history)", "a resumed training forgets its momentum",
           "tests/test_checkpoints.py -k bit_exact"),
    Mutant("book.notebook:trained_path", r"\{config\} ", "",
           "another configuration's network is taken", "tests/test_notebook.py"),
    Mutant("further.recipes:make_update", r"\.augment, num_done\)", ".augment, 0)",
           "every update moves its images alike", "tests/test_recipes.py -k anew"),
    Mutant("further.own_data:_whole", r"ImageOps.invert\(grey\) if dark_ink else grey", "grey",
           "dark ink on paper is read as it is", "tests/test_own_data.py"),
    Mutant("further.pictures:light_on_dark", r"> 0", "< 0", "paper is taken for ink",
           "tests/test_pictures.py"),
    Mutant("further.pictures:_covered", r"SIDE / 2 \+ 1 ", "SIDE / 2 ",
           "digits lie beside the middle that MNIST's have", "tests/test_pictures.py"),
    Mutant("further.plain:gradients", r" \* \(hidden > 0\)", "", "gradients pass ReLU unchanged",
           "tests/test_plain.py"),
    Mutant("book.plots:images", r"_image\(ax, picture,", "_image(ax, picture.T,",
           "digits lie on their side, in a picture of chapter 2", PICTURES),
]  # fmt: skip


def copy_of_book(folder: Path) -> None:
    """Copies what git knows into a folder, as it stands in the checkout."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)


def keep_decoded(folder: Path) -> None:
    """Takes the decoded images along, so that no mutant decodes them unasked."""
    from mnist_tutorial.data import cache_dir

    (folder / "mnist_tutorial").mkdir(parents=True)
    for file in cache_dir().glob("mnist-*.npz"):
        shutil.copyfile(file, folder / "mnist_tutorial" / file.name)


def run_tests(book: Path, cache: Path, tests: list[str]) -> tuple[int, str]:
    """Runs pytest on the copy in a process of its own.

    Returns:
      pytest's exit code, TOO_LONG if it was stopped, and what it printed.
    """
    output = book / "output.txt"
    child = os.fork()
    if not child:
        with output.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        signal.alarm(SECONDS)  # a mistake can make a test endless
        os.chdir(book)
        os.environ |= {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(book)}
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = True
        sys.path[:] = [str(book), *(p for p in sys.path if p not in ("", str(ROOT)))]
        # The copy's own tools: they tell a notebook's kernel where the package is.
        for name in [name for name in sys.modules if name.split(".")[0] == "tools"]:
            del sys.modules[name]
        code = 3
        with contextlib.suppress(SystemExit):
            import pytest

            code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests])
        sys.stdout.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), output.read_text(errors="replace")


def main() -> int:
    """Tries the mutants whose line holds one of the words given; all of them without words.

    Returns:
      0 if all were killed.
    """
    words = sys.argv[1:]
    chosen = [m for m in MUTANTS if not words or any(word in " ".join(m) for word in words)]
    if not chosen:
        sys.exit(f"no mutant's line holds {' or '.join(words)}")
    mutated = []
    for mutant in chosen:
        try:
            mutated.append(mutant.apply((ROOT / mutant.file).read_text(encoding="utf-8")))
        except ValueError as error:
            sys.exit(str(error))
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        book, cache = Path(folder, "book"), Path(folder, "cache")
        copy_of_book(book)
        child = os.fork()  # which imports the package; this process must not
        if not child:
            with contextlib.redirect_stdout(io.StringIO()):
                keep_decoded(cache)
            os._exit(0)
        os.waitpid(child, 0)
        for name in SLOW_TO_IMPORT:
            importlib.import_module(name)
        for tests in dict.fromkeys(mutant.tests for mutant in chosen):
            code, output = run_tests(book, cache, shlex.split(tests))
            if code:
                sys.exit(f"without any mutant, pytest {tests} ends with {code}:\n{output[-3000:]}")
        for number, mutant in enumerate(chosen):
            source = (ROOT / mutant.file).read_text(encoding="utf-8")
            (book / mutant.file).write_text(mutated[number], encoding="utf-8")
            code, output = run_tests(book, cache, shlex.split(mutant.tests))
            (book / mutant.file).write_text(source, encoding="utf-8")
            if code not in (0, 1, TOO_LONG):
                sys.exit(f"pytest {mutant.tests} could not run:\n{output[-3000:]}")
            print(
                f"{number + 1:>3} {'killed' if code else 'SURVIVED'}  {mutant.place}: "
                f"{mutant.lesson}",
                flush=True,
            )
            if not code:
                survivors.append(mutant)
            for file in (cache / "mnist_tutorial").glob("trained-*"):
                file.unlink()
    for mutant in survivors:
        print(f"\nSURVIVED {mutant.place}\n- {mutant.old}\n+ {mutant.new}\n  {mutant.tests}")
    print(f"\n{len(chosen) - len(survivors)} of {len(chosen)} mutants killed")
    return len(survivors) > 0


if __name__ == "__main__":
    sys.exit(main())

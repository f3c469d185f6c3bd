"""Puts one mistake at a time into a copy of the book, and asks the tests to notice.

    make mutants                                      # all of them, a few minutes
    .venv/bin/python -m tools.mutants momentum plots  # those whose line holds one of the words

Each mutant is a mistake that would teach a reader something wrong. It is killed when the tests
named beside it fail. Those tests pass without it: they are run first. The checkout and the
user's cache stay as they are. Needs a system that can fork.
"""

import contextlib
import importlib
import io
import os
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
      file: where it is made.
      old: text that stands there exactly once.
      new: what it becomes.
      lesson: what a reader would learn wrongly, or lose.
      tests: arguments of pytest; they must fail.
    """

    file: str
    old: str
    new: str
    lesson: str
    tests: str


def _of(module: str, tests: str, *mutants: tuple[str, ...]) -> list[Mutant]:
    """Mutants of one module; a fourth item names other tests than the module's own."""
    file = f"mnist_tutorial/{module}.py"
    return [Mutant(file, *mutant[:3], *(mutant[3:] or (tests,))) for mutant in mutants]


MUTANTS: list[Mutant] = [
    *_of(
        "config", "tests/test_config.py",
        ("math.ceil(num_images / self.batch_size)", "num_images // self.batch_size",
         "an epoch has one update fewer than it has"),
        ("lambda value, bound: value > bound", "lambda value, bound: value >= bound",
         "a learning rate of 0 trains"),
        ("lambda value, bound: value < bound", "lambda value, bound: value <= bound",
         "momentum may be 1"),
        ("and not math.isfinite(value)", "and False", "a learning rate may be NaN"),
        ("learning_rate: float = variable(0.006", "learning_rate: float = variable(0.06",
         "the original's learning rate is 0.06"),
        ('nesterov: bool = variable(True', "nesterov: bool = variable(False",
         "the original had plain momentum"),
    ),
    *_of(
        "data", "tests/test_data.py -k 'validation or two_splits or original_examples or order'",
        ("validation=Examples(train.images[cut:], train.labels[cut:])",
         "validation=Examples(test.images[cut:], test.labels[cut:])",
         "choices are made on test images"),
        ("train=Examples(train.images[:cut], train.labels[:cut])", "train=train",
         "validation images are trained on"),
        ("train=Examples(train.images[:cut], train.labels[:cut])",
         "train=Examples(train.images[:cut], np.roll(train.labels[:cut], 1))",
         "every image has its neighbour's label"),
        ('SPLITS = ("train", "test")', 'SPLITS = ("test", "train")',
         "the network is trained on test images"),
        ("labels = np.array([example[\"label\"]", "labels = 9 - np.array([example[\"label\"]",
         "labels are shifted", "tests/test_data.py -k cache_is_written"),
        ("images = np.stack([_picture", "images = 255 - np.stack([_picture",
         "ink is 0 and paper 255", "tests/test_data.py -k cache_is_written"),
        ("versions[-1].parent", "versions[0].parent", "an outdated copy is read",
         "tests/test_data.py -k newest"),
        ("identity.update((folder / \"dataset_info.json\").read_bytes())", "pass",
         "the cache of another copy is read", "tests/test_data.py -k another_copy"),
        ('with os.fdopen(handle, "wb") as file:', 'with open(path, "wb") as file:',
         "a file can be read half written", "tests/test_data.py -k failed_write"),
        ("allow_pickle=False", "allow_pickle=True", "a cache file can run code",
         "tests/test_hostile.py -k 'run_code or hostile_cache'"),
        ("if part.compress_type or math", "if math",
         "a small cache file fills the memory", "tests/test_hostile.py -k hostile_cache"),
        ("if picture.size != size:", "if False:", "a small image fills the memory",
         "tests/test_hostile.py -k hostile_images"),
        ("if not (0 <= low and high <= 255):", "if low < 0 or high > 255:",
         "an image of NaN gets an answer", "tests/test_properties.py -k named"),
        ("if 0 < high <= 1:", "if False:", "images scaled to 1 get answers, all bad",
         "tests/test_properties.py -k named"),
        ("if not 0 <= label < num_classes:", "if label >= num_classes:",
         "the label -1 counts as the last class", "tests/test_properties.py -k named"),
    ),
    *_of(
        "model", "tests/test_model.py",
        (".astype(jnp.float32) / 255", ".astype(jnp.float32)", "pixels need no normalisation"),
        ("x = self.activation(self.hidden(x))", "x = self.hidden(x)",
         "a network without ReLU is a deep one"),
        ("x = self.activation(layer(x))", "x = layer(x)", "deeper layers have no activation"),
        ("jax.random.key(config.seed)", "jax.random.key(0)", "the seed changes nothing"),
        ("config.init_scale * weights", "weights", "the size of first weights changes nothing"),
        ('"he_normal": nnx.initializers.he_normal()',
         '"he_normal": nnx.initializers.glorot_normal()', "He's weights are Glorot's"),
        ("nnx.softmax(model(images))", "nnx.softmax(nnx.softmax(model(images)))",
         "no answer is ever sure: softmax twice"),
        ("nnx.softmax(model(images))", "nnx.sigmoid(model(images))",
         "probabilities don't sum to 1"),
    ),
    *_of(
        "training", "tests/test_training.py -k 'float64 or plain_loop'",
        ("optax.sgd(config.learning_rate, ", "optax.sgd(-config.learning_rate, ",
         "learning climbs: the rate has the wrong sign"),
        ("config.learning_rate, config.momentum, config", "config.learning_rate, 0.0, config",
         "momentum changes nothing"),
        ("config.momentum, config.nesterov)", "config.momentum, False)",
         "Nesterov's momentum is the plain one"),
        ("if weights.ndim > 1]", "]", "L2 shrinks biases too",
         "tests/test_training.py -k 'float64 or l2'"),
        ("kernels), jnp.float32(0)) / 2", "kernels), jnp.float32(0))", "L2 costs twice its price",
         "tests/test_training.py -k 'float64 or l2'"),
        ("labels).mean() + l2 * penalty(model)", "labels).mean()", "L2 changes nothing",
         "tests/test_training.py -k 'float64 or l2'"),
        ("labels).mean() + l2", "labels).sum() + l2", "larger batches take larger steps"),
        ("softmax_cross_entropy_with_integer_labels(logits, labels)",
         "softmax_cross_entropy_with_integer_labels(jax.nn.softmax(logits), labels)",
         "the loss is flat: softmax twice"),
        ("order = jax.random.permutation(key, len(images))", "order = jnp.arange(len(images))",
         "images come in the same order always", "tests/test_training.py -k new_order"),
        ("jax.random.fold_in(shuffle_key, state.epoch)", "jax.random.fold_in(shuffle_key, 0)",
         "images are shuffled once for all", "tests/test_training.py -k new_order"),
        ("jax.random.split(jax.random.key(config.seed))", "jax.random.split(jax.random.key(0))",
         "the seed doesn't shuffle", "tests/test_training.py -k new_order"),
        ("images[batch], labels[batch]", "images[batch], labels[jnp.sort(batch)]",
         "images are shuffled, their labels aren't"),
        ("if full < len(images):", "if False:", "the last images of an epoch are left out"),
        ("jnp.mean(logits.argmax(-1) == labels)", "jnp.mean(logits.argmax(-1) != labels)",
         "accuracy counts the errors", "tests/test_evaluation.py tests/test_training.py -k weighs"),
        ("np.average(values, weights=sizes)", "np.average(values)",
         "images of the last batch count more", "tests/test_training.py -k weighs"),
        ("validate(state.model, *validation)", "validate(state.model, *train)",
         "validation is measured on what was learnt", "tests/test_training.py -k weighs"),
        ("(data.train, data.validation))", "(data.train, data.test))",
         "choices are made on test images", "tests/test_training.py -k 'never_touched or weighs'"),
        ("epoch=state.epoch + 1", "epoch=state.epoch", "no epoch ever ends",
         "tests/test_training.py -k 'plain_loop or reports'"),
        ("if not all(np.isfinite(values)", "if not any(np.isfinite(values)",
         "a training that diverged gives an accuracy", "tests/test_training.py -k diverge"),
        ("if history else []", "if False else []", "a resumed training begins anew",
         "tests/test_checkpoints.py -k bit_exact"),
    ),
    *_of(
        "evaluation", "tests/test_evaluation.py",
        ("labels.astype(np.int64) * num_classes + predictions",
         "predictions.astype(np.int64) * num_classes + labels", "rows are the answers"),
        ("precision = _share(right, confusion.sum(axis=0))",
         "precision = _share(right, confusion.sum(axis=1))", "precision is recall"),
        ("f1 = _share(2 * precision * recall, precision + recall)",
         "f1 = (precision + recall) / 2", "F1 is a plain mean"),
        ("macro_f1=float(f1.mean())",
         "macro_f1=float(np.average(f1, weights=confusion.sum(axis=1)))",
         "macro F1 counts large classes more"),
        ("macro_precision=float(precision.mean())", "macro_precision=float(recall.mean())",
         "macro precision is macro recall"),
        ("accuracy=float(right.sum() / confusion.sum())", "accuracy=float(recall.mean())",
         "accuracy is the mean of the recalls"),
        ("z: float = 1.96", "z: float = 1.0", "intervals are half as wide as they are"),
        ("np.asarray(scores) >= threshold", "np.asarray(scores) > threshold",
         "a score at the threshold is a no"),
        ("np.argsort(-evaluation.losses[wrong]", "np.argsort(evaluation.losses[wrong]",
         "the worst mistakes are the smallest"),
        ("probabilities[np.arange(len(labels)), labels]", "probabilities.max(axis=1)",
         "a wrong answer costs nothing if it is sure"),
        ("confidence * num_bins", "confidence * (num_bins - 1)", "it seems better calibrated"),
    ),
    *_of(
        "checkpoints", "tests/test_checkpoints.py",
        ("for module in (config_module, data, model, training):", "for module in ():",
         "a network trained by other code is taken: stale"),
        ('f"{config} {versions}"', 'f"{versions}"', "another configuration's network is taken"),
        ("if dataclasses.replace(saved, num_epochs=config.num_epochs) != config:", "if False:",
         "a training goes on with other variables"),
        ("return state, History(**history)",
         "return create_state(config)._replace(model=state.model, epoch=state.epoch), "
         "History(**history)", "a resumed training forgets its momentum"),
        ("if not np.isfinite(array).all():", "if False:", "weights of NaN are loaded"),
        ("if config.num_hidden_layers > layers", "if False", "a small file keeps us for hours",
         "tests/test_properties.py -k 'claim and hidden_layers'"),
        ("AttributeError, RecursionError", "AttributeError", "a hostile file ends the program",
         "tests/test_hostile.py -k brackets"),
    ),
    *_of(
        "plots", "tests/test_plots.py",
        ("zip(axes.flat, pictures, strict=False)", "zip(axes.flat, pictures[::-1], strict=False)",
         "pictures stand over other titles"),
        ('"cmap": "gray_r"', '"cmap": "gray"', "ink is white"),
        ("if said != truth:", "if said == truth:", "right answers are marked as wrong"),
        ("answer, truth, f\"{count:,}\"", "truth, answer, f\"{count:,}\"",
         "the confusion matrix is turned over"),
        ('"validation": (epochs, history.validation_loss)',
         '"validation": (epochs, history.train_loss)', "validation follows training"),
        ("vmin=-largest", "vmin=kernels.min()", "white isn't 0 in the weights' pictures"),
        ("ax.plot(thresholds, precision, color=BLUE, label=\"precision\")",
         "ax.plot(thresholds, recall, color=BLUE, label=\"precision\")",
         "precision and recall move together"),
        ("ax.bar(range(len(values)), values, color=BLUE)",
         "ax.bar(range(len(values)), sorted(values), color=BLUE)", "bars stand at other digits"),
        ("runs.std(ddof=1)", "runs.std()", "an interval of few seeds is too narrow"),
        ("range(10), 100 * np.asarray(probabilities)",
         "range(10), 100 * np.asarray(probabilities)[::-1]", "the probabilities of other digits"),
    ),
    *_of(
        "experiments", "tests/test_experiments.py",
        ("train_epoch(state, *train, config)",
         "train_epoch(state, *train, jax.tree.map(lambda knob: knob[0], configs))",
         "knobs change nothing: all networks have the first's"),
        ("validate(state.model, *validation)", "validate(state.model, *train)",
         "validation is measured on what was learnt"),
        ("array[:num_train] for array in data.train", "array[:num_train] for array in data.test",
         "experiments learn from test images"),
    ),
    *_of(
        "recipes", "tests/test_recipes.py -k 'smoothing or adamw or anew or checked or normalised'",
        ("optax.smooth_labels(targets, recipe.label_smoothing)", "targets",
         "label smoothing changes nothing"),
        ("jax.random.fold_in(distort_key, num_done)", "jax.random.fold_in(distort_key, 0)",
         "every update moves its images alike"),
        ("mask=lambda model: jax.tree.map(lambda weights: weights.ndim > 1, model)", "mask=None",
         "weight decay shrinks biases too"),
        ("pct_start=recipe.warmup_fraction", "pct_start=0.5", "the warm-up changes nothing"),
        ("middle_x + right + slant * down", "middle_x + right - slant * down",
         "normalised digits lean twice as far"),
        ("(variance**0.5 / spread) ** 0.5", "(spread / variance**0.5) ** 0.5",
         "normalised digits differ more in size"),
    ),
    *_of(
        "convolution", "tests/test_convolution.py",
        ("for i in range(height) for j in range(width)",
         "for j in range(width) for i in range(height)", "kernels are turned over"),
        ("return jnp.maximum(images[:, :, 0::2], images[:, :, 1::2])", "return images[:, :, 0::2]",
         "every second column is forgotten"),
        ("use_running_average=not training", "use_running_average=False",
         "an answer depends on the other images asked about"),
    ),
    *_of(
        "road", "tests/test_road.py -k 'averag or moved or mean or adds or recipe'",
        ("keep * old + (1 - keep) * new", "keep * new + (1 - keep) * old",
         "the averaged weights are the last ones"),
        ("return state.opt_state[1], history", "return state.model, history",
         "nobody uses the averaged weights"),
        ("np.mean(opinions, axis=0)", "np.max(opinions, axis=0)",
         "several networks don't vote, the surest decides"),
        ("top, left = abs(down) - down", "top, left = abs(down) + down",
         "images move up, not down"),
        ("targets = optax.smooth_labels(targets, step.label_smoothing)", "targets = targets",
         "label smoothing changes nothing"),
    ),
    *_of(
        "own_data", "tests/test_own_data.py",
        ("return 255 - pixels if dark_ink else pixels", "return pixels",
         "dark ink on paper is read as it is"),
        ("labels += [label] * len(files)", "labels += [0] * len(files)",
         "all of the reader's images are of one class"),
        ("BOX = 20 / 28", "BOX = 1", "centred digits fill the whole image"),
        ("round(side / 2 + 0.5 - mass)", "round(side / 2 - 0.5 - mass)",
         "centred digits lie a pixel off MNIST's"),
    ),
    *_of(
        "findings", "tests/test_findings.py -k 'corrupted or until or alike'",
        ("np.where(anew, drawn, examples.labels)", "np.where(anew, examples.labels, drawn)",
         "a quarter of random labels is three quarters"),
        ("epoch + (goal - before)", "epoch + 1 + (goal - before)",
         "the goal is reached an epoch late"),
    ),
    *_of(
        "devices", "tests/test_devices.py",
        ("parts[: len(array)]", "parts", "black images fill up what devices share"),
        ("evaluate_probabilities(split(predict, mesh)(model, images), examples.labels)",
         "evaluate_probabilities(split(predict, mesh)(model, images[::-1]), examples.labels)",
         "answers stand beside other images"),
    ),
    *_of(
        "export", "tests/test_export.py -k 'fresh_process'",
        ("predict(model, image[None])[0]", "predict(model, 255 - image[None])[0]",
         "the exported network expects dark ink"),
    ),
    *_of(
        "live", "tests/test_live.py",
        ('{"train": data.train, ', '{"train": data.test, ', "the page learns from test images"),
        ("return data.validation.images[first]", "return data.test.images[first]",
         "the page's digits are test images"),
        ("np.argsort(-excited", "np.argsort(excited", "a unit's digits are those it dislikes"),
    ),
    *_of(
        "exercises", "tests/test_exercises.py",
        ("if answer == 203_530:", "if answer == 203_264:", "a wrong answer is right"),
        ("if answer == 1_719:", "if answer == 1_718:", "a wrong answer is right"),
        ("errors[truth, said] == errors.max()", "errors[said, truth] == errors.max()",
         "a wrong answer is right"),
    ),
    *_of(
        "plain", "tests/test_plain.py",
        ("MOMENTUM * v[name] + g[name]", "v[name] + g[name]", "momentum forgets nothing"),
        ("at_hidden = at_logits @ w[\"w2\"].T * (hidden > 0)",
         "at_hidden = at_logits @ w[\"w2\"].T", "gradients pass ReLU unchanged"),
        ("hidden.T @ at_logits + L2 * w[\"w2\"]", "hidden.T @ at_logits",
         "L2 shrinks the first layer alone"),
    ),
    *_of(
        "__main__", "tests/test_main.py -k 'json_is_one or gone_on'",
        ("evaluate(state.model, data.test)", "evaluate(state.model, data.validation)",
         "the reported accuracy is not the test's"),
        ("fit(config, data, resume, on_epoch)", "fit(config, data, None, on_epoch)",
         "a killed training begins anew"),
    ),
    *_of(
        "plots", "--nbval chapters/02-the-mnist-dataset.ipynb",
        ("_image(ax, picture, titles[i]", "_image(ax, picture.T, titles[i]",
         "digits lie on their side, in a picture of chapter 2"),
    ),
    *_of(
        "data", "--nbval chapters/02-the-mnist-dataset.ipynb",
        ("train=Examples(train.images[:cut], train.labels[:cut])",
         "train=Examples(train.images[1 : cut + 1], train.labels[:cut])",
         "in chapter 2, images stand beside other labels"),
    ),
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
    for mutant in chosen:
        found = (ROOT / mutant.file).read_text().count(mutant.old)
        if found != 1:
            sys.exit(f"{mutant.file} holds {found} times, not once: {mutant.old}")
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
        for number, mutant in enumerate(chosen, start=1):
            source = (ROOT / mutant.file).read_text()
            (book / mutant.file).write_text(source.replace(mutant.old, mutant.new))
            code, output = run_tests(book, cache, shlex.split(mutant.tests))
            (book / mutant.file).write_text(source)
            if code not in (0, 1, TOO_LONG):
                sys.exit(f"pytest {mutant.tests} could not run:\n{output[-3000:]}")
            print(
                f"{number:>3} {'killed' if code else 'SURVIVED'}  {Path(mutant.file).stem}: "
                f"{mutant.lesson}",
                flush=True,
            )
            if not code:
                survivors.append(mutant)
            for file in (cache / "mnist_tutorial").glob("trained-*"):
                file.unlink()
    for mutant in survivors:
        print(f"\nSURVIVED {mutant.file}\n- {mutant.old}\n+ {mutant.new}\n  {mutant.tests}")
    print(f"\n{len(chosen) - len(survivors)} of {len(chosen)} mutants killed")
    return len(survivors) > 0


if __name__ == "__main__":
    sys.exit(main())

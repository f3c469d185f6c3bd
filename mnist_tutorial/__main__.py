"""Chapter 7: the whole tutorial as one command, `python -m mnist_tutorial`."""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tqdm import tqdm

from mnist_tutorial.config import Config, ConfigError

if TYPE_CHECKING:
    from mnist_tutorial.training import History, TrainState

# Slow imports wait until the arguments have been checked.


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def make_parser() -> argparse.ArgumentParser:
    """Makes the parser of the command line: its own options, then every field of `Config`."""
    from mnist_tutorial.scale import processes

    parser = _Parser(
        prog="mnist-tutorial",
        description="Train the tutorial's network on MNIST, then evaluate it.",
        epilog="To read handwriting, use mnist-tutorial read PICTURE...; mnist-tutorial read --help"
        " explains how.",
    )
    option = parser.add_argument
    option("--json", action="store_true", help="print only a JSON object")
    help = "save the trained weights here (default: %(default)s)"
    option("--save", type=Path, default=Path("mnist.safetensors"), metavar="FILE", help=help)
    help = "save the training state here after each epoch, and resume from it if the file exists"
    option("--checkpoint", type=Path, metavar="FILE", help=help)
    help = "a folder with prepared data sets, searched before the package's own and TFDS_DATA_DIR"
    option("--data-dir", type=Path, metavar="DIR", help=help)
    help = (
        "how to train: original (the original's values, and the default), fast (a few seconds) or "
        "better (as well as this network can be taught); the settings below override the recipe's"
    )
    option("--recipe", choices=["original", "fast", "better"], default="original", help=help)
    processes.add_options(parser)
    settings = parser.add_argument_group("the tutorial's settings")
    for field in dataclasses.fields(Config):
        kind, choices = type(field.default), field.metadata["limits"].get("choices")
        how: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
        if kind is not bool:
            metavar = None if choices else kind.__name__.upper()
            how = {"type": kind, "choices": choices, "metavar": metavar}
        help = f"{field.metadata['meaning']} (default: {field.default})"
        name = f"--{field.name.replace('_', '-')}"
        settings.add_argument(name, default=argparse.SUPPRESS, help=help, **how)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; `--help` lists all options.

    Returns:
      Exit code: 0 on success, 1 if there is a problem with data, files or memory. Invalid
      arguments end the program with 2 and one line on stderr.
    """
    from mnist_tutorial.scale import processes

    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["read"]:
        from mnist_tutorial.further import read

        return read.main(arguments[1:])
    parser = make_parser()
    options = parser.parse_args(arguments)
    fields = Config.__dataclass_fields__
    settings = {name: value for name, value in vars(options).items() if name in fields}
    try:
        check_options(options, settings)
        processes.check_options(options)
    except ConfigError as error:
        parser.error(str(error))
    if options.distributed and processes.TRAINS not in os.environ:
        return processes.watch(arguments)

    from jax.errors import JaxRuntimeError

    from mnist_tutorial.checkpoints import CheckpointError
    from mnist_tutorial.data import DataError

    try:
        if options.distributed:
            processes.join(options.coordinator, options.num_processes, options.process_id)
        result, report = run(options, settings)
        if result:
            print(json.dumps(result) if options.json else report)
        return 0
    except ConfigError as error:  # settings that don't fit the data
        code, message = 2, str(error)
    except (DataError, CheckpointError, FloatingPointError, OSError) as error:
        code, message = 1, str(error)
    except (JaxRuntimeError, MemoryError) as error:
        code, message = 1, f"{error}".strip().split("\n")[0]
        if isinstance(error, MemoryError) or "out of memory" in message.lower():
            message = f"not enough memory; choose a smaller hidden_units or batch_size ({message})"
        elif options.distributed:
            code = processes.ALONE
        else:
            raise
    except KeyboardInterrupt:
        print(file=sys.stderr)
        code, message = 130, "interrupted; no file was left half-written"
    print(f"{parser.prog}: {message}", file=sys.stderr)
    if options.distributed:
        processes.leave(code)
    if code == 2:
        raise SystemExit(code)
    return code


def check_options(options: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Checks whatever can be checked before anything is read or trained.

    Raises:
      ConfigError: if a setting is out of range, options don't go together, or an output file
        can't be written.
    """
    Config(**settings)
    save, checkpoint = options.save, options.checkpoint
    given = {"checkpoint": checkpoint, "all-devices": options.all_devices}
    given |= {"distributed": options.distributed}
    given |= {name: name in settings for name in ("l2", "nesterov")}  # AdamW has its own decay
    for name in (name for name in given if given[name] and options.recipe != "original"):
        raise ConfigError(f"--{name} works only with --recipe original, got {options.recipe}")
    if checkpoint and checkpoint.resolve() == save.resolve():
        raise ConfigError(f"--save and --checkpoint must be different files, got {save} for both")
    for path in filter(None, (save, checkpoint)):
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise ConfigError(f"can't write to {path}: it's a folder, or its folder doesn't exist")
        try:
            tempfile.TemporaryFile(dir=path.resolve().parent).close()
        except OSError as error:
            raise ConfigError(
                f"can't write to {path} ({error.strerror}); choose a file in a folder of yours"
            ) from error


def run(options: argparse.Namespace, settings: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Trains a network, evaluates it on the test images and saves it, with progress on stderr.

    Args:
      options: the command line, parsed by `make_parser`.
      settings: the fields of `Config` that override the recipe's.

    Returns:
      What `--json` prints, and the report for people to read; both are empty in all processes
      but the first.

    Raises:
      ConfigError: if there is no device of the kind that `JAX_PLATFORMS` asks for.
      DataError, ConfigError, FloatingPointError: if `load_mnist` or `fit` raises them.
      CheckpointError: if `load_training` raises it.
      OSError: if a file can't be written.
    """
    import jax

    from mnist_tutorial import checkpoints, data, evaluation, training
    from mnist_tutorial.further.recipes import RECIPES, fit_recipe
    from mnist_tutorial.model import count_parameters

    try:
        first, device = jax.process_index() == 0, jax.devices()[0].device_kind
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"JAX finds no device with JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}; "
            "install JAX for that device, or unset the variable to use what is available"
        ) from error

    def tell(text: str) -> None:
        if first:
            print(text, file=sys.stderr, flush=True)

    fit: Any = training.fit
    evaluate: Any = evaluation.evaluate
    load_training: Any = checkpoints.load_training
    if options.all_devices or options.distributed:
        from mnist_tutorial.scale.processes import on_all_devices

        fit, evaluate, load_training, device = on_all_devices()
    config = Config(**settings)
    if recipe := RECIPES.get(options.recipe):
        config = dataclasses.replace(recipe.config, **settings)
        chosen = dataclasses.replace(recipe, config=config)

        def fit(config: Config, data: Any, resume: Any, on_epoch: Any) -> Any:
            return fit_recipe(chosen, data, on_epoch)

    checkpoints.keep_compiled()
    tell("Loading the images (decoding them, the first time only, takes about ten seconds)")
    mnist = data.load_mnist(config, options.data_dir)
    tell(f"Training on {device}, with {len(mnist.train.labels):,} images")
    resume, kept = None, options.checkpoint
    if kept and (kept.exists() or jax.process_count() > 1):  # only the first process sees the file
        resume = load_training(kept, config, mnist)
    if resume:
        tell(f"Resuming after epoch {resume[0].epoch}, from {kept}")

    def on_epoch(state: "TrainState", history: "History") -> None:
        done, seen = len(history.seconds), f"training accuracy {history.train_accuracy[-1]:.1%}"
        bar.set_postfix_str(seen, refresh=False)
        bar.update(done - bar.n)
        if bar.disable:  # if the output isn't a terminal, each epoch gets its own line
            tell(f"epoch {done} of {config.num_epochs}: {seen}")
        if kept and first:
            checkpoints.save_training(kept, state, history, config, mnist)

    shown = first and sys.stderr.isatty()
    with tqdm(total=config.num_epochs, unit="epoch", leave=False, disable=not shown) as bar:
        state, history = fit(config, mnist, resume, on_epoch)
    judged = evaluate(state.model, mnist.test)
    if not first:
        return {}, ""
    checkpoints.save_model(options.save, state.model, config)
    tell(f"Saved the weights to {options.save}\n")
    names = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
    result = {name: getattr(judged.metrics, name) for name in names} | {
        "num_errors": judged.num_errors,
        "confusion_matrix": judged.confusion.tolist(),
        "train_seconds": float(history.seconds.sum()),
        "num_parameters": count_parameters(state.model),
        "weights": str(options.save),
        "recipe": options.recipe,
        "config": dataclasses.asdict(config),
    }
    return result, evaluation.report(judged)


if __name__ == "__main__":
    sys.exit(main())

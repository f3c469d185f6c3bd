"""Chapter 7: the whole tutorial as one command, `python -m mnist_tutorial`."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from mnist_tutorial.config import Config

# What is slow to import waits until the arguments are known to be good.


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def make_parser() -> argparse.ArgumentParser:
    """The command line: four options of its own, then every variable of `Config`."""
    parser = _Parser(
        prog="mnist-tutorial",
        description="Train the network of the tutorial on MNIST, then evaluate it.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    parser.add_argument(
        "--save",
        type=Path,
        default=Path("mnist.safetensors"),
        metavar="FILE",
        help="where the trained weights go (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="keep the training here after each epoch, and go on from it if it is there",
    )
    parser.add_argument(
        "--recipe",
        choices=("original", "fast", "better"),
        default="original",
        help="how to train: with the original's figures (the default), in a few seconds, or as "
        "well as this network can be taught; the variables below change its figures",
    )
    variables = parser.add_argument_group("variables of the tutorial")
    for field in dataclasses.fields(Config):
        options: dict[str, Any] = {
            "default": argparse.SUPPRESS,
            "help": f"{field.metadata['meaning']} (default: {field.default})",
        }
        if field.type is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["type"] = field.type
            options["choices"] = field.metadata["limits"].get("choices")
            options["metavar"] = None if options["choices"] else field.type.__name__.upper()
        variables.add_argument(f"--{field.name.replace('_', '-')}", **options)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; `--help` lists all options.

    Returns:
      Exit code: 0 for success, 1 where data or files let it down. Bad arguments leave
      the program with 2 and one line on stderr.
    """
    parser = make_parser()
    options = vars(parser.parse_args(arguments))
    as_json, save, checkpoint, name = (
        options.pop(option) for option in ("json", "save", "checkpoint", "recipe")
    )
    try:
        Config(**options)  # complains before JAX is imported, which takes a second
        if checkpoint and name != "original":
            raise ValueError(f"--checkpoint needs the recipe original, got {name}")
        for path in filter(None, (save, checkpoint)):
            if path.is_dir() or not path.absolute().parent.is_dir():
                raise ValueError(f"{path} is not a file in a folder that exists")
    except ValueError as error:
        parser.error(str(error))

    from mnist_tutorial.checkpoints import CheckpointError
    from mnist_tutorial.data import DataError

    try:
        result, report = run(options, save, checkpoint, name)
    except ValueError as error:  # arguments that don't fit the data
        parser.error(str(error))
    except (DataError, CheckpointError, FloatingPointError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{parser.prog}: stopped; nothing was saved half", file=sys.stderr)
        return 130
    print(json.dumps(result) if as_json else report)
    return 0


def run(
    variables: dict[str, Any], save: Path, checkpoint: Path | None, recipe_name: str
) -> tuple[dict, str]:
    """Trains, evaluates on the test images and saves the weights, with progress on stderr.

    Args:
      variables: those of `Config` that are not to be as the recipe says.

    Returns:
      What `--json` prints, and the report that a person reads.
    """
    import jax

    from mnist_tutorial.checkpoints import (
        keep_compiled,
        load_training,
        save_model,
        save_training,
    )
    from mnist_tutorial.data import load_mnist
    from mnist_tutorial.evaluation import evaluate, report
    from mnist_tutorial.model import count_parameters
    from mnist_tutorial.progress import Progress
    from mnist_tutorial.recipes import RECIPES, train
    from mnist_tutorial.training import fit

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    keep_compiled()
    recipe = RECIPES.get(recipe_name)
    config = dataclasses.replace(recipe.config if recipe else Config(), **variables)
    tell("Reading the images (the first time, they are decoded: about ten seconds)")
    data = load_mnist(config)
    tell(f"Training on {len(data.train.labels):,} images, on {jax.devices()[0].device_kind}")
    resume = None
    if checkpoint and checkpoint.exists():
        resume = load_training(checkpoint, config)
        tell(f"Going on after epoch {resume[0].epoch}, from {checkpoint}")
    progress = Progress(config.num_epochs, sys.stderr, rewrite=sys.stderr.isatty())

    def on_epoch(state, history):
        progress(state, history)
        if checkpoint:
            save_training(checkpoint, state, history, config)

    if recipe:
        state, history = train(dataclasses.replace(recipe, config=config), data, on_epoch)
    else:
        state, history = fit(config, data, resume, on_epoch)
    evaluation = evaluate(state.model, data.test)
    save_model(save, state.model, config)
    tell(f"Saved the weights: {save}\n")
    metrics = evaluation.metrics
    result = {
        "accuracy": metrics.accuracy,
        "num_errors": evaluation.num_errors,
        "macro_precision": metrics.macro_precision,
        "macro_recall": metrics.macro_recall,
        "macro_f1": metrics.macro_f1,
        "confusion_matrix": evaluation.confusion.tolist(),
        "train_seconds": float(history.seconds.sum()),
        "num_parameters": count_parameters(state.model),
        "weights": str(save),
        "recipe": recipe_name,
        "config": dataclasses.asdict(config),
    }
    return result, report(evaluation)


if __name__ == "__main__":
    sys.exit(main())

"""Chapter 7: the whole tutorial as one command, `python -m mnist_tutorial`."""

import argparse
import dataclasses
import io
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from mnist_tutorial.config import Config
from mnist_tutorial.scale import processes

# What is slow to import waits until the arguments are known to be good.


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def make_parser() -> argparse.ArgumentParser:
    """The command line: options of its own, then every variable of `Config`."""
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
    many = parser.add_argument_group("many devices")
    many.add_argument(
        "--all-devices",
        action="store_true",
        help="split every batch over all devices that JAX finds, not only the first",
    )
    many.add_argument(
        "--distributed",
        action="store_true",
        help="the same over several processes, each started with this command; Slurm, Open MPI, "
        "Kubernetes and Cloud TPU are detected, elsewhere the next three are needed",
    )
    many.add_argument("--coordinator", metavar="HOST:PORT", help="where process 0 listens")
    many.add_argument("--num-processes", type=int, metavar="INT", help="how many there are")
    many.add_argument("--process-id", type=int, metavar="INT", help="which one this is, from 0")
    variables = parser.add_argument_group("variables of the tutorial")
    for field in dataclasses.fields(Config):
        options: dict[str, Any] = {
            "default": argparse.SUPPRESS,
            "help": f"{field.metadata['meaning']} (default: {field.default})",
        }
        kind = type(field.default)
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["type"] = kind
            options["choices"] = field.metadata["limits"].get("choices")
            options["metavar"] = None if options["choices"] else kind.__name__.upper()
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
    as_json, save, checkpoint, name, all_devices, distributed = (
        options.pop(option)
        for option in ("json", "save", "checkpoint", "recipe", "all_devices", "distributed")
    )
    place = {name: options.pop(name) for name in ("coordinator", "num_processes", "process_id")}
    try:
        Config(**options)  # complains before JAX is imported, which takes a second
        _check_place(distributed, **place)
        for option, given in (
            ("--checkpoint", checkpoint),
            ("--all-devices", all_devices),
            ("--distributed", distributed),
            ("--l2", "l2" in options),  # AdamW has a decay of its own
            ("--nesterov", "nesterov" in options),
        ):
            if given and name != "original":
                raise ValueError(f"{option} needs the recipe original, got {name}")
        for path in filter(None, (save, checkpoint)):
            if path.is_dir() or not path.absolute().parent.is_dir():
                raise ValueError(f"{path} is not a file in a folder that exists")
        if checkpoint and checkpoint.resolve() == save.resolve():
            raise ValueError(f"--save and --checkpoint must be two files, got {save} for both")
    except ValueError as error:
        parser.error(str(error))
    if distributed and processes.TRAINS not in os.environ:
        return processes.watch(sys.argv[1:] if arguments is None else arguments)

    from jax.errors import JaxRuntimeError

    from mnist_tutorial.checkpoints import CheckpointError
    from mnist_tutorial.data import DataError

    try:
        if distributed:
            processes.join(**place)
        result, report = run(options, save, checkpoint, name, all_devices or distributed)
        if result:
            print(json.dumps(result) if as_json else report)
        return 0
    except (DataError, CheckpointError, FloatingPointError, OSError) as error:
        code, message = 1, str(error)
    except ValueError as error:  # arguments that don't fit the data
        code, message = 2, str(error)
    except JaxRuntimeError as error:
        if not distributed:
            raise
        message = str(error).strip().split("\n")[0]
        code = 1 if message.startswith("RESOURCE_EXHAUSTED") else processes.ALONE
    except KeyboardInterrupt:
        print(file=sys.stderr)
        code, message = 130, "stopped; nothing was saved half"
    print(f"{parser.prog}: {message}", file=sys.stderr)
    if distributed:
        processes.leave(code)
    if code == 2:
        raise SystemExit(code)
    return code


def _check_place(
    distributed: bool, coordinator: str | None, num_processes: int | None, process_id: int | None
) -> None:
    """Holds what was said about the processes together.

    Raises:
      ValueError: something is missing or out of range.
    """
    given = [value is not None for value in (coordinator, num_processes, process_id)]
    if any(given) and not distributed:
        raise ValueError("--coordinator, --num-processes and --process-id need --distributed")
    if any(given) and not all(given):
        raise ValueError("--coordinator, --num-processes and --process-id are needed together")
    if coordinator is not None:
        host, _, port = coordinator.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"--coordinator must be HOST:PORT, got {coordinator}")
    if num_processes is not None and process_id is not None:
        if not 0 <= process_id < num_processes:
            raise ValueError(
                f"--process-id must be from 0 to {num_processes - 1} (one less than "
                f"--num-processes), got {process_id}"
            )


def run(
    variables: dict[str, Any],
    save: Path,
    checkpoint: Path | None,
    recipe_name: str,
    all_devices: bool = False,
) -> tuple[dict[str, Any], str]:
    """Trains, evaluates on the test images and saves the weights, with progress on stderr.

    Args:
      variables: those of `Config` that are not to be as the recipe says.
      all_devices: split each batch over all devices, those of other processes included.

    Returns:
      What `--json` prints, and the report that a person reads; both empty in all processes
      but the first.
    """
    import jax

    from mnist_tutorial.book.progress import Progress
    from mnist_tutorial.checkpoints import (
        keep_compiled,
        save_model,
        save_training,
    )
    from mnist_tutorial.data import load_mnist
    from mnist_tutorial.evaluation import evaluate, report
    from mnist_tutorial.further.recipes import RECIPES, train
    from mnist_tutorial.model import count_parameters
    from mnist_tutorial.scale import devices
    from mnist_tutorial.training import History, TrainState, fit

    first = jax.process_index() == 0
    stream = sys.stderr if first else io.StringIO()

    def tell(text: str) -> None:
        print(text, file=stream, flush=True)

    keep_compiled()
    recipe = RECIPES.get(recipe_name)
    config = dataclasses.replace(recipe.config if recipe else Config(), **variables)
    tell("Reading the images (the first time, they are decoded: about ten seconds)")
    data = load_mnist(config)
    mesh = devices.make_mesh() if all_devices else None
    where = jax.devices()[0].device_kind
    if mesh:
        where += f": {mesh.size} devices, processes: {jax.process_count()}"
    tell(f"Training on {len(data.train.labels):,} images, on {where}")
    resume = processes.load_training(checkpoint, config) if checkpoint else None
    if resume:
        tell(f"Going on after epoch {resume[0].epoch}, from {checkpoint}")
    progress = Progress(config.num_epochs, stream, rewrite=stream.isatty())

    def on_epoch(state: TrainState, history: History) -> None:
        progress(state, history)
        if checkpoint and first:
            save_training(checkpoint, state, history, config)

    try:
        if recipe:
            state, history = train(dataclasses.replace(recipe, config=config), data, on_epoch)
        elif mesh:
            state, history = devices.fit(config, data, mesh, resume, on_epoch)
        else:
            state, history = fit(config, data, resume, on_epoch)
    finally:
        progress.wipe()
    if mesh:
        evaluation = devices.evaluate(state.model, data.test, mesh)
    else:
        evaluation = evaluate(state.model, data.test)
    if not first:
        return {}, ""
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

"""What the chapters need to talk to their reader: source, tables, progress, checks."""

import ast
import hashlib
import importlib.metadata
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import matplotlib
from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from IPython.display import Markdown
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats
from tqdm import tqdm

from mnist_tutorial.book import style
from mnist_tutorial.checkpoints import (
    CheckpointError,
    keep_compiled,
    load_training,
    save_training,
)
from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset, cache_dir, fingerprint
from mnist_tutorial.training import History, TrainState, fit


def setup() -> None:
    """Prepares a chapter: figures have the book's colours and letters, and what JAX compiles is
    kept for the next run.

    Figures of lines and words become SVG, those that hold images PNG, both of exactly their size.
    """
    keep_compiled()
    matplotlib.rcParams.update(style.RC)
    set_matplotlib_formats("png", bbox_inches=None)
    formatters = get_ipython().display_formatter.formatters
    as_png = formatters["image/png"].lookup_by_type(Figure)
    formatters["image/png"].for_type(Figure, lambda f: as_png(f) if _has_images(f) else None)
    formatters["image/svg+xml"].for_type(Figure, lambda f: None if _has_images(f) else as_svg(f))


def _has_images(figure: Figure) -> bool:
    return any(ax.images for ax in figure.axes)


def as_svg(figure: Figure) -> str:
    """Draws a figure as SVG, the same in every run: without date, versions and random names."""
    silent = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context(style.RC):
        drawn: str = print_figure(figure, "svg", bbox_inches=None, metadata=silent)
    return drawn


def show_source(*objects: Any, docstrings: bool = True) -> Markdown:
    """Shows the real source of what a chapter is about to call.

    Args:
      objects: functions, methods, classes or modules.
      docstrings: False leaves out their own docstrings, but not those of what they contain.
    """
    sources = [
        textwrap.dedent(inspect.getsource(inspect.unwrap(thing))).rstrip() for thing in objects
    ]
    if not docstrings:
        sources = [_without_docstring(source) for source in sources]
    code = "\n\n".join(sources)
    return Markdown(f"```python\n{code}\n```")


def _without_docstring(source: str) -> str:
    """Leaves out the docstring of the first function or class in a source, if it has one."""
    first = ast.parse(source).body[0]
    if not isinstance(first, ast.FunctionDef | ast.ClassDef) or not ast.get_docstring(first):
        return source
    lines, docstring = source.splitlines(), first.body[0]
    del lines[docstring.lineno - 1 : docstring.end_lineno]
    return "\n".join(lines)


def table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Markdown:
    """A Markdown table; numbers go to the right."""
    names, cells = list(header), [list(row) for row in rows]
    numeric = [all(not isinstance(row[i], str) for row in cells) for i in range(len(names))]
    lines = [names, ["---:" if right else ":---" for right in numeric], *cells]
    return Markdown("\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines))


def say(text: str) -> Markdown:
    """A sentence that holds numbers of this very run."""
    return Markdown(text)


def trained_path(config: Config, data: Dataset) -> Path:
    """Names the file in the cache directory where the tutorial keeps a trained network.

    The name covers the configuration, the data, the libraries' versions and the source of all
    modules that make the weights: a network trained otherwise is never taken for this one.
    """
    versions = [importlib.metadata.version(name) for name in ("jax", "flax", "optax")]
    identity = hashlib.sha256(f"{config} {fingerprint(data)} {versions}".encode())
    for name in ("config", "data", "model", "training"):
        module = importlib.import_module(f"mnist_tutorial.{name}")
        identity.update(inspect.getsource(module).encode())
    return cache_dir() / f"trained-{identity.hexdigest()[:16]}.safetensors"


def load_or_train(config: Config, data: Dataset) -> tuple[TrainState, History]:
    """Returns the trained network of a configuration: kept from an earlier chapter, or new."""
    try:
        return load_training(trained_path(config, data), config, data)
    except CheckpointError:
        return train(config, data)


def train(
    config: Config,
    data: Dataset,
    on_epoch: Callable[[TrainState, History], None] | None = None,
) -> tuple[TrainState, History]:
    """Trains with a line of progress and keeps the result for the other chapters."""

    def after_epoch(state: TrainState, history: History) -> None:
        seen = f"{history.train_accuracy[-1]:.1%} of the training images right"
        bar.set_postfix_str(seen, refresh=False)
        bar.update()
        if on_epoch:
            on_epoch(state, history)

    with tqdm(total=config.num_epochs, unit="epoch", leave=False, file=sys.stdout) as bar:
        state, history = fit(config, data, on_epoch=after_epoch)
    try:
        save_training(trained_path(config, data), state, history, config, data)
    except OSError as error:
        print(f"The network could not be kept ({error}); other chapters will train their own.")
    return state, history

"""What the chapters need to talk to their reader: source, tables, progress, checks."""

import inspect
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

from IPython.display import Markdown
from matplotlib_inline.backend_inline import set_matplotlib_formats

from mnist_tutorial.book.progress import Progress
from mnist_tutorial.checkpoints import (
    CheckpointError,
    keep_compiled,
    load_training,
    save_training,
    trained_path,
)
from mnist_tutorial.config import Config
from mnist_tutorial.data import Dataset
from mnist_tutorial.training import History, TrainState, fit


def setup() -> None:
    """Prepares a chapter: figures become PNGs of exactly their own size, and what JAX
    compiles is kept for the next run."""
    keep_compiled()
    set_matplotlib_formats("png", bbox_inches=None)


def show_source(*objects: Any) -> Markdown:
    """The real source of what a chapter is about to call (functions, methods, classes, modules)."""
    sources = (inspect.getsource(inspect.unwrap(thing)) for thing in objects)
    code = "\n\n".join(textwrap.dedent(source).rstrip() for source in sources)
    return Markdown(f"```python\n{code}\n```")


def table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Markdown:
    """A Markdown table; numbers go to the right."""
    names, cells = list(header), [list(row) for row in rows]
    numeric = [all(not isinstance(row[i], str) for row in cells) for i in range(len(names))]
    lines = [names, ["---:" if right else ":---" for right in numeric], *cells]
    return Markdown("\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines))


def say(text: str) -> Markdown:
    """A sentence that holds numbers of this very run."""
    return Markdown(text)


def load_or_train(config: Config, data: Dataset) -> tuple[TrainState, History]:
    """The trained network of a configuration: kept from an earlier chapter, or new."""
    try:
        return load_training(trained_path(config), config)
    except CheckpointError:
        return train(config, data)


def train(
    config: Config,
    data: Dataset,
    on_epoch: Callable[[TrainState, History], None] | None = None,
) -> tuple[TrainState, History]:
    """Trains with a progress line and keeps the result for the other chapters."""
    progress = Progress(config.num_epochs)

    def after_epoch(state: TrainState, history: History) -> None:
        progress(state, history)
        if on_epoch:
            on_epoch(state, history)

    state, history = fit(config, data, on_epoch=after_epoch)
    try:
        save_training(trained_path(config), state, history, config)
    except OSError as error:
        print(f"The network could not be kept ({error}); other chapters will train their own.")
    return state, history

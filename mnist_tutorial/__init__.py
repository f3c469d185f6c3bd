"""MNIST for Beginners: a small network, trained and understood.

One module for each chapter that has code of its own: `data` (2), `config` (3), `model` (4),
`training` (5), `evaluation` (6), `__main__` (7). What goes beyond the seven chapters lives in the
folders `book`, `further`, `scale` and `serving`. The names below are all that a chapter or a
script needs; each is imported when it is first used.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_tutorial.checkpoints import load_model, save_model
    from mnist_tutorial.config import Config
    from mnist_tutorial.data import load_mnist
    from mnist_tutorial.evaluation import evaluate
    from mnist_tutorial.model import MLP, create_model, predict
    from mnist_tutorial.training import fit

__version__ = "0.1.0"
__all__ = [
    "MLP",
    "Config",
    "create_model",
    "evaluate",
    "fit",
    "load_mnist",
    "load_model",
    "predict",
    "save_model",
]

# On CPUs, jaxlib 0.7.2 and 0.8.0 remember a matrix by its address and multiply by what stood
# there before: a network in training is then evaluated with old weights. Colab has 0.7.2.
_jaxlib = [int(part) for part in re.findall(r"\d+", importlib.metadata.version("jaxlib"))[:3]]
if [0, 7] <= _jaxlib < [0, 8, 2] and "xnnpack" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_use_xnnpack=false"

_MODULES = {
    "Config": "config",
    "load_mnist": "data",
    "MLP": "model",
    "create_model": "model",
    "predict": "model",
    "fit": "training",
    "evaluate": "evaluation",
    "load_model": "checkpoints",
    "save_model": "checkpoints",
}

# Where the modules went that lay beside the core before 0.1.0; to be dropped with the next release.
_MOVED = {
    "notebook": "book.notebook",
    "plots": "book.plots",
    "exercises": "book.exercises",
    "live": "book.live",
    "recipes": "further.recipes",
    "convolution": "further.convolution",
    "road": "further.road",
    "experiments": "further.sweeps",
    "findings": "further.replications",
    "own_data": "further.own_data",
    "plain": "further.plain",
    "devices": "scale.devices",
    "processes": "scale.processes",
    "export": "serving.export",
    "spark_job": "serving.spark_job",
    "service": "serving.service",
}


class _MovedModules(importlib.abc.MetaPathFinder):
    """Finds a module under its old name, with a warning that says the new one."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if package != __name__ or name not in _MOVED:
            return None
        moved = importlib.util.find_spec(f"{__name__}.{_MOVED[name]}")
        assert moved and moved.origin
        warnings.warn(f"{fullname} is now {moved.name}", FutureWarning, stacklevel=2)
        return importlib.util.spec_from_file_location(fullname, moved.origin)


sys.meta_path.append(_MovedModules())


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]

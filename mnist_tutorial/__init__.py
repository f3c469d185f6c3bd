"""MNIST for Beginners: a small network, trained and understood.

One module for each chapter that has code of its own: `data` (2), `config` (3), `model` (4),
`training` (5), `evaluation` (6), `__main__` (7). What goes beyond the seven chapters lives in the
folders `book`, `further`, `scale` and `serving`. The names below are all that a chapter or a
script needs; each is imported when it is first used.
"""

import importlib
import importlib.abc
import importlib.metadata
import importlib.util
import logging
import os
import re
import sys
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_tutorial.checkpoints import load_model, save_model
    from mnist_tutorial.config import Config
    from mnist_tutorial.data import load_mnist
    from mnist_tutorial.evaluation import evaluate
    from mnist_tutorial.model import MLP, create_model, predict
    from mnist_tutorial.training import fit

__version__ = "0.1.0"
__all__ = ["MLP", "Config", "create_model", "evaluate", "fit", "load_mnist", "load_model"]
__all__ += ["predict", "save_model"]
_MODULES = ("config", "data", "model", "training", "evaluation", "checkpoints")

# On CPUs, jaxlib 0.7.2 and 0.8.0 remember a matrix by its address and multiply by what stood
# there before: a network in training is then evaluated with old weights. Colab has 0.7.2.
_jaxlib = [int(part) for part in re.findall(r"\d+", importlib.metadata.version("jaxlib"))[:3]]
if [0, 7] <= _jaxlib < [0, 8, 2] and "xnnpack" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_use_xnnpack=false"

# JAX warns wherever it sees a card that it can't use, as under every WSL2; in a notebook that is
# a red box, and nobody who reads the book needs it.
logging.getLogger("jax._src.xla_bridge").addFilter(
    lambda record: "may be present on this machine" not in record.getMessage()
)

# Modules that lay beside the core before they got rooms of their own; with the next release, only
# their new names work.
_RENAMED = {"experiments": "sweeps", "findings": "replications"}


class _MovedModules(importlib.abc.MetaPathFinder):
    """Finds a module under its old name, with a warning that says the new one."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        file = f"{_RENAMED.get(name, name)}.py"
        for place in Path(__file__).parent.glob(f"*/{file}") if package == __name__ else ():
            moved = f"{__name__}.{place.parent.name}.{place.stem}"
            warnings.warn(f"{fullname} is now {moved}", FutureWarning, stacklevel=2)
            return importlib.util.spec_from_file_location(fullname, place)
        return None


sys.meta_path.append(_MovedModules())


def __getattr__(name: str) -> Any:
    for module in _MODULES if name in __all__ else ():
        loaded = importlib.import_module(f"{__name__}.{module}")
        if hasattr(loaded, name):
            return getattr(loaded, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]

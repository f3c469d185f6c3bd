"""MNIST for Beginners: a small network, trained and understood.

One module for each chapter that has code of its own: `data` (2), `config` (3), `model` (4),
`training` (5), `evaluation` (6), `__main__` (7). The names below are all that a chapter or
a script needs; each is imported when it is first used.
"""

import importlib
import importlib.metadata
import os
from typing import Any

__version__ = "0.1.0"

# On CPUs, jaxlib 0.7.2 and 0.8.0 remember a matrix by its address and multiply by what stood
# there before: a network in training is then evaluated with old weights. Colab has 0.7.2.
_jaxlib = tuple(int(part) for part in importlib.metadata.version("jaxlib").split(".")[:3])
if (0, 7) <= _jaxlib < (0, 8, 2) and "xnnpack" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_use_xnnpack=false"

_HOME = {
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
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]

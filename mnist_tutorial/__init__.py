"""MNIST for Beginners: a small network, trained and understood.

One module for each chapter that has code of its own: `data` (2), `config` (3), `model` (4),
`training` (5), `evaluation` (6), `__main__` (7). The names below are all that a chapter or
a script needs; each is imported when it is first used.
"""

import importlib

__version__ = "0.1.0"

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


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]

"""minisgd: mini-batch gradient descent with nothing hidden, and the batch size to use, measured.

>>> import minisgd as ms
>>> data = ms.datasets.digits(validation=0.2, seed=0)
>>> net = ms.Network(ms.Linear(128), ms.BatchNorm(), ms.ReLU(), ms.Linear(10))
>>> run = ms.train(net, data, optimizer=ms.SGD(lr=0.1, momentum=0.9), batch_size=32, epochs=20, seed=0)
>>> run.evaluate()
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from minisgd.version import __version__ as __version__

if TYPE_CHECKING:
    import minisgd.interop as interop  # noqa: F401
    from minisgd.data import *
    from minisgd.errors import *
    from minisgd.estimators import *
    from minisgd.lab.claims import *
    from minisgd.lab.explorer import *
    from minisgd.lab.instruments import *
    from minisgd.lab.study import *
    from minisgd.nn import *
    from minisgd.nn.models import *
    from minisgd.optim import *
    from minisgd.training import *
    from minisgd.training.explain import *

_FLOORS = (
    "errors",
    "data",
    "nn",
    "nn.models",
    "optim",
    "training",
    "training.explain",
    "lab.instruments",
    "lab.explorer",
    "lab.study",
    "lab.claims",
    "estimators",
)
"""Where the public names live: what each of these packages lists in its ``__all__`` is public."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import minisgd`` is quick."""
    if name == "__all__":
        here = [floor for floor in _FLOORS if floor != "estimators" or find_spec("sklearn")]
        globals()[name] = sorted(public for floor in here for public in _import(floor).__all__)
        return globals()[name]
    if name == "interop":
        return _import(name)
    if not name.startswith("_"):
        for floor in _FLOORS:
            package = _import(floor)
            if name in package.__all__:
                value = globals()[name] = getattr(package, name)
                return value
    raise AttributeError(f"module 'minisgd' has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return [*__getattr__("__all__"), "__version__", "interop"]


def _import(floor: str) -> Any:
    return import_module(f"minisgd.{floor}")

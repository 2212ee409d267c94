"""The table of rivals: who they are, what they need and which workloads they take part in."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from shutil import which

from benchmarks.cpu.rivals.rival import Rival, Task


@dataclass(frozen=True)
class Entry:
    """A form of a framework.

    package: what it needs, a package of Python or a program   eager: one of PyTorch's eager forms, the fastest of which
    is the reference
    """

    name: str
    title: str
    module: str
    kind: str
    package: str
    workloads: tuple[str, ...]
    eager: bool = False

    @property
    def family(self) -> str:
        return self.name.partition("-")[0]

    @property
    def installed(self) -> bool:
        return find_spec(self.package) is not None or which(self.package) is not None

    def start(self, task: Task) -> Rival:
        """Build the rival in this process."""
        rival: Rival = getattr(import_module(f"benchmarks.cpu.rivals.{self.module}"), self.kind)(task)
        return rival


LIMITS = ("products", "hand")
"""No rivals: what the matrix products of a step leave possible, and what a step for one network alone does."""

_SCANNED = ("W1", "W1a", "W2", "W8", "W9")
_DENSE = (*_SCANNED, "W7")
_SINGLE = (*_DENSE, "W3")

_TABLE = (
    Entry("minisgd", "minisgd", "minisgd_rival", "Minisgd", "minisgd", (*_SINGLE, "W5", "W6")),
    Entry(
        "products", "minisgd's matrix products alone", "minisgd_rival", "Products", "minisgd", (*_SINGLE, "W5", "W6")
    ),
    Entry("hand", "C fused by hand for this network alone", "hand_rival", "HandFused", "cc", ("W1", "W2")),
    Entry(
        "torch",
        "PyTorch eager, fused optimizer (W3 channels last, W5 one after the other)",
        "torch_rival",
        "Torch",
        "torch",
        (*_SINGLE, "W5", "W6"),
        eager=True,
    ),
    Entry("torch-foreach", "PyTorch eager, foreach optimizer", "torch_rival", "TorchForeach", "torch", _DENSE, True),
    Entry("torch-nchw", "PyTorch eager, channels first", "torch_rival", "TorchNchw", "torch", ("W3",), True),
    Entry("torch-softmax", "PyTorch eager, plain attention", "torch_rival", "TorchSoftmax", "torch", ("W7",), True),
    Entry("torch-vmap", "PyTorch eager, torch.func.vmap", "torch_vmap_rival", "TorchVmap", "torch", ("W5",), True),
    Entry("torch-compile", "PyTorch, torch.compile", "torch_rival", "TorchCompile", "torch", (*_SINGLE, "W6")),
    Entry("jax", "JAX, jitted step, donated buffers", "jax_rival", "JaxStep", "jax", (*_SINGLE, "W5", "W6")),
    # not W3: XLA runs convolutions inside a loop ten times slower than in a step of their own; not W7: it cannot stop
    # before the end of an epoch, which takes minutes there
    Entry("jax-scan", "JAX, an epoch in lax.scan", "jax_rival", "JaxScan", "jax", (*_SCANNED, "W5")),
    Entry("sklearn", "scikit-learn MLPClassifier", "sklearn_rival", "Sklearn", "sklearn", ("W1", "W2", "W6")),
)

RIVALS = {entry.name: entry for entry in _TABLE}


def choose(names: list[str] | None) -> list[Entry]:
    """Return minisgd and the rivals asked for by name or by family; all of them by default."""
    known = {*RIVALS, *(entry.family for entry in _TABLE)}
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        raise SystemExit(f"--rivals: expected some of {', '.join(RIVALS)}, got {', '.join(unknown)}")
    exact = set(names or []) & set(RIVALS)
    wanted = {"minisgd", *(known if names is None else names)}
    # "torch" names a family first: all its forms
    return [e for e in _TABLE if e.family in wanted or e.name in exact]

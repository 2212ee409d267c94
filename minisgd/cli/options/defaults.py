"""The defaults of optimizers, read from their signatures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature


def by_default(option: str) -> dict[float, list[str]]:
    """Return the optimizers that have an option, by its default; that of most comes first."""
    from minisgd.optim import DEFAULT_LR, OPTIMIZERS

    found: dict[float, list[str]] = {}
    for name, kind in OPTIMIZERS.items():
        if (parameter := signature(kind).parameters.get(option)) is not None:
            default = DEFAULT_LR if parameter.default is parameter.empty else parameter.default
            found.setdefault(default, []).append(name)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def defaults_text(by_default: Mapping[float, Sequence[str]]) -> str:
    """Write defaults as help texts do: (0.1; adam, adamw, lamb 0.001)."""
    (usual, _), *others = by_default.items()
    exceptions = (f"; {', '.join(names)} {value:g}" for value, names in others)
    return f"({usual:g}{''.join(exceptions)})"


def default_lr(optimizer: str) -> float:
    """Return the learning rate of an optimizer that is given none."""
    return next(lr for lr, names in by_default("lr").items() if optimizer in names)

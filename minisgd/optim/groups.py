"""Parameter groups: an optimizer that treats some tensors otherwise, each run of them as a small vector of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any

from minisgd.errors import ArgumentError, DtypeError
from minisgd.nn.layout import Layout, Segment
from minisgd.optim.checks import non_negative, positive


@dataclass(frozen=True)
class Group:
    """What an optimizer does otherwise with some of the parameters.

    >>> ms.SGD(lr=0.1, groups={"*.b": ms.Group(weight_decay=0), "output.*": ms.Group(lr_factor=10)})

    Args:
        lr_factor: What the learning rate, schedule and all, is multiplied with.
        weight_decay: In place of the optimizer's; None leaves that.

    Raises:
        ArgumentError: If the factor is not positive or the decay negative.
    """

    lr_factor: float = 1.0
    weight_decay: float | None = None

    def __post_init__(self) -> None:
        positive("lr_factor", self.lr_factor, "10 trains ten times as fast; freeze a layer with network.freeze")
        if self.weight_decay is not None:
            non_negative("weight_decay", self.weight_decay, "0 is none")


@dataclass(frozen=True)
class Run:
    """Consecutive tensors of one group: the elements from start to stop, and where each lies within them.

    rows: the name of a tensor of which only some rows move; it is a run of its own
    """

    group: Group
    start: int
    stop: int
    layout: Layout
    rows: str | None = None


def require_groups(groups: Any) -> None:
    """Refuse what are no groups by pattern."""
    if not isinstance(groups, Mapping) or not all(isinstance(group, Group) for group in groups.values()):
        fix = "groups={'*.b': ms.Group(weight_decay=0)}"
        raise DtypeError("groups", expected="ms.Group by patterns of names", got=groups, fix=fix)


def runs(groups: Mapping[str, Group], layout: Layout, rows: Collection[str] = ()) -> Iterator[Run]:
    """Yield the runs of a layout; of several patterns that match a name the first counts.

    rows: names of tensors of which only some rows move

    Raises:
        ArgumentError: If a pattern matches no parameter.
    """
    names = [segment.name for segment in layout]
    for pattern in groups:
        if not any(fnmatchcase(name, pattern) for name in names):
            fix = f"choose among {', '.join(names)}; '*.b' is every bias"
            raise ArgumentError("groups", expected="patterns of the names of parameters", got=pattern, fix=fix)

    def kind(segment: Segment) -> tuple[int, str | None]:
        return id(_group(groups, segment)), segment.name if segment.name in rows else None

    for (_, name), segments in groupby(layout, kind):
        run = list(segments)
        inside = Layout((s.name, s.shape, s.kind) for s in run)
        yield Run(_group(groups, run[0]), run[0].offset, run[-1].stop, inside, name)


REST = Group()


def _group(groups: Mapping[str, Group], segment: Segment) -> Group:
    return next((group for pattern, group in groups.items() if fnmatchcase(segment.name, pattern)), REST)

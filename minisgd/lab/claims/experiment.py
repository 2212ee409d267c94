"""An experiment: what is measured, described so completely that equal descriptions are measured once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from minisgd.lab.claims.lab import Lab

Result = TypeVar("Result", covariant=True)


class Experiment(ABC, Generic[Result]):
    """Something to measure. Subclasses are frozen dataclasses: equal fields, equal experiment.

    alone: True where time or memory is measured, so that nothing else may run meanwhile
    entries: what its training runs are in a journal, where it keeps them
    """

    alone: ClassVar[bool] = False
    entries: ClassVar[type[Any] | None] = None

    @property
    @abstractmethod
    def name(self) -> str:
        """Name the experiment, and the folder of its training runs: short words joined by dashes."""

    @abstractmethod
    def seconds(self, lab: Lab) -> float:
        """Estimate how long it takes on one core."""

    @abstractmethod
    def run(self, lab: Lab) -> Result:
        """Measure.

        Raises:
            Unsuitable: The data or the model do not allow the experiment.
            Stopped: The time is up.
        """


class Unsuitable(Exception):
    """The data or the model does not allow an experiment; the message says why, as a clause."""

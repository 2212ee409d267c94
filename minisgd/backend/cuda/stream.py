"""The order of work on the GPU: one stream of its own for a set of operations, and one beside it for what can fork."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from minisgd.backend.cuda.launcher import Launch, launch_all

Method = TypeVar("Method", bound=Callable[..., Any])


def on_stream(method: Method) -> Method:
    """Return a method that runs with its owner's ``stream`` as the current one.

    A graph is captured on a stream that does not wait for the default one, so whatever reads or writes the same
    memory must be put on it too: a copy on the default stream would overtake the step before it.
    """

    @wraps(method)
    def ordered(self: Any, *args: Any, **options: Any) -> Any:
        with self.stream:
            return method(self, *args, **options)

    return cast(Method, ordered)


class Fork:
    """A second stream, whose launches run beside the next ones on the first, which then wait for them.

    Captured, the events between both become edges of the graph: it has a fork there, and not one node more.
    """

    def __init__(self, cupy: Any, stream: Any) -> None:
        self.stream, self.second = stream, cupy.cuda.Stream(non_blocking=True)
        self.begun, self.done = (cupy.cuda.Event(disable_timing=True) for _ in range(2))

    def on_second(self, launches: Sequence[Launch]) -> None:
        """Launch on the second stream, after all that the first was given."""
        self.begun.record(self.stream)
        self.second.wait_event(self.begun)
        with self.second:
            launch_all(launches)
        self.done.record(self.second)

    def meet(self, launches: Sequence[Launch]) -> None:
        """Launch on the first stream; what it is given next waits for the second, too."""
        launch_all(launches)
        self.stream.wait_event(self.done)

"""The order of work on the GPU: everything that a set of operations does goes through one stream of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

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

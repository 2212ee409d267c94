"""A program on the GPU: launched call by call once, captured once, and from then on one launch of a CUDA graph."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from minisgd.backend.program import Program


class GraphProgram(Program):
    """A recorded program that replays as one CUDA graph on a stream of its own device.

    The first replay launches every call: that compiles, loads and allocates all that the calls need, and is a
    replay like any other. The second captures them. What cannot be captured (a call that asks the host, or a large
    product that is left to cuBLAS and says so as ``uncapturable``) is replayed call by call for good, with a
    warning that says why.

    Temporary arrays of the calls come from a pool of the program's own: the graph remembers their addresses, so
    nobody else may ever be given them. The program is part of no reference cycle: graph and pool go with the last
    reference to it, and not at some later garbage collection, which might fall into the capture of another.
    """

    graph: Any = None
    """The CUDA graph of all calls, once they are captured."""
    uncapturable: str | None = None
    """Why there will be none."""

    def __init__(self, cupy: Any, stream: Any) -> None:
        super().__init__()
        self.cupy, self.stream = cupy, stream
        self.pool = cupy.cuda.MemoryPool()
        self._warm = False

    def _execute(self) -> None:
        """Put the whole program on the stream."""
        if self._warm and self.graph is None and self.uncapturable is None:
            self._capture()
        if self.graph is not None:
            self.graph.launch(self.stream)
            return
        with self.stream, self.cupy.cuda.using_allocator(self.pool.malloc):
            super()._execute()
        self._warm = True

    def _capture(self) -> None:
        """Get the graph, or say why there is none."""
        self.uncapturable = next(
            (call.function.uncapturable for call in self if hasattr(call.function, "uncapturable")), None
        )
        if self.uncapturable is None:
            try:
                self.graph = self._captured()
            except Exception as problem:  # whatever a call raises, the program runs without a graph
                self.uncapturable = _reason(problem)
        if self.uncapturable is not None:
            warnings.warn(
                f"{self._name()} cannot be captured as a CUDA graph, so its {len(self)} calls are launched one by one: "
                f"{self.uncapturable}",
                RuntimeWarning,
                stacklevel=4,
            )

    def _captured(self) -> Any:
        """Return the graph of all calls. Nothing is executed, so a capture that fails leaves no trace."""
        # in this mode a call that is not safe in a graph raises, where the default mode would let it pass
        mode = self.cupy.cuda.runtime.streamCaptureModeThreadLocal
        with self.stream, self.cupy.cuda.using_allocator(self.pool.malloc), _no_garbage_collection():
            self.stream.begin_capture(mode)
            try:
                for call in map(self.calls.__getitem__, self.order):
                    call.function(*call.args)
            except BaseException as problem:
                problem.add_note(f"in {call.op} of {call.layer or call.phase or 'no layer'}")
                with suppress(Exception):  # the capture is invalid by now, which ending it reports once more
                    self.stream.end_capture()
                raise
            return self.stream.end_capture()

    def _name(self) -> str:
        phases = dict.fromkeys(call.phase for call in self if call.phase)
        return f"the program ({', '.join(phases) or 'unnamed'})"


def _reason(problem: Exception) -> str:
    first = next(iter(str(problem).splitlines()), "no reason given")
    return " ".join([f"{type(problem).__name__}: {first}", *getattr(problem, "__notes__", ())])


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Leave garbage where it is: memory of the device or a graph released meanwhile would spoil a capture."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

"""A program on the GPU: launched call by call once, captured once, and from then on one launch of a CUDA graph."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from minisgd.backend.program import Input, Program


class GraphProgram(Program):
    """A recorded program that replays as one CUDA graph on a stream of its own device.

    The first replay launches every call: that compiles, loads and allocates all that the calls need, and is a
    replay like any other. The second captures them. What cannot be captured (a call that asks the host, or a large
    product that is left to cuBLAS and says so as ``uncapturable``) is replayed call by call for good, with a
    warning that says why.

    Temporary arrays of the calls come from a pool of the program's own: the graph remembers their addresses, so
    nobody else may ever be given them.
    """

    def __init__(self, cupy: Any, stream: Any) -> None:
        super().__init__()
        self.cupy, self.stream = cupy, stream
        self.pool = cupy.cuda.MemoryPool()
        self._replay = self._warm_up

    def replay(self, times: int = 1, inputs: Sequence[Input] = ()) -> None:
        """Put the whole program on the stream, so many times."""
        for k in range(times):
            for table, array in inputs:
                array[...] = table[k]
            self._replay()

    def _warm_up(self) -> None:
        self._launch_each()
        self._replay = self._capture_and_launch

    def _launch_each(self) -> None:
        with self._on_stream():
            super().replay()

    def _capture_and_launch(self) -> None:
        reason = next((call.function.uncapturable for call in self if hasattr(call.function, "uncapturable")), None)
        if reason is None:
            try:
                graph = self._capture()
            except Exception as problem:
                reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
            else:
                self._replay = lambda: graph.launch(self.stream)
        if reason is not None:
            self._replay = self._launch_each
            warnings.warn(
                f"{self._name()} cannot be captured as a CUDA graph, so its {len(self)} calls are launched one by one: "
                f"{reason}",
                RuntimeWarning,
                stacklevel=3,
            )
        self._replay()

    def _capture(self) -> Any:
        """Return the graph of all calls. Nothing is executed, so a capture that fails leaves no trace."""
        # in this mode a call that is not safe in a graph raises, where the default mode would let it pass
        mode = self.cupy.cuda.runtime.streamCaptureModeThreadLocal
        with self._on_stream():
            self.stream.begin_capture(mode)
            try:
                super().replay()
            except BaseException:
                self._abandon_capture()
                raise
            return self.stream.end_capture()

    def _abandon_capture(self) -> None:
        try:
            self.stream.end_capture()
        except Exception:  # the capture is invalid by now, which ending it reports once more
            pass

    @contextmanager
    def _on_stream(self) -> Iterator[None]:
        with self.stream, self.cupy.cuda.using_allocator(self.pool.malloc):
            yield

    def _name(self) -> str:
        phases = dict.fromkeys(call.phase for call in self if call.phase)
        return f"the program ({', '.join(phases) or 'unnamed'})"

"""A CUDA device made of host memory: its pool, streams, events and graphs.

Work is done as late as CUDA may do it: a stream keeps what it is given until somebody waits for it. So a result
that is read from another stream without an event, or a pinned buffer that is filled again too early, shows as
wrong numbers here as it would there.
"""

from __future__ import annotations

import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

STREAM_CAPTURE_GLOBAL, STREAM_CAPTURE_THREAD_LOCAL, STREAM_CAPTURE_RELAXED = range(3)

UNIT = 512
"""Bytes in which the pool deals, and the alignment of every array."""


class CUDARuntimeError(RuntimeError):
    """Report an error of the runtime by its name, such as cudaErrorStreamCaptureInvalidated."""


class OutOfMemoryError(MemoryError):
    """Report that neither pool nor device has the memory."""


class GraphFault(CUDARuntimeError):
    """Report what would go wrong unseen: a graph whose arrays are gone."""


# ---------------------------------------------------------------- memory


def _at_the_end(of: Any, function: Callable[..., None], *args: Any) -> None:
    """Call the function when the object is gone, but not when Python ends."""
    weakref.finalize(of, function, *args).atexit = False


class Memory:
    """Bytes of the device, given back to the pool when the last array on them is gone, or to the device after it."""

    def __init__(self, pool: MemoryPool, nbytes: int) -> None:
        raw = np.full(nbytes + UNIT, 0xFF, np.uint8)  # undefined content: NaN where it is read as floats
        start = -raw.ctypes.data % UNIT
        self.bytes, self.pool = raw[start : start + nbytes], weakref.ref(pool)
        _at_the_end(self, _given_back, self.pool, nbytes, DEVICE.current.ptr)


def _given_back(pool: weakref.ref[MemoryPool], nbytes: int, stream: int) -> None:
    owner = pool()
    if owner is None:
        DEVICE.free(nbytes)
    else:
        owner.release(nbytes, stream)


class MemoryPool:
    """What CuPy keeps between the program and the device: freed memory, for whoever wants as much again.

    It is kept by stream: what was allocated while one stream was the current one is dealt again only there.
    """

    def __init__(self, allocator: Any = None) -> None:
        self._used = self._limit = 0
        self._arenas: defaultdict[int, int] = defaultdict(int)
        _at_the_end(self, lambda arenas: DEVICE.free(sum(arenas.values())), self._arenas)

    def malloc(self, size: int) -> Memory:
        size, stream = -(-max(size, 1) // UNIT) * UNIT, DEVICE.current.ptr
        if size <= self._arenas[stream]:
            self._arenas[stream] -= size
        else:
            self._have(size)
        self._used += size
        return Memory(self, size)

    def _have(self, size: int) -> None:
        """Get memory from the device, which a capture forbids in every mode but the relaxed one."""
        DEVICE.current.refuse_capture("cudaErrorStreamCaptureUnsupported", but=STREAM_CAPTURE_RELAXED)
        room = DEVICE.memory - DEVICE.allocated()
        if self._limit:
            room = min(room, self._limit - self.total_bytes())
        if size > room:
            room += self.free_bytes()
            self.free_all_blocks()
        if size > room:
            raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes (allocated so far: {self._used:,} bytes).")
        DEVICE.taken += size

    def release(self, size: int, stream: int) -> None:
        self._used -= size
        self._arenas[stream] += size

    def used_bytes(self) -> int:
        return self._used

    def free_bytes(self) -> int:
        return sum(self._arenas.values())

    def total_bytes(self) -> int:
        return self._used + self.free_bytes()

    def free_all_blocks(self, stream: Stream | None = None) -> None:
        DEVICE.free(self.free_bytes())
        self._arenas.clear()

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self._limit = int(DEVICE.memory * fraction) if fraction is not None else int(size or 0)

    def get_limit(self) -> int:
        return self._limit


# ---------------------------------------------------------------- order of work


class Stream:
    """A queue of work. Capturing, it writes the work down instead.

    The default stream waits for those that were not created non-blocking, and they for it.
    """

    null: Stream

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False) -> None:
        self.is_non_blocking, self.is_null = non_blocking, null
        self._queue: deque[Callable[[], None]] = deque()
        self._given = self._done = 0
        self._graph: Graph | None = None
        self._mode = STREAM_CAPTURE_RELAXED
        self._invalid: str | None = None
        DEVICE.streams.add(self)

    ptr = property(lambda self: 0 if self.is_null else id(self))
    device_id = 0

    def submit(self, work: Callable[[], None], memories: Iterable[Memory] = ()) -> None:
        """Do the work some time after what was submitted before it."""
        if self._graph is not None:
            self._graph.append(self, work, memories)
            return
        if not self.is_non_blocking:
            self._meet_other_blocking_streams()
        self._queue.append(work)
        self._given += 1

    def _meet_other_blocking_streams(self) -> None:
        for other in list(DEVICE.streams):
            if other is self or other.is_non_blocking or not (self.is_null or other.is_null):
                continue
            if other._graph is not None:
                other._invalidate("cudaErrorStreamCaptureImplicit")
            other.run_until(other._given)

    def run_until(self, number: int) -> None:
        with np.errstate(all="ignore"):
            while self._done < number and self._queue:
                work = self._queue.popleft()
                self._done += 1
                work()

    def synchronize(self) -> None:
        self.refuse_capture("cudaErrorStreamCaptureUnsupported")
        self.run_until(self._given)

    @property
    def done(self) -> bool:
        self.refuse_capture("cudaErrorStreamCaptureUnsupported")
        return not self._queue

    def refuse_capture(self, error: str, but: int | None = None) -> None:
        """Fail, and spoil the capture, if the stream is capturing in any mode but one."""
        if self._graph is not None and (but is None or self._mode != but):
            self._invalidate(error)

    def _invalidate(self, error: str) -> None:
        self._invalid = error
        raise CUDARuntimeError(f"{error}: operation not permitted when stream is capturing")

    # ------------------------------------------------ events

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        stream, number = event.stream, event.number
        if stream is None or stream is self:
            return
        if event._graph() is not None:
            self._join(event._graph(), stream, number)
            return
        self.refuse_capture("cudaErrorStreamCaptureIsolation")
        self.submit(lambda: stream.run_until(number))

    def _join(self, graph: Graph, stream: Stream, number: int) -> None:
        """Wait, in the graph, for what the other stream's capture held; a stream that is not capturing does so now."""
        if self._graph is None:
            self._graph, self._mode, self._invalid = graph, stream._mode, None
        elif self._graph is not graph:
            self._invalidate("cudaErrorStreamCaptureMerge")
        graph._wait(self, stream, number)

    # ------------------------------------------------ graphs

    def begin_capture(self, mode: int | None = None) -> None:
        if self.is_null:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        if self._graph is not None:
            raise CUDARuntimeError("cudaErrorIllegalState: the stream is capturing")
        self._graph, self._invalid = Graph(), None
        self._graph._origin = self
        self._mode = STREAM_CAPTURE_RELAXED if mode is None else mode

    def end_capture(self) -> Graph:
        graph = self._graph
        if graph is None:
            raise CUDARuntimeError("cudaErrorIllegalState: the operation cannot be performed in the present state")
        if graph._origin is not self:
            self._invalidate("cudaErrorStreamCaptureUnmatched")
        streams = [stream for stream in DEVICE.streams if stream._graph is graph]
        for stream in streams:
            stream._graph = None
        invalid = next((stream._invalid for stream in streams if stream._invalid is not None), None)
        if invalid is not None:
            raise CUDARuntimeError(f"cudaErrorStreamCaptureInvalidated: due to a previous error, {invalid}")
        if not graph._is_joined():
            raise CUDARuntimeError("cudaErrorStreamCaptureUnjoined: a stream that forked has not met the first again")
        return graph

    def is_capturing(self) -> bool:
        return self._graph is not None

    # ------------------------------------------------ the current stream

    def use(self) -> Stream:
        DEVICE.stack[-1] = self
        return self

    def __enter__(self) -> Stream:
        DEVICE.stack.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        DEVICE.stack.pop()


class Event:
    """A place in the queue of a stream."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.stream: Stream | None = None
        self._graph: Callable[[], Graph | None] = lambda: None
        """The capture that it was recorded in."""
        self.number = 0

    def record(self, stream: Stream | None = None) -> None:
        self.stream = stream or DEVICE.current
        graph = self.stream._graph
        self._graph = (lambda: None) if graph is None else weakref.ref(graph)
        self.number = self.stream._given if graph is None else graph._length(self.stream)

    def synchronize(self) -> None:
        if self.stream is not None:
            self.stream.refuse_capture("cudaErrorStreamCaptureUnsupported")
            self.stream.run_until(self.number)

    @property
    def done(self) -> bool:
        return self.stream is None or self.stream._done >= self.number


class Graph:
    """Work that was written down.

    It keeps no array alive. Memory from a pool that is not the default one lasts as long as that pool, since
    nobody else is dealt it. What another stream was given in its capture is done as late as the events allow.
    """

    _origin: Stream
    """Where the capture began."""

    def __init__(self) -> None:
        self.nodes: list[tuple[Callable[[], None], tuple[weakref.ref[Any], ...]]] = []
        self._branches: defaultdict[int, list[int | tuple[int, int]]] = defaultdict(list)
        """By stream: nodes by number, and waits for so many of another stream's."""
        self.launches = 0
        _at_the_end(self, DEVICE.refuse_release, "a graph is destroyed")

    def append(self, stream: Stream, work: Callable[[], None], memories: Iterable[Memory]) -> None:
        default = weakref.ref(DEVICE.pool)
        self._branches[id(stream)].append(len(self.nodes))
        self.nodes.append((work, tuple(weakref.ref(m) if m.pool == default else m.pool for m in memories)))

    def _length(self, stream: Stream) -> int:
        return len(self._branches[id(stream)])

    def _wait(self, stream: Stream, other: Stream, number: int) -> None:
        self._branches[id(stream)].append((id(other), number))

    def _is_joined(self) -> bool:
        return len(list(self._in_order())) == len(self.nodes)

    def _in_order(self) -> Iterator[int]:
        """Yield the nodes that the first stream needs, those of others where it waits for them."""
        return self._up_to(id(self._origin), self._length(self._origin), defaultdict(int))

    def _up_to(self, branch: int, number: int, done: defaultdict[int, int]) -> Iterator[int]:
        while done[branch] < number:
            step = self._branches[branch][done[branch]]
            done[branch] += 1
            if isinstance(step, int):
                yield step
            else:
                yield from self._up_to(*step, done)

    def launch(self, stream: Stream | None = None) -> None:
        stream = stream or DEVICE.current
        stream.refuse_capture("cudaErrorStreamCaptureUnsupported")
        self.launches += 1
        stream.submit(self._run)

    def upload(self, stream: Stream | None = None) -> None:
        pass

    def _run(self) -> None:
        for work, memories in map(self.nodes.__getitem__, self._in_order()):
            if any(memory() is None for memory in memories):
                raise GraphFault("the graph uses an array that is gone")
            work()


class Device:
    """The state of the one device.  memory: its bytes"""

    pool: MemoryPool
    """The default one."""
    allocate: Callable[[int], Memory]
    """Of the pool in use."""

    def __init__(self) -> None:
        self.reset(0)

    def reset(self, memory: int) -> None:
        """Begin anew, with nothing allocated and nothing queued."""
        self.memory, self.taken = memory, 0
        self.streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        self.stack: list[Stream] = []
        self.launches = 0
        """Kernels launched through RawModule; a captured launch counts when it is captured."""
        self.products = 0
        """Calls of cuBLAS."""

    def allocated(self) -> int:
        """Return the bytes that have been taken from the device, by pools, cuBLAS and graphs."""
        return self.taken

    def free(self, nbytes: int) -> None:
        """Take memory back, which waits for the device: during a capture that is an error."""
        self.taken -= nbytes
        if nbytes:
            self.refuse_release("memory is freed")

    def refuse_release(self, what: str) -> None:
        """Spoil every capture that is going on, unseen as in CUDA: nobody reads what a destructor has to report."""
        for stream in list(self.streams):
            if stream._graph is not None and stream._mode != STREAM_CAPTURE_RELAXED:
                stream._invalid = f"cudaErrorStreamCaptureUnsupported: {what} while a stream is capturing"

    @property
    def current(self) -> Stream:
        return self.stack[-1]

    def synchronize(self) -> None:
        for stream in list(self.streams):
            stream.synchronize()


DEVICE = Device()


def set_allocator(allocator: Callable[[int], Memory] | None = None) -> None:
    """Take memory from another pool from now on; None is from no pool, and that is a pool that nobody else has."""
    DEVICE.allocate = allocator or MemoryPool().malloc


@contextmanager
def using_allocator(allocator: Callable[[int], Memory] | None = None) -> Iterator[None]:
    """Take memory from another pool for a while."""
    before, DEVICE.allocate = DEVICE.allocate, allocator or DEVICE.pool.malloc
    try:
        yield
    finally:
        DEVICE.allocate = before


def reset(memory: int = 1 << 28) -> None:
    """Give the module a new device."""
    DEVICE.reset(memory)
    DEVICE.pool = MemoryPool()
    DEVICE.allocate = DEVICE.pool.malloc
    Stream.null = Stream(null=True)
    DEVICE.stack.append(Stream.null)


reset()

"""A device: memory for arrays, and operations on them that run at once or are recorded into a program.

Run eagerly an operation executes at once; inside ``with ops.record() as program`` it is appended to the
program instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Self, TypeAlias

import numpy as np

from minisgd.backend.dispatch import method
from minisgd.backend.program import Call, Program
from minisgd.errors import DtypeError
from minisgd.typing import Array, HostArray, Shape

Observer: TypeAlias = Callable[[object, str, Callable[..., Any]], Callable[..., Any]]
"""Of a part, the name of a method, and the method."""


class Device:
    """Where arrays live: their memory, and the programs of operations on them."""

    device = "abstract"
    steps_per_launch = 1
    """How many updates a training run prepares at once: more where telling the device costs more than a loop does."""
    waits = False
    """Whether an operation is done when its call returns, so that looking at a result costs nothing."""
    row_bytes = 1
    """Where the flat vectors of replicas begin: at multiples of so many bytes."""
    repeats_programs = False
    """Whether replaying a program many times in a row is sooner done than asking for it as often."""

    def __init__(self, xp: ModuleType) -> None:
        self.xp = xp
        self._constants: dict[tuple[float, str], Array] = {}
        self._rows: dict[tuple[int, str], Array] = {}
        self._begin()

    def _begin(self) -> None:
        """Record nothing, and be observed by nobody."""
        self._program: Program | None = None
        self._observer: Observer | None = None
        self._phase = ""
        self._layer = ""
        self._block: tuple[int, int] | None = None
        """Of what is being recorded, on a device that records loops over blocks: see `Call`."""

    def apart(self) -> Self:
        """Return the same operations on the same device, which record by themselves: in another thread, say."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other._begin()
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()  # another process finds its own device, and records programs of its own

    # ---------------------------------------------------------------- running and recording

    @contextmanager
    def record(self) -> Iterator[Program]:
        """Collect the operations of this block into a program instead of executing them."""
        outer, self._program = self._program, self.new_program()
        program = self._program
        try:
            yield program
        finally:
            self._program = outer
        self.arrange(program)

    def new_program(self) -> Program:
        """Return an empty program of this device."""
        return Program()

    def arrange(self, program: Program) -> None:
        """Choose the order in which the calls of a recorded program are executed, where it is free."""

    def join(self, *programs: Program) -> Program:
        """Return the calls of several programs, in their order, as one program."""
        joined = self.new_program()
        for program in programs:
            joined.temporaries += program.temporaries
            joined.extend(program.calls)
        self.arrange(joined)
        return joined

    def split(self, program: Program, op: str) -> tuple[list[Program], list[Array]]:
        """Return what a program does before, between and after the calls of an operation, and what these write."""
        parts, written = [self.new_program()], []
        for call in program:
            if call.op == op:
                parts.append(self.new_program())
                written.append(call.out)
            else:
                parts[-1].append(call)
        for part in parts:
            self.arrange(part)
        return parts, written

    @contextmanager
    def scope(self, phase: str | None = None, layer: str | None = None) -> Iterator[None]:
        """Name the phase and the layer of the operations in this block, for whoever reads the program."""
        outer = self._phase, self._layer
        self._phase = self._phase if phase is None else phase
        self._layer = self._layer if layer is None else layer
        try:
            yield
        finally:
            self._phase, self._layer = outer

    def run(
        self, op: str, function: Callable[..., Any], args: tuple[Any, ...], reads: tuple[Any, ...], out: Array
    ) -> None:
        """Execute ``function(*args)`` now, or append it to the program being recorded."""
        if self._program is None:
            function(*args)
        else:
            self._program.append(Call(function, args, op, reads, out, self._phase, self._layer, self._block))

    def method(self, part: object, name: str) -> Callable[..., Any]:
        """Return a method of a layer, a loss or an optimizer, or this device's own body of it: see `dispatch`."""
        found = method(self.device, part, name) if self.fits(part) else getattr(part, name)
        return found if self._observer is None else self._observer(part, name, found)

    def fits(self, part: object) -> bool:
        """Tell whether the device's own bodies can take the arrays of a part."""
        return True

    @contextmanager
    def observed_by(self, observer: Observer) -> Iterator[None]:
        """Inside this block let somebody see every method that is about to be run, and return what to run."""
        outer, self._observer = self._observer, observer
        try:
            yield
        finally:
            self._observer = outer

    # ---------------------------------------------------------------- memory

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """Allocate an array of undefined content."""
        array: Array = self.xp.empty(shape, dtype)
        return array

    def zeros(self, shape: Shape, dtype: Any) -> Array:
        """Allocate an array of zeros, its first byte on a 64-byte boundary."""
        array: Array = self.xp.zeros(shape, dtype)
        return array

    def from_host(self, array: HostArray) -> Array:
        """Move a host array to the device."""
        moved: Array = self.xp.asarray(array)
        return moved

    def to_host(self, array: Array) -> HostArray:
        """Copy a device array to the host."""
        return np.array(array)

    def upload(self, array: Any, *, out: Array) -> None:
        """Copy host values into an existing device array, now, recorded or not."""
        out[...] = self.xp.asarray(array)

    def free_memory(self) -> int | None:
        """Return the bytes that can still be had, or None where the arrays of the host are used as they are."""
        return None

    def own_bytes(self) -> int:
        """Return the bytes of the device that the operations keep for themselves, beside all plans."""
        return 0

    def identify(self) -> tuple[str, int | None]:
        """Return the name of the device and the bytes of its memory, None where that is the machine's own."""
        return self.device, None

    def compact(self, array: Array, rows: HostArray) -> None:
        """Move these rows of an array to its front, now, recorded or not."""
        array[: len(rows)] = array[self.xp.asarray(rows)]

    def owns(self, array: Any) -> bool:
        """Tell whether the array lives on this device."""
        return isinstance(array, self.xp.ndarray)

    def require(self, array: Any, argument: str) -> None:
        """Refuse an array that lives on another device; nothing is ever converted in silence."""
        if not self.owns(array):
            expected, got = f"an array on device {self.device!r}", f"{type(array).__module__}.{type(array).__name__}"
            fix = "move it first: ops.from_host(array) to a device, ops.to_host(array) back"
            raise DtypeError(argument, expected=expected, got=got, fix=fix)

    def synchronize(self) -> None:
        """Wait until the device has finished everything asked of it."""

    def address(self, array: Array) -> int:
        """Return the memory address of the first element."""
        return int(array.__array_interface__["data"][0])

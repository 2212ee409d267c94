"""A recorded program that replays natively."""

from __future__ import annotations

from collections.abc import Sequence

from minisgd.backend.cpu.native._executor import Tape
from minisgd.backend.cpu.native.calls import Native, describe_input
from minisgd.backend.cpu.native.chains import plan
from minisgd.backend.cpu.native.fused_loops import fuse, without_unread
from minisgd.backend.cpu.native.translation import translate
from minisgd.backend.program import Call, Input, Program
from minisgd.typing import Array


class NativeProgram(Program):
    """A recorded program whose calls NumPy's loops execute without Python in between: the same bits, sooner.

    It is translated when it is first replayed: a program that is only read costs nothing.
    """

    executor = "native"

    def __init__(self) -> None:
        super().__init__()
        self._tape: Tape | None = None

    def append(self, call: Call) -> None:
        super().append(call)
        self._tape = None

    def arrange(self, order: list[int]) -> None:
        super().arrange(order)
        self._tape = None

    def replay(self, times: int = 1, inputs: Sequence[Input] = (), watched: Array | None = None) -> int:
        if self._tape is None:
            self._tape = self._translate()
        described = tuple(describe_input(table[:times], array) for table, array in inputs)
        return self._tape.run(times, described, *([] if watched is None else [watched]))

    def executors(self) -> list[str]:
        return ["native" if _is_native(call) else "numpy" for call in self.calls]

    def _translate(self) -> Tape:
        order = [self.calls[position] for position in self.order]
        parts = [(part, call.block is None) for call in order for part in translate(call)]
        # calls of a loop over blocks are cut to fit the cache already
        fused, loose = fuse([part for part, _ in parts], [loose for _, loose in parts])
        calls, chains = plan(without_unread(fused, self.temporaries), loose)
        return Tape(tuple(call.described() for call in calls), tuple(chains))


def _is_native(call: Call) -> bool:
    return all(isinstance(part, Native) for part in translate(call))

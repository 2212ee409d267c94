"""A recorded program that replays natively."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from minisgd.backend.cpu.native._executor import Tape
from minisgd.backend.cpu.native.calls import Native, describe_rows
from minisgd.backend.cpu.native.chains import Chain, append_chain, plan
from minisgd.backend.cpu.native.fused_loops import fuse, without_unread
from minisgd.backend.cpu.native.translation import translate
from minisgd.backend.cpu.native.update_parts import defer_products
from minisgd.backend.program import Call, Calls, Program, Rows
from minisgd.typing import Array


class NativeProgram(Program):
    """A recorded program whose calls NumPy's loops execute without Python in between: the same bits, sooner.

    It is translated when it is first replayed: a program that is only read costs nothing.
    """

    executor = "native"

    def __init__(self) -> None:
        super().__init__()
        self._tape: Tape | None = None

    def arrange(self, order: Iterable[int]) -> None:
        super().arrange(order)
        self._tape = None

    def replay(
        self, times: int = 1, inputs: Sequence[Rows] = (), outputs: Sequence[Rows] = (), watched: Array | None = None
    ) -> int:
        if self._tape is None:
            self._tape = self._translate()
        before, after = describe_rows(times, inputs), describe_rows(times, outputs, back=True)
        return self._tape.run(times, before, after, *([] if watched is None else [watched]))

    def forget_calls(self) -> None:
        self._tape = self._tape or self._translate()
        self.calls, self.order = Calls(), range(0)

    def executors(self) -> list[str]:
        return ["native" if _is_native(call) else "numpy" for call in self]

    def _translate(self) -> Tape:
        chains: list[Chain] = []
        return Tape(self._described(chains), chains)

    def _described(self, chains: list[Chain]) -> Iterator[tuple[Any, ...]]:
        """Yield the calls as the executor takes them, those of one block at a time, and note their chains."""
        done, last = 0, self.order[-1:]
        for block, group in groupby(self.order, key=self._block):
            positions = list(group)
            ends = positions[-1:] == list(last)
            calls = fuse([part for k in positions for part in translate(self.calls[k])])
            # what a later group may read is written
            calls = without_unread(calls, self.temporaries if ends else ())
            if block is None:
                calls, found = plan(defer_products(calls) if ends else calls)
            else:  # calls of a loop over blocks are cut to fit the cache already
                found = [Chain(0, len(calls), 0, 0)] if calls else []
            for chain in found:
                append_chain(chains, chain._replace(first=chain.first + done))
            done += len(calls)
            yield from (call.described() for call in calls)

    def _block(self, position: int) -> int | None:
        """Return the number of the block; loops that were joined run block by block."""
        block = self.calls.block_of(position)
        return None if block is None else block[1]


def _is_native(call: Call) -> bool:
    return all(isinstance(part, Native) for part in translate(call))

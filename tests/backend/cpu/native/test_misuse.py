"""The extension refuses what would read or write beyond arrays; nothing that Python passes makes it crash."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from tests.backend.cpu.native.bits import needs_native

pytestmark = needs_native


def changed(call: tuple[Any, ...], at: int, value: Any) -> tuple[Any, ...]:
    return (*call[:at], value, *call[at + 1 :])


A, B, OUT = np.ones(10, np.float32), np.ones(10, np.float32), np.zeros(10, np.float32)
F = np.dtype("f4").num
ADD = (np.add, (A, B, OUT), (10,), ((4,), (4,), (4,)), (F, F, F), (), ())
X, W, Y = np.ones((3, 4), np.float32), np.ones((4, 5), np.float32), np.zeros((3, 5), np.float32)
PRODUCT = (np.matmul, (X, W, Y), (1,), ((0,), (0,), (0,)), (F, F, F), (3, 4, 5), (16, 4, 20, 4, 20, 4))
COPY = ("copy", (A, OUT), (10,), ((4,), (4,)))
INDEX = np.zeros(10, np.int64)
TAKE = ("take", (A, INDEX, OUT), (10,), ((0,), (8,), (4,)), 10, 4)
ADD_ROWS = ("add_rows", (A, INDEX, OUT), (10,), ((4,), (8,), (0,)), 10, 4)
ERF = ("erf", (np.ones(3, np.float32), A, OUT), (10,), ((0,), (4,), (4,)), 3)
ARGMAX = ("argmax", (X, INDEX), (3,), ((16,), (8,)), 4, 4)
OUTER = ("outer", (A, W[0], Y), (3,), ((4,), (0,), (20,)), 5)
NUMBER = np.ones((), np.float32)
FUSED = ("add_scaled", (NUMBER, A, OUT), (10,), ((0,), (4,), (4,)))
GOOD = {
    "add": ADD,
    "product": PRODUCT,
    "copy": COPY,
    "take": TAKE,
    "add_rows": ADD_ROWS,
    "put_rows": changed(ADD_ROWS, 0, "put_rows"),
    "erf": ERF,
    "argmax": ARGMAX,
    "outer": OUTER,
    "fused": FUSED,
    "python": (len, ((),)),
}


def tape(*calls: Any, chains: Any = None) -> Any:
    from minisgd.backend.cpu.native._executor import Tape

    return Tape(calls, [(0, len(calls), 0, 0)] if chains is None else list(chains))


def test_good_calls_are_taken() -> None:
    tape(*GOOD.values()).run(2)


READ_ONLY = np.zeros(10, np.float32)
READ_ONLY.flags.writeable = False
UNALIGNED = np.zeros(41, np.uint8)[1:].view(np.float32)

BAD: dict[str, tuple[Any, ...]] = {
    "no such fused loop": changed(FUSED, 0, "add_scale"),
    "fused loop: too long": changed(FUSED, 2, (11,)),
    "fused loop: an array missing": ("add_scaled", (NUMBER, OUT), (10,), ((0,), (4,))),
    "fused loop: arrays too many": ("add_scaled", (NUMBER, A, OUT, B, B), (10,), ((0,), (4,), (4,), (4,), (4,))),
    "fused loop: another dtype": changed(FUSED, 1, (NUMBER, np.ones(10), OUT)),
    "fused loop: integers": changed(FUSED, 1, (np.ones((), np.int32), np.ones(10, np.int32), np.ones(10, np.int32))),
    "fused loop: a vector as number": changed(FUSED, 3, ((4,), (4,), (4,))),
    "fused loop: strided": changed(changed(FUSED, 2, (5,)), 3, ((0,), (8,), (4,))),
    "fused loop: read-only": changed(FUSED, 1, (NUMBER, A, READ_ONLY)),
    "too long": changed(ADD, 2, (11,)),
    "stride too large": changed(ADD, 3, ((4,), (4,), (8,))),
    "stride backwards": changed(ADD, 3, ((4,), (-4,), (4,))),
    "stride off": changed(ADD, 3, ((4,), (2,), (4,))),
    "enormous": changed(ADD, 2, (2**62,)),
    "enormous stride": changed(ADD, 3, ((4,), (2**62,), (4,))),
    "no elements": changed(ADD, 2, (0,)),
    "negative": changed(ADD, 2, (-1,)),
    "no axes": changed(changed(ADD, 2, ()), 3, ((), (), ())),
    "too many axes": changed(changed(ADD, 2, (1,) * 99), 3, ((0,) * 99,) * 3),
    "strides missing": changed(ADD, 3, ((4,), (4,))),
    "arrays missing": changed(ADD, 1, (A, OUT)),
    "no array": changed(ADD, 1, (A, 3.0, OUT)),
    "a list of arrays": changed(ADD, 1, [A, B, OUT]),
    "read-only": changed(ADD, 1, (A, B, READ_ONLY)),
    "unaligned": changed(ADD, 1, (A, B, UNALIGNED)),
    "swapped": changed(ADD, 1, (A, B.astype(">f4"), OUT)),
    "objects": changed(ADD, 1, (A, np.array([None] * 10), OUT)),
    "no cast": changed(ADD, 1, (A, B.astype(np.complex64), OUT)),
    "no loop": changed(ADD, 4, (F, F, 7)),
    "no dtype": changed(ADD, 4, (10**6, F, F)),
    "core for none": changed(ADD, 5, (3,)),
    "inner dimension too long": changed(PRODUCT, 5, (3, 5, 5)),
    "core missing": changed(PRODUCT, 5, (3, 4)),
    "core negative": changed(PRODUCT, 5, (3, -4, 5)),
    "core steps missing": changed(PRODUCT, 6, (16, 4)),
    "core steps too large": changed(PRODUCT, 6, (16, 4, 20, 4, 40, 4)),
    "stack too long": changed(changed(PRODUCT, 2, (2,)), 3, ((48,), (0,), (0,))),
    "copy of other dtype": changed(COPY, 1, (A.astype(np.complex128), OUT)),
    "copy of three": changed(COPY, 1, (A, B, OUT)),
    "rows missing": changed(TAKE, 4, 11),
    "no rows": changed(TAKE, 4, 0),
    "rows too wide": changed(TAKE, 5, 8),
    "narrow index": changed(TAKE, 1, (A, INDEX.astype(np.int32), OUT)),
    "rows of another dtype": changed(TAKE, 1, (A, INDEX, OUT.view(np.int32))),
    "put rows missing": changed(changed(ADD_ROWS, 0, "put_rows"), 4, 11),
    "added rows missing": changed(ADD_ROWS, 4, 11),
    "added rows too wide": changed(ADD_ROWS, 5, 8),
    "added rows beyond the source": changed(ADD_ROWS, 2, (11,)),
    "added rows of part of a number": changed(ADD_ROWS, 5, 2),
    "added rows of integers": changed(ADD_ROWS, 1, (A.view(np.int32), INDEX, OUT.view(np.int32))),
    "coefficients missing": changed(ERF, 4, 4),
    "no coefficients": changed(ERF, 4, 0),
    "coefficients of another dtype": changed(ERF, 1, (np.ones(3), A, OUT)),
    "coefficients that move": changed(ERF, 3, ((4,), (4,), (4,))),
    "erf: strided": changed(changed(ERF, 2, (5,)), 3, ((0,), (8,), (4,))),
    "erf: too long": changed(ERF, 2, (11,)),
    "axis too long": changed(ARGMAX, 4, 5),
    "integers": changed(ARGMAX, 1, (X.astype(np.int64), INDEX)),
    "outer: rows too long": changed(OUTER, 4, 6),
    "outer: rows beyond counting": changed(OUTER, 4, 2**62),
    "outer: no rows": changed(OUTER, 4, 0),
    "outer: rows too many": changed(OUTER, 2, (4,)),
    "outer: an array missing": ("outer", (A, Y), (3,), ((4,), (20,)), 5),
    "outer: another dtype": changed(OUTER, 1, (A, W[0].astype("f8"), Y)),
    "outer: integers": changed(OUTER, 1, tuple(a.astype("i4") for a in (A, W[0], Y))),
    "unknown kind": changed(COPY, 0, "sort"),
    "no kind": (3, (A,), (10,), ((4,),)),
    "not callable": (3, ()),
    "no arguments": (len, [()]),
    "empty": (),
    "no tuple": ("copy",),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_calls_are_refused(name: str) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        tape(ADD, BAD[name])


@pytest.mark.parametrize(
    "chains",
    [(), ((0, 1, 0, 0),), ((0, 2, 0, 0), (2, 1, 0, 0)), ((1, 1, 0, 0),), ((0, 2, 9, 3),), ((0, 2, 10, -1),), ((0, 2),)]
    + [((0, 2, 10, 2**63 - 1),), ((0, 2**62, 0, 0),), ((0, 2, 0, 0, 0),), (3,), ((0, -1, 0, 0), (0, 2, 0, 0))],
    ids=str,
)
def test_bad_chains_are_refused(chains: Any) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        tape(ADD, COPY, chains=chains)


def test_a_chain_of_calls_through_python_is_refused() -> None:
    with pytest.raises(ValueError, match="one axis"):
        tape((len, ((),)), chains=((0, 1, 1, 1),))


TABLE = np.ones((3, 10), np.float32)
INPUT = ("copy", (TABLE, A), (3, 10), ((40, 4), (0, 4)))


OUTPUT = ("copy", (OUT, TABLE), (3, 10), ((0, 4), (40, 4)))


def test_tables() -> None:
    program = tape(ADD)
    program.run(3, (INPUT,))
    program.run(3, (INPUT,), (OUTPUT,))
    assert (TABLE == OUT).all()
    for times, inputs in [
        (4, (INPUT,)),
        (3, (ADD,)),
        (3, ((len, ((),)),)),
        (3, (INPUT,) * 9),
        (3, [INPUT]),
        (3, (None,)),
    ]:
        with pytest.raises((ValueError, TypeError)):
            program.run(times, inputs)
        with pytest.raises((ValueError, TypeError)):
            program.run(times, (), inputs)
    with pytest.raises(ValueError, match="reaches beyond"):
        program.run(3, (), (("copy", (OUT, TABLE), (3, 11), ((0, 4), (40, 4))),))
    program.run(-5)


def test_random_descriptions_never_crash() -> None:
    """Calls with random parts exchanged are taken or refused; those that are taken stay within their arrays."""
    rng = random.Random(0)
    arrays = [A, B, OUT, X, W, Y, INDEX, TABLE, np.zeros(()), np.zeros((0, 3)), np.zeros(7, bool), "x", None]
    numbers = [0, 1, 2, 3, 4, 5, 8, 10, 12, 16, 20, 40, -4, -8, 2**31, 2**62, -(2**63)]
    taken = 0

    def any_part(part: Any) -> Any:
        if isinstance(part, tuple) and rng.random() < 0.8:
            return tuple(any_part(p) if rng.random() < 0.4 else p for p in part)
        if isinstance(part, np.ndarray):
            return rng.choice(arrays)
        return rng.choice(numbers) if rng.random() < 0.9 else rng.choice([None, "copy", np.exp, 2.5, (1, 2)])

    calls = [call for name, call in GOOD.items() if name != "python"]
    for _ in range(5000):
        call = rng.choice(calls)
        at = rng.randrange(1, len(call))
        part = any_part(call[at])
        try:
            program = tape(changed(call, at, part))
        except (ValueError, TypeError, OverflowError):
            continue
        endless = isinstance(part, tuple) and any(isinstance(p, int) and p >= 2**31 for p in part)
        if not endless:  # one element again and again
            program.run()
        taken += 1
    assert taken > 50

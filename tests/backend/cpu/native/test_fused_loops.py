"""Fused loops: which calls run as one, and that it changes no bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from minisgd.backend import Call
from tests.backend.cpu.native.bits import executed, needs_native

pytestmark = needs_native
RNG = np.random.default_rng(0)
KINDS = (
    "momentum",
    "average",
    "average_of_squares",
    "step_by_ratio",
    "add_scaled",
    "subtract_scaled",
)


def calls_of(kind: str, shape: tuple[int, ...] = (1000,), dtype: Any = np.float32, **given: np.ndarray) -> list[Call]:
    """Return calls that a fused loop stands for; numbers are one for each of the leading axes."""
    from minisgd.backend.cpu.native.fused_loops import table

    (loop,) = (loop for loop in table() if loop.kind == kind)
    arrays = {name: RNG.uniform(0.1, 2, shape).astype(dtype) for name in loop.names}
    for name in loop.names[: loop.numbers]:
        arrays[name] = RNG.uniform(0.1, 0.9, (*shape[:-1], 1)).astype(dtype)
    arrays |= given
    calls = []
    for ufunc, names in loop.assignments:
        args = tuple(arrays[name] for name in names)
        calls.append(Call(ufunc, args, "", args[:-1], args[-1], "", ""))
    return calls


def kinds(calls: Sequence[Call], temporaries: Sequence[np.ndarray] = ()) -> list[str]:
    """Check the bits of a program; return what the executor runs, and mark fused loops that write s."""
    from minisgd.backend.cpu.native.fused_loops import fuse, without_unread
    from minisgd.backend.cpu.native.translation import translate

    executed(calls, times=3)
    parts = [part for call in calls for part in translate(call)]
    fused = fuse(parts)
    left = without_unread(fused, temporaries)
    kinds = [getattr(part, "kind", None) for part in left]
    names = [getattr(kind, "__name__", str(kind)) for kind in kinds]
    return [name + " s" * (name in KINDS and part is kept) for name, part, kept in zip(names, left, fused, strict=True)]


def test_all_are_tried() -> None:
    from minisgd.backend.cpu.native.fused_loops import table

    assert sorted(KINDS) == sorted(loop.kind for loop in table())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (5,), (1003,), (3, 257), (2, 3, 33)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_bits(kind: str, shape: tuple[int, ...], dtype: Any) -> None:
    found = kinds(calls_of(kind, shape, dtype))
    assert found == [f"{kind} s"] or shape == (1,)


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_values(kind: str) -> None:
    given = {name: RNG.standard_normal(1000).astype(np.float32) for name in "gvwxyms"}
    for k, array in enumerate(given.values()):
        array[k : k + 7] = [0, -0.0, np.inf, -np.inf, np.nan, 1e-42, 3e38]
    assert kinds(calls_of(kind, **given)) == [f"{kind} s"]


def test_other_arrays_are_not_fused() -> None:
    v = RNG.uniform(0.1, 1, 1001).astype(np.float32)
    shifted = kinds(calls_of("momentum", v=v[:-1], w=v[1:]))
    assert "momentum s" not in shifted
    narrow = RNG.uniform(0.1, 1, (1000, 2)).astype(np.float32)[:, 0]
    assert kinds(calls_of("momentum", v=narrow))[0] == "multiply"
    assert kinds(calls_of("momentum", a=RNG.uniform(0.1, 1, 1000).astype(np.float32)))[0] == "multiply"
    assert kinds(calls_of("add_scaled", x=RNG.standard_normal(1000)))[0] == "multiply"  # in float64


def test_calls_in_between_are_not_fused() -> None:
    first, *others = calls_of("add_scaled")
    assert kinds([first, *calls_of("add_scaled")[:1], *others]) == ["multiply", "multiply", "add"]


def test_an_intermediate_result_is_not_written_where_nobody_reads_it() -> None:
    s = np.zeros(1000, np.float32)
    calls = calls_of("momentum", s=s)
    assert kinds(calls, temporaries=[s]) == ["momentum"]
    assert kinds(calls, temporaries=[s[:999]]) == ["momentum s"]
    assert kinds([*calls, *calls_of("average", s=s)], temporaries=[s]) == ["momentum", "average"]
    out = np.zeros(1000, np.float32)
    reader = Call(np.negative, (s, out), "", (s,), out, "", "")
    assert kinds([*calls, reader], temporaries=[s]) == ["momentum s", "negative"]
    assert kinds([*calls_of("average", s=s), *calls_of("add_scaled", x=s)], temporaries=[s])[0] == "average s"
    through_python = Call(int, (), "", (), out, "", "")
    assert kinds([*calls, through_python], temporaries=[s])[0] == "momentum s"


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("SGD(lr=0.1, momentum=0.9)", {"momentum"}),
        ("Adam(weight_decay=0.1)", {"add_scaled", "average", "average_of_squares", "step_by_ratio"}),
    ],
)
def test_optimizers_are_fused(optimizer: str, expected: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Training gives the bits of NumPy, though the intermediate results are nowhere."""
    import minisgd as ms
    from minisgd.backend.cpu.native.fused_loops import fuse, without_unread
    from minisgd.backend.cpu.native.translation import translate
    from minisgd.training.prepare import prepare

    weights = []
    for executor in ("numpy", "native"):
        monkeypatch.setenv("MINISGD_EXECUTOR", executor)
        data = ms.Dataset.from_arrays(np.random.default_rng(0).standard_normal((64, 5)), np.arange(64) % 3)
        net = ms.Network(ms.Linear(70), ms.ReLU(), ms.Linear(3))
        session = prepare(net, data, eval(f"ms.{optimizer}"), batch_size=7, seeds=[0, 1]).session()
        for _ in range(300):
            session.advance(lambda: True)
        weights.append(np.array(session.network.vector))
    assert weights[0].tobytes() == weights[1].tobytes()
    update = session._update()
    parts = [part for call in update for part in translate(call)]
    fused = fuse(parts)
    found = {part.kind for part in without_unread(fused, update.temporaries) if isinstance(part.kind, str)}
    assert found - {"copy"} == expected

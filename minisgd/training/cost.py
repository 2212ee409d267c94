"""What a recorded array call costs, and how it is written: arithmetic, memory traffic, formula.

Conventions: a multiply-add is two FLOPs, and every other elementwise function of a number is one, a square
root and an exponential too. Bytes are what must pass between memory and processor if nothing is in the cache:
every operand once, an operand that is also the result twice. An operand that is broadcast counts as large as
it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod

from minisgd.backend import Call, Program
from minisgd.typing import Array


@dataclass(frozen=True)
class Cost:
    """FLOPs of a call, and its right-hand side with the names of the operands for {0} and {1}."""

    flops: Callable[[Call], int]
    formula: str
    in_place: str = ""
    """The operator of ``out ∘= {1}``, where there is one."""


def _none(call: Call) -> int:
    return 0


def _each_result(call: Call) -> int:
    return int(call.out.size)


def _each_operand(call: Call) -> int:
    return max(int(a.size) for a in call.reads)


def _affine(call: Call) -> int:
    return _inner_products(call) + _each_result(call)


def _inner_products(call: Call) -> int:
    """2 K for every number of the result, K the length of the sums: 2·M·N·K for a matrix product."""
    return 2 * int(call.out.size) * int(call.reads[0].shape[-1])


COSTS: dict[str, Cost] = {
    "matmul": Cost(_inner_products, "{0} @ {1}"),
    "affine": Cost(_affine, "{0} @ {1} + {2}"),
    "dot": Cost(_inner_products, "Σ {0} · {1}"),
    "add": Cost(_each_result, "{0} + {1}", "+="),
    "subtract": Cost(_each_result, "{0} − {1}", "−="),
    "multiply": Cost(_each_result, "{0} · {1}", "·="),
    "divide": Cost(_each_result, "{0} / {1}", "/="),
    "power": Cost(_each_result, "{0} ^ {1}"),
    "maximum": Cost(_each_result, "max({0}, {1})"),
    "minimum": Cost(_each_result, "min({0}, {1})"),
    "greater": Cost(_each_result, "[{0} > {1}]"),
    "greater_equal": Cost(_each_result, "[{0} ≥ {1}]"),
    "equal": Cost(_each_result, "[{0} = {1}]"),
    "negative": Cost(_each_result, "−{0}"),
    "absolute": Cost(_each_result, "|{0}|"),
    "sign": Cost(_each_result, "sign {0}"),
    "square": Cost(_each_result, "{0}²"),
    "sqrt": Cost(_each_result, "√{0}"),
    "exp": Cost(_each_result, "exp {0}"),
    "expm1": Cost(_each_result, "exp {0} − 1"),
    "log": Cost(_each_result, "ln {0}"),
    "log1p": Cost(_each_result, "ln(1 + {0})"),
    "tanh": Cost(_each_result, "tanh {0}"),
    "erf": Cost(_each_result, "erf {0}"),
    "sum": Cost(_each_operand, "Σ {0}"),
    "max": Cost(_each_operand, "max {0}"),
    "argmax": Cost(_each_operand, "argmax {0}"),
    "copy": Cost(_none, "{0}"),
    "take": Cost(_none, "{0}[{1}]"),
    "add_rows": Cost(_each_operand, "Σ {0} by {1}"),
    "put_rows": Cost(_none, "{0} at {1}"),
    "function": Cost(_none, "f({0}, {1})"),
    "one_hot": Cost(_none, "one-hot({0})"),
    "uniform": Cost(_none, "uniform(seed, {0})"),
}
"""A row for every operation of the vocabulary."""

PRODUCTS = ("matmul", "affine")


def flops(call: Call) -> int:
    """Return the floating-point operations of a call."""
    return COSTS[call.op].flops(call)


def largest_product(programs: Iterable[Program]) -> int:
    """Return the FLOPs of the largest single matrix product; a stack of replicas is as many products."""
    products = (call for program in programs for call in program if call.op in PRODUCTS)
    return max((flops(call) // max(1, prod(call.out.shape[:-2])) for call in products), default=0)


def bytes_moved(call: Call) -> int:
    """Return the bytes that a call reads and writes."""
    if call.op == "take":  # of the array it gathers from, only the rows that the index names
        source, index = call.reads
        return int(call.out.size) * int(source.itemsize) + stored_bytes(index) + stored_bytes(call.out)
    if call.op in ("add_rows", "put_rows") and call.out is call.reads[-1]:  # the other rows stay as they are
        rows, index = call.reads[:2]
        return 2 * stored_bytes(rows) + stored_bytes(index)
    distinct = {id(a): a for a in call.reads}
    return sum(map(stored_bytes, distinct.values())) + stored_bytes(call.out)


def stored_bytes(array: Array) -> int:
    """Return the bytes of memory that a view covers: repeated elements and overlapping windows count once."""
    axes = [(n, stride) for n, stride in zip(array.shape, array.strides, strict=True) if stride]
    elements = prod(n for n, _ in axes)
    extent = sum((n - 1) * abs(stride) for n, stride in axes) + array.itemsize
    return int(min(elements * array.itemsize, extent)) if array.size else 0


def formula(call: Call, operands: list[str], result: str) -> str:
    """Write a call as an assignment: ``y = x @ W``, or ``y += b`` where the result is the first operand."""
    cost = COSTS[call.op]
    if cost.in_place and operands[0] == result:
        return f"{result} {cost.in_place} {operands[1]}"
    return f"{result} = {cost.formula.format(*operands)}"

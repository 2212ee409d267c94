"""The training step read from its program: phases, formulas, counts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minisgd.backend.cpu.executor import why_not_native
from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn import BatchNorm, Conv2d, Flatten, Linear, MeanSquaredError, Network, ReLU, Residual, Tanh
from minisgd.optim import LARS, SGD, Adam
from minisgd.training.explain import explain
from minisgd.training.explain.explanation import Explanation, Line, fold


def mlp() -> Network:
    return Network(Linear(8, name="hidden"), ReLU(), Linear(3, name="out"))


def formulas(explanation: Explanation, phase: str, layer: str | None = None) -> list[str]:
    return [line.formula for line in explanation.phases[phase] if layer is None or line.layer == layer]


def test_a_dense_network_reads_like_the_textbook() -> None:
    step = explain(mlp(), 4, input_shape=(5,), optimizer=SGD(lr=0.1, momentum=0.9))
    assert list(step.phases) == ["gather", "forward", "loss", "backward", "update"]
    assert formulas(step, "gather") == ["x = data.x[index]", "labels = data.y[index]"]
    assert formulas(step, "forward") == ["y = x @ W", "y += b", "y = max(x, 0)", "y = x @ W", "y += b"]
    assert formulas(step, "loss")[:3] == ["target = one-hot(labels)", "s = zᵀ", "top = max s"]
    assert formulas(step, "backward", "Linear out") == ["dW = xᵀ @ dy", "db = Σ dy", "dx = dy @ Wᵀ"]
    assert formulas(step, "backward", "ReLU 1") == ["mask = [y > 0]", "dx = dy · mask"]
    assert formulas(step, "backward", "Linear hidden") == ["dW = xᵀ @ dy", "db = Σ dy"]
    assert formulas(step, "update") == [
        "velocity ·= 0.9", "velocity += g", "scratch = velocity · lr", "w −= scratch",
    ]  # fmt: skip


@pytest.mark.parametrize("b", [2, 4, 31])
def test_flops_of_a_dense_network_counted_by_hand(b: int) -> None:
    step = explain(mlp(), b, input_shape=(5,))
    products, biases, relu = 2 * b * (5 * 8 + 8 * 3), b * 8 + b * 3, b * 8
    assert step.totals["forward"].flops == products + biases + relu
    # dW of both layers, dx of the second; db; mask and product of ReLU; dz minus target, over b
    backward = products + 2 * b * 8 * 3 + b * 8 + b * 3 + 2 * b * 8 + 2 * b * 3
    assert step.totals["backward"].flops == backward
    parameters = 5 * 8 + 8 + 8 * 3 + 3
    assert step.parameters == parameters
    assert step.totals["update"].flops == 2 * parameters
    assert step.total.flops == sum(total.flops for total in step.totals.values())
    assert step.total.calls == sum(line.count for line in step.lines)


def test_the_bytes_of_a_product_are_its_three_matrices() -> None:
    first = next(line for line in explain(mlp(), 4, input_shape=(5,)).lines if line.phase == "forward")
    assert first.shapes == ((4, 5), (5, 8), (4, 8))
    assert first.bytes == 4 * (4 * 5 + 5 * 8 + 4 * 8)
    assert first.flops == 2 * 4 * 5 * 8


def test_chunks_of_a_convolution_are_folded_and_lose_nothing() -> None:
    net = Network(Conv2d(4, 3, padding="same", name="conv"), Flatten(), Linear(3))
    step = explain(net, 64, input_shape=(28, 28, 1))
    forward = [line for line in step.phases["forward"] if line.layer == "Conv2d conv"]
    assert [line.formula for line in forward[:3]] == [
        "padded[…] = x[…]", "patches = windows(padded)", "y[…] = patchesᵀ @ W",
    ]  # fmt: skip
    # blocks of 20, 20, 20 and 4 images, of which 7, 7 and 6 are unrolled at a time
    assert sum(line.count for line in forward if line.op == "matmul") == 10
    products = [line.flops for line in forward if line.op == "matmul"]
    assert sum(products) == 2 * 64 * 28 * 28 * 9 * 4
    assert any(line.formula == "products = patches @ dy[…]" for line in step.phases["backward"])


def test_names_follow_the_memory_that_a_layer_writes_over() -> None:
    net = Network(Linear(6), BatchNorm(name="norm"), Tanh(), Linear(3))
    step = explain(net, 4, input_shape=(5,))
    forward = formulas(step, "forward", "BatchNorm norm")
    assert forward[0] == "origin = Σ x"
    assert "moved = x − origin" in forward and "y = moved · scale" in forward
    assert formulas(step, "backward", "BatchNorm norm")[:2] == ["sum_dy = Σ dy", "work = dy · moved"]


def test_tensors_and_optimizer_state_have_their_names() -> None:
    by_tensor = formulas(explain(mlp(), 4, input_shape=(5,), optimizer=LARS(lr=0.1)), "update")
    assert "w_norm = Σ hidden.W · hidden.W" in by_tensor
    assert "hidden.W −= velocity[…]" in by_tensor and "hidden.dW ·= rate" in by_tensor
    adam = formulas(explain(mlp(), 4, input_shape=(5,), optimizer=Adam()), "update")
    assert "m ·= 0.9" in adam and "scratch = g²" in adam and "scratch = √v" in adam


def test_every_operand_of_a_nested_network_has_a_name() -> None:
    inner = Residual(Linear(5), ReLU(), Linear(5))
    step = explain(Network(inner, Linear(2)), 3, input_shape=(5,), loss=MeanSquaredError(), dtype="float64")
    assert not [line.formula for line in step.lines if "?" in line.formula or "table" in line.formula]
    assert formulas(step, "gather")[1] == "target = data.y[index]"
    assert {"Linear 0.0", "ReLU 0.1", "Linear 0.2", "Linear 1"} <= {line.layer for line in step.lines}


def test_the_network_is_not_changed() -> None:
    net = mlp().build((5,))
    before, attributes = net.vector.copy(), set(vars(net.layers[0]))
    first = explain(net, 4)
    np.testing.assert_array_equal(net.vector, before)
    assert set(vars(net.layers[0])) == attributes
    assert explain(net, 4) == first
    described = mlp()
    explain(described, 4, input_shape=(5,))
    assert not described.is_built


def test_time_measures_every_line_and_moves_no_weight() -> None:
    step = explain(mlp(), 4, input_shape=(5,), time=True)
    assert all(line.microseconds is not None and line.microseconds > 0 for line in step.lines)
    assert step.total.microseconds == pytest.approx(sum(line.microseconds or 0 for line in step.lines))
    assert "µs" in str(step) and "µs" not in str(explain(mlp(), 4, input_shape=(5,)))


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_time_says_how_many_calls_training_runs_natively(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if executor == "native" and why_not_native():
        pytest.skip(f"no native executor: {why_not_native()}")
    monkeypatch.setenv("MINISGD_EXECUTOR", executor)
    step = explain(mlp(), 4, input_shape=(5,), time=True)
    assert step.native_calls == (step.total.calls if executor == "native" else 0)
    assert f"training runs {step.native_calls} of {step.total.calls} natively" in step.headline
    assert explain(mlp(), 4, input_shape=(5,)).native_calls is None


def test_text_and_json_say_the_same() -> None:
    step = explain(mlp(), 4, input_shape=(5,))
    text, document = str(step), json.loads(step.to_json())
    assert len(document["lines"]) == len(step.lines)
    assert document["total"]["flops"] == step.total.flops
    assert document["lines"][2] == {
        "phase": "forward", "layer": "Linear hidden", "op": "matmul", "formula": "y = x @ W",
        "shapes": [[4, 5], [5, 8], [4, 8]], "flops": 320, "bytes": 368, "microseconds": None, "count": 1,
        "norm": None, "dead": None, "ratio": None,
    }  # fmt: skip
    for line in document["lines"]:
        assert line["formula"] in text
    assert max(map(len, text.splitlines())) <= 80


def test_folding_keeps_order_and_sums() -> None:
    def line(name: str) -> Line:
        return Line("forward", "layer", "copy", name, ((1,), (1,)), 1, 4, 2.0)

    folded = fold([line(name) for name in "abcbcbcdddea"])
    assert [(one.formula, one.count) for one in folded] == [
        ("a", 1), ("b", 3), ("c", 3), ("d", 3), ("e", 1), ("a", 1),
    ]  # fmt: skip
    assert sum(one.flops for one in folded) == 12 and folded[1].microseconds == 6.0
    nested = fold([line(name) for name in "axxxaxxx"])
    assert [(one.formula, one.count) for one in nested] == [("a", 2), ("x", 6)]


def test_refusals() -> None:
    with pytest.raises(ArgumentError, match="input_shape"):
        explain(mlp())
    with pytest.raises(ArgumentError, match="batch_size"):
        explain(mlp(), 0, input_shape=(5,))
    with pytest.raises(ShapeError, match="flatten"):
        explain(mlp(), 4, input_shape=(5, 5, 1))
    with pytest.raises(ShapeError, match="at least two values"):
        explain(Network(Linear(4), BatchNorm(), Linear(2)), 1, input_shape=(5,))

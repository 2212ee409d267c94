"""What a schedule of the batch size learns of the gradient, against all gradients one by one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.optim import GradientMeasure
from minisgd.training.prepare import prepare
from minisgd.training.session import Session


def session(model: str = "mlp:16", batch_size: object = None, **options: object) -> Session:
    data = ms.datasets.digits(validation=None).subset(200)
    schedule = batch_size or ms.NormTest(8, 64, every=1)
    net = ms.model(model, data.input_shape, 10)
    return prepare(net, data, ms.SGD(lr=0.3), batch_size=schedule, dtype="float64", **options).session()  # type: ignore[arg-type]


def expected(s: Session, index: np.ndarray) -> GradientMeasure:
    data = ms.datasets.digits(validation=None).subset(200).train
    net = s.network.copy()
    net.input_scale, net.classes = 1 / 16, None
    g = ms.per_example_gradients(net, data.x[index], data.y[index])
    mean = g.mean(0)
    loss = ms.evaluate(net, ms.SoftmaxCrossEntropy(), data.take(index), 1 / 16)["loss"]
    return GradientMeasure(
        len(index), loss, 0.3, float(mean @ mean), float(g.var(0, ddof=1).sum()), float((g @ mean).var(ddof=1))
    )


def same(found: GradientMeasure, true: GradientMeasure) -> None:
    for name, value in vars(true).items():
        assert_allclose(getattr(found, name), value, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("model", ["mlp:16", "mlp-bn:8"])
@pytest.mark.parametrize("chunk", [None, 8])
def test_the_measure_is_that_of_the_examples(model: str, chunk: int | None) -> None:
    s = session(model, micro_batch=chunk)
    assert s.meter is not None
    index = np.arange(50, 74)
    for _ in range(2):  # the second time from programs that are there
        found = s.meter.measure(index, 0.3)
        assert found is not None
        same(found, expected(s, index))


def test_single_examples_have_no_spread() -> None:
    s = session()
    assert s.meter is not None and s.meter.measure(np.array([3]), 0.1) is None


def test_only_schedules_that_ask_are_measured_for() -> None:
    assert session(batch_size=16).meter is None
    assert session(batch_size=ms.GrowBatch(8, 64, every=1)).meter is None
    meter = session(batch_size=ms.NeverShrink(ms.CABS(8, 64, every=3))).meter
    assert meter is not None and meter.every == 3


def test_measuring_leaves_the_training_alone() -> None:
    class Idle(ms.NormTest):
        def wanted(self, measured: GradientMeasure, size: int) -> float:
            return size

    for model in ("mlp-bn:8", "mlp:16"):
        s, plain = session(model, Idle(16, 16, every=1)), session(model, 16)
        for _ in range(20):
            s.step()
            plain.step()
        assert s.measured is not None and plain.measured is None
        assert_array_equal(s.network.vector, plain.network.vector)
        assert_array_equal(s.network.statistics, plain.network.statistics)


def test_replicas_are_refused() -> None:
    with pytest.raises(ms.ArgumentError, match="^batch_size must be .* stack of replicas, got .* 3 replicas; train"):
        session(seeds=[0, 1, 2])

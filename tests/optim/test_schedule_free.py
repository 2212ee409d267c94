"""Schedule-free SGD and AdamW beside the three sequences of the paper, kept one by one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minisgd as ms
from minisgd.optim import Group, Optimizer, ScheduleFreeAdamW, ScheduleFreeSGD
from tests.optim.optimizer_table import LAYOUT, bench, slope, vector

RATES = [0.0, 0.01, 0.02, *[0.03] * 40, 0.01, 0.02]  # a warmup from zero, and a rate that moves
CASES = [
    ScheduleFreeSGD(0.03),
    ScheduleFreeSGD(0.03, momentum=0.0, weight_decay=0.1),
    ScheduleFreeAdamW(0.03),
    ScheduleFreeAdamW(0.03, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
]
each = pytest.mark.parametrize("optimizer", CASES, ids=lambda o: o.describe())


def of_the_paper(o: Optimizer, w: np.ndarray, rates: list[float]) -> np.ndarray:
    """Algorithm 1 of Defazio et al. 2024, with the bias correction of the authors' code: x, y and z apart."""
    x, z, v, weights = w.copy(), w.copy(), np.zeros_like(w), 0.0
    for t, lr in enumerate(rates):
        y = (1 - o.beta) * z + o.beta * x
        g = slope(y, t)
        if isinstance(o, ScheduleFreeAdamW):
            v = o.betas[1] * v + (1 - o.betas[1]) * g**2
            g = g / (np.sqrt(v / (1 - o.betas[1] ** (t + 1))) + o.eps)
        z = z - lr * g - lr * o.weight_decay * y
        weights += lr**2
        c = lr**2 / weights if weights else 0.0
        x = (1 - c) * x + c * z
    return x


def trained(o: Optimizer, w: np.ndarray, rates: list[float], layout=None) -> np.ndarray:
    """Return the weights after updates by the optimizer, which interpolates before every gradient."""
    b = bench(o, layout or vector(w.size))
    b.w[:] = w
    with b.ops.record() as interpolation:
        o.interpolate(b.ops, b.buffers)
    for t, lr in enumerate(rates):
        b.lr[:] = lr
        interpolation.replay()
        b.g[:] = slope(b.w, t)
        b.program.replay()
    return b.w


@each
def test_the_weights_are_the_average_of_the_paper(optimizer):
    w = np.random.default_rng(3).normal(size=20)
    assert_allclose(trained(optimizer, w, RATES), of_the_paper(optimizer, w, RATES), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("optimizer", CASES[2:], ids=lambda o: o.describe())
def test_a_loop_of_torch_agrees(optimizer):
    """As the authors' code goes: y is the parameter, z is kept, and x is never formed until the end."""
    torch = pytest.importorskip("torch", reason="torch is the oracle of this test: pip install 'minisgd[peers]'")
    w = np.random.default_rng(5).normal(size=20)
    y, z, v, weights = torch.tensor(w), torch.tensor(w), torch.zeros(20, dtype=torch.float64), 0.0
    (beta1, beta2), rates = optimizer.betas, RATES[1:]
    for t, lr in enumerate(rates):
        g = torch.tensor(slope(y.numpy(), t))
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        u = g.div((v / (1 - beta2 ** (t + 1))).sqrt_().add_(optimizer.eps)).add_(y, alpha=optimizer.weight_decay)
        weights += lr**2
        c = lr**2 / weights
        y = y.lerp(z, c).add_(u, alpha=lr * (beta1 * (1 - c) - 1))
        z = z - lr * u
    x = y.lerp(z, 1 - 1 / beta1)
    assert_allclose(trained(optimizer, w, rates), x.numpy(), rtol=1e-11, atol=1e-12)


def test_without_momentum_it_is_the_average_of_sgd():
    """Polyak 1990; Ruppert 1988."""
    w, z, places = np.random.default_rng(1).normal(size=5), None, []
    z = w.copy()
    for t in range(30):
        z = z - 0.1 * slope(z, t)
        places.append(z)
    assert_allclose(trained(ScheduleFreeSGD(0.1, momentum=0.0), w, [0.1] * 30), np.mean(places, axis=0), rtol=1e-12)


@each
def test_a_group_of_everything_changes_nothing(optimizer):
    """Every group has a sum of squared rates of its own; a factor does not change the shares."""
    from dataclasses import replace

    w = np.random.default_rng(3).normal(size=LAYOUT.size)
    grouped = replace(optimizer, groups={"*.W": Group(lr_factor=2), "*": Group(lr_factor=2)})
    double = [2 * lr for lr in RATES]
    assert_allclose(trained(grouped, w, RATES, LAYOUT), of_the_paper(optimizer, w, double), rtol=1e-12, atol=1e-13)


def test_what_is_evaluated_and_returned_is_the_average():
    """Beside a loop in NumPy: one linear layer, squared loss, the full batch."""
    rng = np.random.default_rng(0)
    x, truth = rng.normal(size=(30, 3)), rng.normal(size=(3, 1))
    data = ms.Dataset.from_arrays(x, x @ truth, validation=(x[:5], x[:5] @ truth))
    net = ms.Network(ms.Linear(1, bias=False)).build((3,), seeds=0, dtype="float64")
    optimizer, steps = ScheduleFreeSGD(0.5), 12
    run = ms.train(net, data, optimizer=optimizer, batch_size="full", steps=steps, dtype="float64")
    average = z = net.vector.reshape(3, 1).copy()
    for t in range(steps):
        y = 0.1 * z + 0.9 * average
        z = z - 0.5 * 2 * x.T @ (x @ y - x @ truth) / len(x)
        average = average + (z - average) / (t + 1)
    assert_allclose(run.network.vector, average.ravel(), rtol=1e-12)
    loss = np.mean((x[:5] @ (average - truth)) ** 2)
    assert_allclose([run.history[-1]["val_loss"], run.evaluate()["loss"]], loss, rtol=1e-10)


def test_replicas_keep_their_averages_when_others_leave():
    from minisgd.training.prepare import prepare

    x = np.random.default_rng(0).normal(size=(40, 4))
    data = ms.Dataset.from_arrays(x, (x[:, 0] > 0).astype(int), validation=None)

    def begin(seeds, factors):
        net = ms.Network(ms.Linear(5), ms.Tanh(), ms.Linear(2))
        prepared = prepare(net, data, ScheduleFreeAdamW(0.01), batch_size=7, dtype="float64", seeds=seeds)
        return prepared.session(lr_factors=factors)

    stack, single = begin([1, 2, 3], [1, 3, 10]), begin([3], [10])
    for session, steps in ((stack, 5), (single, 9)):
        for _ in range(steps):
            session.step()
    stack.keep([2])
    for _ in range(4):
        stack.step()
    assert_allclose(stack.network.vector[0], single.network.vector.reshape(-1), rtol=1e-12)


def test_it_says_where_it_goes_in_explain():
    lines = ms.explain(ms.Network(ms.Linear(3)), 4, input_shape=(2,), optimizer=ScheduleFreeSGD()).phases
    assert list(lines).index("interpolate") < list(lines).index("forward")
    assert "interpolate" not in ms.explain(ms.Network(ms.Linear(3)), 4, input_shape=(2,)).phases


def test_nothing_moves_the_weights_while_the_rate_is_zero():
    w = np.arange(3.0)
    assert_array_equal(trained(ScheduleFreeSGD(), w, [0.0, 0.0]), w)

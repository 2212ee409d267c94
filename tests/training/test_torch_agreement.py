"""Fifty steps of every optimizer on an MLP and on a CNN, same weights and batches as PyTorch, in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.data.sampling import Shuffled
from minisgd.training.prepare import prepare

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
F = torch.nn.functional

STEPS, N, BATCH, SEED = 50, 100, 16, 3  # 100 is no multiple of 16: short batches are among the steps


def mlp() -> ms.Network:
    return ms.Network(ms.Linear(20, name="a"), ms.ReLU(), ms.Linear(12, name="b"), ms.Tanh(), ms.Linear(4, name="c"))


def torch_mlp(p, x, training):
    x = F.relu(x @ p["a.W"] + p["a.b"])
    return torch.tanh(x @ p["b.W"] + p["b.b"]) @ p["c.W"] + p["c.b"]


def cnn() -> ms.Network:
    return ms.Network(
        # no bias before the normalisation: its gradient is rounding noise, which Adam would blow up to full steps
        ms.Conv2d(4, 3, padding=1, bias=False, name="a"),
        ms.BatchNorm(momentum=0.1, name="n"),
        ms.ReLU(),
        ms.MaxPool2d(2),
        ms.Conv2d(6, 3, stride=2, padding=1, name="b"),
        ms.Tanh(),
        ms.BatchNorm(momentum=0.1, name="m"),
        ms.Flatten(),
        ms.Linear(4, name="c"),
    )


def torch_cnn(p, x, training):
    def conv(x, name, **options):
        return F.conv2d(x, p[f"{name}.W"].permute(3, 2, 0, 1), p.get(f"{name}.b"), **options)

    def norm(x, name):
        mean, var = p[f"{name}.running_mean"], p[f"{name}.running_var"]
        return F.batch_norm(x, mean, var, p[f"{name}.gamma"], p[f"{name}.beta"], training, 0.1, 1e-5)

    x = x.permute(0, 3, 1, 2)
    x = F.max_pool2d(F.relu(norm(conv(x, "a", padding=1), "n")), 2)
    x = norm(torch.tanh(conv(x, "b", stride=2, padding=1)), "m")
    return x.permute(0, 2, 3, 1).flatten(1) @ p["c.W"] + p["c.b"]


MODELS = {"mlp": (mlp, torch_mlp, (10,)), "cnn": (cnn, torch_cnn, (8, 8, 2))}

OPTIMIZERS = {
    "sgd": (ms.SGD(lr=0.05), lambda p: torch.optim.SGD(p, lr=0.05)),
    "momentum": (ms.SGD(lr=0.05, momentum=0.9), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "nesterov": (
        ms.SGD(lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    ),
    "adagrad": (ms.Adagrad(lr=0.02), lambda p: torch.optim.Adagrad(p, lr=0.02)),
    "rmsprop": (ms.RMSProp(lr=0.002), lambda p: torch.optim.RMSprop(p, lr=0.002)),
    "adam": (ms.Adam(lr=0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    "adamw": (ms.AdamW(lr=0.01), lambda p: torch.optim.AdamW(p, lr=0.01)),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_fifty_steps_agree(model, optimizer):
    network, forward, shape = MODELS[model]
    ours, theirs = OPTIMIZERS[optimizer]
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((N, *shape)), np.arange(N) % 4
    data = ms.Dataset.from_arrays(x, y, validation=None)
    prepared = prepare(network(), data, ours, batch_size=BATCH, dtype="float64", seeds=SEED)
    session = prepared.session()

    net = session.network
    p = {name: torch.tensor(np.array(value), requires_grad=True) for name, value in net.parameters().items()}
    learned = list(p.values())
    p |= {name: torch.tensor(np.array(value)) for name, value in net.running_statistics().items()}
    optimizer_ = theirs(learned)
    sampler = Shuffled(N, [SEED])
    for _ in range(STEPS):
        session.step()
        index = sampler.next(BATCH)[0]
        optimizer_.zero_grad()
        F.cross_entropy(forward(p, torch.tensor(x[index]), True), torch.tensor(y[index])).backward()
        optimizer_.step()

    for name, value in (net.parameters() | net.running_statistics()).items():
        reference = p[name].detach().numpy()
        assert_allclose(value, reference, rtol=1e-9, atol=1e-9 * np.abs(reference).max(), err_msg=name)
    with torch.no_grad():
        evaluated = forward(p, torch.tensor(x), False).numpy()
    assert_allclose(net.predict(x), evaluated, rtol=1e-8, atol=1e-9)


def test_clipping_agrees():
    rng = np.random.default_rng(1)
    x, y = 10 * rng.standard_normal((N, 10)), np.arange(N) % 4
    data = ms.Dataset.from_arrays(x, y, validation=None)
    prepared = prepare(mlp(), data, ms.SGD(lr=0.1), batch_size=N, clip_norm=0.5, dtype="float64", seeds=0)
    session = prepared.session()
    p = {n: torch.tensor(np.array(v), requires_grad=True) for n, v in session.network.parameters().items()}
    optimizer = torch.optim.SGD(p.values(), lr=0.1)
    for _ in range(5):
        session.step()
        optimizer.zero_grad()
        F.cross_entropy(torch_mlp(p, torch.tensor(x), True), torch.tensor(y)).backward()
        torch.nn.utils.clip_grad_norm_(p.values(), 0.5)
        optimizer.step()
    for name, value in session.network.parameters().items():
        assert_allclose(value, p[name].detach().numpy(), rtol=1e-5, atol=1e-6)  # PyTorch adds 1e-6 to the norm

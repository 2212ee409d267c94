"""What users write themselves, with public names alone: a loss, an optimizer, a schedule, a callback."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.testing import assert_allclose

import minisgd as ms

X = np.random.default_rng(0).standard_normal((60, 3))
Y = X @ np.array([1.0, -2.0, 0.5])
NET = ms.Network(ms.Linear(8), ms.Tanh(), ms.Linear(1))


class LogCosh(ms.Loss):
    """ℓ = ln cosh r, ∂ℓ/∂z = tanh r, r = z − t.  z, t (…, B, 1)"""

    task = "regression"

    def declare(self, z, kind):
        return ms.LossDeclaration(target=z, buffers={"up": ms.Buffer(z), "down": ms.Buffer(z)})

    def forward(self, ops, target):
        ops.subtract(self.z, target, out=self.dz)
        ops.exp(self.dz, out=self.up)
        ops.divide(0.25, self.up, out=self.down)  # cosh r = ½ (eʳ + e⁻ʳ) = 2 (¼ eʳ + ¼ e⁻ʳ)
        ops.multiply(self.up, 0.25, out=self.up)
        ops.add(self.up, self.down, out=self.up)
        ops.multiply(self.up, 2.0, out=self.up)
        ops.log(self.up, out=self.up)
        ops.sum(self.up, -1, out=self.losses)

    def backward(self, ops):
        ops.tanh(self.dz, out=self.dz)


@dataclass
class SignSGD(ms.Optimizer):
    """w ← w − lr sign g"""

    def update(self, ops, b):
        ops.sign(b.g, out=b.scratch)
        ops.multiply(b.scratch, b.lr, out=b.scratch)
        ops.subtract(b.w, b.scratch, out=b.w)


class Largest(ms.Callback):
    """Keep the longest gradient."""

    def on_start(self, training):
        self.norm = 0.0

    def on_gradient(self, training, index, gradient):
        self.norm = max(self.norm, float(np.linalg.norm(gradient)))


def falling(progress):
    return 0.1 / (1 + progress.epoch)


def test_a_loss_of_ones_own_is_what_its_formula_says():
    run = ms.train(NET, (X, Y), loss=LogCosh(), optimizer=ms.SGD(lr=0.1), epochs=20, dtype="float64")
    named = ms.train(
        NET,
        (X, Y),
        loss=lambda z, t: np.log(np.cosh(z - t)).mean(axis=-1),
        optimizer=ms.SGD(lr=0.1),
        epochs=20,
        dtype="float64",
    )
    assert_allclose(run.history["train_loss"], named.history["train_loss"], rtol=1e-7)
    assert run.history["train_loss"][-1] < run.history["train_loss"][0] / 3


def test_an_optimizer_and_a_schedule_of_ones_own():
    longest = Largest()
    run = ms.train(NET, (X, Y), optimizer=SignSGD(falling), callbacks=[longest], epochs=20)
    assert run.history["train_loss"][-1] < run.history["train_loss"][0] / 3
    assert longest.norm > 0 and run.history["lr"][-1] < run.history["lr"][0]

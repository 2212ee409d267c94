"""A layer of one's own in twenty lines: how do you know that its gradient is right?

The layer. Swish, y = x σ(β x), with a β that is learned for every feature (Ramachandran et al. 2017, Searching for
activation functions, section 4). A layer declares its arrays and writes two methods; the network brings the memory.

Theory. (f(w + h) − f(w)) / h misses the derivative by O(h), (f(w + h) − f(w − h)) / 2h by O(h²); and both by
rounding, about 10⁻¹⁶/h. So the central difference is best near h = 10⁻⁵, and there agrees with a right gradient to
nine or ten digits. A wrong one stays wrong at every h.

Look at: the V of either difference, of slope 1 and 2 on its right and rounding on its left; and the flat line, which is
the same layer without the second term of the product rule. That layer trains all the same, as the right picture
shows: a gradient that is nearly right is found by no training curve, only by a check like this one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _style import BLUE, GREEN, ORANGE, arguments, panels, save

import minisgd as ms


class Swish(ms.Layer):
    """y = x s with s = σ(β x).  x, y, s (…, B, F)   β (…, 1, F)"""

    def declare(self, x):
        buffers = {"s": ms.Buffer(x), "work": ms.Buffer(x, life="scratch")}
        return ms.Declaration(y=x, parameters={"beta": ms.Parameter(x[-1:], ms.init.Ones())}, buffers=buffers)

    def forward(self, ops, x):
        ops.multiply(x, self.beta, out=self.s)
        ops.multiply(self.s, 0.5, out=self.s)
        ops.tanh(self.s, out=self.s)  # σ(z) = (1 + tanh(z/2)) / 2 never overflows
        ops.add(self.s, 1.0, out=self.s)
        ops.multiply(self.s, 0.5, out=self.s)
        ops.multiply(x, self.s, out=self.y)
        return self.y

    def backward(self, ops, dy):
        """dβ = Σ_B dy x² s(1 − s)    dx = dy (s + β x s(1 − s))"""
        ops.subtract(1.0, self.s, out=self.work)
        ops.multiply(self.work, self.s, out=self.work)
        ops.multiply(self.work, self.x, out=self.work)
        if self.dx is not None:  # None where nobody needs it, as in a first layer
            ops.multiply(self.work, self.beta, out=self.dx)
            ops.add(self.dx, self.s, out=self.dx)
            ops.multiply(self.dx, dy, out=self.dx)
        ops.multiply(self.work, self.x, out=self.work)
        ops.multiply(self.work, dy, out=self.work)
        ops.sum_batch(self.work, out=self.dbeta)
        return self.dx


class ForgetfulSwish(Swish):
    """The same with a mistake: s is taken for a constant when dx is computed."""

    def backward(self, ops, dy):
        super().backward(ops, dy)
        ops.multiply(dy, self.s, out=self.dx)
        return self.dx


def network(layer: ms.Layer) -> ms.Network:
    """Return an MLP with the layer for its activation."""
    return ms.Network(ms.Linear(16), layer, ms.Linear(10))


def errors(layer: ms.Layer, steps: np.ndarray, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how far forward and central differences with each step h are from the gradient, (H,) and (H,).

    Relative, |∇f − differences| / |∇f|, over all parameters, in float64.
    """
    data = ms.datasets.digits().subset(examples)
    f = ms.Objective(network(layer).build(data.input_shape), data)
    w, (value, gradient) = f.start, f.value_and_gradient(f.start)
    axes = np.random.default_rng(0).choice(len(w), 60, replace=False)  # coordinates to check
    found = np.empty((len(steps), 2, len(axes)))
    for i, h in enumerate(steps):
        for k, axis in enumerate(axes):
            e = np.zeros_like(w)
            e[axis] = h
            above, below = f.value(w + e), f.value(w - e)
            found[i, :, k] = (above - value) / h, (above - below) / (2 * h)
    return tuple(np.linalg.norm(found - gradient[axes], axis=-1).T / np.linalg.norm(gradient[axes]))


def main(out: Path, examples: int = 64, points: int = 27) -> None:
    """Check the layer and its faulty copy, print the best agreement, draw, and train both."""
    steps = np.logspace(-12, -1, points)
    figure, (ax, training) = panels("gradient against differences", "training with either layer")
    forward, central = errors(Swish(), steps, examples)
    _, faulty = errors(ForgetfulSwish(), steps, examples)
    for name, error, colour in [
        ("forward difference", forward, BLUE),
        ("central difference", central, GREEN),
        ("central, second term forgotten", faulty, ORANGE),
    ]:
        best = error.argmin()
        print(f"{name:32} agrees to {error[best]:.1e} at h = {steps[best]:.0e}")
        ax.plot(steps, error, color=colour, marker="o", ms=3, label=name)
    ax.set(xscale="log", yscale="log", xlabel="step h", ylabel="relative difference", ylim=(1e-12, 1e4))
    ax.legend(fontsize=8, loc="upper right")

    data = ms.datasets.digits()
    for layer, colour in ((Swish(), GREEN), (ForgetfulSwish(), ORANGE)):
        run = ms.train(network(layer), data, epochs=20)
        name = type(layer).__name__
        print(f"{name:20} trained: validation accuracy {run.evaluate()['accuracy']:.3f}")
        training.plot(run.history["epoch"], run.history["val_loss"], color=colour, label=name)
    training.set(yscale="log", xlabel="epochs", ylabel="validation loss")
    training.legend(fontsize=8)
    save(figure, out)


if __name__ == "__main__":
    main(arguments(__file__, __doc__).parse_args().out)

"""tr(HΣ) of a network that is one dense layer: exact, however many parameters it has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from minisgd.backend import Arena, Plan
from minisgd.backend.cpu.complex_step import STEP, ComplexStepOps
from minisgd.lab.instruments.examples.subject import Examples
from minisgd.nn import Flatten, Linear, Network
from minisgd.nn.layers.frozen import Identity
from minisgd.nn.sequential import clone
from minisgd.training.binding import bind_training
from minisgd.training.feeds.feed import Feed
from minisgd.typing import HostArray

BLOCK = 512
"""Examples whose products with all others are in memory at once."""


def is_dense_layer(network: Network) -> bool:
    """Return whether a network is one dense layer, and perhaps flattens its input first."""
    return [type(layer) for layer in network.layers if type(layer) is not Flatten] == [Linear]


def linear_noise_curvature(examples: Examples) -> float:
    """Return tr(HΣ) for outputs z = a W, a an example with its one for the bias: z is linear in the parameters.

    Then g_i = a_iᵀ δ_i and H = 1/N Σ_k a_k a_kᵀ ⊗ S_k, with δ and S the first and second derivative of an example's
    loss by its outputs, and

        N (N − 1) tr(HΣ) = Σ_k Σ_i (a_k·a_i)² δ_iᵀ S_k δ_i − N Σ_k (a_k G) S_k (a_k G)ᵀ

    a (N, I)   δ (N, O)   S (N, O, O)   G (I, O)
    """
    part, net = examples.dataset.train, examples.network
    n, o = len(part), net.output_shape[-1]
    a = part.x.reshape(n, -1) * np.float64(examples.dataset.scale)
    W, *b = (segment.view(net.vector) for segment in net.layout)
    z = a @ W + (b[0] if b else 0.0)
    if b:
        a = np.c_[a, np.ones(n)]
    delta, S = loss_derivatives(examples, z)
    outer = (delta[:, :, None] * delta[:, None, :]).reshape(n, o * o)
    total = 0.0
    for start in range(0, n, BLOCK):
        rows = slice(start, start + BLOCK)
        total += float(np.vdot((a[rows] @ a.T) ** 2, S[rows].reshape(-1, o * o) @ outer.T))
    aG = a @ (a.T @ delta / n)
    return (total - n * float(np.einsum("ko,kop,kp->", aG, S, aG))) / (n * (n - 1))


def loss_derivatives(examples: Examples, z: HostArray) -> tuple[HostArray, HostArray]:
    """Return δ_i = ∂ℓ_i/∂z_i, (N, O), and S_i = ∂²ℓ_i/∂z_i², (N, O, O), by complex steps.  z (N, O): outputs"""
    n, o = z.shape
    ops, loss, part = ComplexStepOps(), clone(examples.loss), examples.data
    net = Network(Identity()).shape_only((o,), "float64")
    net.ops, net.dtype = ops, "complex128"
    spec = replace(examples.feed.spec, input_shape=(o,), input_dtype=net.dtype, scale=1.0)
    bound = bind_training(net, loss, Feed(spec, net.dtype), n)
    batch = bound.realize(Arena(ops, Plan(bound.requests()), ()), ())
    batch["target"][...] = part.y
    if part.weight is not None:
        batch["weight"][...] = part.weight
    S = np.empty((n, o, o))
    for k in range(o):
        batch["x"][...] = z
        batch["x"][:, k] += 1j * STEP
        loss.total(ops, batch["target"])
        step = loss.gradient(ops) * n
        S[:, :, k] = step.imag / STEP
    return step.real.copy(), S

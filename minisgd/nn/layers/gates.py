"""Elementwise nonlinearities y = x g(x): the input times a gate that opens as it grows."""

from __future__ import annotations

from math import pi, sqrt

from minisgd.backend import Ops
from minisgd.nn.declaration import Buffer, Declaration
from minisgd.nn.layer import Layer
from minisgd.nn.layers.activations import sigmoid, softplus
from minisgd.typing import Array, Shape


class Gated(Layer):
    """The input times a gate: y = x g(x), y′ = g(x) + x g′(x)."""

    gate: Array
    slope: Array
    work: Array

    def declare(self, x: Shape) -> Declaration:
        scratch = {name: Buffer(x, life="scratch", inference=False) for name in ("slope", "work")}
        return Declaration(y=x, dx_over_dy=True, buffers={"gate": Buffer(x)} | scratch, infer="over x")

    def _compute_gate(self, ops: Ops, x: Array, gate: Array) -> None:
        """gate = g(x)"""
        raise NotImplementedError

    def _gate_slope(self, ops: Ops, slope: Array) -> None:
        """slope = g′(x), from x and the gate"""
        raise NotImplementedError

    def forward(self, ops: Ops, x: Array) -> Array:
        self._compute_gate(ops, x, self.gate)
        ops.multiply(x, self.gate, out=self.y)
        return self.y

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dx = dy (g + x g′)"""
        if self.dx is not None:
            self._gate_slope(ops, self.slope)
            ops.multiply(self.slope, self.x, out=self.slope)
            ops.add(self.slope, self.gate, out=self.slope)
            ops.multiply(dy, self.slope, out=self.dx)
        return self.dx


class GELU(Gated):
    """Gaussian error linear unit: y = x Φ(x), Φ′ = φ  (Hendrycks and Gimpel 2016).

    Φ(x) = ½ (1 + erf(x/√2)) exactly, as PyTorch's default; φ(x) = e^(−x²/2)/√(2π).
    """

    def _compute_gate(self, ops: Ops, x: Array, gate: Array) -> None:
        ops.multiply(x, 1 / sqrt(2), out=gate)
        ops.erf(gate, out=gate)
        ops.add(gate, 1.0, out=gate)
        ops.multiply(gate, 0.5, out=gate)

    def _gate_slope(self, ops: Ops, slope: Array) -> None:
        ops.square(self.x, out=slope)
        ops.multiply(slope, -0.5, out=slope)
        ops.exp(slope, out=slope)
        ops.multiply(slope, 1 / sqrt(2 * pi), out=slope)


class SiLU(Gated):
    """Sigmoid linear unit, or swish: y = x σ(x), σ′ = σ (1 − σ)  (Elfwing, Uchibe and Doya 2017)."""

    def _compute_gate(self, ops: Ops, x: Array, gate: Array) -> None:
        sigmoid(ops, x, out=gate)

    def _gate_slope(self, ops: Ops, slope: Array) -> None:
        ops.subtract(1.0, self.gate, out=slope)
        ops.multiply(slope, self.gate, out=slope)


class Hardswish(Gated):
    """Piecewise linear gate: y = x g(x), g = min(max(x + 3, 0), 6)/6, g′ = [0 < g < 1]/6  (Howard et al. 2019)."""

    def _compute_gate(self, ops: Ops, x: Array, gate: Array) -> None:
        ops.add(x, 3.0, out=gate)
        ops.maximum(gate, 0.0, out=gate)
        ops.minimum(gate, 6.0, out=gate)
        ops.multiply(gate, 1 / 6, out=gate)

    def _gate_slope(self, ops: Ops, slope: Array) -> None:
        ops.subtract(1.0, self.gate, out=slope)
        ops.multiply(slope, self.gate, out=slope)  # positive where 0 < g < 1, else 0
        ops.greater(slope, 0.0, out=slope)
        ops.multiply(slope, 1 / 6, out=slope)


class Mish(Gated):
    """Self-regularised gate: y = x g(x), g = tanh(ln(1 + eˣ)), g′ = (1 − g²) σ(x)  (Misra 2019)."""

    def declare(self, x: Shape) -> Declaration:
        declared = super().declare(x)
        declared.buffers["work"] = Buffer(x, life="scratch")
        return declared

    def _compute_gate(self, ops: Ops, x: Array, gate: Array) -> None:
        softplus(ops, x, self.work, out=gate)
        ops.tanh(gate, out=gate)

    def _gate_slope(self, ops: Ops, slope: Array) -> None:
        sigmoid(ops, self.x, out=slope)
        ops.square(self.gate, out=self.work)
        ops.multiply(self.work, slope, out=self.work)
        ops.subtract(slope, self.work, out=slope)

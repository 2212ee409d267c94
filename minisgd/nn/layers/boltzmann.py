"""The restricted Boltzmann machine: hidden units that say how likely visible ones are, by contrastive divergence."""

from __future__ import annotations

from copy import copy
from typing import Literal, Self

from minisgd.backend import Ops
from minisgd.checks import is_integer, positive, require_one_of
from minisgd.errors import ArgumentError
from minisgd.nn.declaration import Buffer, Declaration, Parameter, Statistic
from minisgd.nn.initializers import Initializer, Normal, Zeros, require_rule
from minisgd.nn.layer import Layer
from minisgd.nn.layers.activations import sigmoid, softplus
from minisgd.nn.shapes import transpose
from minisgd.typing import Array, Shape

STREAMS = 1 << 20
"""Between the random numbers of one Gibbs step and the next: more than a network has layers."""


class RBM(Layer):
    """Restricted Boltzmann machine: y = F(x) − F(x̃), whose mean has the gradient of contrastive divergence.

    F(x) = −x·a − Σ_j softplus(x W + b)_j, or of Gaussian visible units ½|x − a|² − Σ_j softplus(x W + b)_j, is the free
    energy: −ln p(x) = F(x) + ln Z. x̃ comes from k Gibbs steps h ~ σ(x W + b), x̃ ~ σ(h Wᵀ + a), or of Gaussian units
    x̃ = h Wᵀ + a, and counts as constant. They begin at x (CD-k, Hinton 2002), or where the last update left so many
    chains, and then F(x̃) is the mean over these (persistent CD, Tieleman 2008). In evaluation y = F(x).
    Train it with the loss `Energy`; `BoltzmannMachine` reads what it has learned.

    x (…, B, V)   W (…, V, H)   a (…, V)   b (…, H)   v (…, B + n, V): x, and n times x̃   h (…, B + n, H)   y (…, B, 1)

    Args:
        hidden: H, the number of hidden units.
        k: Gibbs steps; with 0, y = F(x) in training too.
        chains: Of persistent contrastive divergence; 0 begins at the data.
        visible: "binary", for numbers from 0 to 1, or "gaussian", for standardized ones.
        init: Draws W; N(0, 0.01²) by default (Hinton 2010, section 8).
        name: Of the layer.

    Raises:
        ArgumentError: If hidden is no positive integer, k or chains a negative one, or visible another word.
    """

    W: Array
    dW: Array
    a: Array
    da: Array
    b: Array
    db: Array
    chain: Array
    v: Array
    h: Array
    work: Array
    weighted: Array
    energy: Array
    part: Array
    w: Array
    draw_h: Array
    draw_v: Array
    slope: Array

    def __init__(
        self,
        hidden: int,
        *,
        k: int = 1,
        chains: int = 0,
        visible: Literal["binary", "gaussian"] = "binary",
        init: Initializer | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.hidden = positive(hidden, f"{self.label}: hidden")
        for argument, value in (("k", k), ("chains", chains)):
            if not is_integer(value) or value < 0:
                fix = "use k=1, and chains=0 or as many as the batch has examples"
                raise ArgumentError(f"{self.label}: {argument}", expected="0, 1, 2, …", got=value, fix=fix)
        require_one_of(visible, ("binary", "gaussian"), f"{self.label}: visible")
        self.k, self.chains, self.visible = int(k), int(chains), visible
        self.init = require_rule(init, f"{self.label}: init") or Normal(0.01)

    @property
    def couples_batch(self) -> bool:  # type: ignore[override]
        """True of persistent chains, which every part of a batch would move on."""
        return bool(self.chains and self.k)

    def declare(self, x: Shape) -> Declaration:
        self.require_rank(x, 2, "vectors (B, V)", "put ms.Flatten() before it")
        (B, V), H = x, self.hidden
        made = (self.chains or B) if self.k else 0
        n = B + made
        return Declaration(
            y=(B, 1),
            parameters={
                "W": Parameter((V, H), self.init, "weight", V, H),
                "a": Parameter((V,), Zeros(), "bias"),
                "b": Parameter((H,), Zeros(), "bias"),
            },
            statistics={"chain": Statistic((self.chains, V))} if self.chains else {},
            buffers={
                "v": Buffer((n, V), inference=False),
                "h": Buffer((n, H)),
                "work": Buffer((n, H), life="scratch"),
                "weighted": Buffer((n, H), life="scratch"),
                "energy": Buffer((n, 1), life="scratch"),
                "part": Buffer((n, 1), life="scratch"),
                "w": Buffer((n, 1), life="scratch", inference=False),
                "draw_h": Buffer((made, H), life="scratch", inference=False),
                "draw_v": Buffer((made, V), life="scratch", inference=False),
                "slope": Buffer(x, life="scratch", inference=False),
            },
            clock=True,
        )

    # ------------------------------------------------ forward

    def forward(self, ops: Ops, x: Array) -> Array:
        B = x.shape[-2]
        ops.copy(x, out=self.v[..., :B, :])
        if not self.k:
            return self.infer(ops, x)
        made = self.v[..., B:, :]
        ops.copy(self.chain if self.chains else x, out=made)
        for step in range(self.k):
            self._gibbs_step(ops, made, self.h[..., B:, :], step)
        if self.chains:
            ops.copy(made, out=self.chain)
        self._free_energy(ops, self.v, self.h)
        of_made = self.energy[..., B:, :]
        if self.chains:
            of_made = self.part[..., :1, :]
            ops.sum(self.energy[..., B:, :], -2, out=of_made, keepdims=True)
            ops.multiply(of_made, 1 / self.chains, out=of_made)
        ops.subtract(self.energy[..., :B, :], of_made, out=self.y)
        return self.y

    def infer(self, ops: Ops, x: Array) -> Array:
        B = x.shape[-2]
        self._free_energy(ops, x, self.h[..., :B, :])
        ops.copy(self.energy[..., :B, :], out=self.y)
        return self.y

    def _gibbs_step(self, ops: Ops, v: Array, h: Array, step: int) -> None:
        """h ~ Bernoulli(σ(v W + b))    v ~ Bernoulli(σ(h Wᵀ + a)), or v = h Wᵀ + a"""
        stream = self.stream + 2 * step * STREAMS
        ops.affine(v, self.W, self.b, out=h)
        sigmoid(ops, h, out=h)
        ops.uniform(self.seeds, self.clock, stream, out=self.draw_h)
        ops.greater(h, self.draw_h, out=h)
        ops.matmul(h, transpose(self.W), out=v)
        ops.add(v, self.a, out=v)
        if self.visible == "binary":
            sigmoid(ops, v, out=v)
            ops.uniform(self.seeds, self.clock, stream + STREAMS, out=self.draw_v)
            ops.greater(v, self.draw_v, out=v)

    def _free_energy(self, ops: Ops, v: Array, h: Array) -> None:
        """energy = F(v)    h = σ(v W + b)"""
        n = v.shape[-2]
        work, s = self.work[..., :n, :], self.weighted[..., :n, :]
        energy, part = self.energy[..., :n, :], self.part[..., :n, :]
        ops.affine(v, self.W, self.b, out=h)
        softplus(ops, h, work, out=s)
        ops.sum(s, -1, out=energy, keepdims=True)
        sigmoid(ops, h, out=h)
        if self.visible == "gaussian":  # ½|v − a|² = ½ v·v − v·a + ½ a·a
            ops.dot(v, v, out=part[..., 0])
            ops.multiply(part, -0.5, out=part)
            ops.add(energy, part, out=energy)
            ops.dot(self.a, self.a, out=part[..., :1, 0])
            ops.multiply(part[..., :1, :], -0.5, out=part[..., :1, :])
            ops.add(energy, part[..., :1, :], out=energy)
        ops.matmul(v, transpose(self.a), out=part)
        ops.add(energy, part, out=energy)
        ops.negative(energy, out=energy)

    # ------------------------------------------------ backward

    def backward(self, ops: Ops, dy: Array) -> Array | None:
        """dW = −vᵀ(w h)    da = −Σ w v, or −Σ w (v − a)    db = −Σ w h    with w = dy of x, and −dy of x̃"""
        B, w = dy.shape[-2], self.w
        ops.copy(dy, out=w[..., :B, :])
        if self.k and self.chains:
            total = self.part[..., :1, :]
            ops.sum(dy, -2, out=total, keepdims=True)
            ops.multiply(total, -1 / self.chains, out=total)
            ops.copy(total, out=w[..., B:, :])
        elif self.k:
            ops.negative(dy, out=w[..., B:, :])
        if self.learns:
            ops.multiply(self.h, w, out=self.weighted)
            ops.negative(self.weighted, out=self.weighted)
            ops.matmul(transpose(self.v), self.weighted, out=self.dW)
            ops.sum_batch(self.weighted, out=self.db)
            ops.negative(w, out=w)
            ops.matmul(transpose(w), self.v, out=self.da)
            if self.visible == "gaussian":
                total = self.part[..., :1, :]
                ops.sum(w, -2, out=total, keepdims=True)
                ops.multiply(total, self.a, out=self.slope[..., :1, :])
                ops.subtract(self.da, self.slope[..., :1, :], out=self.da)
        if self.dx is not None:
            self._input_gradient(ops, dy, self.dx)
        return self.dx

    def _input_gradient(self, ops: Ops, dy: Array, dx: Array) -> None:
        """dx = −(h Wᵀ + a) dy, and x dy more of Gaussian units"""
        B = dy.shape[-2]
        ops.matmul(self.h[..., :B, :], transpose(self.W), out=self.slope)
        ops.add(self.slope, self.a, out=self.slope)
        if self.visible == "gaussian":
            ops.subtract(self.slope, self.v[..., :B, :], out=self.slope)
        ops.multiply(self.slope, dy, out=self.slope)
        ops.negative(self.slope, out=dx)

    def frozen(self) -> Self:
        duplicate = copy(self)
        duplicate.k = 0
        return duplicate

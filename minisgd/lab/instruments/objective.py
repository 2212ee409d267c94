"""The loss of a network as a function of its parameters, on a fixed set of examples."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from minisgd.backend import NumpyOps, Ops
from minisgd.backend.cpu.complex_step import STEP, ComplexStepOps
from minisgd.data import Dataset, Split
from minisgd.errors import ArgumentError
from minisgd.lab.instruments.full_pass import FullPass
from minisgd.lab.instruments.subject import as_vector, require_single, training_part
from minisgd.nn import Loss, Network
from minisgd.optim.checks import count
from minisgd.training.evaluation import evaluation_batch
from minisgd.training.memory import loss_for
from minisgd.typing import HostArray, Seed


class Objective:
    """f(w) = 1/N Σ_i c_i ℓ(network_w(x_i), t_i), with its gradient and the product of its Hessian with a vector.

    c_i are the weights of examples, 1 where the data have none. w, v, ∇f, Hv (P,) are host arrays of ``dtype``, f a
    number. The sum runs over chunks of the examples, in order, so memory is bounded and the same call gives the same
    bits. The network is copied, never changed; the work is done on the CPU, wherever the network lives.

    Everything is as in evaluation: Dropout is the identity, and BatchNorm is the affine map that its *running*
    statistics make it, with those statistics held constant. In training mode it would couple the examples of a
    batch, and f would depend on how they are grouped.

    Args:
        network: A network with weights, which are the ``start``.
        data: A ``Dataset``, a ``Split`` or (x, y). Bytes are scaled as in training.
        split: Which split of a ``Dataset``.
        examples: Number of examples, drawn by ``seed`` with class shares kept; by default all.
        seed: Seed of the draw.
        loss: By default softmax cross-entropy for classes, mean squared error for values.
        dtype: "float64" or "float32".
        chunk: Examples at a time; by default as many as fit a cache.

    Raises:
        ArgumentError: The network has no weights, or is a stack of replicas.
        ShapeError: The data have another shape than the network's inputs.
        DataError: The labels do not fit the network's outputs.
        DtypeError: ``network`` is not a network, or ``data`` not data.
    """

    def __init__(
        self,
        network: Network,
        data: Dataset | Split | tuple[Any, Any],
        *,
        loss: Loss | None = None,
        split: str = "train",
        examples: int | None = None,
        seed: Seed = 0,
        dtype: str = "float64",
        chunk: int | None = None,
    ) -> None:
        require_single(network)
        dataset = training_part(network, data, split)
        if examples is not None:
            n, expected = count("examples", examples, "use 500, for example"), f"from 1 to N = {len(dataset)}"
            if n > len(dataset):
                raise ArgumentError("examples", expected=expected, got=n, fix="leave it out for all")
            dataset = dataset.subset(n, seed)
        self.network, self.data, self.dtype = network, dataset, dtype
        self.loss = loss_for(loss, dataset.task)
        self._chunk = min(len(dataset), chunk or evaluation_batch(network, len(dataset)))
        self._real = self._pass(NumpyOps(), dtype)
        self.refresh()

    @property
    def parameters(self) -> int:
        """P, the number of parameters."""
        return self.network.n_parameters

    @property
    def examples(self) -> int:
        """N, the number of examples."""
        return len(self.data)

    @property
    def largest_product(self) -> int:
        """FLOPs of the largest matrix product in one pass, by which threads are chosen."""
        return self._real.largest_product

    @property
    def start(self) -> HostArray:
        """The network's own parameters, (P,), a copy."""
        return self._start.copy()

    def value(self, w: HostArray) -> float:
        """Return f(w), the mean loss.

        Args:
            w: The point, (P,).
        """
        return float(self._real.value(self.point(w, "w")))

    def gradient(self, w: HostArray) -> HostArray:
        """Return ∇f(w), (P,).

        Args:
            w: The point, (P,).
        """
        return self.value_and_gradient(w)[1]

    def value_and_gradient(self, w: HostArray) -> tuple[float, HostArray]:
        """Return f(w) and ∇f(w), (P,).

        Args:
            w: The point, (P,).
        """
        value, gradient = self._real.value_and_gradient(self.point(w, "w"))
        return float(value), gradient

    def hessian_vector(self, w: HostArray, v: HostArray) -> HostArray:
        """Return H(w) v, (P,): Im ∇f(w + i h v) / h, exact to rounding (see ``minisgd.backend.cpu.complex_step``).

        It takes as long as three to four gradients, and arrays of its own, twice as large as theirs.

        Args:
            w: The point, (P,).
            v: The direction, (P,).
        """
        w, v = self.point(w, "w"), self.point(v, "v")
        scale = float(np.abs(v).max())
        if scale == 0:
            return np.zeros_like(v)
        _, gradient = self._complex.value_and_gradient(w + 1j * (STEP / scale * v))
        product: HostArray = gradient.imag * (scale / STEP)
        return product.astype(self.dtype, copy=False)

    def refresh(self) -> None:
        """Take the network's present weights and statistics, which a training run may have moved."""
        ops = self.network.ops
        self._start: HostArray = ops.to_host(self.network.vector).astype(self.dtype)
        self.hold(ops.to_host(self.network.statistics))

    def hold(self, statistics: HostArray) -> None:
        """Hold these running statistics constant from now on.

        Args:
            statistics: Running statistics, (S,).
        """
        self.statistics = statistics
        for each in (self._real, *([self._complex] if "_complex" in vars(self) else [])):
            each.statistics[...] = statistics

    @cached_property
    def _complex(self) -> FullPass:
        made = self._pass(ComplexStepOps(), np.result_type(self.dtype, np.complex64).name)
        made.statistics[...] = self.statistics
        return made

    def _pass(self, ops: Ops, dtype: str) -> FullPass:
        return FullPass(self.network, self.loss, self.data, self._chunk, ops, dtype)

    def point(self, vector: Any, argument: str) -> HostArray:
        """Return a vector of R^P in this objective's dtype, or refuse it.

        Args:
            vector: What was given.
            argument: What the caller's user calls it.

        Returns:
            The vector, (P,).

        Raises:
            ShapeError: If it is not a real vector of P numbers.
        """
        w = as_vector(vector, self.parameters, argument, "start from objective.start")
        return w.astype(self.dtype, copy=False)

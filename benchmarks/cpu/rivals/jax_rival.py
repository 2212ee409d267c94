"""JAX: a step that is one compiled program with donated buffers, or a whole epoch of them in lax.scan."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import numpy as np

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.cpu.rivals.rival import Rival, cross_entropy, cuts
from benchmarks.harness.workloads import Workload

State = dict[str, Any]

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
NORM_EPSILON, NORM_MOMENTUM = 1e-5, 0.1


class JaxStep(Rival):
    """One dispatch a step; batches are cut and gathered inside it."""

    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        spec = self.workload
        self.x, self.y = jnp.asarray(x.astype(np.int32) if spec.bag else x), jnp.asarray(y.astype(np.int32))
        self.rng = np.random.default_rng(0)
        lead = spec.lead
        params = {name: jnp.asarray(a) for name, a in w.items()}
        zeros = partial(jax.tree.map, jnp.zeros_like)
        self.state: State = {"w": params, "v": zeros(params), "sum": jnp.zeros(lead), "at": jnp.zeros(lead, jnp.int32)}
        if spec.optimizer == "adam":
            self.state |= {"m": zeros(params), "t": jnp.zeros(lead)}
        self.state["statistics"] = {
            f"{name}{k}": fill((c,)) for k, c in enumerate(spec.channels) for name, fill in _STATISTICS.items()
        }
        self.lr = jnp.asarray(spec.learning_rates() if lead else np.float32(spec.learning_rate(self.B)))
        if spec.kind == "predict":
            self.forward = jax.jit(lambda p, x: forward(spec, p, x, {})[0])
            self.out, self.host = np.empty((self.n, spec.widths[-1]), np.float32), x
            return
        one = partial(step_on, spec)
        self.one = jax.vmap(one, in_axes=(0, 0, None, None, 0)) if lead else one
        self.step = jax.jit(self._step, static_argnames="b", donate_argnums=0)
        self.batches = iter(())

    def _step(self, state: State, lr: Any, x: Any, y: Any, order: Any, *, b: int) -> tuple[State, Any]:
        """Take the next b examples of the order, whose position the state remembers."""
        at = state["at"].reshape(-1)[0]
        index = lax.dynamic_slice_in_dim(order, at, b, axis=-1)
        return self.one(state, lr, x, y, index)

    def _order(self, orders: np.ndarray | None = None) -> Any:
        if orders is None:
            shape = (*self.workload.lead, self.n)
            base = np.broadcast_to(np.arange(self.n, dtype=np.int32), shape)
            orders = self.rng.permuted(base, axis=-1) if self.workload.lead else self.rng.permutation(base)
        elif not self.workload.lead:
            orders = orders[0]
        return jnp.asarray(orders.astype(np.int32))

    def _rewind(self) -> None:
        self.state["at"] = jnp.zeros(self.workload.lead, jnp.int32)

    def losses(self, orders: np.ndarray, steps: int) -> np.ndarray:
        if self.workload.kind == "predict":
            rows = orders[0, : steps * self.B]
            x, y = self.host[rows], np.asarray(self.y)[rows]
            logits = np.empty((len(rows), self.workload.widths[-1]), np.float32)
            self._predict(x, logits)
            return np.array([[cross_entropy(logits[a:b], y[a:b])] for a, b in cuts(len(rows), self.B)])
        order, sizes = self._order(orders), [b - a for a, b in cuts(orders.shape[1], self.B)]
        found = []
        for k in range(steps):
            if k % len(sizes) == 0:
                self._rewind()
            self.state, loss = self.step(self.state, self.lr, self.x, self.y, order, b=sizes[k % len(sizes)])
            found.append(np.atleast_1d(np.asarray(loss)))
        self._rewind()
        return np.array(found)

    def run(self, steps: int) -> int:
        if self.workload.kind == "predict":
            return self._predict(self.host[: steps * self.B], self.out)
        examples = 0
        for _ in range(steps):
            b = next(self.batches, None)
            if b is None:
                self.order = self._order()
                self._rewind()
                self.batches = iter([b - a for a, b in cuts(self.n, self.B)])
                b = next(self.batches)
            self.state, _ = self.step(self.state, self.lr, self.x, self.y, self.order, b=b)
            examples += b
        np.asarray(self.state["sum"])
        return examples * self.workload.replicas

    def _predict(self, x: np.ndarray, out: np.ndarray) -> int:
        for a, b in cuts(len(x), self.B):
            out[a:b] = self.forward(self.state["w"], x[a:b])
        return len(x)


class JaxScan(JaxStep):
    """One dispatch an epoch."""

    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        super().build(x, y, w)
        self.epoch = jax.jit(self._epoch, donate_argnums=0)

    def _epoch(self, state: State, lr: Any, x: Any, y: Any, order: Any) -> tuple[State, Any]:
        n = order.shape[-1]
        whole = n // self.B * self.B
        lead = order.shape[:-1]
        batches = jnp.moveaxis(order[..., :whole].reshape(*lead, -1, self.B), -2, 0)
        state, losses = lax.scan(lambda s, index: self.one(s, lr, x, y, index), state, batches)
        if whole < n:
            state, last = self.one(state, lr, x, y, order[..., whole:])
            losses = jnp.concatenate([losses, last[None]])
        return state, losses

    def losses(self, orders: np.ndarray, steps: int) -> np.ndarray:
        order, found = self._order(orders), []
        epochs = -(-steps // len(cuts(orders.shape[1], self.B)))
        for _ in range(epochs):
            self.state, losses = self.epoch(self.state, self.lr, self.x, self.y, order)
            found.append(np.asarray(losses).reshape(len(losses), -1))
        return np.concatenate(found)[:steps]

    def run(self, steps: int) -> int:
        epochs = max(1, round(steps * self.B / self.n))
        for _ in range(epochs):
            self.state, _ = self.epoch(self.state, self.lr, self.x, self.y, self._order())
        np.asarray(self.state["sum"])
        return epochs * self.n * self.workload.replicas


_STATISTICS = {"mean": jnp.zeros, "var": jnp.ones}


def step_on(spec: Workload, state: State, lr: Any, x: Any, y: Any, index: Any) -> tuple[State, Any]:
    """Update one network on the examples of index (B,); return the new state and the loss."""
    x, y = jnp.take(x, index, axis=0, mode="clip"), jnp.take(y, index, mode="clip")

    def loss_of(w: Any) -> Any:
        logits, statistics = forward(spec, w, x, state["statistics"])
        if spec.reconstructs:
            return jnp.square(logits - x).mean(), statistics
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
        return -chosen.mean(), statistics

    (loss, statistics), g = jax.value_and_grad(loss_of, has_aux=True)(state["w"])
    new = dict(state, statistics=statistics, sum=state["sum"] + loss * len(index), at=state["at"] + len(index))
    if spec.optimizer == "adam":
        t = state["t"] + 1
        m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, state["m"], g)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, state["v"], g)
        c1, c2 = 1 - BETA1**t, 1 - BETA2**t
        w = jax.tree.map(lambda w, m, v: w - lr * (m / c1) / (jnp.sqrt(v / c2) + EPSILON), state["w"], m, v)
        return new | {"w": w, "m": m, "v": v, "t": t}, loss
    v = jax.tree.map(lambda v, g: spec.momentum * v + g, state["v"], g)
    w = jax.tree.map(lambda w, v: w - lr * v, state["w"], v)
    return new | {"w": w, "v": v}, loss


def forward(spec: Workload, w: Any, x: Any, statistics: Any) -> tuple[Any, Any]:
    """Return logits (B, C) and the running statistics after this batch."""
    kept = dict(statistics)
    if spec.block:
        x = block(spec, w, x).mean(1)
    if spec.bag:
        x = jnp.take(w["embed.W"], x, axis=0, mode="clip").mean(1)
    for k in range(len(spec.channels)):
        x = lax.conv_general_dilated(x, w[f"conv{k}.W"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        count = x.size // x.shape[-1]
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        x = (x - mean) * lax.rsqrt(var + NORM_EPSILON) * w[f"norm{k}.gamma"] + w[f"norm{k}.beta"]
        for name, now in (("mean", mean), ("var", var * count / (count - 1))):
            old = statistics[f"{name}{k}"]
            kept[f"{name}{k}"] = old + NORM_MOMENTUM * (lax.stop_gradient(now) - old)
        x = lax.reduce_window(jax.nn.relu(x), -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = x.reshape(len(x), -1)
    for k in range(len(spec.widths)):
        x = x @ w[f"dense{k}.W"] + w[f"dense{k}.b"]
        if k < len(spec.widths) - 1:
            x = jax.nn.relu(x)
    return x, kept


def block(spec: Workload, w: Any, x: Any) -> Any:
    """Return the positions of x (B, T) after a transformer block, (B, T, D)."""

    def dense(name: str, x: Any) -> Any:
        return x @ w[f"{name}.W"] + w[f"{name}.b"]

    def norm(k: int, x: Any) -> Any:
        scale = lax.rsqrt(x.var(-1, keepdims=True) + NORM_EPSILON)
        return (x - x.mean(-1, keepdims=True)) * scale * w[f"norm{k}.gamma"] + w[f"norm{k}.beta"]

    (b, t), (d, heads) = x.shape, spec.block
    x = dense("embed", x[..., None]) + w["place.P"]
    q, k, v = jnp.moveaxis(dense("qkv", norm(0, x)).reshape(b, t, 3, heads, d // heads), 2, 0)
    x = x + dense("out", jax.nn.dot_product_attention(q, k, v).reshape(b, t, d))
    return x + dense("down", jax.nn.gelu(dense("up", norm(1, x)), approximate=False))

"""PyTorch for stacked replicas: torch.func.vmap over functional gradients, momentum by foreach operations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.func import grad_and_value, vmap
from torch.nn import functional as F

from benchmarks.cpu.rivals.rival import Rival, cuts, faster


class TorchVmap(Rival):
    place = "cpu"

    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        torch.set_num_threads(self.task.cores)
        torch.set_flush_denormal(True)  # the momentum of pixels that are rarely on decays into them: up to 3 × slower
        torch.manual_seed(0)
        self.x, self.y = torch.from_numpy(x).to(self.place), torch.from_numpy(y).to(self.place)
        self.params = {name: torch.from_numpy(np.array(a)).to(self.place) for name, a in w.items()}
        self.velocity = [torch.zeros_like(p) for p in self.params.values()]
        lr = torch.from_numpy(-self.workload.learning_rates()).to(self.place)
        self.negative_lr = [lr.reshape(-1, *[1] * (p.ndim - 1)) for p in self.params.values()]
        self.depth = len(self.workload.widths)
        self.gradient = vmap(grad_and_value(self._loss))
        self.total = torch.zeros(self.workload.replicas, device=self.place)
        self.batches = self._shuffled()

    def _loss(self, p: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        for k in range(self.depth):
            x = torch.addmm(p[f"dense{k}.b"], x, p[f"dense{k}.W"])
            if k < self.depth - 1:
                x = F.relu(x)
        return F.cross_entropy(x, y)

    def step(self, index: torch.Tensor) -> torch.Tensor:
        """Step all replicas.  index (R, B)   result (R,)"""
        replicas, b = index.shape
        flat = index.reshape(-1)
        x = self.x.index_select(0, flat).view(replicas, b, -1)
        y = self.y.index_select(0, flat).view(replicas, b)
        grads, loss = self.gradient(self.params, x, y)
        torch._foreach_mul_(self.velocity, self.workload.momentum)
        torch._foreach_add_(self.velocity, list(grads.values()))
        torch._foreach_addcmul_(list(self.params.values()), self.velocity, self.negative_lr)
        self.total.add_(loss, alpha=b)
        return loss

    def losses(self, orders: np.ndarray, steps: int) -> np.ndarray:
        batches = [torch.from_numpy(orders[:, a:b].copy()).to(self.place) for a, b in cuts(orders.shape[1], self.B)]
        return np.array([self.step(batches[k % len(batches)]).cpu().numpy() for k in range(steps)])

    def tune(self) -> None:
        # threads that wait for one another at every small operation are slower than one
        if self.task.cores > 1:
            faster([1, self.task.cores], torch.set_num_threads, lambda: self.run(10))

    def run(self, steps: int) -> int:
        examples = 0
        for _ in range(steps):
            index = next(self.batches)
            self.step(index)
            examples += index.numel()
        self.total.sum().item()
        return examples

    def _shuffled(self) -> Iterator[torch.Tensor]:
        while True:
            order = torch.stack([torch.randperm(self.n, device=self.place) for _ in range(self.workload.replicas)])
            yield from order.split(self.B, dim=1)

"""PyTorch: a module, cross-entropy and a fused optimizer; batches by index_select on tensors, no DataLoader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.cpu.rivals.rival import Rival, cross_entropy, cuts, faster
from benchmarks.cpu.rivals.torch_block import Attention, TransformerBlock, dense, give
from benchmarks.harness.workloads import Workload


class Torch(Rival):
    """Eager PyTorch with the optimizer's fused form, images with channels last."""

    optimizer_form = "fused"
    image_format = torch.channels_last
    attention = staticmethod(F.scaled_dot_product_attention)
    compiled = False
    place = "cpu"

    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        torch.set_num_threads(self.task.cores)
        torch.set_flush_denormal(True)  # the momentum of pixels that are rarely on decays into them: up to 3 × slower
        torch.manual_seed(0)
        spec, lr = self.workload, self.workload.learning_rate(self.B)
        self.x = torch.from_numpy(x.astype(np.int64) if spec.bag else x).to(self.place)
        self.y = torch.from_numpy(y).to(self.place)
        if spec.channels:
            self.x = self.x.permute(0, 3, 1, 2).contiguous(memory_format=self.image_format)
        if spec.kind == "stack":
            each = [{name: a[r] for name, a in w.items()} for r in range(spec.replicas)]
            self.training_runs = [self._training(v, float(a)) for v, a in zip(each, spec.learning_rates(), strict=True)]
        else:
            self.training_runs = [self._training(w, lr)]
        self.turn = 0
        if spec.kind == "predict":
            self.model = self.training_runs[0].model.eval()
            if self.compiled:
                self.model = torch.compile(self.model, dynamic=False)
            self.out = torch.empty(len(self.x), spec.widths[-1])

    def _training(self, w: dict[str, np.ndarray], lr: float) -> _Training:
        model = module(self.workload, w, self.attention).to(self.place, memory_format=self.image_format)
        return _Training(self, model, lr)

    def losses(self, orders: np.ndarray, steps: int) -> np.ndarray:
        if self.workload.kind == "predict":
            return self._prediction_losses(orders[0], steps)
        rows = []
        for training, order in zip(self.training_runs, torch.from_numpy(orders).to(self.place), strict=True):
            batches = [order[a:b] for a, b in cuts(len(order), self.B)]
            rows.append([training.step(batches[k % len(batches)]).item() for k in range(steps)])
        return np.array(rows).T

    def tune(self) -> None:
        # threads that wait for one another at every small operation are slower than one
        if self.task.cores > 1:
            faster([1, self.task.cores], torch.set_num_threads, lambda: self.run(10))

    def run(self, steps: int) -> int:
        if self.workload.kind == "predict":
            return self._predict(self.x[: steps * self.B], self.out)
        # one replica after the other, as training runs in sequence are: each keeps the cache to itself for a while
        training = self.training_runs[self.turn % len(self.training_runs)]
        self.turn += 1
        examples = 0
        for _ in range(steps * len(self.training_runs)):
            index = next(training.batches)
            training.step(index)
            examples += len(index)
        training.total.item()
        return examples

    @torch.inference_mode()
    def _predict(self, x: torch.Tensor, out: torch.Tensor) -> int:
        model = self.model
        for a, b in cuts(len(x), self.B):
            out[a:b] = model(x[a:b])
        return len(x)

    def _prediction_losses(self, order: np.ndarray, steps: int) -> np.ndarray:
        rows = torch.from_numpy(order[: steps * self.B])
        out = torch.empty(len(rows), self.workload.widths[-1])
        self._predict(self.x[rows], out)
        logits, y = out.numpy(), self.y[rows].numpy()
        return np.array([[cross_entropy(logits[a:b], y[a:b])] for a, b in cuts(len(rows), self.B)])


class _Training:
    """A model, its optimizer and its own stream of batches."""

    def __init__(self, rival: Torch, model: nn.Module, lr: float) -> None:
        self.model, self.x, self.y, self.B = model, rival.x, rival.y, rival.B
        self.reconstructs, form = rival.workload.reconstructs, {rival.optimizer_form: True}
        if rival.workload.optimizer == "adam":
            self.optimizer: Any = torch.optim.Adam(model.parameters(), lr=lr, **form)
        else:
            self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=rival.workload.momentum, **form)
        self.total = torch.zeros((), device=self.x.device)
        self.batches = self._shuffled()
        # static shapes: one compilation for whole batches, one for the short one
        self.loss = torch.compile(self._loss, dynamic=False) if rival.compiled else self._loss

    def _loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if self.reconstructs:
            return F.mse_loss(self.model(x), x)
        return F.cross_entropy(self.model(x), y)

    def step(self, index: torch.Tensor) -> torch.Tensor:
        loss = self.loss(self.x.index_select(0, index), self.y.index_select(0, index))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        value = loss.detach()
        self.total.add_(value, alpha=len(index))
        return value

    def _shuffled(self) -> Iterator[torch.Tensor]:
        while True:
            yield from torch.randperm(len(self.x), device=self.x.device).split(self.B)


def module(
    spec: Workload, w: dict[str, np.ndarray], attention: Attention = F.scaled_dot_product_attention
) -> nn.Sequential:
    """Return the workload's network as a module with the weights given."""
    layers: list[nn.Module] = []
    if spec.block:
        layers.append(TransformerBlock(spec.block[1], w, attention))
    if spec.bag:
        bag = nn.EmbeddingBag(*spec.bag, mode="mean")
        give(bag.weight, w["embed.W"])
        layers.append(bag)
    channels, side = spec.input_shape[-1], spec.input_shape[0]
    for k, out in enumerate(spec.channels):
        conv, norm = nn.Conv2d(channels, out, 3, padding="same", bias=False), nn.BatchNorm2d(out)
        give(conv.weight, w[f"conv{k}.W"].transpose(3, 2, 0, 1))
        give(norm.weight, w[f"norm{k}.gamma"])
        give(norm.bias, w[f"norm{k}.beta"])
        layers += [conv, norm, nn.ReLU(), nn.MaxPool2d(2)]
        channels, side = out, side // 2
    if spec.channels:
        layers.append(nn.Flatten())
    for k, out in enumerate(spec.widths):
        W = w[f"dense{k}.W"]
        if spec.channels and k == 0:
            # features are flattened with channels first here, with channels last in the workload's definition
            W = W.reshape(side, side, channels, out).transpose(2, 0, 1, 3).reshape(-1, out)
        layers += [dense(W, w[f"dense{k}.b"]), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class TorchForeach(Torch):
    """The optimizer's foreach form."""

    optimizer_form = "foreach"


class TorchNchw(Torch):
    """Images with channels first."""

    image_format = torch.contiguous_format


class TorchCompile(Torch):
    """Forward, loss and backward compiled; the optimizer is the fused one."""

    compiled = True


class TorchSoftmax(Torch):
    """Attention by products and a softmax: for short sequences PyTorch's own may be the slower one."""

    @staticmethod
    def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, -1) @ v

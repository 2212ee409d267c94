"""PyTorch on the GPU: the rivals of the CPU, their tensors moved, both TF32 flags set one way or the other."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cpu.rivals.torch_rival import Torch
from benchmarks.cpu.rivals.torch_vmap_rival import TorchVmap
from benchmarks.gpu.minisgd_rivals import OnGpu


def settle(device: str, precision: str) -> None:
    """Create new tensors on the device, and let products of float32 round their factors or not."""
    torch.set_default_device(device)
    tf32 = precision == "tf32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


class TorchGpu(OnGpu, Torch):
    """Eager PyTorch with the fused optimizer."""

    mode: str | None = None

    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        settle(self.gpu.device, self.gpu.precision)
        super().build(x, y, w)
        for training in self.training_runs:
            training.x, training.y = training.x.to(self.gpu.device), training.y.to(self.gpu.device)
            if self.mode is not None:
                training.loss = torch.compile(training._loss, dynamic=False, mode=self.mode)

    def losses(self, orders: np.ndarray, steps: int) -> np.ndarray:
        rows = []
        for training, order in zip(self.training_runs, torch.from_numpy(orders).to(self.gpu.device), strict=True):
            batches = order.split(self.B)
            rows.append([training.step(batches[k % len(batches)]).item() for k in range(steps)])
        return np.array(rows).T

    def tune(self) -> None:
        """Leave the threads of the host alone."""


class TorchGpuCompiled(TorchGpu):
    """Forward, loss and backward compiled, each a CUDA graph; the optimizer is the fused one."""

    mode = "reduce-overhead"


class TorchGpuVmap(OnGpu, TorchVmap):
    """All replicas in one call of torch.func.vmap."""

    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        settle(self.gpu.device, self.gpu.precision)
        super().build(x, y, w)
        device = self.gpu.device
        self.x, self.y = self.x.to(device), self.y.to(device)
        self.params = {name: p.to(device) for name, p in self.params.items()}
        self.velocity = [v.to(device) for v in self.velocity]
        self.negative_lr = [lr.to(device) for lr in self.negative_lr]

    def losses(self, orders: np.ndarray, steps: int) -> np.ndarray:
        order = torch.from_numpy(orders).to(self.gpu.device)
        batches = order.split(self.B, dim=1)
        return np.array([self.step(batches[k % len(batches)]).cpu().numpy() for k in range(steps)])

    def tune(self) -> None:
        """Leave the threads of the host alone."""

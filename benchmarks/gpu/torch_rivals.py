"""PyTorch on the GPU: the rivals of the CPU with their tensors there, both TF32 flags set one way or the other.

Every tensor is created on its device by name: torch.set_default_device would slow every call down, twofold and more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.cpu.rivals.torch_rival import Torch
from benchmarks.cpu.rivals.torch_vmap_rival import TorchVmap
from benchmarks.gpu.minisgd_rivals import OnGpu


def settle(precision: str) -> None:
    """Let products of float32 round their factors or not."""
    tf32 = precision == "tf32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


class TorchGpu(OnGpu, Torch):
    """Eager PyTorch with the fused optimizer."""

    mode: str | None = None

    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        settle(self.gpu.precision)
        self.place = self.gpu.device
        super().build(x, y, w)
        for training in self.training_runs:
            if self.mode is not None:
                training.loss = torch.compile(training._loss, dynamic=False, mode=self.mode)

    def tune(self) -> None:
        """Leave the threads of the host alone."""


class TorchGpuCompiled(TorchGpu):
    """Forward, loss and backward compiled, each a CUDA graph; the optimizer is the fused one."""

    mode = "reduce-overhead"


class TorchGpuGraph(TorchGpu):
    """The whole step, from the gather to the update, in one CUDA graph: what minisgd does, by PyTorch's means."""

    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        super().build(x, y, w)
        for training in self.training_runs:
            for group in training.optimizer.param_groups:
                if "capturable" in group:  # Adam counts its steps on the host otherwise
                    group["capturable"] = True
            training.step = _GraphedStep(training)


class _GraphedStep:
    """A step that is captured for every size of batch; capturing leaves weights and velocities as they were."""

    def __init__(self, training: Any) -> None:
        self.training, self.eager = training, training.step
        self.graphs: dict[int, tuple[Any, torch.Tensor, torch.Tensor]] = {}

    def __call__(self, index: torch.Tensor) -> torch.Tensor:
        if len(index) not in self.graphs:
            self.graphs[len(index)] = self._captured(index)
        graph, place, loss = self.graphs[len(index)]
        place.copy_(index)
        graph.replay()
        return loss

    def _captured(self, index: torch.Tensor) -> tuple[Any, torch.Tensor, torch.Tensor]:
        place, stream, graph = index.clone(), torch.cuda.Stream(), torch.cuda.CUDAGraph()
        model, optimizer, total = self.training.model, self.training.optimizer, self.training.total.clone()
        weights = [p.detach().clone() for p in (*model.parameters(), *model.buffers())]
        kept = {p: {k: v.clone() for k, v in s.items() if v is not None} for p, s in optimizer.state.items()}
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.eager(place)
        torch.cuda.current_stream().wait_stream(stream)
        optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            loss = self.eager(place)
        with torch.no_grad():
            for p, before in zip((*model.parameters(), *model.buffers()), weights, strict=True):
                p.copy_(before)
            for p, state in optimizer.state.items():
                for name, value in state.items():
                    before = kept.get(p, {}).get(name)
                    value.copy_(before) if before is not None else value.zero_()
            self.training.total.copy_(total)
        return graph, place, loss


class TorchGpuVmap(OnGpu, TorchVmap):
    """All replicas in one call of torch.func.vmap."""

    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        settle(self.gpu.precision)
        self.place = self.gpu.device
        super().build(x, y, w)

    def tune(self) -> None:
        """Leave the threads of the host alone."""

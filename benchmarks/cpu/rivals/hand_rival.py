"""C fused by hand: no rival, but what a step written for one network alone does where the batch is small."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.cpu.rivals.rival import Rival, cuts

SOURCE = Path(__file__).with_name("hand_fused.c")
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", "-shared", "-fPIC")
LANES = 16
"""Floats of the widest vector."""
FLUSH_EVERY, SMALLEST = 256, 1e-25
"""As minisgd does: velocities that decay into denormal numbers are slow."""


class HandFused(Rival):
    def build(self, x: np.ndarray, y: np.ndarray, w: dict[str, np.ndarray]) -> None:
        with TemporaryDirectory() as folder:
            library = Path(folder) / "hand_fused.so"
            subprocess.run(["cc", *FLAGS, str(SOURCE), "-o", str(library), "-lm"], check=True)
            self.train = ctypes.CDLL(str(library)).train
        long, number, array = ctypes.c_long, ctypes.c_float, ctypes.c_void_p
        self.train.restype = ctypes.c_double
        self.train.argtypes = [array] * 3 + [long] * 2 + [array] + [long] * 2 + [array] * 3 + [number] * 2
        self.x, self.y = np.ascontiguousarray(x, np.float32), y.astype(np.int64)
        widths = [self.x.shape[1], *self.workload.widths]
        self.widths = np.array([-(-width // LANES) * LANES for width in widths], np.int64)
        # W (I, O), b (O,) of every layer, with zeros up to whole vectors
        filled = [np.pad(a, [(0, -n % LANES) for n in a.shape]) for a in w.values()]
        self.w = np.concatenate([a.ravel() for a in filled])
        self.v = np.zeros_like(self.w)
        room = 2 * self.B * int(self.widths.sum()) + max(a.size for a in filled)
        self.room = np.empty(room, np.float32)
        self.rng, self.order, self.steps = np.random.default_rng(0), np.empty(0, np.int64), 0

    def losses(self, orders: np.ndarray, steps: int) -> np.ndarray:
        batches = [orders[0, a:b].astype(np.int64) for a, b in cuts(orders.shape[1], self.B)]
        return np.array([[self._train(batches[k % len(batches)], 1)] for k in range(steps)])

    def run(self, steps: int) -> int:
        examples = 0
        while steps > 0:
            if not len(self.order):
                self.order = self.rng.permutation(self.n)
            some = min(steps, FLUSH_EVERY - self.steps % FLUSH_EVERY, max(1, len(self.order) // self.B))
            now, self.order = self.order[: some * self.B], self.order[some * self.B :]
            self._train(now, some)
            steps -= some
            examples += len(now)
        return examples

    def _train(self, order: np.ndarray, steps: int) -> float:
        arrays = [array.ctypes.data for array in (self.x, self.y, order)]
        state = [array.ctypes.data for array in (self.w, self.v, self.room)]
        widths = self.widths.ctypes.data, len(self.widths) - 1, self.workload.widths[-1]
        rate = self.workload.learning_rate(self.B)
        loss: float = self.train(*arrays, steps, len(order) // steps, *widths, *state, rate, self.workload.momentum)
        self.steps += steps
        if self.steps % FLUSH_EVERY == 0:
            self.v[np.abs(self.v) < SMALLEST] = 0
        return loss

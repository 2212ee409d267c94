"""Instruments: what a network's loss looks like around a point, and how much its gradients differ."""

from __future__ import annotations

from minisgd.lab.instruments.curvature.critical import CriticalSharpness, critical_sharpness
from minisgd.lab.instruments.curvature.hessian import (
    HessianTrace,
    hessian_eigenvalues,
    hessian_vector,
    hutchinson_trace,
)
from minisgd.lab.instruments.curvature.keskar import Keskar, keskar_sharpness
from minisgd.lab.instruments.curvature.sam import SAM, sam_sharpness
from minisgd.lab.instruments.curvature.sharpness import Sharpness, sharpness
from minisgd.lab.instruments.curvature.tracker import SharpnessSample, SharpnessTracker
from minisgd.lab.instruments.examples.gradients import ExampleNorms, per_example_gradients, per_example_norms
from minisgd.lab.instruments.examples.gsnr import GSNR, gsnr
from minisgd.lab.instruments.landscape.line import LossLine, loss_line
from minisgd.lab.instruments.landscape.plane import LossPlane, loss_plane
from minisgd.lab.instruments.landscape.trajectory import Trajectory
from minisgd.lab.instruments.memory.fit import MemoryFit, MemoryPoint, memory_fit
from minisgd.lab.instruments.noise.branch_tracker import CriticalBatchTracker
from minisgd.lab.instruments.noise.branches import LocalCriticalBatchSize, local_critical_batch_size
from minisgd.lab.instruments.noise.estimate import GradientNoise, gradient_noise
from minisgd.lab.instruments.noise.tracker import NoiseTracker, NormalisationNoise
from minisgd.lab.instruments.noise.warmup import BatchWarmup
from minisgd.lab.instruments.objective import Objective
from minisgd.lab.instruments.sampled import Sampled
from minisgd.lab.instruments.throughput.latency import LatencyPoint, latency
from minisgd.lab.instruments.throughput.pairs import PowerOfTwo, PowersOfTwo, powers_of_two
from minisgd.lab.instruments.throughput.speed import Speed, SpeedPoint, speed
from minisgd.lab.instruments.trace.picture import draw_trace
from minisgd.lab.instruments.trace.trace import Trace, TraceResult

__all__ = [
    "GSNR",
    "SAM",
    "BatchWarmup",
    "CriticalBatchTracker",
    "CriticalSharpness",
    "ExampleNorms",
    "GradientNoise",
    "HessianTrace",
    "Keskar",
    "LatencyPoint",
    "LocalCriticalBatchSize",
    "LossLine",
    "LossPlane",
    "MemoryFit",
    "MemoryPoint",
    "NoiseTracker",
    "NormalisationNoise",
    "Objective",
    "PowerOfTwo",
    "PowersOfTwo",
    "Sampled",
    "Sharpness",
    "SharpnessSample",
    "SharpnessTracker",
    "Speed",
    "SpeedPoint",
    "Trace",
    "TraceResult",
    "Trajectory",
    "critical_sharpness",
    "draw_trace",
    "gradient_noise",
    "gsnr",
    "hessian_eigenvalues",
    "hessian_vector",
    "hutchinson_trace",
    "keskar_sharpness",
    "latency",
    "local_critical_batch_size",
    "loss_line",
    "loss_plane",
    "memory_fit",
    "per_example_gradients",
    "per_example_norms",
    "powers_of_two",
    "sam_sharpness",
    "sharpness",
    "speed",
]

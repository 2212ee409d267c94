"""Instruments: what a network's loss looks like around a point, and how much its gradients differ."""

from __future__ import annotations

from minisgd.lab.instruments.gsnr import GSNR, gsnr
from minisgd.lab.instruments.hessian import HessianTrace, hessian_eigenvalues, hessian_vector, hutchinson_trace
from minisgd.lab.instruments.keskar import Keskar, keskar_sharpness
from minisgd.lab.instruments.latency import LatencyPoint, latency
from minisgd.lab.instruments.loss_line import LossLine, loss_line
from minisgd.lab.instruments.loss_plane import LossPlane, loss_plane
from minisgd.lab.instruments.memory_fit import MemoryFit, MemoryPoint, memory_fit
from minisgd.lab.instruments.noise import GradientNoise, gradient_noise
from minisgd.lab.instruments.noise_tracker import NoiseTracker
from minisgd.lab.instruments.objective import Objective
from minisgd.lab.instruments.per_example import ExampleNorms, per_example_gradients, per_example_norms
from minisgd.lab.instruments.sam import SAM, sam_sharpness
from minisgd.lab.instruments.sampled import Sampled
from minisgd.lab.instruments.sharpness import Sharpness, sharpness
from minisgd.lab.instruments.sharpness_tracker import SharpnessSample, SharpnessTracker
from minisgd.lab.instruments.speed import Speed, SpeedPoint, speed
from minisgd.lab.instruments.speed_pairs import PowerOfTwo, PowersOfTwo, powers_of_two
from minisgd.lab.instruments.trace import Trace, TraceResult
from minisgd.lab.instruments.trace_picture import draw_trace
from minisgd.lab.instruments.trajectory import Trajectory

__all__ = [
    "GSNR",
    "SAM",
    "ExampleNorms",
    "GradientNoise",
    "HessianTrace",
    "Keskar",
    "LatencyPoint",
    "LossLine",
    "LossPlane",
    "MemoryFit",
    "MemoryPoint",
    "NoiseTracker",
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
    "draw_trace",
    "gradient_noise",
    "gsnr",
    "hessian_eigenvalues",
    "hessian_vector",
    "hutchinson_trace",
    "keskar_sharpness",
    "latency",
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

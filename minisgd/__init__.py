"""minisgd: mini-batch gradient descent with nothing hidden, and the batch size to use, measured.

>>> import minisgd as ms
>>> data = ms.datasets.digits(validation=0.2, seed=0)
>>> net = ms.Network(ms.Linear(128), ms.BatchNorm(), ms.ReLU(), ms.Linear(10))
>>> run = ms.train(net, data, optimizer=ms.SGD(lr=0.1, momentum=0.9), batch_size=32, epochs=20, seed=0)
>>> run.evaluate()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from minisgd.version import __version__ as __version__

if TYPE_CHECKING:
    from minisgd.data import Dataset, Split, datasets, load
    from minisgd.errors import (
        ArgumentError,
        CheckpointError,
        DataError,
        DivergedError,
        DtypeError,
        MemoryLimitError,
        MinisgdError,
        MissingExtraError,
        OutputError,
        ShapeError,
    )
    from minisgd.lab.claims import Claims, claims
    from minisgd.lab.instruments import (
        GSNR,
        SAM,
        ExampleNorms,
        GradientNoise,
        HessianTrace,
        Keskar,
        LatencyPoint,
        LossLine,
        LossPlane,
        MemoryFit,
        MemoryPoint,
        NoiseTracker,
        Objective,
        PowerOfTwo,
        PowersOfTwo,
        Sampled,
        Sharpness,
        SharpnessSample,
        SharpnessTracker,
        Speed,
        SpeedPoint,
        Trace,
        TraceResult,
        Trajectory,
        draw_trace,
        gradient_noise,
        hessian_eigenvalues,
        hessian_vector,
        hutchinson_trace,
        keskar_sharpness,
        per_example_gradients,
        per_example_norms,
        powers_of_two,
        sam_sharpness,
    )
    from minisgd.lab.instruments.gsnr import gsnr
    from minisgd.lab.instruments.latency import latency
    from minisgd.lab.instruments.loss_line import loss_line
    from minisgd.lab.instruments.loss_plane import loss_plane
    from minisgd.lab.instruments.memory_fit import memory_fit
    from minisgd.lab.instruments.sharpness import sharpness
    from minisgd.lab.instruments.speed import speed
    from minisgd.lab.study import Study, study
    from minisgd.nn import (
        GELU,
        L1,
        AvgPool2d,
        BatchNorm,
        BinaryCrossEntropy,
        Buffer,
        Conv2d,
        Declaration,
        Dropout,
        Flatten,
        GlobalAvgPool2d,
        Huber,
        Layer,
        LayerNorm,
        LeakyReLU,
        Linear,
        Loss,
        MaxPool2d,
        MeanSquaredError,
        Network,
        Parameter,
        ReLU,
        Residual,
        Sequential,
        Sigmoid,
        SoftmaxCrossEntropy,
        Softplus,
        Statistic,
        Tanh,
        init,
    )
    from minisgd.nn.models import model
    from minisgd.optim import (
        CABS,
        LAMB,
        LARS,
        SGD,
        Adagrad,
        Adam,
        AdamW,
        BatchMilestones,
        ClipNorm,
        Constant,
        ConstantBatch,
        Cosine,
        GrowBatch,
        InnerProductTest,
        NeverShrink,
        NormTest,
        OneCycle,
        Optimizer,
        Progress,
        RMSProp,
        ScaledByBatch,
        StepDecay,
        Warmup,
        beta_by_half_life,
        scale_adam,
    )
    from minisgd.training import (
        BestWeights,
        Callback,
        EarlyStopping,
        History,
        MemoryPlan,
        Run,
        evaluate,
        memory_plan,
        train,
    )
    from minisgd.training.explain import explain


_FLOORS = (
    "minisgd.errors",
    "minisgd.data",
    "minisgd.nn",
    "minisgd.nn.models",
    "minisgd.optim",
    "minisgd.training",
    "minisgd.training.explain",
    "minisgd.lab.instruments",
    "minisgd.lab.study",
    "minisgd.lab.claims",
)
"""Where the public names live. A name is imported when it is first asked for, so ``import minisgd`` is quick."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        for floor in _FLOORS:
            module = import_module(floor)
            if name in module.__all__:
                value = globals()[name] = getattr(module, name)
                return value
    raise AttributeError(f"module 'minisgd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


__all__ = [
    "CABS",
    "GELU",
    "GSNR",
    "L1",
    "LAMB",
    "LARS",
    "SAM",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "ArgumentError",
    "AvgPool2d",
    "BatchMilestones",
    "BatchNorm",
    "BestWeights",
    "BinaryCrossEntropy",
    "Buffer",
    "Callback",
    "CheckpointError",
    "Claims",
    "ClipNorm",
    "Constant",
    "ConstantBatch",
    "Conv2d",
    "Cosine",
    "DataError",
    "Dataset",
    "Declaration",
    "DivergedError",
    "Dropout",
    "DtypeError",
    "EarlyStopping",
    "ExampleNorms",
    "Flatten",
    "GlobalAvgPool2d",
    "GradientNoise",
    "GrowBatch",
    "HessianTrace",
    "History",
    "Huber",
    "InnerProductTest",
    "Keskar",
    "LatencyPoint",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Loss",
    "LossLine",
    "LossPlane",
    "MaxPool2d",
    "MeanSquaredError",
    "MemoryFit",
    "MemoryLimitError",
    "MemoryPlan",
    "MemoryPoint",
    "MinisgdError",
    "MissingExtraError",
    "Network",
    "NeverShrink",
    "NoiseTracker",
    "NormTest",
    "Objective",
    "OneCycle",
    "Optimizer",
    "OutputError",
    "Parameter",
    "PowerOfTwo",
    "PowersOfTwo",
    "Progress",
    "RMSProp",
    "ReLU",
    "Residual",
    "Run",
    "ScaledByBatch",
    "Sequential",
    "ShapeError",
    "Sampled",
    "Sharpness",
    "SharpnessSample",
    "SharpnessTracker",
    "Sigmoid",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Speed",
    "SpeedPoint",
    "Split",
    "Statistic",
    "StepDecay",
    "Study",
    "Tanh",
    "Trace",
    "TraceResult",
    "Trajectory",
    "Warmup",
    "beta_by_half_life",
    "claims",
    "datasets",
    "draw_trace",
    "evaluate",
    "explain",
    "gradient_noise",
    "gsnr",
    "hessian_eigenvalues",
    "hessian_vector",
    "hutchinson_trace",
    "init",
    "keskar_sharpness",
    "latency",
    "load",
    "loss_line",
    "loss_plane",
    "memory_fit",
    "memory_plan",
    "model",
    "per_example_gradients",
    "per_example_norms",
    "powers_of_two",
    "sam_sharpness",
    "scale_adam",
    "sharpness",
    "speed",
    "study",
    "train",
]

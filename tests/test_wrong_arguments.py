"""Wrong values for the arguments of all public callables: each is refused, with argument, expected, got and fix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minisgd as ms

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(120, 4)).astype(np.float32), np.arange(120) % 3
DATA = ms.Dataset.from_arrays(X, Y, validation=0.25)
TABLE = {"a": list(range(40)), "b": [0, 1] * 20}
NET = ms.Network(ms.Linear(3))
BUILT = ms.Network(ms.Linear(3)).build((4,))
RUN = ms.train(NET, DATA, epochs=1)
NAN, INF = float("nan"), float("inf")

# ------------------------------------------------ wrong values, by what is expected

COUNT: list[Any] = [0, -1, 1.5, 2.0, np.float64(2), "3", True, [1], NAN, INF]
NUMBER: list[Any] = ["x", True, NAN, [1], {}]
POSITIVE: list[Any] = [0, -1, *NUMBER]
NON_NEGATIVE: list[Any] = [-1, *NUMBER]
SHARE: list[Any] = [-1, 1.5, "x", True, NAN]
SEED: list[Any] = [None, -1, 1.5, 1.0, INF, [1], "0", True]
WORD: list[Any] = ["nonsense", 3, ["shuffle"], np.zeros(3)]
PATH: list[Any] = [0, "", "a\0b", [], b"x", 999 * "a"]
FLAG: list[Any] = ["x", 3]
SHAPE: list[Any] = [0, "4", (0,), (1.5,), (4.0,), (True,), [], np.array(4), (10**30,)]
NETWORK: list[Any] = [None, ms.Linear(3), ms.Network, "mlp:3", [ms.Linear(3)], X]
UNBUILT: list[Any] = [None, ms.Network, "mlp:3", NET]
EXAMPLES: list[Any] = [None, 3, (X,), (X, Y, Y, Y), (None, None), (X, Y[:5]), ("a", "b")]
OPTIMIZER: list[Any] = ["sgdd", ms.SGD, 0.1, [ms.SGD(0.1)], "", 0, False, []]
LOSS: list[Any] = ["msee", ms.MeanSquaredError, 3, []]
RULE: list[Any] = ["he", 3, ms.init.HeNormal]
CALLBACKS: list[Any] = [None, "stop", ms.EarlyStopping, ms.EarlyStopping(3), [None], [ms.EarlyStopping], [3], len]
METRICS: list[Any] = [3, [3], {"a": 3}, "nope", {"a": None}, {3: len}, [None], [len], True, {"": len}]
DTYPE: list[Any] = [None, "float16", np.float32, np.zeros(3)]
DEVICE: list[Any] = ["gpu", 3, "cuda:0"]
THREADS: list[Any] = [0, 1.5, 1.0, INF, True, 10**9, "2"]
BUDGET: list[Any] = ["5 bananas", -1, 0, NAN, True, [], ""]
MEMORY: list[Any] = ["5 bananas", "1.5", "0.5 B", -1, 0, 1.5, 2.0**30, NAN, INF, True, []]
COUNTS: list[Any] = [3, "3", [0], [1.5], [2.0], ["a"], [], [True]]
SPLIT: list[Any] = ["nowhere", 3, None, []]
FUNCTION: list[Any] = [3, "x", [print]]
VECTOR: list[Any] = ["x", 3, np.ones(3), [1] * 14 + ["a"]]
ARRAY: list[Any] = [None, 3, X[:, :2], X[0], X.astype(complex)]

Table = dict[str, tuple[Callable[..., Any], dict[str, list[Any]]]]


def call(name: str, /, **usual: Any) -> Callable[..., Any]:
    """Return a public function with arguments that work, of which any may be given anew."""
    return lambda **given: getattr(ms, name)(**usual | given)


MEASURED = {"network": UNBUILT, "data": EXAMPLES, "seed": SEED}
SPEED = {"network": NETWORK, "data": EXAMPLES, "dtype": DTYPE, "seed": SEED}
RATE = {"lr": [*POSITIVE, None, ms.Cosine]}
usual = {"network": BUILT, "data": DATA}

CALLS: Table = {
    "train": (
        call("train", network=NET, data=DATA, epochs=1),
        SPEED
        | {
            "optimizer": OPTIMIZER,
            "loss": LOSS,
            "task": WORD,
            "batch_size": [*COUNT, 121, "half"],
            "epochs": [*POSITIVE, INF],
            "steps": COUNT,
            "sampling": WORD,
            "last_batch": WORD,
            "validation": [*SHARE, (X,)],
            "metrics": METRICS,
            "class_weight": ["x", 3, {"a": 1}, [1]],
            "callbacks": CALLBACKS,
            "clip_norm": POSITIVE,
            "evaluate_every": [*POSITIVE, None],
            "micro_batch": COUNT,
            "memory_limit": MEMORY,
            "device": DEVICE,
            "precision": ["half", None, 3],
            "threads": THREADS,
            "on_progress": FUNCTION,
            "progress": [*FLAG, 0, "", []],
            "transform": ["", 3, "flip", ms.Flip, [None]],
            "checkpoint": PATH,
            "checkpoint_every": POSITIVE,
            "resume": [*PATH, "nowhere"],
        },
    ),
    "study": (
        call("study", network=NET, data=DATA, budget="1s", seeds=2),
        SPEED
        | {
            "optimizer": OPTIMIZER,
            "loss": LOSS,
            "batch_sizes": COUNTS,
            "learning_rates": [*COUNTS[:3], *COUNTS[5:]],
            "seeds": COUNT,
            "target_accuracy": [0, *SHARE],
            "target_loss": ["x", True, NAN],
            "train_for": WORD,
            "budget": BUDGET,
            "memory_limit": MEMORY,
            "threads": THREADS,
            "on_event": FUNCTION,
            "out": PATH,
        },
    ),
    "claims": (
        call("claims", network=NET, data=DATA, only=[1], budget="1s"),
        SPEED
        | {"only": [["x"], [99], [], [True], [None]], "budget": BUDGET, "loss": LOSS, "seeds": COUNT}
        | {"threads": THREADS, "on_event": FUNCTION, "out": PATH},
    ),
    "explain": (
        call("explain", network=NET, input_shape=(4,)),
        {"network": NETWORK, "batch_size": COUNT, "input_shape": SHAPE, "optimizer": OPTIMIZER, "loss": LOSS}
        | {"dtype": DTYPE, "time": FLAG, "trace": [3, "x"]},
    ),
    "evaluate": (
        call("evaluate", network=BUILT, loss=ms.SoftmaxCrossEntropy(), split=DATA.train),
        {"network": UNBUILT, "loss": [*LOSS, None], "split": [*SPLIT, (X, Y)], "scale": POSITIVE},
    ),
    "memory_plan": (
        call("memory_plan", network=NET, input_shape=(4,), batch_size=8),
        {"network": NETWORK, "input_shape": [None, *SHAPE], "batch_size": COUNT, "optimizer": OPTIMIZER, "loss": LOSS}
        | {"dtype": DTYPE, "memory_limit": MEMORY, "clip_norm": POSITIVE, "spec": [3, "x", (4,)]},
    ),
    "load": (
        call("load", name="digits"),
        {
            "name": [None, 0, "a\0b.csv", b"x", "no.csv", 999 * "a", 999 * "a" + ".csv"],
            "target": ["", 0, np.zeros(3)],
            "text": ["", 0, np.zeros(3)],
            "missing": WORD,
            "validation": SHARE,
            "seed": SEED,
            "images": FLAG,
            "task": WORD,
        },
    ),
    "load of a table": (
        call("load", name=TABLE),
        {"target": [3, "c", ["c"], [3]], "drop": ["a", 3, ["c"], None], "categorical": ["a", 3, ["c"]]}
        | {"missing": WORD, "keep_index": FLAG, "header": FLAG, "standardize": FLAG, "task": WORD},
    ),
    "load_model": (call("load_model"), {"path": [*PATH, None, "nowhere"]}),
    "model": (
        call("model", name="mlp:8", input_shape=(4,), outputs=3),
        {"name": [None, 3, "mlp:", "mlp:0", "mlp:x", b"mlp"], "input_shape": SHAPE, "outputs": COUNT},
    ),
    "gradient_noise": (
        call("gradient_noise", **usual),
        MEASURED | {"loss": LOSS, "split": SPLIT, "examples": COUNT, "probes": COUNT},
    ),
    "gsnr": (call("gsnr", **usual), {"network": UNBUILT, "data": EXAMPLES, "split": SPLIT}),
    "hessian_eigenvalues": (
        call("hessian_eigenvalues", **usual),
        MEASURED | {"tolerance": POSITIVE, "products": COUNT, "examples": COUNT},
    ),
    "hessian_vector": (call("hessian_vector", **usual), {"v": VECTOR[:3]}),
    "hutchinson_trace": (call("hutchinson_trace", **usual), {"samples": COUNT, "seed": SEED}),
    "keskar_sharpness": (
        call("keskar_sharpness", **usual),
        {"epsilon": POSITIVE, "seed": SEED, "directions": [3, *([each] for each in VECTOR)]},
    ),
    "local_critical_batch_size": (
        call("local_critical_batch_size", network=BUILT, data=DATA, batch_size=2, factors=(1, 2), seeds=2),
        {"network": UNBUILT, "batch_size": COUNT, "factors": COUNTS, "seeds": COUNT, "tolerance": SHARE, "loss": LOSS},
    ),
    "critical_sharpness": (
        call("critical_sharpness", **usual),
        {"passes": COUNT, "seed": SEED, "along": VECTOR},
    ),
    "sam_sharpness": (call("sam_sharpness", **usual), {"rho": POSITIVE, "seed": SEED, "top": VECTOR}),
    "sharpness": (
        call("sharpness", **usual),
        {"lr": POSITIVE, "batch_size": COUNT, "momentum": SHARE, "rho": POSITIVE, "samples": COUNT, "seed": SEED},
    ),
    "loss_line": (
        call("loss_line", **usual, points=3),
        {"to": VECTOR, "direction": VECTOR, "span": [3, "ab", (1,), (1, 0), (NAN, 1), (1, 1, 1)]}
        | {"points": COUNT, "seed": SEED},
    ),
    "loss_plane": (
        call("loss_plane", **usual, points=3),
        {"through": ["x", 3, (1,)], "directions": ["x", 3, (np.ones(15),), VECTOR[1:3]], "path": VECTOR}
        | {"span": POSITIVE, "points": COUNT, "seed": SEED},
    ),
    "per_example_gradients": (
        call("per_example_gradients", network=BUILT, x=X, y=Y),
        {"network": UNBUILT, "x": ARRAY, "y": [None, 3, Y[:5]], "loss": LOSS, "mode": WORD},
    ),
    "speed": (
        call("speed", network=NET, data=DATA, batch_sizes=[1, 2]),
        SPEED | {"batch_sizes": COUNTS, "threads": THREADS, "visits": COUNT, "on_progress": FUNCTION},
    ),
    "latency": (call("latency", network=NET, data=DATA), SPEED | {"batch_sizes": COUNTS, "on_progress": FUNCTION}),
    "powers_of_two": (call("powers_of_two", network=NET, data=DATA), {"powers": COUNTS, "seed": SEED}),
    "memory_fit": (call("memory_fit", network=NET, data=DATA), SPEED | {"batch_sizes": COUNTS}),
    "scale_adam": (
        call("scale_adam", betas=(0.9, 0.99), eps=1e-8, k=2),
        {"betas": [3, "ab", (0.9,), (1.0, 0.9), None], "eps": POSITIVE, "k": POSITIVE},
    ),
    "SGD": (call("SGD", lr=0.1), RATE | {"momentum": SHARE, "weight_decay": NON_NEGATIVE, "nesterov": FLAG}),
    "Adam": (call("Adam", lr=0.1), RATE | {"betas": [3, "ab", (0.9,), (1.0, 0.9)], "eps": NON_NEGATIVE}),
    "RMSProp": (call("RMSProp", lr=0.1), RATE | {"alpha": SHARE}),
    **{
        name: (lambda kind=kind, **given: kind(**given), {setting: [*NUMBER, INF, 10**400]})  # type: ignore[misc]
        for name, kind, setting in (
            ("init.Constant", ms.init.Constant, "value"),
            ("init.Normal", ms.init.Normal, "std"),
            ("init.HeUniform", ms.init.HeUniform, "gain"),
        )
    },
    "Embedding": (call("Embedding", vocabulary=9, features=4), {"vocabulary": COUNT, "features": COUNT, "init": RULE}),
    "PReLU": (call("PReLU"), {"init": RULE}),
    "Linear": (
        call("Linear", features=3),
        {"features": COUNT, "bias": [*FLAG, None], "init": RULE, "bias_init": RULE, "name": [3, "", "a.b", "3", []]},
    ),
    "Conv2d": (
        call("Conv2d", channels=3),
        {"channels": COUNT, "kernel": [*COUNT, (0, 1)], "stride": COUNT, "padding": [-1, 1.5, "x", True], "bias": FLAG},
    ),
    "MaxPool2d": (call("MaxPool2d"), {"kernel": COUNT, "stride": COUNT}),
    "Dropout": (call("Dropout"), {"p": SHARE}),
    "BatchNorm": (call("BatchNorm"), {"momentum": SHARE, "eps": POSITIVE, "affine": FLAG, "ghost": COUNT}),
    "Huber": (call("Huber"), {"delta": POSITIVE}),
    "SoftmaxCrossEntropy": (call("SoftmaxCrossEntropy"), {"label_smoothing": SHARE}),
    "EarlyStopping": (call("EarlyStopping"), {"patience": COUNT, "metric": [3, None, ""], "mode": ["up", 3]}),
    "BestWeights": (call("BestWeights"), {"metric": [3, None, ""], "mode": ["up", 3]}),
    "Metric": (call("Metric", function=len), {"function": [None, 3, "x"], "needs": ["x", 3], "mode": ["up", 3]}),
    "GrowBatch": (
        call("GrowBatch", start=8, largest=32, every=1),
        {"start": COUNT, "largest": COUNT, "every": POSITIVE},
    ),
    "Cosine": (call("Cosine", lr=0.1), RATE),
    "Warmup": (call("Warmup", lr=0.1, epochs=1), RATE | {"epochs": POSITIVE, "start": SHARE}),
    "NoiseTracker": (call("NoiseTracker"), {"every": COUNT}),
    "Sampled": (call("Sampled", measure=len, every=3), {"measure": [None, 3], "every": COUNT}),
    "Network.build": (
        lambda **given: ms.Network(ms.Linear(3)).build(**{"input_shape": (4,)} | given),
        {"input_shape": SHAPE, "seeds": [None, -1, 1.5, "0", []], "dtype": DTYPE, "init": RULE, "ops": [3, "cpu"]},
    ),
    "Network.predict": (lambda **given: BUILT.predict(**{"x": X} | given), {"x": ARRAY, "batch_size": COUNT}),
    "Network.save": (BUILT.save, {"path": [*PATH, None]}),
    "Network.load": (NET.load, {"path": [*PATH, "nowhere"]}),
    "Run.save": (RUN.save, {"path": [*PATH, None]}),
    "Run.evaluate": (RUN.evaluate, {"split": SPLIT}),
    "Run.predict": (RUN.predict, {"raw": ARRAY}),
    "Dataset.from_arrays": (
        lambda **given: ms.Dataset.from_arrays(**{"x": X, "y": Y} | given),
        {"x": [None, 3, [], X[:5]], "y": [None, 3, Y[:5], np.array([b"\xff", b"a"] * 60)], "seed": SEED}
        | {
            "validation": SHARE,
            "name": [3, None],
            "scale": POSITIVE,
            "weight": ["x", 3, np.ones(3), np.full(120, -1.0)],
            "classes": [3, "ab", [1.5] * 3, np.array(3), [None]],
        },
    ),
    "Split": (
        call("Split", x=X, y=Y),
        {"x": [None, 3, [], X[:5]], "y": [None, 3, Y[:5]], "weight": ["x", 3, [1.0] * 120, np.ones(3), {}]},
    ),
    "CSVLogger": (call("CSVLogger"), {"path": [*PATH, None, 1.5]}),
    "TensorBoardLogger": (call("TensorBoardLogger"), {"folder": [*PATH, None, 1.5]}),
    "Dataset.subset": (DATA.subset, {"n": COUNT}),
}

ALSO = {
    "data": ("x", "y"),
    "raw": ("x",),
    "x": ("y", "data"),
    "function": ("metric",),
    "metrics": ("metric",),
    "name": ("data", ".csv", "model"),
    "path": ("nowhere",),
}
"""What an argument may be called in a message besides its name: a part of it, or the file that it names."""

CASES = [
    (name, argument, k)
    for name, (_, arguments) in CALLS.items()
    for argument, values in arguments.items()
    for k in range(len(values))
]


@pytest.mark.parametrize("name", CALLS)
def test_every_wrong_value_is_refused(name: str) -> None:
    function, arguments = CALLS[name]
    problems = []
    for argument, values in arguments.items():
        for value in values:
            said = answer(function, argument, value)
            if said:
                problems.append(f"{argument}={value!r}: {said}")
    assert not problems, "\n".join(problems)


def answer(function: Callable[..., Any], argument: str, value: Any) -> str:
    """Return what is wrong with the answer to a wrong value, nothing if it is as it should be."""
    try:
        function(**{argument: value})
    except ms.MinisgdError as error:
        named = any(word in error.argument for word in (argument, *ALSO.get(argument, ())))
        return "" if named and error.expected and error.fix else f"answered by: {error}"
    except Exception as error:  # not one of ours
        return f"{type(error).__name__}: {error}"
    return "accepted"


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 500


def test_layers_are_objects() -> None:
    for layers in ([], [None], [ms.Linear], [[ms.Linear(3)]], ["Linear"]):
        with pytest.raises(ms.ArgumentError, match="layer"):
            ms.Network(*layers)


@pytest.mark.parametrize("features", [10**12, 10**30])
def test_weights_that_no_machine_could_hold(features: int) -> None:
    with pytest.raises(ms.MemoryLimitError, match=rf"network: 0.W, of shape \(4, {features}\), must be at most"):
        ms.train(ms.Network(ms.Linear(features)), DATA)

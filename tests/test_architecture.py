"""The house: one file knows CuPy, nothing is pickled, and only the backend touches device arrays."""

from __future__ import annotations

import ast
import builtins
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minisgd
from minisgd.backend import Arena, NumpyOps, Plan, Program, Request, dispatch
from minisgd.data import Dataset
from minisgd.nn import (
    GELU,
    AvgPool2d,
    BatchNorm,
    BinaryCrossEntropy,
    Conv2d,
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
    ReLU,
    Residual,
    Sigmoid,
    SoftmaxCrossEntropy,
    Softplus,
    Tanh,
)
from minisgd.nn.binding import Place
from minisgd.nn.lending import lend
from minisgd.optim import Adam
from minisgd.training import prepare as preparation
from minisgd.training.multi_step import MultiStepSession
from tests.imports import MODULES, ROOT, at_import, imported, tree_of

HEAVY = {"matplotlib", "jinja2", "rich", "sklearn", "torch", "pandas", "pyarrow", "onnx", "joblib", "dask"}
PICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
PASSED_IN = {"Generator", "SeedSequence", "default_rng", "Philox", "PCG64", "BitGenerator"}
"""The names of numpy.random that carry their state with them; all others share a global one."""

# ------------------------------------------------ what the source says


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Yield the path of every file in the package, and its tree."""
    return ((path.relative_to(ROOT).as_posix(), tree_of(path)) for path in MODULES)


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    for path, tree in sources():
        names = {name.split(".")[0] for node in at_import(tree) for name in imported(node)}
        drawing = path in ("lab/plots.py", "lab/template.py") or path.startswith(("lab/study/report", "cli/"))
        allowed = (
            {"matplotlib", "jinja2", "rich"} if drawing else {"sklearn"} if path.startswith("estimators/") else set()
        )
        assert not names & (HEAVY - allowed), path


def test_one_file_imports_cupy() -> None:
    for path, tree in sources():
        names = {name.split(".")[0] for node in ast.walk(tree) for name in imported(node)}
        assert not names & {"cupy", "cupyx"} or path == "backend/cuda/cupy_ops.py", path


def test_nothing_is_pickled_and_no_randomness_is_global() -> None:
    for path, tree in sources():
        for node in ast.walk(tree):
            for name in imported(node):
                assert name.split(".")[0] not in PICKLERS | {"random"}, f"{path} imports {name}"
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"np.random", "numpy.random"}:
                assert node.attr in PASSED_IN, f"{path}: np.random.{node.attr} has global state"
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, path


def test_refusals_are_our_own_errors() -> None:
    """Values of users are refused by MinisgdError; what remains is for errors of ours."""
    internal = {"RuntimeError", "NotImplementedError", "AttributeError", "KeyError", "SystemExit", "KeyboardInterrupt"}
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
                kind = node.exc.func.id
                assert not hasattr(builtins, kind) or kind in internal, f"{path}:{node.lineno} raises {kind}"


def test_importing_minisgd_is_light() -> None:
    code = "import sys, minisgd; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & (HEAVY | {"cupy", "threadpoolctl"})


# ------------------------------------------------ what happens at run time


class Guarded(np.ndarray):
    """An array of a pretended device: NumPy may compute with it only where the operations of the device say so."""

    inside = 0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        self.require_inside(f"{ufunc.__name__}.{method}")
        plain = [bare(each) for each in inputs]
        if out is not None:
            options["out"] = tuple(bare(each) for each in out)
        return getattr(ufunc, method)(*plain, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        self.require_inside(function.__name__)
        return super().__array_function__(function, types, args, options)

    @classmethod
    def require_inside(cls, what: str) -> None:
        if not cls.inside:
            raise AssertionError(f"{what} on a device array outside the backend")


def bare(array: Any) -> Any:
    return array.view(np.ndarray) if isinstance(array, Guarded) else array


def guard(name: str) -> Any:
    def method(self: Guarded, *args: Any, **options: Any) -> Any:
        self.require_inside(name)
        return getattr(np.ndarray, name)(self, *args, **options)

    return method


# methods that compute, convert or read values; views (reshape, swapaxes, indexing) are free on every device
for (
    _name
) in "__setitem__ __array__ __float__ __int__ __bool__ __iter__ astype copy tolist item fill take flatten".split():
    setattr(Guarded, _name, guard(_name))


@contextmanager
def inside() -> Iterator[None]:
    Guarded.inside += 1
    try:
        yield
    finally:
        Guarded.inside -= 1


def _execute_inside(function: Any, *args: Any) -> None:
    with inside():
        function(*args)


class GuardedOps(NumpyOps):
    """NumPy pretending to be another device: its arrays refuse everybody else."""

    device = "guarded"
    steps_per_launch = 3

    def method(self, part: object, name: str) -> Any:
        return dispatch.method("cpu", part, name)

    def free_memory(self) -> int:
        return 1 << 30

    def run(self, op: str, function: Any, args: Any, reads: Any, out: Any) -> None:
        for array in [*reads, out]:
            self.require(array, op)
        super().run(op, partial(_execute_inside, function), args, reads, out)

    def owns(self, array: Any) -> bool:
        return isinstance(array, Guarded)

    def to_host(self, array: Any) -> Any:
        with inside():
            return np.array(bare(array))

    def from_host(self, array: Any) -> Any:
        return np.asarray(array).view(Guarded)

    def upload(self, array: Any, *, out: Any) -> None:
        with inside():
            out[...] = bare(array) if isinstance(array, Guarded) else np.asarray(array)

    def uniform(self, *args: Any, out: Any) -> None:
        with inside():
            super().uniform(*args, out=out)


def _wrapped(name: str) -> Any:
    def method(self: GuardedOps, *args: Any, **options: Any) -> Any:
        with inside():
            made = getattr(NumpyOps, name)(self, *args, **options)
        return made.view(Guarded) if isinstance(made, np.ndarray) else made

    return method


for _name in "empty zeros constant ones arange broadcast windows elementwise compact".split():
    setattr(GuardedOps, _name, _wrapped(_name))


NETWORKS: dict[str, tuple[list[Layer], Any, Loss, Any]] = {
    "MLP": (
        [Linear(8), BatchNorm(ghost=3), ReLU(), Dropout(0.3), Residual(LayerNorm(), Linear(8), GELU()), Linear(3)],
        (5,),
        SoftmaxCrossEntropy(label_smoothing=0.1),
        "labels",
    ),
    "CNN": (
        [
            Conv2d(4, 3, padding=1),
            BatchNorm(),
            LeakyReLU(),
            MaxPool2d(2),
            Residual(Conv2d(4, 1), Tanh()),
            AvgPool2d(2, stride=1),
            Softplus(),
            Flatten(),
            Linear(2),
        ],
        (6, 6, 1),
        BinaryCrossEntropy(),
        "values",
    ),
    "pooled": ([Conv2d(4, 1), Sigmoid(), GlobalAvgPool2d(), Linear(2)], (4, 4, 2), Huber(), "values"),
    "linear": ([Linear(2)], (4,), MeanSquaredError(), "values"),
}


def trained(name: str, seeds: Any, ops: NumpyOps, steps: int = 3) -> dict[str, Any]:
    """Build, bind, record and replay a few steps, then predict; return everything on the host."""
    layers, shape, loss, kind = NETWORKS[name]
    b, rng = 6, np.random.default_rng(0)
    net = Network(*layers).build(shape, seeds=seeds, dtype="float32", ops=ops)
    binder = net.binder(training=True)
    x = Request("batch.x", (b, *shape), "float32", "data")
    z = net.bind_forward(binder, "", Place(x, free=False)).request
    declared = loss.declare(z.shape, kind)
    requests = {"z": z, "dz": Request("loss.dz", z.shape, "float32", "activations")}
    requests["losses"] = Request("loss.losses", (b,), "float32", "activations")
    requests["value"] = Request("loss.value", (), "float32", "activations")
    for key, buffer in declared.buffers.items():
        requests[key] = Request(f"loss.{key}", buffer.shape, buffer.dtype or "float32", "workspaces")
    net.bind_backward(binder, "", Place(requests["dz"], free=True), needs_dx=False)
    target = Request("batch.target", declared.target, declared.target_dtype or "float32", "data")
    weight = Request("batch.weight", (b,), "float32", "data")
    arena = Arena(ops, Plan([x, target, weight, *requests.values(), *binder.requests()]), net.lead)
    binder.realize(arena, net.lead)
    for key, request in requests.items():
        lend(loss, key, arena.view(request, net.lead))
    loss.lead = net.lead
    lend(loss, "weight", arena.view(weight, net.lead))
    gradient, clock = ops.zeros(net.vector.shape, "float32"), ops.zeros((), "int64")
    net.attach(shape, net.vector, net.statistics, gradient)
    for leaf in net.describe(shape):
        leaf.layer.seeds = tuple(np.atleast_1d(seeds).tolist())
        lend(leaf.layer, "clock", clock)
    batch, labels = arena.view(x, net.lead), arena.view(target, net.lead)
    program: Program
    with ops.record() as program:
        y = net.forward(ops, batch)
        assert y is loss.z or y.shape == loss.z.shape
        loss.mean(ops, labels)
        net.backward(ops, loss.gradient(ops))
        ops.multiply(gradient, 0.1, out=gradient)
        ops.subtract(net.vector, gradient, out=net.vector)
        ops.add(clock, 1, out=clock)
    ops.upload(rng.uniform(0.5, 2, loss.weight.shape), out=loss.weight)
    for _ in range(steps):
        ops.upload(rng.normal(size=batch.shape), out=batch)
        drawn = rng.integers(0, 2, labels.shape) if kind == "labels" else rng.uniform(0, 1, labels.shape)
        ops.upload(drawn, out=labels)
        program.replay()
    inputs = rng.normal(size=(7, *shape)).astype("float32")
    prediction = net.predict(inputs, batch_size=4)
    assert type(prediction) is np.ndarray
    found = {"vector": net.vector, "statistics": net.statistics, "value": loss.value, "gradient": gradient}
    duplicate = net.copy().predict(inputs) if seeds == 0 else net.replica(1).predict(inputs)
    return {key: ops.to_host(array) for key, array in found.items()} | {"prediction": prediction, "twin": duplicate}


@pytest.mark.parametrize("seeds", [0, [1, 2, 3]])
@pytest.mark.parametrize("name", NETWORKS)
def test_only_the_backend_touches_device_arrays(name: str, seeds: Any) -> None:
    plain, guarded = trained(name, seeds, NumpyOps()), trained(name, seeds, GuardedOps())
    for key in plain:
        assert_array_equal(guarded[key], plain[key], err_msg=key)
        assert np.isfinite(plain[key]).all()


def test_the_guard_catches_what_it_is_for() -> None:
    ops = GuardedOps()
    a, out = ops.zeros((3, 4), "float32"), ops.zeros((3, 4), "float32")
    ops.add(a[:2].reshape(2, 4), 1.0, out=out[1:])
    assert_array_equal(ops.to_host(out)[1:], 1)
    offences = [
        lambda: a + 1,
        lambda: np.sum(a),
        lambda: a.sum(),
        lambda: np.concatenate([a, a]),
        lambda: a.astype("float64"),
        lambda: a.copy(),
        lambda: float(a[0, 0:1].reshape(())),
        lambda: a.__setitem__(0, 1),
        lambda: a == 0,
        lambda: list(a),
        lambda: a[0].fill(1),
    ]
    for offence in offences:
        with pytest.raises(AssertionError, match="outside the backend"):
            offence()
    with pytest.raises(minisgd.DtypeError, match="'guarded'"):
        ops.add(np.zeros(3), 1.0, out=a[0])


@pytest.mark.parametrize("micro_batch", [6, None], ids=["in parts", "ahead"])
@pytest.mark.parametrize("seeds", [0, [0, 1, 2]], ids=["single", "stack"])
@pytest.mark.parametrize("name", NETWORKS)
def test_training_leaves_device_arrays_to_the_backend(
    name: str, seeds: Any, micro_batch: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole training run on the guarded device: steps, micro-batches, evaluation, leaving replicas, prediction."""
    layers, shape, loss, kind = NETWORKS[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, *shape))
    if kind == "labels":
        y, classes = np.arange(40) % 3, None
    else:
        y, classes = rng.uniform(0, 1, (40, 2)), None
    data = Dataset.from_arrays(x, y, validation=0.25, classes=classes)
    found = []
    for ops in (NumpyOps(), GuardedOps()):
        monkeypatch.setattr(preparation, "get_ops", lambda device, precision, ops=ops: ops)
        prepared = preparation.prepare(
            Network(*layers),
            data,
            Adam(lr=0.01),
            loss=loss,
            batch_size=12,
            micro_batch=micro_batch,
            clip_norm=1.0,
            seeds=seeds,
        )
        session, evaluator = prepared.session(last_batch="drop"), prepared.evaluator()
        assert evaluator is not None
        assert (type(session) is MultiStepSession) == (ops.steps_per_launch > 1 and micro_batch is None)
        for goal in (4, 6):
            while session.steps < goal:
                session.advance(lambda session=session, goal=goal: session.steps >= goal)
            if goal == 4 and seeds:
                session.keep([0, 2])
                evaluator.forget_programs()
        scores = [session.take_train_loss(), evaluator.score().loss]
        found.append([ops.to_host(session.network.vector), session.network.predict(x), *scores])
    for plain, guarded in zip(*found, strict=True):
        assert_array_equal(plain, guarded)

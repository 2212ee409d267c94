"""A trained network in a file, in a pickle, in another process: the same predictions without the code that made it."""

from __future__ import annotations

import contextlib
import copy
import json
import multiprocessing
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import load_file, save_file

import minisgd as ms
from minisgd.nn.weights import read_weights
from tests.nn.layer_tables import CASES, LAYERS, LOSSES, shape_of
from tests.optim.optimizer_table import ROWS

IMAGES = np.random.default_rng(0).normal(size=(40, 6, 6, 2)).astype(np.float32)
LABELS = np.array(["cat", "dog"])[np.arange(40) % 2]


def trained(**settings: Any) -> ms.Run:
    net = ms.Network(
        ms.Conv2d(3, 3, name="first"),
        ms.BatchNorm(momentum=0.3),
        ms.Residual(ms.GELU(), ms.Dropout(0.1)),
        ms.Flatten(),
        ms.Linear(2, init=ms.init.FanInUniform()),
    )
    return ms.train(net, (IMAGES, LABELS), epochs=2, validation=0.25, **settings)


@pytest.fixture(scope="module")
def run() -> ms.Run:
    return trained(loss=ms.SoftmaxCrossEntropy(label_smoothing=0.1), metrics=["f1"])


def networks() -> list[tuple[ms.Network, Any]]:
    """Every layer of the table in a network with weights, and examples for it."""
    rng, made = np.random.default_rng(0), []
    for name, kind in CASES:
        shape = shape_of(kind, rng)
        net = ms.Network(LAYERS[name].make(shape)).build(shape, seeds=1)
        made.append((net, LAYERS[name].draw(rng, (5, *shape)).astype(np.float32)))
    return made


# ------------------------------------------------ files


@pytest.mark.parametrize("name", ["model.safetensors", "folder", "v1.2"])
def test_a_file_is_enough(run: ms.Run, tmp_path: Any, name: str) -> None:
    path = run.save(tmp_path / name)
    assert path.is_file() and path.name in ("model.safetensors", "weights.safetensors")
    model = ms.load_model(tmp_path / name)
    assert repr(model.network) == repr(run.network) and model.network.classes == ("cat", "dog")
    assert isinstance(model.loss, ms.SoftmaxCrossEntropy) and model.loss.label_smoothing == 0.1
    for method in ("predict", "predict_proba", "predict_labels"):
        assert_array_equal(getattr(model, method)(IMAGES), getattr(run, method)(IMAGES))
    for own, other in zip(run.network.to_numpy().values(), model.network.to_numpy().values(), strict=True):
        assert_array_equal(own, other)
    again = ms.train(model.network, (IMAGES, LABELS), loss=model.loss, epochs=1)
    assert again.steps == 2


def test_a_file_is_enough_elsewhere(run: ms.Run, tmp_path: Any) -> None:
    run.save(tmp_path)
    np.save(tmp_path / "x.npy", IMAGES)
    code = "import sys, numpy, minisgd; print(minisgd.load_model(sys.argv[1]).predict_labels(sys.argv[1] + '/x.npy'))"
    given = [sys.executable, "-c", code, str(tmp_path)]
    said = subprocess.run(given, capture_output=True, text=True, check=True).stdout
    assert said.strip() == str(run.predict_labels(IMAGES))


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (None, "architecture must be in the file, as run.save"),
        ("{", "architecture must be as minisgd writes it"),
        ("[]", "architecture must be as minisgd writes it"),
        ("[" * 100_000, "architecture must be as minisgd writes it"),
        ('{"version": 9}', "architecture must be of version 1, got 9"),
        ('{"version": 1, "network": {"class": "ReLU", "name": null}, "loss": null}', "got ReLU and NoneType"),
        ('{"version": 1, "network": {"class": "os:system"}, "loss": null}', "made of minisgd's layers.*os:system"),
        ('{"version": 1, "network": {"$tensor": "none"}, "loss": null}', "architecture must be as minisgd writes it"),
    ],
)
def test_damaged_architectures(run: ms.Run, tmp_path: Any, architecture: str | None, message: str) -> None:
    path = run.save(tmp_path)
    about = read_weights(path)[1] | {"architecture": architecture}
    save_file(load_file(path), path, {name: text for name, text in about.items() if text is not None})
    with pytest.raises(ms.CheckpointError, match=message):
        ms.load_model(path)


# ------------------------------------------------ pickles


def predictions(blob: bytes) -> list[Any]:
    return [net.predict(x) for net, x in pickle.loads(blob)]


def test_every_layer_is_pickled_and_copied() -> None:
    for net, x in networks():
        y = net.predict(x)
        for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net), copy.copy(net)):
            assert_array_equal(other.predict(x), y)
        other = copy.deepcopy(net)
        other.vector[...] = 0
        assert_array_equal(net.predict(x), y)


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_every_layer_predicts_the_same_in_another_process(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    blob = pickle.dumps(networks())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside BLAS threads
        with multiprocessing.get_context(method).Pool(1) as pool:
            found = pool.apply(predictions, (blob,))
    for own, other in zip(predictions(blob), found, strict=True):
        assert_array_equal(own, other)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_pickled(name: str) -> None:
    loss = LOSSES[name].make()
    assert vars(pickle.loads(pickle.dumps(loss))) == vars(copy.deepcopy(loss)) == vars(loss)


@pytest.mark.parametrize("name", ROWS)
def test_every_optimizer_is_pickled(name: str) -> None:
    for optimizer in (ROWS[name].optimizer, type(ROWS[name].optimizer)(ms.Warmup(0.1, epochs=3))):
        assert repr(pickle.loads(pickle.dumps(optimizer))) == repr(copy.deepcopy(optimizer)) == repr(optimizer)


def test_a_training_run_is_pickled_with_all_it_has(run: ms.Run, tmp_path: Any) -> None:
    joblib = pytest.importorskip("joblib")
    joblib.dump(run, tmp_path / "run.joblib")
    for other in (pickle.loads(pickle.dumps(run)), copy.deepcopy(run), joblib.load(tmp_path / "run.joblib")):
        assert_array_equal(other.predict(IMAGES), run.predict(IMAGES))
        assert other.history.records == run.history.records and other.evaluate() == run.evaluate()
        assert_array_equal(pickle.loads(pickle.dumps(other.model)).predict(IMAGES), run.predict(IMAGES))


def test_a_pickled_network_is_trained_like_the_original(run: ms.Run) -> None:
    net = pickle.loads(pickle.dumps(run.network))
    first, second = (ms.train(each, run.data, epochs=1).network.vector for each in (run.network, net))
    assert_array_equal(first, second)


def test_an_error_keeps_its_run_between_processes() -> None:
    with pytest.raises(ms.DivergedError) as caught:
        trained(optimizer=ms.SGD(1e9))
    assert pickle.loads(pickle.dumps(caught.value)).run.steps == caught.value.run.steps


# ------------------------------------------------ architectures that somebody wrote

NETWORKS = {
    "images": lambda: ms.Network(
        ms.Conv2d(4, 3, padding=1), ms.BatchNorm(), ms.LeakyReLU(0.1), ms.MaxPool2d(2), ms.Upsample(2),
        ms.Residual(ms.Conv2d(4, 3, padding=1), ms.GELU()), ms.ConvTranspose2d(3, 2), ms.AvgPool2d(2),
        ms.GlobalAvgPool2d(), ms.Dropout(0.2), ms.Linear(3),
    ),
    "tokens": lambda: ms.Network(
        ms.Embedding(9, 8), ms.PositionalEmbedding(), ms.TransformerBlock(8, 2), ms.LayerNorm(), ms.RMSNorm(),
        ms.Attention(8, 2), ms.PReLU(), ms.ELU(), ms.Reshape(48), ms.Linear(3),
    ),
}  # fmt: skip
WRONG: list[Any] = [None, -1, 10**12, 10**400, 1.5, float("nan"), "minisgd:train", [], {}, [0, 0], {"class": "Network"}]


def places(document: Any, path: tuple[Any, ...] = ()) -> Any:
    """Yield the path of every part of a document."""
    yield path
    children = document.items() if isinstance(document, dict) else enumerate(document) if type(document) is list else ()
    for key, child in children:
        yield from places(child, (*path, key))


@pytest.mark.parametrize("name", NETWORKS)
def test_wrong_parts_of_an_architecture_are_refused_or_harmless(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 8, 8, 1)).astype("f4") if name == "images" else rng.integers(0, 9, (20, 6))
    file = ms.train(NETWORKS[name](), (x, np.arange(20) % 3), epochs=1).save(tmp_path / "m.safetensors")
    tensors, about = read_weights(file)
    whole, tried = json.loads(about["architecture"]), 0
    for number, path in enumerate(places(whole)):
        for wrong in WRONG[number % 2 :: 2]:  # half of them at every place
            document = copy.deepcopy(whole)
            at = document
            for key in path[:-1]:
                at = at[key]
            if path:
                at[path[-1]] = wrong
            save_file(tensors, file, about | {"architecture": json.dumps(document if path else wrong)})
            with contextlib.suppress(ms.MinisgdError):
                ms.load_model(file)
            tried += 1
    assert tried > 400

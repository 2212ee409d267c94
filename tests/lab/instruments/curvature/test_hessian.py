"""Curvature: a dense eigensolver, closed forms, a second implementation, and the error that Hutchinson states."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minisgd as ms
from minisgd.errors import ArgumentError, DataError, DivergedError, DtypeError, ShapeError
from minisgd.lab.instruments.curvature.hessian import hessian_eigenvalues, hessian_vector, hutchinson_trace
from minisgd.lab.instruments.objective import Objective
from tests.lab.instruments.curvature.smooth_functions import dense_hessian, quadratic, softmax_regression

FOLDER = os.environ.get("MINISGD_MNIST", "")

NETWORKS: dict[str, tuple[tuple[int, ...], Any]] = {
    "tanh": ((20,), lambda: [ms.Linear(30), ms.Tanh(), ms.Linear(4)]),
    "ReLU": ((20,), lambda: [ms.Linear(30), ms.ReLU(), ms.Linear(4)]),
    "ReLU, 1,994 parameters": ((64,), lambda: [ms.Linear(28), ms.ReLU(), ms.Linear(6)]),
    "deep, normalised": (
        (8,),
        lambda: [ms.Linear(9), ms.BatchNorm(), ms.ReLU(), ms.Linear(9), ms.Tanh(), ms.Linear(3)],
    ),
    "convolutions": (
        (6, 6, 1),
        lambda: [ms.Conv2d(4, 3), ms.ReLU(), ms.MaxPool2d(2), ms.Flatten(), ms.Linear(3)],
    ),
}


def make(name: str, scale: float = 1.0) -> Objective:
    shape, layers = NETWORKS[name]
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (60, *shape)), rng.integers(0, 3, 60)
    network = ms.Network(*layers()).build(shape, seeds=1, dtype="float64")
    network.vector *= scale
    return Objective(network, (x, y))


@pytest.mark.parametrize("name", NETWORKS)
def test_eigenvalues_are_those_of_a_dense_solver(name: str) -> None:
    objective = make(name)
    eigenvalues = np.linalg.eigvalsh(dense_hessian(objective))
    found = hessian_eigenvalues(objective)
    assert found.top.converged and found.bottom.converged
    assert_allclose(found.top.value, eigenvalues[-1], rtol=1e-6)
    assert_allclose(found.bottom.value, eigenvalues[0], rtol=0, atol=1e-6 * eigenvalues[-1])
    nearest = np.abs(eigenvalues - found.top.value).min()
    assert nearest <= found.top.residual + 1e-12


def test_softmax_regression_at_zero_has_its_closed_form() -> None:
    """λmax(H) = λmax(XᵀX/N)/C (methods 1(d))"""
    objective, eigenvalues = softmax_regression()
    found = hessian_eigenvalues(objective)
    assert_allclose(found.top.value, eigenvalues[-1], rtol=1e-6)
    assert_allclose(found.bottom.value, 0, atol=1e-6 * eigenvalues[-1])
    assert_allclose(hutchinson_trace(objective, samples=650).value, eigenvalues.sum(), rtol=1e-10)


@pytest.mark.skipif(not (FOLDER and Path(FOLDER).is_dir()), reason="MINISGD_MNIST names no folder with the files")
def test_softmax_regression_on_ten_thousand_images() -> None:
    objective, eigenvalues = softmax_regression(ms.load(f"idx:{FOLDER}", validation=0.0))
    found = hessian_eigenvalues(objective, products=40)
    assert_allclose(found.top.value, eigenvalues[-1], rtol=1e-6)
    assert found.top.converged
    guessed = hutchinson_trace(objective, samples=20)
    assert abs(guessed.value - eigenvalues.sum()) < 4 * guessed.standard_error


def test_the_dense_hessian_is_that_of_torch() -> None:
    torch = pytest.importorskip("torch")
    objective = make("tanh")
    names = [(s.offset, s.stop, s.shape) for s in objective.network.layout]
    x, y = torch.tensor(objective.data.train.x), torch.tensor(objective.data.train.y)

    def loss(w: Any) -> Any:
        W1, b1, W2, b2 = (w[a:b].reshape(shape) for a, b, shape in names)
        return torch.nn.functional.cross_entropy(torch.tanh(x @ W1 + b1) @ W2 + b2, y)

    expected = torch.autograd.functional.hessian(loss, torch.tensor(objective.start)).numpy()
    assert_allclose(dense_hessian(objective), expected, rtol=1e-9, atol=1e-13)


def test_a_quadratic_shows_its_own_eigenvalues() -> None:
    """H = diag(1, 9): lr_max 2/9, best lr 2/(1 + 9) = 0.2 (methods 4)"""
    found = hessian_eigenvalues(quadratic(1, 9))
    assert_allclose([found.bottom.value, found.top.value], [1, 9], rtol=1e-12)
    assert_allclose(np.abs(found.top.vector), [0, 1], atol=1e-12)
    assert_allclose(hessian_vector(quadratic(1, 9), None, np.array([2.0, 3.0])), [2, 27], rtol=1e-12)


def test_what_did_not_converge_says_so() -> None:
    found = hessian_eigenvalues(make("tanh"), products=3)
    assert found.products == 3 and not found.top.converged and found.top.residual > 0


def test_a_relu_network_without_weights_is_flat_in_its_first_layer() -> None:
    """At zero every unit sits on its kink; backward gives it slope 0, and so does the Hessian."""
    objective = make("ReLU", scale=0.0)
    found = hessian_eigenvalues(objective)
    assert_allclose(found.top.value, 1 / 4, rtol=1e-10)  # of the last bias: (I − 11ᵀ/C)/C
    assert_allclose(dense_hessian(objective)[:600], 0, atol=0)


@pytest.mark.parametrize("samples", [10, 100])
def test_hutchinson_states_its_error(samples: int) -> None:
    """In 95% of 200 trials the trace lies within 1.96 standard errors, or so many as Student's t asks for ten."""
    subject = quadratic(*np.geomspace(0.01, 5, 150), seed=0)
    exact, quantile = np.trace(subject.H), {10: 2.262, 100: 1.984}[samples]
    found = [hutchinson_trace(subject, samples=samples, seed=seed) for seed in range(200)]
    within = [abs(t.value - exact) <= quantile * t.standard_error for t in found]
    assert_allclose(np.diff(found[0].interval), 2 * 1.96 * found[0].standard_error)
    assert 0.91 <= np.mean(within) <= 0.99
    assert_allclose(np.mean([t.value for t in found]), exact, rtol=0.02)
    variance = 2 * ((subject.H**2).sum() - (np.diag(subject.H) ** 2).sum()) / samples
    assert_allclose(np.std([t.value for t in found]), variance**0.5, rtol=0.15)


def test_the_trace_of_a_network_within_its_error() -> None:
    objective = make("ReLU")
    exact = hutchinson_trace(objective, samples=objective.parameters)
    assert exact.standard_error == 0
    assert_allclose(exact.value, np.trace(dense_hessian(objective)), rtol=1e-12)
    guessed = hutchinson_trace(objective, samples=200, seed=3)
    assert abs(guessed.value - exact.value) < 4 * guessed.standard_error < exact.value


def test_wrong_uses_are_refused() -> None:
    objective, data = make("tanh"), (np.zeros((2, 20)), np.array([0, 1]))
    with pytest.raises(DataError, match="data must be given with a network"):
        hessian_eigenvalues(objective.network)
    with pytest.raises(DtypeError, match=r"an ms\.Network and data, or an ms\.Objective alone"):
        hessian_eigenvalues("mlp", data)  # type: ignore[arg-type]
    with pytest.raises(DtypeError, match=r"an ms\.Objective alone"):
        hessian_eigenvalues(objective, data)
    with pytest.raises(ArgumentError, match="examples must be left out with an objective"):
        hessian_eigenvalues(objective, examples=5)
    with pytest.raises(ShapeError, match="v must be a real vector"):
        hessian_vector(objective.network, data, np.ones(3))
    with pytest.raises(ArgumentError, match="samples must be at least 2"):
        hutchinson_trace(objective, samples=1)
    with pytest.raises(ArgumentError, match="products must be a positive integer"):
        hessian_eigenvalues(objective, products=0)
    broken = objective.network.copy()
    broken.vector[3] = np.nan
    with pytest.raises(DivergedError, match=r"network's weights must be finite, got 1 of \d+ values"):
        hessian_eigenvalues(broken, data)
    huge = make("ReLU").network.copy()
    huge.vector[...] = 1e300
    with pytest.raises(DivergedError, match="Hessian's product"):
        hutchinson_trace(huge, data)

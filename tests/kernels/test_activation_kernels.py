"""Elementwise nonlinearities against the layers of minisgd.nn in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minisgd.errors import ArgumentError, ShapeError
from minisgd.nn import GELU, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from minisgd.nn.cuda.activations import ACTIVATIONS, ActivationKernels
from tests.kernels.kernel_bench import BATCHES, REPLICAS, assert_close, empty, normal, run_layer

LAYERS = {
    "relu": ReLU,
    "leaky_relu": lambda: LeakyReLU(0.2),
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "softplus": Softplus,
    "gelu": GELU,
}
each = pytest.mark.parametrize("name", ACTIVATIONS[1:])


@each
@pytest.mark.parametrize("R", REPLICAS)
@pytest.mark.parametrize("B", BATCHES)
def test_both_directions(library, name, R, B):
    n, kernel = 3 * B, ActivationKernels(library, name, 0.2)
    x, dy = normal((R, n + 5), library.dtype)[:, :n], normal((R, n), library.dtype, seed=1)  # replicas lie apart
    y, dx = empty((R, n), library.dtype), empty((R, n + 2), library.dtype)[:, :n]
    kernel.forward(x, y)
    kernel.input_gradient(x if name == "gelu" else y, dy, dx)
    layer = run_layer(LAYERS[name](), x, dy)
    assert_close(y, layer.y)
    assert_close(dx, layer.dx)


@each
def test_in_place(float32, name):
    x, dy, kernel = normal((2, 33), "float32"), normal((2, 33), "float32", seed=1), ActivationKernels(float32, name)
    y, dx = empty(x.shape, "float32"), empty(x.shape, "float32")
    kernel.forward(x, y)
    kernel.input_gradient(y, dy, dx)
    kernel.forward(x, x)
    kernel.input_gradient(x, dy, dy)
    assert_array_equal(x, y)
    assert_array_equal(dy, dx)


@each
def test_nan_and_inf(float32, name):
    x, y = np.array([[np.nan, np.inf, 100.0, -100.0]], "float32"), empty((1, 4), "float32")
    ActivationKernels(float32, name, 0.2).forward(x, y)
    assert np.isnan(y[0, 0])
    limits = {"relu": 0, "leaky_relu": -20, "sigmoid": 0, "tanh": -1, "softplus": 0, "gelu": 0}
    bounded = name in ("sigmoid", "tanh")
    assert_array_equal(y[0, 1:3], [1, 1] if bounded else [np.inf, 100])
    assert_close(y[0, 3:], np.array([limits[name]], float), terms=np.ones(1))


def test_refuses_what_does_not_fit(float32):
    with pytest.raises(ArgumentError, match="activation must be one of relu"):
        ActivationKernels(float32, "none")
    with pytest.raises(ShapeError, match="activation: y must be of shape"):
        ActivationKernels(float32, "relu").forward(empty((1, 4), "float32"), empty((1, 5), "float32"))

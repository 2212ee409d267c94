"""Initial weights, drawn on the host so that every device starts from the same point.

An initializer is called as ``init(rng, shape, fan_in, fan_out)`` and returns a float64 host array.

PyTorch's own default for dense and convolution layers, weights and biases alike, is uniform on
±1/√fan_in: ``FanInUniform()`` here. minisgd's default is He normal weights and zero biases.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Protocol

import numpy as np

import minisgd.checks as checks
from minisgd.errors import DtypeError
from minisgd.typing import Generator, HostArray, Shape


class Initializer(Protocol):
    """Draw the initial value of a parameter."""

    def __call__(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> HostArray: ...


def require_rule(rule: Initializer | None, argument: str) -> Initializer | None:
    """Return a rule to draw a parameter, or None, which stands for the default; refuse what cannot be called.

    Args:
        rule: What was given.
        argument: Its name in an error message.

    Raises:
        DtypeError: If it is no initializer.
    """
    if rule is not None and (isinstance(rule, type) or not callable(rule)):
        fix = f"call it: {rule.__name__}()" if isinstance(rule, type) else "for example ms.init.HeNormal()"
        raise DtypeError(argument, expected="an initializer of ms.init, or None", got=repr(rule), fix=fix)
    return rule


class _OfNumbers:
    """A rule whose settings are finite numbers."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            checks.within("(-inf, inf)", value, f"{type(self).__name__}: {name}", "give a finite number")


@dataclass(frozen=True)
class Constant(_OfNumbers):
    """Fill with one value.

    Args:
        value: The value.
    """

    value: float

    def __call__(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> HostArray:
        return np.full(shape, self.value)


def Zeros() -> Constant:
    """Fill with zeros."""
    return Constant(0.0)


def Ones() -> Constant:
    """Fill with ones."""
    return Constant(1.0)


@dataclass(frozen=True)
class Normal(_OfNumbers):
    """Draw from N(0, std²).

    Args:
        std: The standard deviation.
    """

    std: float = 0.01

    def __call__(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> HostArray:
        return rng.standard_normal(shape) * self.std


@dataclass(frozen=True)
class HeNormal(_OfNumbers):
    """Draw from N(0, gain²/fan_in), gain √2 for ReLU (He et al. 2015, section 2.2).

    Args:
        gain: √2 for ReLU, 1 for linear layers.
    """

    gain: float = sqrt(2)

    def __call__(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> HostArray:
        return rng.standard_normal(shape) * (self.gain / sqrt(fan_in))


@dataclass(frozen=True)
class HeUniform(_OfNumbers):
    """Draw from U(±gain·√(3/fan_in)), the same variance as HeNormal.

    Args:
        gain: √2 for ReLU, 1 for linear layers.
    """

    gain: float = sqrt(2)

    def __call__(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> HostArray:
        bound = self.gain * sqrt(3 / fan_in)
        return rng.uniform(-bound, bound, shape)


@dataclass(frozen=True)
class XavierNormal(_OfNumbers):
    """Draw from N(0, 2/(fan_in + fan_out)) (Glorot and Bengio 2010, equation 16).

    Args:
        gain: 1 for linear layers, 5/3 for tanh.
    """

    gain: float = 1.0

    def __call__(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> HostArray:
        return rng.standard_normal(shape) * (self.gain * sqrt(2 / (fan_in + fan_out)))


@dataclass(frozen=True)
class XavierUniform(_OfNumbers):
    """Draw from U(±gain·√(6/(fan_in + fan_out))) (Glorot and Bengio 2010, equation 16).

    Args:
        gain: 1 for linear layers, 5/3 for tanh.
    """

    gain: float = 1.0

    def __call__(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> HostArray:
        bound = self.gain * sqrt(6 / (fan_in + fan_out))
        return rng.uniform(-bound, bound, shape)


@dataclass(frozen=True)
class FanInUniform:
    """Draw from U(±1/√fan_in): what PyTorch does for Linear and Conv2d, weight and bias."""

    def __call__(self, rng: Generator, shape: Shape, fan_in: int, fan_out: int) -> HostArray:
        bound = 1 / sqrt(fan_in)
        return rng.uniform(-bound, bound, shape)

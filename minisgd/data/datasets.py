"""Data sets by name: what ships with the package, what can be drawn, what can be loaded."""

from __future__ import annotations

from minisgd.data.digits import digits
from minisgd.data.docstrings import docstrings
from minisgd.data.sources import load
from minisgd.data.synthetic import gaussian_blobs, linear_regression

__all__ = ["digits", "docstrings", "gaussian_blobs", "linear_regression", "load"]

"""Data sets, their readers, and the sampling of batches."""

from __future__ import annotations

from minisgd.data import datasets
from minisgd.data.dataset import Dataset
from minisgd.data.sampling import Sampler, Sequential, Shuffled, WithReplacement
from minisgd.data.sources import load
from minisgd.data.split import Split
from minisgd.data.standardization import Standardization

__all__ = [
    "Dataset",
    "Sampler",
    "Sequential",
    "Shuffled",
    "Split",
    "Standardization",
    "WithReplacement",
    "datasets",
    "load",
]

"""Data sets, their readers, and the sampling of batches."""

from __future__ import annotations

from minisgd.data import datasets, text
from minisgd.data.augmentation import Crop, Flip, Mixup, Noise, Shift
from minisgd.data.dataset import Dataset
from minisgd.data.sources import load
from minisgd.data.split import Split
from minisgd.data.standardization import Standardization
from minisgd.data.stream import Stream

__all__ = [
    "Crop",
    "Dataset",
    "Flip",
    "Mixup",
    "Noise",
    "Shift",
    "Split",
    "Standardization",
    "Stream",
    "datasets",
    "load",
    "text",
]

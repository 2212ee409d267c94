"""Optimizers on the GPU: one launch over all parameters of all replicas, one pass over memory."""

from __future__ import annotations

from minisgd.optim.cuda import updates

__all__ = ["updates"]

"""The training step, line by line: a reader of the recorded program."""

from __future__ import annotations

from minisgd.training.explain.explain import explain

__all__ = ["explain"]

"""An explorer for students: one offline page on which gradient descent is run live, over numbers of the engine."""

from __future__ import annotations

from minisgd.lab.explorer.page import Explorer, explore

__all__ = ["Explorer", "explore"]

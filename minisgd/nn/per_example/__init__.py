"""What a batch's backward pass knows of each example's own gradient."""

from __future__ import annotations

from minisgd.nn.per_example.factors import Factor, OuterProduct, Stacked
from minisgd.nn.per_example.rules import RULES, factors_of
from minisgd.nn.per_example.tap import Reader, Tap, tapped

__all__ = ["RULES", "Factor", "OuterProduct", "Reader", "Stacked", "Tap", "factors_of", "tapped"]

"""Layers and losses that a GPU runs whole: the same arrays and results as the methods they stand in for.

One module for each family of kernels. Each function has the arguments of the method, its layer first, and leaves to
that method what no kernel takes.
"""

from __future__ import annotations

from minisgd.nn.cuda import activations, batch_norm, conv, cross_entropy, dropout, layer_norm, linear, pool

__all__ = ["activations", "batch_norm", "conv", "cross_entropy", "dropout", "layer_norm", "linear", "pool"]

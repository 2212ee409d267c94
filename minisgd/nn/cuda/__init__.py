"""Layers and losses on a GPU: the same arrays and results as the methods they stand in for, a few launches each.

One module for each family of kernels. Each function has the arguments of the method, its layer first, and leaves to
that method what no kernel takes.
"""

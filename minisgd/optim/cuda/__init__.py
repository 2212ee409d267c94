"""Optimizers on the GPU."""

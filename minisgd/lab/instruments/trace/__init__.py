"""Activations and gradients, layer by layer."""

"""Instruments: what a network's loss looks like around a point, and how much its gradients differ."""

"""Benchmarks on the GPU."""

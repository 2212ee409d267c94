"""Kernels that only the benchmarks launch."""

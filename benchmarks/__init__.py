"""Benchmarks of minisgd: against the frameworks, of a whole study, and of how cost grows."""

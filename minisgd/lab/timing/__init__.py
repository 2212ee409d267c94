"""Timing: a clock that separates the work from the noise, and the line fitted through step times."""

"""The CPU: NumPy."""

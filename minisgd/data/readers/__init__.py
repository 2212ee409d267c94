"""Readers of data files, a file each."""

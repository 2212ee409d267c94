"""Fuzz the readers: files made by the rules of their format, with rules broken at random.

    python -m tests.data.readers.fuzz KIND|all [--cases 1000000] [--seed 0]

A case may be read, or refused by an error of ours; anything else, a crash of the process included, is printed with its
number and ends in exit code 1. Every case is decided by kind, seed and number alone. Most of the time goes into opening
files: with TMPDIR on a file system in memory (/dev/shm), 10⁶ cases of a kind take 3 to 20 minutes of a core.
"""

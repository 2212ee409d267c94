"""The claims that are answered: the files of this folder, ``cNN_words.py``, in the order of their numbers."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from minisgd.lab.claims import sentences
from minisgd.lab.claims.claim import Claim

FILES = sorted(name for _, name, _ in iter_modules(sentences.__path__) if name[:1] == "c" and name[1:3].isdecimal())

CLAIMS: dict[int, Claim] = {int(name[1:3]): import_module(f"{sentences.__name__}.{name}").CLAIM for name in FILES}
"""Every claim by its number."""

"""Text by name: what turns words into numbers."""

from __future__ import annotations

from minisgd.data.lexicon import Lexicon

__all__ = ["Lexicon"]

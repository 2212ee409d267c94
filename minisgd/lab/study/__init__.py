"""The batch-size study."""

from __future__ import annotations

from minisgd.lab.study.run import Study, study

__all__ = ["Study", "study"]

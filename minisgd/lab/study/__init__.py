"""The batch-size study."""

from __future__ import annotations

from minisgd.lab.study.run import Study, study
from minisgd.lab.study.two_phase import TwoPhaseFit, two_phase_fit

__all__ = ["Study", "TwoPhaseFit", "study", "two_phase_fit"]

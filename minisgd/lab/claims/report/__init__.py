"""The page of the claims."""

from __future__ import annotations

from minisgd.lab.claims.report.page import write_report

__all__ = ["write_report"]

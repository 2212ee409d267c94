"""The report of a study: pictures and one page that explains itself."""

from minisgd.lab.study.report.page import write_report

__all__ = ["write_report"]

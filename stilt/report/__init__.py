"""The results of a project as one self-contained page."""

from stilt.report.write import write_report as write_report

__all__ = ["write_report"]

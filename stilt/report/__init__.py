"""What came of a project, as one page that needs nothing else."""

from stilt.report.write import write_report as write_report

__all__ = ["write_report"]

"""Check an installation, its machine and a project, and say what to fix."""

from __future__ import annotations

from stilt.doctor.diagnosis import diagnose
from stilt.doctor.finding import Finding, Verdict

__all__ = ["Finding", "Verdict", "diagnose"]

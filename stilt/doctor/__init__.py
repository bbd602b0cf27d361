"""Looks at an installation, its machine and a project, and says what to mend."""

from __future__ import annotations

from stilt.doctor.diagnosis import diagnose
from stilt.doctor.finding import Finding, Verdict

__all__ = ["Finding", "Verdict", "diagnose"]

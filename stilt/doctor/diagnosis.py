"""All checks of an installation, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Iterator

from stilt.doctor.finding import Finding
from stilt.doctor.machine import machine_findings
from stilt.doctor.packages import package_findings
from stilt.doctor.project import project_findings, service_finding
from stilt.roots import is_url, local_output_root


def diagnose(project: str | None = None) -> Iterator[Finding]:
    """Check the installation, the machine, and a project if one is given.

    Nothing is computed or registered.

    Args:
        project: folder or URL of a project; without one the current folder is checked as the
            place of projects.

    Yields:
        One finding for each check, as soon as it is known.
    """
    folder = local_output_root(project or ".", None).resolve()
    yield from package_findings()
    yield from machine_findings(folder)
    if project is None:
        yield service_finding(folder)
    else:
        yield from project_findings(project if is_url(project) else str(folder))

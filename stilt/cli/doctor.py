"""`stilt doctor`: is this installation, machine and project fit for a run?"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from stilt.cli.common import (
    EXIT_COMPLETE,
    EXIT_FAILED,
    json_option,
    print_json,
    project_argument,
    project_root,
)

MARKS = {"ok": "ok", "warning": "warn", "problem": "FAIL"}


@click.command(
    epilog="""\b
Examples:
  stilt doctor
  stilt doctor ./case
  stilt doctor ./case --json
"""
)
@project_argument()
@json_option
def doctor(project: str | None, as_json: bool) -> int:
    """Check the installation, this machine, and PROJECT if given, and say what to correct.

    Packages against their ranges and the lock file, PYSTILT in the same environment, the device of
    JAX, cores, memory, file locks, disk, caches, Prefect's API; of a project its configuration and
    whether its receptors have their weather. Exit code 1 when something would make runs
    fail.
    """
    from stilt.doctor import diagnose

    if project is None and Path("config.yaml").is_file():
        project = "."
    root = None if project is None else project_root(project, None)
    findings = []
    for finding in diagnose(root):
        findings.append(finding)
        if not as_json:
            click.echo(f"{MARKS[finding.verdict]:<5}{finding.subject:<11} {finding.found}")
            if finding.advice:
                click.echo(f"{'':<17}-> {finding.advice}")
    counts = Counter(str(finding.verdict) for finding in findings)
    if as_json:
        print_json({"counts": dict(counts), "findings": [asdict(each) for each in findings]})
    elif counts["problem"] or counts["warning"]:
        click.echo(f"{counts['problem']} problem(s), {counts['warning']} warning(s).")
    else:
        click.echo("All is well.")
    return EXIT_FAILED if counts["problem"] else EXIT_COMPLETE

"""`stilt check`: is everything there that a run needs?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stilt.cli.common import (
    EXIT_COMPLETE,
    EXIT_FAILED,
    json_option,
    open_model,
    output_dir_option,
    print_json,
    project_argument,
)

if TYPE_CHECKING:
    from stilt.model import Model

SHOWN = 20


def coverage_report(model: Model) -> list[dict[str, Any]]:
    """One entry per met and receptor: covered or not, what is missing, what was looked for."""
    from stilt.meteorology.catalogue import MetCatalogue
    from stilt.meteorology.coverage import check_coverage

    report = []
    for name, met in model.config.mets.items():
        for found in check_coverage(
            MetCatalogue(met, name), list(model.receptors), model.config.n_hours
        ):
            report.append(
                {
                    "met": name,
                    "receptor": found.receptor_id,
                    "status": str(found.status),
                    "reason": str(found.reason or ""),
                    "detail": found.detail,
                    "missing_hours": [str(time) for time in found.missing],
                    "looked_for": list(found.looked_for),
                    "files": len(found.files),
                }
            )
    return report


@click.command(
    epilog="""\b
Examples:
  stilt check ./case
  stilt check ./case --json | jq '.[] | select(.reason != "")'
"""
)
@project_argument()
@output_dir_option
@json_option
def check(project: str | None, output_dir: str | None, as_json: bool) -> int:
    """Check config, receptors and weather of PROJECT before a core-hour is spent.

    Names the weather that is missing: which receptors, which hours, which files were looked for.
    """
    model = open_model(project, output_dir)
    if model.config.execution.backend == "local":
        model.files.require_folders()
    report = coverage_report(model)
    bad = [entry for entry in report if entry["reason"]]
    if as_json:
        print_json(report)
        return EXIT_FAILED if bad else EXIT_COMPLETE
    for entry in bad[:SHOWN]:
        click.echo(f"{entry['met']} {entry['receptor']}: {entry['reason']}: {entry['detail']}")
    if len(bad) > SHOWN:
        click.echo(f"... and {len(bad) - SHOWN} more; --json lists all.")
    click.echo(f"{len(report) - len(bad)} of {len(report)} simulation(s) have their weather.")
    return EXIT_FAILED if bad else EXIT_COMPLETE

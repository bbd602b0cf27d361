"""`stilt check`: is everything there that a run needs?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stilt.cli.common import (
    EXIT_COMPLETE,
    EXIT_FAILED,
    EXIT_USAGE,
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


def refused_report(model: Model) -> list[dict[str, Any]]:
    """One entry for each thing that a run would refuse, in the form of the others."""
    from stilt.execution.refusals import refusals

    nothing = {"met": "", "receptor": "", "missing_hours": [], "looked_for": [], "files": 0}
    return [
        {**nothing, "status": "refused", "reason": "REFUSED", "detail": said}
        for said in refusals(model.files)
    ]


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

    Says what a run would refuse (exit code 2), and names the weather that is missing: which
    receptors, which hours, which files were looked for (exit code 1).
    """
    model = open_model(project, output_dir)
    refused = refused_report(model)
    report = [*refused, *coverage_report(model)]
    bad = [entry for entry in report if entry["reason"]]
    if as_json:
        print_json(report)
        return _exit_code(refused, bad)
    for entry in refused:
        click.echo(f"Refused: {entry['detail']}", err=True)
    bad = bad[len(refused) :]
    for entry in bad[:SHOWN]:
        click.echo(f"{entry['met']} {entry['receptor']}: {entry['reason']}: {entry['detail']}")
    if len(bad) > SHOWN:
        click.echo(f"... and {len(bad) - SHOWN} more; --json lists all.")
    number = len(report) - len(refused)
    click.echo(f"{number - len(bad)} of {number} simulation(s) have their weather.")
    return _exit_code(refused, bad)


def _exit_code(refused: list[dict[str, Any]], bad: list[dict[str, Any]]) -> int:
    if refused:
        return EXIT_USAGE
    return EXIT_FAILED if bad else EXIT_COMPLETE

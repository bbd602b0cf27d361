"""`stilt explain`: what happened to one simulation, and what to do."""

from __future__ import annotations

import click

from stilt.cli.common import (
    json_option,
    open_model,
    output_dir_option,
    print_json,
    project_argument,
)
from stilt.errors import UsageError

ADVICE = {
    "MISSING_MET_FILES": "Put the files there, or correct directory and file_format of the met.",
    "MET_COVERAGE": "Add weather for the hours named, or shorten n_hours.",
    "VARYING_MET_INTERVAL": "Use files with one time interval between analyses.",
    "DAMAGED_MET_FILE": "Fetch the file again.",
    "RECEPTOR_OUTSIDE_GRID": "Use weather that surrounds the receptor.",
    "NO_TRAJECTORY_DATA": "Check height and time of the receptor against the weather.",
    "FOOTPRINT_FAILED": "Check grid and transforms of the footprint.",
    "TIMEOUT": "Run it alone, with fewer particles, or with a longer time limit.",
    "WORKER_DIED": "The process was killed, most often for memory: use fewer workers.",
    "INTERRUPTED": "Run again: it goes on where it stopped.",
    "DISK": "Make room, or check the rights of the output directory.",
}


@click.command(
    epilog="""\b
Examples:
  stilt explain ./case                                     # all failures
  stilt explain ./case hrrr_202301011200_-111.85_40.77_5
"""
)
@project_argument(required=True)
@click.argument("sim_id", required=False, metavar="[SIM_ID]")
@output_dir_option
@json_option
def explain(project: str, sim_id: str | None, output_dir: str | None, as_json: bool) -> None:
    """Say why simulations of PROJECT failed and what to do about it."""
    model = open_model(project, output_dir, outputs=True)
    rows = model.failures()
    if sim_id is not None:
        if sim_id not in model.simulations:
            raise UsageError(f"'{sim_id}' is not registered in this project: see `stilt status`.")
        rows = [row for row in rows if row["sim_id"] == sim_id]
    for row in rows:
        row["advice"] = ADVICE.get(row["reason"], f"See {model.layout.log(row['sim_id'])}.")
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("No failure is recorded." if sim_id is None else f"{sim_id} has not failed.")
    for row in rows:
        click.echo(f"{row['sim_id']}\n  {row['reason']}: {row['detail']}\n  {row['advice']}")

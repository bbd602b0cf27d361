"""`stilt register`: store what is to be run, run it later."""

from __future__ import annotations

import click

from stilt.cli.common import (
    json_option,
    open_model,
    output_dir_option,
    print_json,
    project_argument,
    time_format_option,
)


@click.command(
    epilog="""\b
Examples:
  stilt register ./case
  stilt register ./case --receptors tower.csv --scene-id tower-20230715
  stilt register ./case --receptors tower.csv --time-format '%d.%m.%Y %H:%M'
"""
)
@project_argument(required=True)
@click.option(
    "--receptors",
    metavar="CSV",
    help="Receptors that replace the project's in receptors.csv; yours is kept.",
)
@time_format_option
@click.option("--scene-id", metavar="ID", help="A name for this group of simulations.")
@output_dir_option
@json_option
def register(
    project: str,
    receptors: str | None,
    time_format: str | None,
    scene_id: str | None,
    output_dir: str | None,
    as_json: bool,
) -> None:
    """Store inputs and pending simulations of PROJECT, without running them."""
    model = open_model(project, output_dir, time_format=time_format)
    ids = model.register_pending(receptors=receptors, scene_id=scene_id)
    if as_json:
        print_json({"registered": ids, "scene_id": scene_id})
    else:
        click.echo(f"Registered {len(ids)} simulation(s).")
        earlier = model.status()["total"] - len(ids)
        if receptors is not None and earlier > 0:
            click.echo(
                "receptors.csv lists the receptors of these only; the simulations registered "
                f"before, {earlier:,}, stay registered."
            )

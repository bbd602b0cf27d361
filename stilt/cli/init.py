"""`stilt init`: a starter project."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from stilt.cli.common import complete_folder, json_option, print_json
from stilt.config.templates import STARTER, TEMPLATES
from stilt.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  stilt init ./case
  stilt init ./case --template tower
  cd case && stilt init
"""
)
@click.argument("directory", default=".", metavar="[DIR]", shell_complete=complete_folder)
@click.option(
    "--template",
    type=click.Choice(list(TEMPLATES)),
    help="Begin with the weather, grids and receptors of this kind of work.",
)
@json_option
def init(directory: str, template: str | None, as_json: bool) -> None:
    """Write a starter config.yaml and receptors.csv into DIR (default: here).

    Templates hrrr, gfs, era5 and wrf begin with that weather and a receptor; tower with the
    afternoon hours of a tower, satellite with columns. All can be checked and run once the weather
    is there.
    """
    chosen = TEMPLATES[template] if template else STARTER
    root = Path(directory).expanduser().resolve()
    config, receptors = root / "config.yaml", root / "receptors.csv"
    if config.exists():
        raise UsageError(f"'{root}' already contains a config.yaml. Aborting.")
    root.mkdir(parents=True, exist_ok=True)
    config.write_text(chosen.config, encoding="utf-8")
    if not receptors.exists():
        receptors.write_text(chosen.receptors or _one_receptor(), encoding="utf-8")
    if template:
        (root / "met").mkdir(exist_ok=True)
    where = shlex.quote(directory)
    for line in (
        f"Initialized STILT project at '{root}'",
        f"  1. {chosen.first}",
        f"  2. stilt check {where}  and then  stilt run {where}",
    ):
        click.echo(line, err=as_json)
    if as_json:
        print_json({"project": str(root), "files": [str(config), str(receptors)]})


def _one_receptor() -> str:
    from stilt.receptors import starter_receptors_csv

    return starter_receptors_csv()

"""`stilt init`: a starter project."""

from __future__ import annotations

from pathlib import Path

import click

from stilt.cli.common import complete_folder, json_option, print_json
from stilt.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  stilt init ./case
  cd case && stilt init
"""
)
@click.argument("directory", default=".", metavar="[DIR]", shell_complete=complete_folder)
@json_option
def init(directory: str, as_json: bool) -> None:
    """Write a starter config.yaml and receptors.csv into DIR (default: here)."""
    from stilt.config import starter_yaml
    from stilt.receptors import starter_receptors_csv

    root = Path(directory).expanduser().resolve()
    config, receptors = root / "config.yaml", root / "receptors.csv"
    if config.exists():
        raise UsageError(f"'{root}' already contains a config.yaml. Aborting.")
    root.mkdir(parents=True, exist_ok=True)
    config.write_text(starter_yaml(), encoding="utf-8")
    if not receptors.exists():
        receptors.write_text(starter_receptors_csv(), encoding="utf-8")
    click.echo(f"Initialized STILT project at '{root}'", err=as_json)
    click.echo(
        "  1. Name your weather in config.yaml and your receptors in receptors.csv.", err=as_json
    )
    click.echo(f"  2. stilt check {directory}  and then  stilt run {directory}", err=as_json)
    if as_json:
        print_json({"project": str(root), "files": [str(config), str(receptors)]})

"""`stilt rebuild`: the index from the files."""

from __future__ import annotations

import click

from stilt.cli.common import (
    json_option,
    open_model,
    output_dir_option,
    print_json,
    project_argument,
)
from stilt.cli.status import print_status, status_report


@click.command(
    epilog="""\b
Examples:
  stilt rebuild ./case
  rm ./case/.stilt/index.duckdb && stilt rebuild ./case    # nothing is lost
"""
)
@project_argument()
@output_dir_option
@json_option
def rebuild(project: str | None, output_dir: str | None, as_json: bool) -> None:
    """Rebuild the index of PROJECT from its outputs and print the status."""
    model = open_model(project, output_dir, outputs=True)
    model.rebuild()
    report = status_report(model.files)
    if as_json:
        print_json(report)
    else:
        print_status(report)

"""`stilt ui`: Prefect's web interface on the runs of a project."""

from __future__ import annotations

import click

from stilt.cli.common import (
    json_option,
    output_dir_option,
    print_json,
    project_argument,
    project_root,
)


@click.command(
    epilog="""\b
Examples:
  stilt ui ./case                  # then open the address it prints; Ctrl-C ends it
  stilt ui ./case --port 8080
"""
)
@project_argument()
@click.option("--port", type=click.IntRange(1, 65535), default=4200, help="TCP port.  [4200]")
@output_dir_option
@json_option
def ui(project: str | None, port: int, output_dir: str | None, as_json: bool) -> None:
    """Open a local Prefect server with its web interface on the state of PROJECT."""
    from stilt.execution.backend import get_executor

    root = project_root(project, output_dir, outputs=True)
    from stilt.roots import local_output_root

    folder = local_output_root(root, output_dir)
    get_executor(None).serve(folder, port=port, announce=lambda text: click.echo(text, err=as_json))
    if as_json:
        print_json({"state": str(folder), "port": port})

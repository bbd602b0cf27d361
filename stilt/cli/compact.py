"""`stilt compact`: a tidy store."""

from __future__ import annotations

import click

from stilt.cli.common import (
    json_option,
    open_model,
    output_dir_option,
    print_json,
    project_argument,
)


@click.command(
    epilog="""\b
Examples:
  stilt compact ./case
"""
)
@project_argument()
@output_dir_option
@json_option
def compact(project: str | None, output_dir: str | None, as_json: bool) -> None:
    """Tidy the store of PROJECT: join small shards, and drop outputs that later ones supersede.

    Nothing that counts is lost, and it may be interrupted. Refused while simulations are computed.
    """
    model = open_model(project, output_dir, outputs=True)
    done = model.compact()
    if as_json:
        print_json(vars(done))
        return
    for sentence in done.damaged:
        click.echo(f"{sentence}.", err=True)
    if not done.removed:
        click.echo("Nothing to do: no shards are small, and nothing is superseded.")
        return
    click.echo(
        f"{done.removed} shards became {done.written}; {done.superseded} superseded outputs were "
        f"dropped, {done.bytes_before / 1e6:.1f} MB became {done.bytes_after / 1e6:.1f} MB."
    )

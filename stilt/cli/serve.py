"""`stilt serve`: a pull worker that stays."""

from __future__ import annotations

import click

from stilt.cli.common import (
    compute_root_option,
    json_option,
    output_dir_option,
    project_argument,
)
from stilt.cli.pull_worker import drain, poll_option


@click.command(
    epilog="""\b
Examples:
  stilt serve ./case                     # until Ctrl-C; register from elsewhere
  stilt serve ./case --poll-interval 60
"""
)
@project_argument(required=True)
@poll_option
@output_dir_option
@compute_root_option
@json_option
def serve(
    project: str,
    poll_interval: float,
    output_dir: str | None,
    compute_root: str | None,
    as_json: bool,
) -> None:
    """Claim and run simulations of PROJECT as they are registered, until interrupted."""
    drain(
        project,
        output_dir,
        compute_root,
        follow=True,
        poll_interval=poll_interval,
        as_json=as_json,
    )

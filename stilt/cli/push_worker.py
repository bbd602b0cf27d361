"""`stilt push-worker`: run a given list of simulations; for batch systems and containers."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stilt.cli.common import (
    EXIT_COMPLETE,
    EXIT_FAILED,
    compute_root_option,
    json_option,
    open_model,
    output_dir_option,
    print_json,
    project_argument,
    skip_option,
)
from stilt.encoding import decode_utf8
from stilt.errors import UsageError


@click.command(
    name="push-worker",
    epilog="""\b
Examples:
  stilt push-worker ./case --chunk chunks/batch1/task_0.txt
  stilt push-worker ./case --chunk chunks/batch1/task_$SLURM_ARRAY_TASK_ID.txt --cpus 4
""",
)
@project_argument(required=True)
@click.option(
    "--chunk",
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="File with one simulation id per line; - reads standard input.",
)
@click.option("--cpus", type=click.IntRange(min=1), default=1, help="Worker processes.  [1]")
@skip_option
@output_dir_option
@compute_root_option
@json_option
def push_worker(
    project: str,
    chunk: str,
    cpus: int,
    skip_existing: bool | None,
    output_dir: str | None,
    compute_root: str | None,
    as_json: bool,
) -> int:
    """Run exactly the simulations listed in a file; needs no Prefect."""
    model = open_model(project, output_dir, compute_root=compute_root, outputs=True)
    from stilt.execution import push_simulations

    content = sys.stdin.buffer.read() if chunk == "-" else Path(chunk).read_bytes()
    lines = decode_utf8(content, chunk).splitlines()
    ids = [line.strip() for line in lines if line.strip()]
    try:
        outcome = push_simulations(model, ids, n_workers=cpus, skip_existing=skip_existing)
    except KeyError as error:
        raise UsageError(f"{chunk}: {error.args[0]}; register it first.") from error
    click.echo(f"{outcome.complete} of {outcome.total} simulation(s) complete.", err=as_json)
    if as_json:
        print_json({**outcome.counts, "reasons": outcome.reasons})
    return EXIT_FAILED if outcome.complete < outcome.total else EXIT_COMPLETE

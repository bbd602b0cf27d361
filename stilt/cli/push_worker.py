"""`stilt push-worker`: run given simulations, or a share; for batch systems and containers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from stilt.model import Model


@click.command(
    name="push-worker",
    epilog="""\b
Examples:
  stilt push-worker ./case --chunk chunks/batch1/task_0.txt
  stilt push-worker ./case --chunk chunks/batch1/task_$SLURM_ARRAY_TASK_ID.txt --cpus 4
  stilt push-worker ./case --task 3/8      # the third of eight shares
""",
)
@project_argument(required=True)
@click.option(
    "--chunk",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="File with one simulation id per line; - reads standard input.",
)
@click.option(
    "--task",
    metavar="I/N",
    help="Share I of N, from 1 to N, of all registered simulations: needs no list and no queue.",
)
@click.option("--cpus", type=click.IntRange(min=1), default=1, help="Worker processes.  [1]")
@skip_option
@output_dir_option
@compute_root_option
@json_option
def push_worker(
    project: str,
    chunk: str | None,
    task: str | None,
    cpus: int,
    skip_existing: bool | None,
    output_dir: str | None,
    compute_root: str | None,
    as_json: bool,
) -> int:
    """Run exactly the simulations listed in a file, or a share of all; needs no Prefect.

    With --task every worker makes the same list and takes its part of it; complete simulations
    are skipped.
    """
    if (chunk is None) == (task is None):
        raise UsageError("Give --chunk FILE or --task I/N.")
    model = open_model(project, output_dir, compute_root=compute_root, outputs=True)
    from stilt.execution import push_simulations

    ids = _listed(chunk) if chunk else _share(model, str(task), skip_existing)
    try:
        outcome = push_simulations(model, ids, n_workers=cpus, skip_existing=skip_existing)
    except KeyError as error:
        raise UsageError(f"{chunk}: {error.args[0]}; register it first.") from error
    click.echo(f"{outcome.complete} of {outcome.total} simulation(s) complete.", err=as_json)
    if as_json:
        print_json({**outcome.counts, "reasons": outcome.reasons})
    return EXIT_FAILED if outcome.complete < outcome.total else EXIT_COMPLETE


def _listed(chunk: str) -> list[str]:
    content = sys.stdin.buffer.read() if chunk == "-" else Path(chunk).read_bytes()
    lines = decode_utf8(content, chunk).splitlines()
    return [line.strip() for line in lines if line.strip()]


def _share(model: Model, task: str, skip_existing: bool | None) -> list[str]:
    """Return the pending simulations of a share, neighbours in time together."""
    from stilt.execution.plan import share_in_words

    mine = share_in_words(model.simulations.ids(), task)
    pending = set(model.pending(skip_existing=skip_existing))
    return [sim_id for sim_id in mine if sim_id in pending]

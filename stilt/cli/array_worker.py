"""`stilt array-worker`: what each task of a SLURM job array runs; needs no Prefect."""

from __future__ import annotations

from pathlib import Path

import click

from stilt.cli.common import EXIT_COMPLETE, json_option, print_json


@click.command(
    name="array-worker",
    epilog="""\b
Examples:
  stilt array-worker ./case/.stilt/slurm/1f0c2a9b --cpus 4    # in submit's script
""",
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.option("--cpus", type=click.IntRange(min=1), default=1, help="Processes of this task.  [1]")
@json_option
def array_worker(folder: str, cpus: int, as_json: bool) -> int:
    """Compute batches of a submitted job array, until none is left, in one of its tasks.

    FOLDER is the submission's. `stilt submit` writes the script that calls this.
    """
    from stilt.execution.slurm.worker import work_through

    batches = work_through(Path(folder), cpus)
    click.echo(f"{len(batches)} batch(es) computed; none is left to take.", err=as_json)
    if as_json:
        print_json({"batches": batches})
    return EXIT_COMPLETE

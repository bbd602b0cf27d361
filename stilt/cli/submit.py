"""`stilt submit`: run a project as a SLURM job array, and follow it."""

from __future__ import annotations

from typing import Any

import click

from stilt.cli.common import (
    EXIT_COMPLETE,
    compute_root_option,
    json_option,
    open_model,
    output_dir_option,
    project_argument,
    time_format_option,
)
from stilt.cli.progress import RunProgress
from stilt.cli.run import run


@click.command(
    epilog="""\b
Examples:
  stilt submit ./case --n-workers 40          # an array of at most 40 tasks
  stilt submit ./case --wait                  # follow it, here or from another terminal
  stilt submit ./case --wait --n-workers 8
"""
)
@project_argument()
@click.option(
    "--n-workers", type=click.IntRange(min=1), help="Tasks of the array.  [default: the config's]"
)
@time_format_option
@click.option("--no-skip", is_flag=True, help="Recompute everything, even what exists.")
@click.option("--wait/--no-wait", default=False, help="Follow the array to its end.  [no-wait]")
@output_dir_option
@compute_root_option
@json_option
@click.pass_context
def submit(
    context: click.Context,
    project: str | None,
    n_workers: int | None,
    time_format: str | None,
    no_skip: bool,
    wait: bool,
    output_dir: str | None,
    compute_root: str | None,
    as_json: bool,
) -> int:
    """Run PROJECT (default: the current directory) as a job array of SLURM.

    The same as `stilt run --backend slurm`; options of the array stand under execution in
    config.yaml. An array that is in the queue already is followed with --wait, and left alone
    without; then what is still missing is submitted. Lost, preempted and timed-out tasks are
    submitted again by the process that follows. Ctrl-C while following cancels the array.
    """
    from stilt.execution.memory import share_one_heap

    share_one_heap()
    model = open_model(project, output_dir, compute_root=compute_root)
    options = _options(model)

    def say(text: str) -> None:
        click.echo(text, err=as_json)

    if _standing(model, options, wait, say) and not wait and not _left_to_take(model):
        return EXIT_COMPLETE
    code: int = context.invoke(
        run, project=project, backend="slurm", n_workers=n_workers, config=None,
        time_format=time_format, no_skip=no_skip, wait=wait, rebuild=None, output_dir=output_dir,
        compute_root=compute_root, as_json=as_json,
    )  # fmt: skip
    return code


def _left_to_take(model: Any) -> set[str]:
    """Return pending simulations that no process computes or is going to compute."""
    from stilt.project.batches import ids_in_batches

    return set(model.pending()) - ids_in_batches(model.files.layout.planned)


def _options(model: Any) -> Any:
    from stilt.execution.slurm.options import SlurmOptions

    execution = model.config.execution
    return SlurmOptions.read(execution.options if execution.backend == "slurm" else {})


def _standing(model: Any, options: Any, wait: bool, say: Any) -> bool:
    """Follow the arrays of this project that are in the queue, or say that they are."""
    from stilt.execution.slurm.submissions import follow, standing_submissions

    found = standing_submissions(model.files)
    for spool in found:
        say(f"Job array {spool.job} of this project is in the queue.")
        if wait:
            with RunProgress(model, say) as progress:
                follow(model.files, spool, options, progress)
        else:
            say("Follow it with --wait; `stilt status` says how far it is.")
    return bool(found)

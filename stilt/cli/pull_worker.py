"""`stilt pull-worker`: claim pending simulations and run them, beside other workers."""

from __future__ import annotations

import click

from stilt.cli.common import (
    EXIT_COMPLETE,
    EXIT_FAILED,
    compute_root_option,
    open_model,
    output_dir_option,
    project_argument,
    skip_option,
)
from stilt.execution.observing import Ended, Silent


class _Failures(Silent):
    """Counts the simulations that have failed."""

    number = 0

    def ended(self, ended: Ended) -> None:
        """Count those of a batch."""
        self.number += 0 if ended.summary is None else ended.summary.n_failed


def drain(
    project: str,
    output_dir: str | None,
    compute_root: str | None,
    *,
    follow: bool,
    poll_interval: float,
    skip_existing: bool | None = None,
) -> int:
    """Claim and run what is pending; with `follow`, wait for more until interrupted.

    Returns:
        How many of the simulations that this worker has run failed.
    """
    model = open_model(project, output_dir, compute_root=compute_root, outputs=True)
    from stilt.execution import pull_simulations

    failures = _Failures()
    pull_simulations(
        model,
        follow=follow,
        poll_interval=poll_interval,
        skip_existing=skip_existing,
        observer=failures,
    )
    return failures.number


poll_option = click.option(
    "--poll-interval",
    type=click.FloatRange(min=0.1),
    default=10.0,
    metavar="SECONDS",
    help="Idle time before asking again when following; grows to a minute.  [10]",
)


@click.command(
    name="pull-worker",
    epilog="""\b
Examples:
  stilt register ./case && stilt pull-worker ./case
  stilt pull-worker ./case --follow        # in several terminals or containers
""",
)
@project_argument(required=True)
@click.option("--follow/--no-follow", default=False, help="Wait for more work.  [no-follow]")
@poll_option
@skip_option
@output_dir_option
@compute_root_option
def pull_worker(
    project: str,
    follow: bool,
    poll_interval: float,
    skip_existing: bool | None,
    output_dir: str | None,
    compute_root: str | None,
) -> int:
    """Claim pending simulations of PROJECT one after another and run them.

    The exit code is 1 when one of them has failed.
    """
    n_failed = drain(
        project,
        output_dir,
        compute_root,
        follow=follow,
        poll_interval=poll_interval,
        skip_existing=skip_existing,
    )
    click.echo("Nothing left to claim.")
    if n_failed:
        click.echo(f"{n_failed} simulation(s) failed; `stilt explain` says why.", err=True)
    return EXIT_FAILED if n_failed else EXIT_COMPLETE

"""`stilt pull-worker`: claim pending simulations and run them, beside other workers."""

from __future__ import annotations

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
from stilt.execution.observing import Ended, Silent


class Drained(Silent):
    """Counts the simulations that a worker has computed, and those of them that failed."""

    computed = failed = 0

    def ended(self, ended: Ended) -> None:
        """Count those of a batch."""
        if ended.summary is not None:
            self.computed += len(ended.batch.sim_ids)
            self.failed += ended.summary.n_failed

    def to_dict(self) -> dict[str, int]:
        """Return both counts."""
        return {"computed": self.computed, "failed": self.failed}


def drain(
    project: str,
    output_dir: str | None,
    compute_root: str | None,
    *,
    follow: bool,
    poll_interval: float,
    skip_existing: bool | None = None,
    as_json: bool = False,
) -> Drained:
    """Claim and run what is pending; with `follow`, wait for more until interrupted.

    The counts become the result of the JSON document, also after an interrupt.
    """
    model = open_model(project, output_dir, compute_root=compute_root, outputs=True)
    from stilt.execution import pull_simulations

    drained = Drained()
    try:
        pull_simulations(
            model,
            follow=follow,
            poll_interval=poll_interval,
            skip_existing=skip_existing,
            observer=drained,
        )
    finally:
        if as_json:
            print_json(drained.to_dict())
    return drained


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
@json_option
def pull_worker(
    project: str,
    follow: bool,
    poll_interval: float,
    skip_existing: bool | None,
    output_dir: str | None,
    compute_root: str | None,
    as_json: bool,
) -> int:
    """Claim pending simulations of PROJECT one after another and run them.

    The exit code is 1 when one of them has failed.
    """
    drained = drain(
        project,
        output_dir,
        compute_root,
        follow=follow,
        poll_interval=poll_interval,
        skip_existing=skip_existing,
        as_json=as_json,
    )
    click.echo("Nothing left to claim.", err=as_json)
    if drained.failed:
        click.echo(f"{drained.failed} simulation(s) failed; `stilt explain` says why.", err=True)
    return EXIT_FAILED if drained.failed else EXIT_COMPLETE

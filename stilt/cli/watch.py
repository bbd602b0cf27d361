"""`stilt status --watch`: the runs of a project followed from beside them, without Prefect."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import click

from stilt.cli.common import Interrupted, counts_line, exit_code
from stilt.cli.pace import duration_text, rate_text
from stilt.project.progress import Progress, progress

if TYPE_CHECKING:
    from rich.console import RenderableType

    from stilt.project.inputs import Project

Pause = Callable[[float], object]


def watch(project: Project, interval_s: float, pause: Pause = time.sleep) -> int:
    """Show the progress of a project's runs until they end; off a terminal, a line for each change.

    Args:
        project: whose runs.
        interval_s: seconds between two looks.
        pause: waits for so many seconds.

    Returns:
        The exit code: 0 when everything is complete.
    """
    seen = progress(project)
    if not seen.going_on:
        click.echo("Nobody computes this project now.", err=True)
    with _Table() if sys.stdout.isatty() else _Lines() as shown:
        shown.show(seen)
        try:
            while seen.going_on:
                pause(interval_s)
                seen = progress(project, seen.at)
                for sim_id, reason, detail in seen.failures:
                    shown.say(f"{sim_id}: {reason}: {detail}")
                shown.show(seen)
        except KeyboardInterrupt:
            raise Interrupted("No longer watched; the runs go on.") from None
    return exit_code(seen.counts.to_dict())


def pace_line(seen: Progress) -> str:
    """Return rate and time left, ``38 simulations/min, 12 min left``; "" while unknown."""
    if seen.per_minute is None:
        return ""
    text = rate_text(seen.per_minute, "simulations")
    return text if seen.left_s is None else f"{text}, {duration_text(seen.left_s)} left"


class _Lines:
    """Prints a line when the counts have changed."""

    def __init__(self) -> None:
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, text: str) -> None:
        """Print a line."""
        click.echo(text)

    def show(self, seen: Progress) -> None:
        """Print the counts, the workers and the pace."""
        line = counts_line(seen.counts.to_dict())
        if line != self._last:
            self._last = line
            at_work = sum(host.n_workers for host in seen.hosts)
            more = "  ".join(filter(None, (f"workers={at_work}", pace_line(seen))))
            self.say(f"{seen.at:%H:%M:%S}  {line}  {more}")


class _Table:
    """Shows a table that changes in its place; lines appear above it."""

    def __init__(self) -> None:
        from rich.live import Live

        self._live = Live(auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self._live.console.print(text, markup=False, highlight=False)

    def show(self, seen: Progress) -> None:
        """Show the counts, the pace, who runs and who computes."""
        self._live.update(_table(seen), refresh=True)


def _table(seen: Progress) -> RenderableType:
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    counts = seen.counts.to_dict()
    table.add_row("simulations", counts_line(counts))
    table.add_row("pace", pace_line(seen) or "not known yet")
    for run in seen.runs:
        table.add_row("run", run)
    for host in seen.hosts:
        table.add_row(
            f"on {host.host}", f"{host.n_workers} worker(s), {host.n_simulations} being computed"
        )
    if not seen.going_on:
        table.add_row("", "Nobody computes any more.")
    return table

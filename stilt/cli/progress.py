"""Progress of a run: a bar on stderr in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stilt.cli.common import counts_line
from stilt.execution.observing import Silent, Tally

if TYPE_CHECKING:
    from stilt.execution.plan import Plan

INTERVAL_S = 5.0


class RunProgress(Silent):
    """An observer that shows how a run goes on.

    Args:
        model: the project's model, asked how many simulations there are if the plan does not say.
        say: prints a line.
    """

    def __init__(self, model: Any, say: Callable[[str], None]) -> None:
        self._model, self._say = model, say
        self._bar: Any = None
        self._task: Any = None
        self._line = ""
        self._said_at = 0.0
        self._registered = 0
        self._begun = False

    def __enter__(self) -> RunProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def planned(self, plan: Plan) -> None:
        """Note how many simulations the project has."""
        self._registered = plan.n_registered

    def progressed(self, tally: Tally) -> None:
        """Show a tally: at once at first, then when it has changed."""
        if not self._begun:
            self._begun = True
            self._registered = self._registered or self._model.status()["total"]
            self._say("Workers launched. Waiting for completion...")
            if sys.stderr.isatty():
                self._start_bar(tally.total)
        if self._bar is not None:
            self._bar.update(self._task, completed=tally.done, failed=tally.failed)
            return
        line = f"Progress: {counts_line(self._counts(tally))}"
        due = time.monotonic() - self._said_at >= INTERVAL_S or tally.done >= tally.total
        if line != self._line and due:
            self._line, self._said_at = line, time.monotonic()
            self._say(line)

    def _counts(self, tally: Tally) -> dict[str, int]:
        ended = int(tally.done)
        running = min(tally.running, tally.total - ended)
        return {
            "total": self._registered,
            "completed": self._registered - tally.total + ended - tally.failed,
            "running": running,
            "pending": tally.total - ended - running,
            "failed": tally.failed,
        }

    def _start_bar(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("Simulations"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} failed"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("run", total=total, failed=0)
        self._bar.start()

"""Progress of a run: a bar on stderr in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from stilt.cli.common import counts_line
from stilt.execution.observing import Silent, Tally

INTERVAL_S = 5.0


class RunProgress(Silent):
    """An observer that shows how a run goes on.

    Args:
        model: the project's model; its counts before the run are where counting starts.
        say: prints a line.
    """

    def __init__(self, model: Any, say: Callable[[str], None]) -> None:
        self._model, self._say = model, say
        self._bar: Any = None
        self._task: Any = None
        self._line = ""
        self._said_at = 0.0
        self._base: dict[str, int] | None = None

    def __enter__(self) -> RunProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def progressed(self, tally: Tally) -> None:
        """Show a tally: at once at first, then when it has changed."""
        if self._base is None:
            self._base = self._model.status()
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
        assert self._base is not None
        ended = int(tally.done)
        running = min(tally.running, tally.total - ended)
        return {
            "total": self._base["total"],
            "completed": self._base["total"] - tally.total + ended - tally.failed,
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

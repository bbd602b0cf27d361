"""Progress of a run: a bar on stderr in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stilt.cli.pace import Pace, duration_text, rate_text
from stilt.execution.observing import Silent, Tally

if TYPE_CHECKING:
    from stilt.execution.plan import Plan

INTERVAL_S = 5.0

STARTING = "starting Prefect, reading inputs"
PREPARING = "preparing weather, compiling"
COMPUTING = "computing"
RECORDING = "recording results"


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
        self._what = "simulations"
        self._pace = Pace()

    def __enter__(self) -> RunProgress:
        if sys.stderr.isatty():
            self._start_bar()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def planned(self, plan: Plan) -> None:
        """Note how many simulations the project has, and whether each is of another receptor."""
        from stilt.receptors.ids import met_of

        self._registered = plan.n_registered
        if len(set(map(met_of, plan.sim_ids))) == 1:
            self._what = "receptors"

    def progressed(self, tally: Tally) -> None:
        """Show a tally: at once at first, then when it has changed."""
        if not self._begun:
            self._begun = True
            self._registered = self._registered or self._model.status()["total"]
            self._print("Workers launched. Waiting for completion...")
        self._pace.note(time.monotonic(), tally.done)
        if self._bar is not None:
            self._bar.update(
                self._task,
                total=tally.total,
                completed=tally.done,
                counts=f"{int(tally.done)}/{tally.total} {self._what}",
                failed=f"{tally.failed} failed" if tally.failed else "",
                pace=self.pace_text(tally.total),
                state=state_of(tally),
            )
            return
        line = f"Progress: {self._counts_text(tally)}"
        due = time.monotonic() - self._said_at >= INTERVAL_S or tally.done >= tally.total
        if line != self._line and due:
            self._line, self._said_at = line, time.monotonic()
            self._say(line)
            if pace := self.pace_text(tally.total):
                self._say(f"Pace: {pace}; {state_of(tally)}")

    def pace_text(self, total: int) -> str:
        """Return rate and time left, such as ``12 receptors/min, 3 min left``; "" at first."""
        rate, left = self._pace.per_minute(), self._pace.left_s(total)
        if rate is None or left is None:
            return ""
        text = rate_text(rate, self._what)
        return f"{text}, {duration_text(left)} left" if left else text

    def _print(self, line: str) -> None:
        """Print a line above the bar where both are in one terminal."""
        if self._bar is not None and sys.stdout.isatty():
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            self._say(line)

    def _counts_text(self, tally: Tally) -> str:
        """Return ``total=4  ended=2  running=1  pending=1  failed=1``.

        Of those of a batch that is being computed it is not known yet which have failed, so that
        none is called complete.
        """
        ended = int(tally.done)
        running = min(tally.running, tally.total - ended)
        counts = {
            "total": self._registered,
            "ended": self._registered - tally.total + ended,
            "running": running,
            "pending": tally.total - ended - running,
            "failed": tally.failed,
        }
        return "  ".join(f"{name}={number}" for name, number in counts.items())

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        # rich leaves colours out where NO_COLOR is set.
        self._bar = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.fields[counts]}"),
            TextColumn("{task.fields[failed]}"),
            TextColumn("{task.fields[pace]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[state]}"),
            console=Console(stderr=True),
            redirect_stdout=False,
        )
        self._task = self._bar.add_task(
            "run", total=None, counts="", failed="", pace="", state=STARTING
        )
        self._bar.start()


def state_of(tally: Tally) -> str:
    """Return what a run is doing, from its counts."""
    if tally.done >= tally.total:
        return RECORDING
    return COMPUTING if tally.done > 0 else PREPARING

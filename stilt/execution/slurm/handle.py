"""A job array that has been submitted, as the caller of a run has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stilt.execution.slurm.crew import left_when_interrupted

if TYPE_CHECKING:
    from stilt.execution.runs import Outcome
    from stilt.execution.slurm.spool import Spool
    from stilt.project.inputs import Project


class ArrayHandle:
    """A job array that has been submitted.

    Args:
        project: whose simulations it computes.
        spool: of the array.
        follow: follows it to its end, and submits again what it loses.

    Attributes:
        job_id: SLURM's number of it.
    """

    detached = True

    def __init__(self, project: Project, spool: Spool, follow: Callable[[], Outcome]) -> None:
        self.job_id = spool.job
        self._project, self._spool, self._follow = project, spool, follow
        self._outcome: Outcome | None = None

    def wait(self) -> Outcome:
        """Follow the array to its end.

        Raises:
            SimulationError: the array was cancelled, or computes nothing.
            RunUnfinishedError: batches broke off.
            KeyboardInterrupt: Ctrl-C; the array is cancelled first.
        """
        if self._outcome is None:
            with left_when_interrupted(self._project, self._spool):
                self._outcome = self._follow()
        return self._outcome

"""Observers of a run's progress: a terminal, Prefect, a notebook."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from stilt.execution.plan import Batch, Plan
    from stilt.execution.summary import BatchSummary


_SENTENCE = re.compile(r"([\d.]+) of (\d+) simulations done, (\d+) failed, (\d+) running")


@dataclass(frozen=True)
class Tally:
    """Simulations of a run in numbers.

    Attributes:
        total: all of them.
        done: those that have ended; fractions are of those being computed.
        failed: of those that have ended.
        running: being computed.
    """

    total: int
    done: float = 0.0
    failed: int = 0
    running: int = 0

    def sentence(self) -> str:
        """Return ``12.5 of 40 simulations done, 1 failed, 8 running``."""
        done = f"{self.done:.1f}".removesuffix(".0")
        return (
            f"{done} of {self.total} simulations done, {self.failed} failed, {self.running} running"
        )

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the tally of a :meth:`sentence`, None for any other text."""
        found = _SENTENCE.fullmatch(text)
        if found is None:
            return None
        done, total, failed, running = found.groups()
        return cls(int(total), float(done), int(failed), int(running))


@dataclass(frozen=True)
class Ended:
    """What became of a batch that a crew had.

    Attributes:
        batch: the batch.
        summary: of its simulations; None when there is none.
        lost: its worker died.
        begun: the worker that died had begun this batch.
        error: why there is no summary although no worker died.
    """

    batch: Batch
    summary: BatchSummary | None = None
    lost: bool = False
    begun: bool = True
    error: str = ""


class Observer(Protocol):
    """Receives the progress of a run."""

    def planned(self, plan: Plan) -> None:
        """Receive what will be computed."""

    def progressed(self, tally: Tally) -> None:
        """Receive the counts, whenever they have changed."""

    def ended(self, ended: Ended) -> None:
        """Receive how a batch ended."""

    def done(self) -> None:
        """Learn that all batches have ended and are recorded."""


class Silent:
    """An observer that shows nothing; a base for observers that need some methods only."""

    def planned(self, plan: Plan) -> None:
        """Receive what will be computed."""

    def progressed(self, tally: Tally) -> None:
        """Receive the counts."""

    def ended(self, ended: Ended) -> None:
        """Receive how a batch ended."""

    def done(self) -> None:
        """Learn that all batches have ended."""

"""What a worker reports about a batch that has ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from stilt.execution.runs import reason_counts


@dataclass(frozen=True)
class BatchSummary:
    """What became of a batch; small enough to travel between processes.

    Attributes:
        batch_id: the batch.
        n_complete: complete simulations, those in ``n_empty`` left out.
        n_empty: complete simulations whose footprints are all zero.
        n_failed: failed simulations, and those whose error run failed.
        n_interrupted: simulations not done because the batch was told to stop.
        seconds: wall time.
        receipt: file that says more; "" when it could not be written.
        failures: (simulation, reason, detail) of the first failures.
        told_to_stop: an interrupt came when all was done, and the receipt was being written.
        content: the receipt itself, for a coordinator whose folders the batch could not reach.
    """

    batch_id: str
    n_complete: int = 0
    n_empty: int = 0
    n_failed: int = 0
    n_interrupted: int = 0
    seconds: float = 0.0
    receipt: str = ""
    failures: tuple[tuple[str, str, str], ...] = ()
    told_to_stop: bool = False
    content: bytes = b""

    def sentence(self, number: int) -> str:
        """Return the counts: ``3 of 6 simulations complete, 2 failed (DISK 2), 1 stopped``.

        Args:
            number: simulations of the batch.
        """
        text = f"{self.n_complete + self.n_empty} of {number} simulations complete"
        if self.n_failed:
            reasons = Counter(reason for _, reason, _ in self.failures)
            text += f", {self.n_failed} failed{reason_counts(reasons, self.n_failed)}"
        return f"{text}, {self.n_interrupted} stopped" if self.interrupted else text

    @property
    def interrupted(self) -> bool:
        """Whether the batch was told to stop, and so whoever runs it."""
        return self.n_interrupted > 0 or self.told_to_stop

"""From simulation ids to batches: receptors near in time share weather, and so a batch."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

BATCHES_PER_WORKER = 8
LARGEST_BATCH = 256
MOST_BATCHES = 2000


@dataclass(frozen=True)
class Batch:
    """Simulations computed together.

    Attributes:
        id: unique within the project, usable as a file name.
        sim_ids: the simulations, by meteorology and time.
    """

    id: str
    sim_ids: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name for people: the id of a single simulation, else first, last and number."""
        if len(self.sim_ids) == 1:
            return self.sim_ids[0]
        return f"{self.sim_ids[0]} .. {self.sim_ids[-1]} ({len(self.sim_ids)})"

    def halves(self) -> tuple[Batch, Batch]:
        """Two batches with half of the simulations each."""
        middle = len(self.sim_ids) // 2
        return (
            Batch(f"{self.id}a", self.sim_ids[:middle]),
            Batch(f"{self.id}b", self.sim_ids[middle:]),
        )


def batch_size(number: int, n_workers: int) -> int:
    """Simulations per batch: many batches per worker, none too big, not too many in all."""
    fair = math.ceil(number / (n_workers * BATCHES_PER_WORKER))
    return max(min(fair, LARGEST_BATCH), math.ceil(number / MOST_BATCHES), 1)


def plan_batches(model: Any, sim_ids: Iterable[str], n_workers: int = 1) -> list[Batch]:
    """Cut simulations into batches, neighbours in time together.

    Args:
        model: the model; nothing is read from it.
        sim_ids: what to compute; an id given twice counts once.
        n_workers: processes that will share the batches.
    """
    del model
    # The stamp after the meteorology has 12 or 14 digits, year first: text order is time order.
    ordered = sorted(dict.fromkeys(map(str, sim_ids)), key=_met_then_time)
    size = batch_size(len(ordered), n_workers)
    plan = secrets.token_hex(4)
    return [
        Batch(f"{plan}-{start // size:05d}", tuple(ordered[start : start + size]))
        for start in range(0, len(ordered), size)
    ]


def _met_then_time(sim_id: str) -> tuple[str, str, str]:
    met, stamp, place = sim_id.split("_", 2)
    return met, stamp.ljust(14, "0"), place

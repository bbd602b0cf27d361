"""From simulation ids to batches: receptors near in time share weather, and so a batch."""

from __future__ import annotations

import itertools
import math
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

BATCHES_PER_WORKER = 8
LARGEST_BATCH = 256
# A GPU with 15 helpers takes four minutes for these, as a core does for the largest of its own.
LARGEST_HELPED_BATCH = 12_288
MOST_BATCHES = 2000


@dataclass(frozen=True)
class Roles:
    """What the processes of a run are for.

    Attributes:
        transport: processes that take batches and follow their particles.
        helpers: processes beside each of these that make the files.
    """

    transport: int
    helpers: int = 0

    @classmethod
    def of(cls, n_workers: int, device: str) -> Roles:
        """Roles of so many processes; a GPU serves one at a time, which the others help.

        Args:
            n_workers: all of them.
            device: ``execution.device`` of the configuration.
        """
        return cls(1, n_workers - 1) if device == "gpu" else cls(n_workers)


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


def batch_size(number: int, n_workers: int, device: str = "auto", n_helpers: int = 0) -> int:
    """Simulations per batch: many batches per worker, none too big, not too many in all.

    A GPU takes about as long for one receptor as for a whole share of them, and at the end of a
    batch its process waits for its helpers.
    """
    each = 1 if device == "gpu" else BATCHES_PER_WORKER
    largest = LARGEST_HELPED_BATCH if n_helpers else LARGEST_BATCH
    fair = math.ceil(number / (n_workers * each))
    return max(min(fair, largest), math.ceil(number / MOST_BATCHES), 1)


def batch_sizes(number: int, n_workers: int, device: str = "auto", n_helpers: int = 0) -> list[int]:
    """Simulations of each batch in turn.

    On CPUs with several workers the last batches get smaller, down to a quarter, so that no worker
    waits long for the one that ends last.
    """
    full = batch_size(number, n_workers, device, n_helpers)
    sizes = []
    left = number
    while left > 0:
        size = full
        if n_workers > 1 and device != "gpu":
            size = min(full, max(math.ceil(left / (2 * n_workers)), math.ceil(full / 4)))
        sizes.append(min(size, left))
        left -= size
    return sizes


def plan_batches(
    sim_ids: Iterable[str], n_workers: int = 1, device: str = "auto", n_helpers: int = 0
) -> list[Batch]:
    """Cut simulations into batches, neighbours in time together.

    Args:
        sim_ids: what to compute; an id given twice counts once.
        n_workers: processes that will share the batches.
        device: ``execution.device`` of the configuration.
        n_helpers: of each; see :class:`Roles`.
    """
    # The stamp after the meteorology has 12 or 14 digits, year first: text order is time order.
    ordered = sorted(dict.fromkeys(map(str, sim_ids)), key=_met_then_time)
    plan = secrets.token_hex(4)
    sizes = batch_sizes(len(ordered), n_workers, device, n_helpers)
    ends = itertools.accumulate(sizes, initial=0)
    return [
        Batch(f"{plan}-{number:05d}", tuple(ordered[start:end]))
        for number, (start, end) in enumerate(itertools.pairwise(ends))
    ]


def _met_then_time(sim_id: str) -> tuple[str, str, str]:
    met, stamp, place = sim_id.split("_", 2)
    return met, stamp.ljust(14, "0"), place

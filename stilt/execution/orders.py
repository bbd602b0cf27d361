"""Work orders: a batch with all that a worker needs to compute it, wherever the worker is."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from stilt.atomic import atomic_path
from stilt.execution.batch import compute_batch
from stilt.execution.lookup import receptors_of
from stilt.execution.places import Folders, ProjectPlace
from stilt.execution.plan import Batch, Plan, shards_at
from stilt.execution.processes import told_to_stop
from stilt.execution.summary import BatchSummary
from stilt.execution.transporting import Progress
from stilt.interrupts import interruptible
from stilt.project.inputs import Project

if TYPE_CHECKING:
    from stilt.receptors import Receptor

_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class WorkOrder:
    """A batch for a worker.

    Attributes:
        batch: what to compute.
        place: how to find the project.
        receptors: of these simulations by id; None lets the worker ask the index.
        skip_existing: keep outputs that this configuration made; None asks the configuration.
        n_helpers: processes that make files for this worker.
        owner: holder of the claims on these simulations; "" when they were not claimed.
        stored: shards with outputs of theirs by id; None lets the worker ask the index.
        run_began: when the run was planned, UTC.
    """

    batch: Batch
    place: ProjectPlace
    receptors: Mapping[str, Receptor] | None
    skip_existing: bool | None = None
    n_helpers: int = 0
    owner: str = ""
    stored: Mapping[str, tuple[str, ...]] | None = None
    run_began: datetime | None = None

    @property
    def label(self) -> str:
        """Name of the batch for people."""
        return self.batch.label


def work_orders(
    project: Project, plan: Plan, batches: Sequence[Batch], place: ProjectPlace
) -> list[WorkOrder]:
    """Make the orders of some batches of a plan.

    Receptors travel with their batch where the plan has them, or where the worker cannot ask the
    project's index.
    """
    known, stored = plan.receptors, plan.stored
    if not isinstance(place, Folders):
        every = [i for batch in batches for i in batch.sim_ids]
        known = receptors_of(project, every) if known is None else known
        stored = shards_at(project, every) or {} if stored is None else stored
    return [
        WorkOrder(
            batch,
            place,
            None if known is None else {i: known[i] for i in batch.sim_ids if i in known},
            plan.skip_existing,
            plan.roles.helpers,
            plan.owner,
            None if stored is None else {i: stored[i] for i in batch.sim_ids if i in stored},
            plan.began,
        )
        for batch in batches
    ]


def compute_order(order: WorkOrder, progress: Progress | None = None) -> BatchSummary:
    """Compute an order in this process; a simulation that fails is an outcome, not an exception.

    Args:
        order: the order.
        progress: called with the fraction done, 0 to 1.
    """
    # NetCDF files are written by one thread at a time; a Dask worker may have several.
    with _ONE_AT_A_TIME, interruptible():
        if told_to_stop():
            return BatchSummary(order.batch.id, n_interrupted=len(order.batch.sim_ids))
        summary = compute_batch(
            order.place.open,
            order.batch.sim_ids,
            skip_existing=order.skip_existing,
            batch_id=order.batch.id,
            progress=progress,
            owner=order.owner,
            receptors=order.receptors,
            n_helpers=order.n_helpers,
            stored=order.stored,
            run_began=order.run_began,
        )
        return order.place.returned(summary)


def store_receipt(project: Project, summary: BatchSummary) -> None:
    """Put the receipt of a batch that was computed elsewhere where the index looks for it."""
    if summary.content:
        with atomic_path(project.layout.receipts / summary.receipt) as part:
            part.write_bytes(summary.content)

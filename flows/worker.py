"""What a task run does in its worker. Imported there by name, while tasks travel by value."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flows.pool import told_to_stop
from stilt.execution import BatchSummary, run_batch
from stilt.execution.elsewhere import run_batch_elsewhere
from stilt.interrupts import interruptible
from stilt.receptors import Receptor

_ONE_AT_A_TIME = threading.Lock()


def compute(
    sim_ids: Sequence[str],
    batch_id: str,
    options: Mapping[str, Any],
    receptors: Mapping[str, Receptor] | None,
    progress: Callable[[float], None] | None,
) -> BatchSummary:
    """Compute one batch in this process, where its project is or is not.

    Args:
        sim_ids: what to compute.
        batch_id: of the batch.
        options: the further arguments of :func:`stilt.execution.run_batch`, or of
            :func:`stilt.execution.elsewhere.run_batch_elsewhere`.
        receptors: theirs by id; None lets the worker ask the index.
        progress: told the fraction done.
    """
    # NetCDF files are written by one thread at a time; a Dask worker may have several.
    with _ONE_AT_A_TIME, interruptible():
        if told_to_stop():
            return BatchSummary(batch_id, n_interrupted=len(sim_ids))
        if "portable" in options:
            return run_batch_elsewhere(
                sim_ids=sim_ids, receptors=receptors or {}, batch_id=batch_id, **options
            )
        return run_batch(
            sim_ids=sim_ids, receptors=receptors, batch_id=batch_id, progress=progress, **options
        )

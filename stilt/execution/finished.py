"""What a run has left undone: nothing may be pending at its end that has not failed."""

from __future__ import annotations

from collections.abc import Collection

from stilt.errors import RunUnfinishedError
from stilt.project.batches import ids_in_batches
from stilt.project.inputs import Project

# With a reason, the error run of a pending simulation has failed.
_NOT_FAILED = "coalesce(s.reason, '') IN ('', 'INTERRUPTED')"


def refuse_unfinished(files: Project, sim_ids: Collection[str], why: str = "") -> None:
    """Raise at the end of a run that says of some simulations neither complete nor failed.

    Those that other processes compute meanwhile are theirs to finish.

    Args:
        files: the project, with all receipts recorded.
        sim_ids: what was to be computed.
        why: what is known of the cause.

    Raises:
        RunUnfinishedError: how many, and one of them.
    """
    left = _unfinished(files, sim_ids)
    if left:
        # The files are the truth: a receipt may have been lost to a full disk.
        files.index.refresh()
        files.index.reconcile(files.expectations)
        left = _unfinished(files, sim_ids)
    if left:
        because = f" ({why})" if why else ""
        raise RunUnfinishedError(
            f"{len(left)} of {len(sim_ids)} simulations were not computed, and no failure of "
            f"theirs is recorded, {left[0]} for example{because}: run again; what is finished is "
            "kept."
        )


def _unfinished(files: Project, sim_ids: Collection[str]) -> list[str]:
    asked = set(sim_ids)
    open_ids = files.index.in_states(
        files.expectations, where=_NOT_FAILED, states=("pending", "stale")
    )
    asked_and_open = [sim_id for sim_id in open_ids if sim_id in asked]
    if not asked_and_open:
        return []
    planned = ids_in_batches(files.layout.planned)
    return [sim_id for sim_id in asked_and_open if sim_id not in planned]

"""The flow `maintain`: the index from the files, claims of dead workers freed."""

from __future__ import annotations

from typing import Any

from prefect.states import Completed, State

from flows.project_flow import project_flow
from stilt.model import Model
from stilt.project.claims import release
from stilt.project.index import Index
from stilt.project.owners import is_dead
from stilt.project.receipts import now


@project_flow(name="maintain")
def maintain(
    project: str,
    rebuild: bool = True,
    output_dir: str | None = None,
) -> State[Any]:
    """Rebuild a project's index from its files and free claims of dead workers.

    Args:
        project: directory, as the worker sees it.
        rebuild: rebuild the index from the files.
        output_dir: output root, when it is not the project.
    """
    model = Model(project=project, output_dir=output_dir)
    if rebuild:
        model.rebuild()
    else:
        model.index.fold()
    freed = free_stale_claims(model.index)
    counts = {**model.status(), "freed": freed}
    text = "{completed} of {total} simulations complete, {failed} failed, {freed} claims freed"
    return Completed(message=text.format(**counts), data=counts)


def free_stale_claims(index: Index) -> int:
    """Make simulations pending again whose worker has died or let its lease end; how many."""
    held = index.sql(
        "SELECT owner, max(lease_end) AS lease_end FROM simulations "
        "WHERE state = 'running' AND owner IS NOT NULL GROUP BY owner"
    )
    return sum(
        release(index, owner)
        for owner, lease_end in held.itertuples(index=False)
        if is_dead(owner) or lease_end < now()
    )

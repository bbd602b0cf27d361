"""The flow `maintain`: the index from the files, claims of dead workers freed."""

from __future__ import annotations

from typing import Any

from prefect.states import Completed, State

from flows.project_flow import project_flow
from stilt.model import Model
from stilt.project.claims import release_stale


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
    counts = {**model.status(), "freed": release_stale(model.index)}
    text = "{completed} of {total} simulations complete, {failed} failed, {freed} claims freed"
    return Completed(message=text.format(**counts), data=counts)

"""The start of a run: by a backend, or here where nothing can be computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stilt.execution.backend import Backend
    from stilt.execution.observing import Observer
    from stilt.execution.runs import JobHandle
    from stilt.project.inputs import Project


def start_run(
    executor: Backend,
    project: Project,
    sim_ids: Sequence[str],
    *,
    all_lack_weather: bool,
    skip_existing: bool,
    observer: Observer | None,
) -> JobHandle:
    """Start a run of simulations; see :meth:`stilt.execution.backend.Backend.start`.

    Those that all lack weather fail in a moment: no server and no workers are started for them.
    """
    if all_lack_weather and executor.on_this_machine:
        from stilt.execution.crews import fail_here

        return fail_here(project, sim_ids, skip_existing=skip_existing)
    return executor.start(project, sim_ids, skip_existing=skip_existing, observer=observer)

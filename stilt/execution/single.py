"""Compute the particles of one simulation, without a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from stilt.errors import Reason, SimulationError, SimulationTimeoutError
from stilt.execution.programs import stored_programs
from stilt.execution.setup import prepare_process
from stilt.execution.task import Task
from stilt.execution.transporting import group_by_weather
from stilt.receptors import met_of

if TYPE_CHECKING:
    from stilt.trajectories import Trajectories


def particles_of(
    task: Task, *, timeout: float | None, write: bool, is_error: bool = False
) -> Trajectories:
    """Run the transport of one task in this process.

    Args:
        task: the simulation.
        timeout: seconds after which :class:`SimulationTimeoutError` is raised.
        write: publish the particles in the simulation's folder.
        is_error: make the error run instead of the main run.

    Raises:
        ConfigValidationError: an error run without error parameters.
        SimulationError: what stopped it.
    """
    files = task.project
    prepare_process(files)
    from stilt.transport import release_of, run_transport

    begun = time.monotonic()

    def watch(fraction: float) -> None:
        if timeout is not None and time.monotonic() - begun > timeout:
            raise SimulationTimeoutError(
                f"The transport took longer than {timeout:g} s and was stopped at "
                f"{fraction:.0%}; use fewer particles or a longer limit.",
                sim_id=task.sim_id,
            )

    groups = group_by_weather(files, met_of(task.sim_id), [task])
    if task.failure is not None:
        reason = Reason(task.failure.reason)
        raise SimulationError(task.failure.detail, reason=reason, sim_id=task.sim_id)
    release = release_of(task.receptor, task.sim_id, files.config)
    table = run_transport(
        [release], groups[0][1], files.config, cache_dir=files.cache_dir, error_run=is_error,
        progress=watch, programs=stored_programs(files.runtime.cache_dir),
    )[0]  # fmt: skip
    if isinstance(table, SimulationError):
        raise table
    stored = task.trajectories(task.corrected(table), is_error=is_error)
    if write:
        task.keep(stored)
    return stored

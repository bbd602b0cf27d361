"""Run a project's pending simulations by a backend, with warnings before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stilt.execution import run_warnings
from stilt.execution.lookup import receptors_of
from stilt.execution.refusals import refuse_impossible
from stilt.execution.runs import EndedJob, Outcome, Run
from stilt.execution.setup import main_not_run_again, refuse_missing_gpu
from stilt.interrupts import interruptible
from stilt.project.ahead import Again, Ahead
from stilt.project.moved_weather import moved_weather

if TYPE_CHECKING:
    from stilt.execution.backend import Backend
    from stilt.execution.observing import Observer
    from stilt.project.inputs import Project


def run_pending(
    project: Project,
    executor: Backend,
    ahead: Ahead,
    *,
    skip_existing: bool | None,
    wait: bool,
    observer: Observer | None,
) -> Run:
    """Compute pending simulations; see :meth:`stilt.model.Model.run`.

    Args:
        project: whose simulations these are.
        executor: who computes.
        ahead: which are pending.
        skip_existing: leave complete ones out; None asks the configuration.
        wait: return when all is done; False returns at once from a backend that detaches.
        observer: receives the progress of the run.
    """
    pending = ahead.pending
    if not pending:
        return Run(project, pending, EndedJob(Outcome()))
    refuse_impossible(project.config)
    project.kernels.require(project.config.footprints)
    if executor.on_this_machine:
        refuse_missing_gpu(project)
    skip = project.config.skip_existing if skip_existing is None else skip_existing
    # Who asks for everything knows why.
    again = ahead.again if skip else Again()
    moved = moved_weather(project) if again.stale else []
    run_warnings.tell_of_recomputing(again, len(pending), moved)
    stored = ahead.receptors
    receptors = None if stored is None else receptors_of(project, pending, stored)
    told = run_warnings.warn_of_weather_before(project, pending, receptors)
    run_warnings.warn_of_few_particles(project, pending, receptors)
    run_warnings.warn_of_unused_kernels(project)
    with interruptible(), main_not_run_again():
        if told.all_lack and executor.on_this_machine:
            from stilt.execution.crews import fail_here

            handle = fail_here(project, pending, skip_existing=skip)
        else:
            handle = executor.start(project, pending, skip_existing=skip, observer=observer)
        run = Run(project, pending, handle, said=told.said)
        if wait or not run.detached:
            run.wait().require_finished()
    if not run.detached:
        run_warnings.warn_of_weather_after(project, told.notes)
    return run

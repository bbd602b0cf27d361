"""Submissions of a project that are in SLURM's queue, and following one to its end."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.execution.engine import run_plan
from stilt.execution.plan import Plan, Roles
from stilt.execution.runs import Outcome, require_finished
from stilt.execution.slurm.crew import SlurmCrew, left_when_interrupted, remove
from stilt.execution.slurm.spool import Spool
from stilt.slurm_queue import queued_tasks

if TYPE_CHECKING:
    from stilt.execution.observing import Observer
    from stilt.execution.slurm.options import SlurmOptions
    from stilt.project.inputs import Project

_LEFT_FOR_S = 86_400.0


def standing_submissions(project: Project) -> list[Spool]:
    """Return the submissions whose job array is in the queue, oldest first.

    Folders of arrays that left the queue more than a day ago, and that nobody has followed to
    their end, are removed: what they computed is in the outputs.

    Raises:
        SlurmError: SLURM cannot be asked.
    """
    standing = []
    for folder in _folders(project):
        spool = Spool(folder)
        if spool.job and queued_tasks(spool.job):
            standing.append(spool)
            continue
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > _LEFT_FOR_S:
                remove(project, spool)
    return standing


def follow(
    project: Project, spool: Spool, options: SlurmOptions, observer: Observer | None = None
) -> Outcome:
    """Follow a job array that somebody has submitted, to its end, and submit again what it lost.

    Args:
        project: whose simulations these are.
        spool: of the submission.
        options: of arrays that are submitted again.
        observer: told how it goes on.

    Raises:
        SlurmError: SLURM does not answer any more.
        SimulationError: the array was cancelled, or computes nothing.
        RunUnfinishedError: simulations were not computed although none of them has failed.
        KeyboardInterrupt: Ctrl-C; the array is cancelled first.
    """
    by_number = {n: (order.batch, order.skip_existing) for n, order in spool.each_order()}
    batches = tuple(by_number[number][0] for number in sorted(by_number))
    skip = next((skip for _, skip in by_number.values()), None)
    plan = Plan(batches, Roles(spool.n_tasks * options.cpus_per_task), skip_existing=skip)
    with left_when_interrupted(project, spool):
        outcome = run_plan(project, plan, SlurmCrew(project, options, attached=spool), observer)
    return require_finished(project, plan.sim_ids, outcome)


def _folders(project: Project) -> list[Path]:
    folder = project.layout.slurm
    return (
        sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime) if folder.is_dir() else []
    )

"""The crew of a job array: its tasks take batches, which are files; this process watches."""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from stilt.errors import Reason, SimulationError
from stilt.execution.observing import Ended
from stilt.execution.orders import work_orders
from stilt.execution.places import Folders
from stilt.execution.slurm.script import array_script, memory_mb, seconds_needed
from stilt.execution.slurm.spool import Spool
from stilt.notices import notice
from stilt.project.batches import mark_running
from stilt.project.owners import array_owner
from stilt.slurm_queue import (
    WAITING,
    ArrayTask,
    SlurmError,
    cancel,
    ended_tasks,
    queued_tasks,
    submit,
)

if TYPE_CHECKING:
    from stilt.execution.engine import WithinBatch
    from stilt.execution.plan import Batch, Plan
    from stilt.execution.slurm.options import SlurmOptions
    from stilt.project.inputs import Project

logger = logging.getLogger(__name__)

# A file that a task has just written may show here a little later than its end in the queue.
SEEN_LATE_S = 3.0
LEAVE_TIMEOUT_S = 120.0
SILENCE_ALLOWED_S = 600.0
SAID_AFTER_S = 30.0
_REMEDIES = {
    "OUT_OF_MEMORY": "; `mem` under execution in config.yaml gives a task more memory",
    "TIMEOUT": "; `time` under execution in config.yaml gives a task more time",
}
# Ends that are not the fault of the batch being computed.
_INNOCENT = frozenset({"BOOT_FAIL", "CANCELLED", "DEADLINE", "NODE_FAIL", "PREEMPTED", "REVOKED"})

Shown = Callable[[str, Sequence[ArrayTask]], object]


@dataclass
class SlurmCrew:
    """Tasks of job arrays, one array for each wave of batches.

    Attributes:
        project: whose simulations are computed, on a disk that all nodes share.
        options: of the backend.
        attached: a submission that works on the first wave already; None submits one.
        shown: called with an array's number and its tasks when their states have changed.
    """

    project: Project
    options: SlurmOptions
    attached: Spool | None = None
    shown: Shown = lambda job, tasks: None
    # A task dies for reasons that are not its batch's: memory that others use, a time limit.
    deaths_are_isolated = False
    _tasks: list[ArrayTask] = field(default_factory=list)
    _waits_since: float = math.inf
    _told_to_wait: str = ""

    def compute(
        self, plan: Plan, batches: Sequence[Batch], *, alone: bool, progress: WithinBatch
    ) -> Iterator[Ended]:
        """Compute batches; see :class:`stilt.execution.engine.Crew`."""
        del progress
        spool, self.attached = self.attached, None
        if spool is None:
            spool = new_submission(self.project, plan, batches, self.options, alone=alone)
        try:
            yield from self._until_left(spool, batches)
        except (KeyboardInterrupt, GeneratorExit):
            # For any other end, such as a controller that is silent, the array outlives us.
            leave(self.project, spool)
            raise
        remove(self.project, spool)

    def _until_left(self, spool: Spool, batches: Sequence[Batch]) -> Iterator[Ended]:
        """Yield ends of batches until no task of the array is in the queue any more."""
        by_id = {batch.id: batch for batch in batches}
        of_number = {n: by_id[order.batch.id] for n, order in spool.each_order()}
        told: set[int] = set()
        while True:
            living = self._living(spool.job)
            for number in sorted(spool.ended_numbers() - told):
                told.add(number)
                yield Ended(of_number[number], spool.summary(number))
            if not living:
                break
            time.sleep(self.options.poll_interval_s)
        yield from self._after(spool, of_number, told)

    def _living(self, job: str) -> list[ArrayTask]:
        """Return the tasks in the queue; a controller that does not answer is asked again.

        Raises:
            SlurmError: it has not answered for long.
        """
        since = time.monotonic()
        while True:
            try:
                tasks = queued_tasks(job)
            except SlurmError as error:
                if time.monotonic() - since > SILENCE_ALLOWED_S:
                    raise
                logger.info("%s", error)
                time.sleep(self.options.poll_interval_s)
                continue
            if tasks and tasks != self._tasks:
                self._tasks = tasks
                self.shown(job, tasks)
            self._log_wait(job, tasks)
            return tasks

    def _log_wait(self, job: str, tasks: Sequence[ArrayTask]) -> None:
        """Log once that an array has waited long in the queue, and why."""
        waits = bool(tasks) and all(task.state in WAITING for task in tasks)
        if not waits:
            self._waits_since = math.inf
        elif self._waits_since == math.inf:
            self._waits_since = time.monotonic()
        elif time.monotonic() - self._waits_since > SAID_AFTER_S and self._told_to_wait != job:
            self._told_to_wait = job
            reason = tasks[0].reason or "for no reason that SLURM tells"
            notice(logger, "The job array %s waits in the queue (%s).", job, reason)

    def _after(self, spool: Spool, of_number: dict[int, Batch], told: set[int]) -> Iterator[Ended]:
        """Yield the ends of batches that the array has left undone.

        Raises:
            SimulationError: all of it was cancelled, or it computed nothing.
        """
        tasks = ended_tasks(spool.job)
        self.shown(spool.job, list(tasks.values()))
        if told == of_number.keys():
            return
        time.sleep(SEEN_LATE_S)
        for number in sorted(spool.ended_numbers() - told):
            told.add(number)
            yield Ended(of_number[number], spool.summary(number))
        left = of_number.keys() - told
        if not left:
            return
        states = {number: task.state for number, task in tasks.items()}
        taken = {each.number: states.get(each.task, "") for each in spool.taken()}
        begun = {n for n in left if n in taken and taken[n] not in _INNOCENT}
        if states and set(states.values()) == {"CANCELLED"}:
            job = spool.job
            remove(self.project, spool)
            raise SimulationError(
                f"The job array {job} was cancelled: what is not computed is pending; "
                "submit again to go on."
            )
        if not told and not taken and _INNOCENT.isdisjoint(states.values()):
            # The sentence names a log in the folder, which therefore stays.
            release(self.project, spool)
            raise SimulationError(
                f"The job array {spool.job} ended without computing anything ("
                f"{', '.join(sorted(set(states.values()))) or 'its states are not known'}): "
                f"{spool.last_output()}",
                reason=Reason.WORKER_DIED,
            )
        notice(
            logger,
            "%d of %d batches of the job array %s were left undone%s; they are submitted again%s.",
            len(left), len(of_number), spool.job, _why(list(states.values())),
            "".join(_REMEDIES[state] for state in sorted(_REMEDIES.keys() & states.values())),
        )  # fmt: skip
        for number in sorted(left):
            yield Ended(of_number[number], lost=True, begun=number in begun)


def new_submission(
    project: Project,
    plan: Plan,
    batches: Sequence[Batch],
    options: SlurmOptions,
    *,
    alone: bool = False,
) -> Spool:
    """Write the orders of some batches, and submit a job array that works through them.

    Args:
        project: whose simulations these are.
        plan: that the batches belong to.
        batches: what to compute.
        options: of the backend.
        alone: one task computes one batch after the other.

    Raises:
        SlurmError: SLURM refuses the array.
    """
    spool = Spool(project.layout.slurm / secrets.token_hex(4))
    spool.fill(work_orders(project, plan, batches, Folders.of(project)))
    processes = 1 if alone else options.cpus_per_task
    n_tasks = 1 if alone else max(1, min(plan.roles.transport // processes, len(batches)))
    n_simulations = sum(len(batch.sim_ids) for batch in batches)
    script = array_script(
        options,
        folder=spool.folder,
        name=project.name,
        n_tasks=n_tasks,
        seconds=seconds_needed(project.config, n_simulations, n_tasks * processes),
        memory=memory_mb(project.config, processes),
    )
    spool.script.write_text(script, encoding="utf-8")
    try:
        spool.note_job(submit(spool.script), n_tasks)
    except BaseException:
        spool.remove()
        raise
    ids = chain.from_iterable(batch.sim_ids for batch in batches)
    mark_running(project.layout.planned, spool.name, array_owner(spool.job), ids)
    logger.info("Submitted the job array %s of %d tasks.", spool.job, n_tasks)
    return spool


def release(project: Project, spool: Spool) -> None:
    """Remove the mark of what an array held that has left the queue."""
    (project.layout.planned / f"{spool.name}.json").unlink(missing_ok=True)


def remove(project: Project, spool: Spool) -> None:
    """Remove the folder of an array that has left the queue, and the mark of what it held."""
    release(project, spool)
    spool.remove()


@contextmanager
def left_when_interrupted(project: Project, spool: Spool) -> Iterator[None]:
    """Cancel a job array when Ctrl-C ends the block before a crew has begun to follow it."""
    try:
        yield
    except KeyboardInterrupt:
        if spool.job:
            leave(project, spool)
        raise


def leave(project: Project, spool: Spool) -> None:
    """Cancel a job array, and remove its folder once no task of it is in the queue."""
    try:
        cancel(spool.job)
        deadline = time.monotonic() + LEAVE_TIMEOUT_S
        while queued_tasks(spool.job):
            if time.monotonic() > deadline:
                return
            time.sleep(1.0)
    except SlurmError as error:
        logger.warning("The job array %s may still be in the queue: %s", spool.job, error)
        return
    remove(project, spool)


def _why(states: Sequence[str]) -> str:
    """Return `` (FAILED 1, TIMEOUT 2)`` of the tasks that ended otherwise than well."""
    bad = sorted(state for state in states if state and state != "COMPLETED")
    listed = ", ".join(f"{state} {bad.count(state)}" for state in dict.fromkeys(bad))
    return f" ({listed})" if listed else ""

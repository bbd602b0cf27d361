"""The `slurm` backend: job arrays of workers without Prefect, followed by the flow `simulate`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.backends import LocalBackend
from stilt.errors import UsageError
from stilt.execution.slurm.options import SlurmOptions
from stilt.slurm_queue import ArrayTask, missing_commands

if TYPE_CHECKING:
    from stilt.execution.engine import Crew
    from stilt.execution.observing import Observer
    from stilt.execution.plan import Plan
    from stilt.execution.runs import Outcome
    from stilt.execution.slurm.spool import Spool
    from stilt.project.holders import Share
    from stilt.project.inputs import Project

SHOWN_EVERY_S = 30.0


class SlurmHandle:
    """A job array that has been submitted.

    Attributes:
        job_id: SLURM's number of it.
    """

    detached = True

    def __init__(
        self,
        backend: SlurmBackend,
        project: Project,
        plan: Plan,
        spool: Spool,
        observer: Observer | None,
    ) -> None:
        self.job_id = spool.job
        self._backend, self._project, self._plan = backend, project, plan
        self._spool, self._observer = spool, observer
        self._outcome: Outcome | None = None

    def wait(self) -> Outcome:
        """Follow the array in a run of the flow `simulate`; what it loses is submitted again.

        Raises:
            SimulationError: the array was cancelled, or computes nothing.
            RunUnfinishedError: batches broke off.
            KeyboardInterrupt: Ctrl-C; the array is cancelled first.
        """
        from stilt.execution.slurm.crew import left_when_interrupted

        if self._outcome is None:
            self._backend.attached = self._spool
            with left_when_interrupted(self._project, self._spool):
                self._outcome = self._backend.run_flow(self._project, self._plan, self._observer)
        return self._outcome


class SlurmBackend(LocalBackend):
    """Submits job arrays, whose tasks compute and need no Prefect.

    Attributes:
        n_workers: tasks of an array at most.
        slurm: how tasks are asked for.
        attached: a submission that works on the next plan already.
    """

    name = "slurm"
    detaches = True
    on_this_machine = False

    def __init__(self, n_workers: int = 1, **options: Any) -> None:
        super().__init__(n_workers)
        self.slurm = SlurmOptions.read(options)
        self.attached: Spool | None = None

    @contextmanager
    def prepare(self, output_root: Path) -> Iterator[None]:
        """Begin nothing: most runs are submitted and left."""
        del output_root
        yield

    def check(self, *, output_root: Path) -> str:
        """Raise what :meth:`start` would, without submitting anything.

        Returns:
            One sentence: which Prefect API records the runs.

        Raises:
            UsageError: jobs cannot be submitted here, or the user's Prefect API does not answer.
            StiltError: the file system has no locks.
        """
        if missing := missing_commands():
            raise UsageError(
                f"SLURM's commands are not on the PATH here ({', '.join(missing)}): run this "
                "where jobs are submitted, most often a login node, or choose another backend."
            )
        return super().check(output_root=output_root)

    def start(
        self,
        project: Project,
        sim_ids: Sequence[str],
        *,
        skip_existing: bool | None = None,
        observer: Observer | None = None,
    ) -> SlurmHandle:
        """Submit a job array and return at once.

        Raises:
            UsageError: jobs cannot be submitted here, or SLURM refuses the array.
            RunUnfinishedError: others compute all of the simulations.
        """
        from stilt.execution.slurm.crew import new_submission
        from stilt.project.holders import shared

        self.check(output_root=project.layout.root)
        with shared(project.index, sim_ids) as share:
            plan = self.plan(project, share, skip_existing)
            spool = new_submission(project, plan, plan.batches, self.slurm)
        return SlurmHandle(self, project, plan, spool, observer)

    def plan(self, project: Project, share: Share, skip_existing: bool | None = None) -> Plan:
        """Return the plan of a run, cut for all processes of the tasks."""
        from stilt.execution.plan import Roles, plan_run

        if project.remote is not None:
            project.remote.check(2)
        processes = self.n_workers * self.slurm.cpus_per_task
        return plan_run(
            project, share.mine, processes, skip_existing=skip_existing, roles=Roles(processes),
            share=share,
        )  # fmt: skip

    def crew(self, project: Project, plan: Plan) -> Crew:
        """Return who computes a plan in a flow run: tasks of job arrays."""
        del plan
        from stilt.execution.slurm.crew import SlurmCrew

        attached, self.attached = self.attached, None
        return SlurmCrew(project, self.slurm, attached, _ArrayTable(project.name).show)


class _ArrayTable:
    """The tasks of an array as a table in Prefect, not too often.

    Args:
        name: of the project.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown_at = -SHOWN_EVERY_S

    def show(self, job: str, tasks: Sequence[ArrayTask]) -> None:
        """Publish the states of the tasks, always when all have ended."""
        from flows.observer import show_array

        now = time.monotonic()
        if tasks and (now - self._shown_at >= SHOWN_EVERY_S or all(task.ended for task in tasks)):
            self._shown_at = now
            show_array(self._name, job, tasks)

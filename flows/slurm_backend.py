"""The `slurm` backend: job arrays of workers without Prefect, followed by the flow `simulate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.backends import LocalBackend
from stilt.execution.memory import share_one_heap
from stilt.execution.slurm.options import SlurmOptions
from stilt.slurm_queue import require_commands, require_controller

if TYPE_CHECKING:
    from stilt.execution.engine import Crew
    from stilt.execution.observing import Observer
    from stilt.execution.plan import Plan
    from stilt.execution.runs import Outcome
    from stilt.execution.slurm.handle import ArrayHandle
    from stilt.execution.slurm.spool import Spool
    from stilt.project.holders import Share
    from stilt.project.inputs import Project


class SlurmBackend(LocalBackend):
    """Submits job arrays, whose tasks compute and need no Prefect.

    Attributes:
        n_workers: tasks of an array at most.
        slurm: how tasks are asked for.
    """

    name = "slurm"
    detaches = True
    on_this_machine = False

    def __init__(self, n_workers: int = 1, **options: Any) -> None:
        super().__init__(n_workers)
        self.slurm = SlurmOptions.read(options)
        self._submitted: Spool | None = None

    @contextmanager
    def prepare(self, output_root: Path) -> Iterator[None]:
        """Set up this process for following many simulations in little memory."""
        del output_root
        share_one_heap()
        yield

    def check(self, *, output_root: Path) -> str:
        """Return who records the runs, in a sentence; refuse where nothing can be submitted."""
        require_commands()
        require_controller()
        return super().check(output_root=output_root)

    def start(
        self,
        project: Project,
        sim_ids: Sequence[str],
        *,
        skip_existing: bool | None = None,
        observer: Observer | None = None,
    ) -> ArrayHandle:
        """Submit a job array and return at once.

        Raises:
            UsageError: jobs cannot be submitted here, or SLURM refuses the array.
            RunUnfinishedError: others compute all of the simulations.
        """
        from stilt.execution.slurm.crew import new_submission
        from stilt.execution.slurm.handle import ArrayHandle
        from stilt.project.holders import shared

        self.check(output_root=project.layout.root)
        with shared(project.index, sim_ids) as share:
            plan = self.plan(project, share, skip_existing)
            spool = new_submission(project, plan, plan.batches, self.slurm)
        return ArrayHandle(project, spool, partial(self._follow, project, plan, spool, observer))

    def _follow(
        self, project: Project, plan: Plan, spool: Spool, observer: Observer | None
    ) -> Outcome:
        """Follow a submission in a run of the flow `simulate`."""
        self._submitted = spool
        return self.run_flow(project, plan, observer)

    def plan(self, project: Project, share: Share, skip_existing: bool | None = None) -> Plan:
        """Return the plan of a run, cut for all processes of the tasks."""
        from stilt.execution.plan import plan_elsewhere

        processes = self.n_workers * self.slurm.cpus_per_task
        return plan_elsewhere(project, share, processes, skip_existing)

    def crew(self, project: Project, plan: Plan) -> Crew:
        """Return who computes a plan in a flow run: tasks of job arrays."""
        del plan
        from flows.observer import ArrayTable
        from stilt.execution.slurm.crew import SlurmCrew

        submitted, self._submitted = self._submitted, None
        return SlurmCrew(project, self.slurm, submitted, ArrayTable(project.name).show)

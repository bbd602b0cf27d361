"""Crews without Prefect: this process, or worker processes of this machine."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from stilt.execution.engine import Crew, run_plan
from stilt.execution.environment import environment
from stilt.execution.observing import Ended
from stilt.execution.orders import WorkOrder, compute_order, work_orders
from stilt.execution.places import Folders, Opened
from stilt.execution.plan import plan_run
from stilt.execution.processes import (
    WorkerSetUp,
    ctrl_c_held,
    remove_mark,
    set_up_worker,
    stop_workers,
    without_interrupt,
)
from stilt.execution.runs import EndedJob
from stilt.execution.setup import computing_environment, main_not_run_again
from stilt.project.holders import shared
from stilt.project.inputs import Project

if TYPE_CHECKING:
    from stilt.execution.engine import WithinBatch
    from stilt.execution.plan import Batch, Plan
    from stilt.execution.runs import JobHandle
    from stilt.execution.summary import BatchSummary

logger = logging.getLogger(__name__)


def fail_here(
    project: Project, sim_ids: Sequence[str], *, skip_existing: bool | None = None
) -> JobHandle:
    """Record the failure of simulations that are known to fail, in this process.

    Raises:
        RunUnfinishedError: other processes compute all of them.
    """
    with shared(project.index, sim_ids) as share, _not_said_again():
        plan = plan_run(project, share.mine, 1, skip_existing=skip_existing, share=share)
        return EndedJob(run_plan(project, plan, InlineCrew(project)))


@contextmanager
def _not_said_again() -> Iterator[None]:
    """Keep the failures of single simulations from being logged in this block."""
    said = logging.getLogger("stilt.execution.task")
    level = said.level
    said.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        said.setLevel(level)


def crew_of_this_machine(project: Project, plan: Plan) -> Crew:
    """Return who computes a plan here: this process for one worker, else processes of their own."""
    if plan.roles.transport + plan.roles.helpers == 1:
        return InlineCrew(project)
    return ProcessCrew(project)


@dataclass
class InlineCrew:
    """This process, one batch after the other.

    Attributes:
        project: whose simulations are computed.
        function: computes an order, and reports how far it is.
    """

    project: Project
    function: Callable[[WorkOrder, Callable[[float], None]], BatchSummary] = compute_order
    deaths_are_isolated = True

    def compute(
        self, plan: Plan, batches: Sequence[Batch], *, alone: bool, progress: WithinBatch
    ) -> Iterator[Ended]:
        """Compute batches; see :class:`stilt.execution.engine.Crew`."""
        del alone
        for order in work_orders(self.project, plan, batches, Opened(self.project)):
            yield Ended(order.batch, self.function(order, partial(progress, order.batch)))


@dataclass
class ProcessCrew:
    """Processes of this machine, each in a pool of its own: a death affects one batch only.

    Attributes:
        project: whose simulations are computed.
        function: computes an order in a worker; importable there.
    """

    project: Project
    function: Callable[[WorkOrder], BatchSummary] = compute_order
    deaths_are_isolated = True

    def compute(
        self, plan: Plan, batches: Sequence[Batch], *, alone: bool, progress: WithinBatch
    ) -> Iterator[Ended]:
        """Compute batches; see :class:`stilt.execution.engine.Crew`."""
        del alone, progress
        n_workers = plan.roles.transport
        setup = WorkerSetUp(n_workers)
        running = self.project.layout.running
        waiting = deque(work_orders(self.project, plan, batches, Folders.of(self.project)))
        slots = [_Slot(setup, number) for number in range(min(n_workers, len(batches)))]
        busy: dict[Future[BatchSummary], tuple[_Slot, WorkOrder]] = {}
        usable = True
        with environment(computing_environment(self.project, n_workers)), main_not_run_again():
            try:
                while busy or waiting:
                    idle = [slot for slot in slots if slot not in [one for one, _ in busy.values()]]
                    while idle and waiting and usable:
                        slot, order = idle.pop(), waiting.popleft()
                        busy[slot.submit(self.function, order)] = slot, order
                    if not busy:
                        yield from (Ended(o.batch, lost=True, begun=False) for o in waiting)
                        return
                    done, _ = wait(busy, return_when=FIRST_COMPLETED)
                    for future in done:
                        slot, order = busy.pop(future)
                        ended = self._ended(future, order)
                        # A worker that dies before it begins would do so again and again.
                        usable = usable and (ended.begun or not ended.lost)
                        yield ended
            except BaseException:
                setup.stopping.set()
                stop_workers(running, [order.batch for _, order in busy.values()])
                raise
            finally:
                for slot in slots:
                    slot.close(wait=False)
                for slot in slots:
                    slot.close()

    def _ended(self, future: Future[BatchSummary], order: WorkOrder) -> Ended:
        try:
            return Ended(order.batch, future.result())
        except BrokenProcessPool:
            begun = remove_mark(self.project.layout.running, order.batch)
            if begun:
                logger.warning(
                    "A worker died while it computed %s; what it had not finished is tried again.",
                    order.label,
                )
            return Ended(order.batch, lost=True, begun=begun)
        except Exception as error:
            return Ended(order.batch, error=f"{type(error).__name__}: {error}")


@dataclass(eq=False)
class _Slot:
    """A worker process, replaced when it has died."""

    setup: WorkerSetUp
    number: int
    _pool: ProcessPoolExecutor | None = field(default=None)

    def submit(
        self, function: Callable[[WorkOrder], BatchSummary], order: WorkOrder
    ) -> Future[BatchSummary]:
        """Give the worker an order, a new worker if the old one has died."""
        with ctrl_c_held():
            if self._pool is not None:
                try:
                    return self._pool.submit(without_interrupt, function, order)
                except BrokenProcessPool:
                    self.close()
            self._pool = ProcessPoolExecutor(
                1,
                mp_context=self.setup.context,
                initializer=set_up_worker,
                initargs=self.setup.arguments(self.number),
            )
            return self._pool.submit(without_interrupt, function, order)

    def close(self, *, wait: bool = True) -> None:
        """End the process, once it has ended what it computes."""
        if self._pool is not None:
            self._pool.shutdown(wait, cancel_futures=True)

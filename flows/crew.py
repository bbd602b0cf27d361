"""Crews of a flow run: batches mapped as Prefect task runs, inline or over a task runner's workers.

A worker that is killed (out of memory, by an operator) breaks Prefect's process pool: every
unfinished future raises, and `retries` cannot help. The engine decides what is tried again; here
its task runs are marked as crashed, and the next wave gets a new pool.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self, cast

import httpx
from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture, as_completed
from prefect.states import Completed, Crashed, Failed, State
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner

from flows.settings import offline, without_logging_errors
from stilt.errors import SimulationError
from stilt.execution import BatchSummary
from stilt.execution.crews import InlineCrew
from stilt.execution.engine import WithinBatch
from stilt.execution.environment import environment
from stilt.execution.observing import Ended
from stilt.execution.orders import WorkOrder, compute_order, work_orders
from stilt.execution.places import Folders, ProjectPlace
from stilt.execution.plan import Batch, Plan
from stilt.execution.processes import (
    WorkerSetUp,
    ctrl_c_held,
    killed_when_stuck,
    remove_mark,
    set_up_worker,
    stop_workers,
    without_interrupt,
)
from stilt.execution.setup import computing_environment, main_not_run_again
from stilt.execution.warm_up import first_with_transport, get_worker_ready
from stilt.project.inputs import Project

RECORD_DELAY_S = 5.0
LAST_MESSAGES_S = 1.0


@task(
    name="simulate-batch", task_run_name="{order.label}", cache_policy=NO_CACHE,
    persist_result=False,
)  # fmt: skip
def simulate_batch(order: WorkOrder, progress: Callable[[float], None] | None = None) -> State[Any]:
    """Compute one batch; the task run ends Failed, with the counts, when a simulation failed."""
    return batch_state(compute_order(order, progress), len(order.batch.sim_ids))


def batch_state(summary: BatchSummary, number: int) -> State[Any]:
    """Return the final state of the task run of a batch of so many simulations."""
    state = Failed if summary.n_failed or summary.interrupted else Completed
    return state(message=summary.sentence(number), data=summary)


def task_runs_of_this_machine(
    project: Project, plan: Plan, ready: WorkerPool | None = None
) -> InlineCrew | MappedTasks:
    """Return the crew of this machine: the flow's process for one worker, else a process pool.

    Args:
        project: whose simulations are computed.
        plan: what to compute.
        ready: workers that were started for this plan already.
    """
    if plan.roles.transport + plan.roles.helpers == 1:
        return InlineCrew(project, compute_as_task_run)
    running = project.layout.running
    return MappedTasks(
        project,
        Folders.of(project),
        partial(
            process_pool,
            running=running,
            variables=_variables_of_workers(project, plan),
            ready=[] if ready is None else [ready],
        ),
        (BrokenProcessPool,),
        partial(remove_mark, running),
    )


def _variables_of_workers(project: Project, plan: Plan) -> dict[str, str]:
    return computing_environment(project, plan.roles.transport) | offline()


def compute_as_task_run(order: WorkOrder, progress: Callable[[float], None]) -> BatchSummary:
    """Compute an order as a task run in the process of its flow run."""
    state: Any = simulate_batch(order, progress, return_state=True)
    # In a running event loop (a notebook) the call would be a coroutine without _sync.
    result = state.result(raise_on_failure=False, _sync=True)
    if isinstance(result, BaseException):
        raise result
    return cast(BatchSummary, result)


@dataclass
class MappedTasks:
    """Task runs mapped over workers of some kind.

    Attributes:
        project: whose simulations are computed.
        place: how workers find it.
        workers: starts their task runner for a block; called with how many, and the batches that
            they are to compute.
        lost: exceptions of a future whose worker has died.
        begun: tells after such a death whether a batch had been begun.
        task: computes an order.
    """

    project: Project
    place: ProjectPlace
    workers: Callable[[int, Sequence[Batch]], AbstractContextManager[TaskRunner[Any]]]
    lost: tuple[type[Exception], ...]
    begun: Callable[[Batch], bool]
    task: Task[..., Any] = simulate_batch
    deaths_are_isolated = False
    _announced: list[PrefectFuture[Any]] = field(default_factory=list)

    def compute(
        self, plan: Plan, batches: Sequence[Batch], *, alone: bool, progress: WithinBatch
    ) -> Iterator[Ended]:
        """Compute batches; see :class:`stilt.execution.engine.Crew`."""
        del progress
        # A worker may have announced a batch before it died; by now that has been recorded.
        mark_crashed(self._announced, patience_s=0.0)
        self._announced.clear()
        dead: list[PrefectFuture[BatchSummary]] = []
        orders = work_orders(self.project, plan, batches, self.place)
        with self.workers(1 if alone else plan.roles.transport, batches) as runner:
            with ctrl_c_held():
                mapped = runner.map(self.task, {"order": orders})
                futures = dict(zip(mapped, batches, strict=True))
            for future in as_completed(list(futures)):
                ended = self._ended(future, futures[future])
                if ended.lost:
                    (dead if ended.begun else self._announced).append(future)
                yield ended
        mark_crashed(dead)

    def _ended(self, future: PrefectFuture[BatchSummary], batch: Batch) -> Ended:
        try:
            result: Any = future.result(raise_on_failure=False)
        except self.lost:
            return Ended(batch, lost=True, begun=self.begun(batch))
        except _UnrecordedError:
            raise
        except Exception as error:
            result = error
        if isinstance(result, BatchSummary):
            return Ended(batch, result)
        return Ended(batch, error=f"{type(result).__name__}: {result}")


class _UnrecordedError(SimulationError):
    """Prefect could not record a task run in a worker: its server has ended, most often."""


def _without_exit(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a worker; Prefect's SystemExit, on a server that is gone, is an error.

    As a SystemExit it would end the thread that collects results, and the run would wait forever.
    """
    try:
        return without_interrupt(function, *arguments)
    except SystemExit as error:
        raise _UnrecordedError(
            "Prefect's server no longer answers, and the run broke off: run again, what is "
            "finished is kept."
        ) from error


class _InOrder(ProcessPoolTaskRunner):
    """Batches begin in the order planned: the last ones are small, so that workers end together.

    Prefect hands task runs on in as many threads as there are workers, which overtake one another.
    """

    def __enter__(self) -> Self:
        """Start the pool."""
        super().__enter__()
        if self._resolver_executor is not None:
            self._resolver_executor.shutdown()
        self._resolver_executor = ThreadPoolExecutor(max_workers=1)
        assert isinstance(self._executor, ProcessPoolExecutor)
        self.pool = self._executor
        submit: Callable[..., Future[Any]] = self.pool.submit
        self.pool.submit = partial(submit, _without_exit)  # type: ignore[method-assign]
        return self

    def before_tasks(self, function: Callable[..., object], *arguments: Any) -> Future[Any]:
        """Have one of the workers call a function, which is none of Prefect's task runs."""
        return self.pool.submit(function, *arguments)


@dataclass
class WorkerPool:
    """Worker processes of this machine, which start when they are first given something to do.

    Args:
        n_workers: processes.
        variables: environment of the workers.

    Attributes:
        runner: Prefect's task runner over them, until the pool is closed.
    """

    n_workers: int
    variables: dict[str, str]

    def __post_init__(self) -> None:
        self._setup = WorkerSetUp(self.n_workers)
        self.runner = _InOrder(
            self.n_workers, initializer=_set_up_worker, initargs=self._setup.arguments()
        )
        with ExitStack() as stack:
            stack.enter_context(environment(self.variables))
            stack.enter_context(main_not_run_again())
            stack.enter_context(self.runner)
            self._open = stack.pop_all()

    def tell_to_stop(self) -> None:
        """Have the workers begin nothing more."""
        self._setup.stopping.set()

    def close(self) -> None:
        """End the processes, once they have ended what they do; harmless when they have ended."""
        with killed_when_stuck(self.runner.pool):
            self._open.close()


@contextmanager
def workers_getting_ready(project: Project, plan: Plan) -> Iterator[WorkerPool | None]:
    """Start the workers of a plan before its flow run, which waits for Prefect's server.

    They import what they need, one compiles the transport, and the others prepare meteorology
    until it has.

    Yields:
        The workers; None where this process computes, or a GPU does.
    """
    if plan.roles.transport == 1 or plan.roles.helpers:
        yield None
        return
    first = first_with_transport(project, plan)
    pool = WorkerPool(plan.roles.transport, _variables_of_workers(project, plan))
    try:
        with ctrl_c_held():
            for order in work_orders(project, plan, first, Folders.of(project)):
                pool.runner.before_tasks(get_worker_ready, order)
        yield pool
    except BaseException:
        pool.tell_to_stop()
        raise
    finally:
        pool.close()


@contextmanager
def process_pool(
    n_workers: int,
    batches: Sequence[Batch],
    *,
    running: Any,
    variables: dict[str, str],
    ready: list[WorkerPool],
) -> Iterator[TaskRunner[Any]]:
    """Make a pool of worker processes.

    An exception in the block (Ctrl-C among them) stops the workers that compute `batches`, which
    are killed after a grace period.

    Args:
        n_workers: processes.
        batches: that they will compute.
        running: folder of the marks of batches that are being computed.
        variables: environment of the workers.
        ready: a pool that was started already is taken from here if there is any.
    """
    pool = ready.pop() if ready else WorkerPool(n_workers, variables)
    try:
        yield pool.runner
    except BaseException:
        pool.tell_to_stop()
        stop_workers(running, batches)
        raise
    finally:
        pool.close()


def _set_up_worker(*arguments: Any) -> None:
    without_logging_errors()
    set_up_worker(*arguments)


def mark_crashed(futures: Sequence[PrefectFuture[Any]], patience_s: float = RECORD_DELAY_S) -> None:
    """Mark task runs as crashed whose worker died, which cannot do so itself.

    Prefect may get a worker's last messages later; a task run that it does not know after
    ``patience_s`` was never shown and needs no mark.
    """
    if not futures:
        return
    state: State[None] = Crashed(
        message="The worker process died; its simulations are tried again."
    )
    deadline = time.monotonic() + patience_s
    with get_client(sync_client=True) as client:
        for future in futures:
            while True:
                try:
                    client.set_task_run_state(future.task_run_id, state, force=True)
                except httpx.HTTPError:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.2)
                else:
                    break


def crash_unfinished(message: str) -> None:
    """Mark the unfinished task runs of the current flow run as crashed, when it breaks off."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    mine = FlowRunFilter.model_validate({"id": {"any_": [context.flow_run.id]}})
    going = {"type": {"any_": ["RUNNING", "PENDING"]}}
    unfinished = TaskRunFilter.model_validate({"state": going})
    with suppress(httpx.HTTPError), get_client(sync_client=True) as client:
        for delay_s in (0.0, LAST_MESSAGES_S):  # workers' last messages may still be on their way
            time.sleep(delay_s)
            for run in client.read_task_runs(flow_run_filter=mine, task_run_filter=unfinished):
                state: State[None] = Crashed(message=message)
                client.set_task_run_state(run.id, state, force=True)

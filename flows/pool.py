"""Batches mapped over worker processes, with recovery from workers that die.

A worker that is killed (out of memory, by an operator) breaks Prefect's process pool: every
unfinished future raises, and `retries` cannot help. Here a broken pool is replaced, and the
batches that were running are tried again by one worker alone, so that blame is certain: one that
kills twice is halved, and a single simulation that kills twice is given up.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture, as_completed
from prefect.states import Crashed, State
from prefect.task_runners import ProcessPoolTaskRunner

from flows.environment import environment, without_logging_errors
from stilt.errors import StiltError
from stilt.execution.memory import keep_freed_memory
from stilt.execution.plan import Batch
from stilt.execution.push import KILLS_ALLOWED
from stilt.execution.setup import end_with_parent, main_not_run_again, pin_worker

R = TypeVar("R")

BARREN_ALLOWED = 3
INTERRUPT_GRACE_S = 10.0
RECORD_DELAY_S = 5.0
LAST_WORDS_S = 1.0

_stopping: Event | None = None


class WorkersError(StiltError):
    """Worker processes cannot be kept alive at all."""


class EndedFailedError(StiltError, Generic[R]):
    """A task ends Failed with this, and yet hands over its result.

    Attributes:
        result: what the task would have returned.
    """

    def __init__(self, text: str, result: R) -> None:
        super().__init__(text, result)
        self.result = result

    def __str__(self) -> str:
        return str(self.args[0])

    def __repr__(self) -> str:
        # Prefect logs it beside the same text in the state's message.
        return f"{type(self).__name__}()"


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What became of a batch: a result, or the reason why there is none."""

    batch: Batch
    result: R | None = None
    worker_died: bool = False
    error: str = ""


@dataclass(frozen=True)
class Workers:
    """Worker processes of some kind.

    Attributes:
        open: makes them the task runner of the current flow run for a block; called with a number
            of workers and the batches that they are to compute.
        lost: exceptions of a future whose worker has died.
        begun: asked after such a death, whether it took this batch along; its mark is removed.
    """

    open: Callable[[int, Sequence[Batch]], AbstractContextManager[None]]
    lost: tuple[type[Exception], ...]
    begun: Callable[[Batch], bool]


def process_workers(marks: Path, variables: dict[str, str] | None = None) -> Workers:
    """Processes of this machine.

    Args:
        marks: directory where a batch has a file ``<id>.json`` while it is computed
            (:func:`stilt.project.batches.mark_running`): tells what a dead worker took along.
        variables: environment of the workers.
    """
    return Workers(
        lambda n_workers, wave: worker_pool(n_workers, wave, marks, variables or {}),
        (BrokenProcessPool,),
        lambda batch: remove_mark(marks, batch),
    )


def remove_mark(marks: Path, batch: Batch) -> bool:
    """Whether a batch had a mark, which is gone afterwards."""
    mark = _mark(marks, batch)
    try:
        mark.unlink()
    except FileNotFoundError:
        return False
    return True


def run_batches(
    batches: Sequence[Batch],
    submit: Callable[[Sequence[Batch]], Sequence[PrefectFuture[R]]],
    *,
    n_workers: int,
    workers: Workers,
) -> Iterator[Outcome[R]]:
    """Yield the outcome of every batch, in the order in which they end.

    Args:
        batches: what to run.
        submit: maps a task over batches in the current flow run, one future for each.
        n_workers: worker processes.
        workers: what kind they are.

    Raises:
        WorkersError: pool after pool breaks before any batch is begun.
    """
    waiting, suspects = list(batches), deque[Batch]()
    kills: Counter[str] = Counter()
    barren = 0
    lost: list[PrefectFuture[Any]] = []
    while waiting or suspects:
        alone = not waiting
        # One worker computes suspects one after another, so that blame is certain.
        wave = list(suspects) if alone else waiting
        if alone:
            suspects.clear()
        waiting, killed, untouched = [], {}, 0
        with workers.open(1 if alone else n_workers, wave):
            with _ctrl_c_held():
                futures = dict(zip(submit(wave), wave, strict=True))
            for future in as_completed(list(futures)):
                batch = futures[future]
                try:
                    yield Outcome(batch, future.result())
                except workers.lost:
                    if workers.begun(batch):
                        killed[future] = batch
                    else:
                        (suspects if alone else waiting).append(batch)
                        lost.append(future)
                        untouched += 1
                except EndedFailedError as told:
                    yield Outcome(batch, told.result)
                except Exception as error:
                    yield Outcome(batch, error=f"{type(error).__name__}: {error}")
        barren = barren + 1 if untouched and not killed else 0
        if barren == BARREN_ALLOWED:
            raise WorkersError(
                "Worker processes end before they compute anything: try n_workers=1, which "
                "computes in this process and shows why."
            )
        mark_crashed(list(killed))
        for batch in killed.values():
            kills[batch.id] += 1
            if not alone or kills[batch.id] < KILLS_ALLOWED:
                suspects.append(batch)
            elif len(batch.sim_ids) > 1:
                halves = batch.halves()
                suspects.extend(halves)
                # One of the two is guilty, so one more kill decides.
                kills.update({half.id: KILLS_ALLOWED - 1 for half in halves})
            else:
                yield Outcome(batch, worker_died=True)
    # A worker may have announced the next batch before it died; by now that has been recorded.
    mark_crashed(lost, patience_s=0.0)


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
        return self


@contextmanager
def worker_pool(
    n_workers: int, batches: Sequence[Batch], marks: Path, variables: dict[str, str]
) -> Iterator[None]:
    """Make a new pool of worker processes the task runner of the current flow run.

    When the block is left by an exception (Ctrl-C among them), workers that compute one of
    `batches` are told to stop and, after a grace period, killed.
    """
    context = FlowRunContext.get()
    if context is None:
        raise RuntimeError("worker_pool is used inside a flow run only")
    spawn = multiprocessing.get_context("spawn")
    stopping = spawn.Event()
    runner = _InOrder(
        max_workers=n_workers,
        initializer=_set_up_worker,
        initargs=(spawn.Value("i", 0), n_workers, stopping),
    )
    with (
        environment(variables),
        main_not_run_again(),
        runner,
        context.model_copy(update={"task_runner": runner}),
    ):
        try:
            yield
        except BaseException:
            stopping.set()
            _stop_workers([_mark(marks, batch) for batch in batches])
            raise


def mark_crashed(futures: Sequence[PrefectFuture[Any]], patience_s: float = RECORD_DELAY_S) -> None:
    """Tell Prefect which task runs died with their worker: nobody else will.

    A worker's last messages may still be on their way; a task run that Prefect does not hear of
    within ``patience_s`` was never shown and needs no mark.
    """
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
    """Tell Prefect that the task runs of the current flow run are over that still show as going.

    For a run that breaks off: its workers are gone, some without a last word.
    """
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    mine = FlowRunFilter(id=FlowRunFilterId(any_=[context.flow_run.id]))
    going = TaskRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING])
    unfinished = TaskRunFilter(state=TaskRunFilterState(type=going))
    with suppress(httpx.HTTPError), get_client(sync_client=True) as client:
        for delay_s in (0.0, LAST_WORDS_S):  # what workers sent last may still be on its way
            time.sleep(delay_s)
            for run in client.read_task_runs(flow_run_filter=mine, task_run_filter=unfinished):
                state: State[None] = Crashed(message=message)
                client.set_task_run_state(run.id, state, force=True)


@contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """Let processes and threads that start in this block never see Ctrl-C; we do, after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def told_to_stop() -> bool:
    """Whether the run has ended around this worker, which may still hold batches in its queue."""
    return _stopping is not None and _stopping.is_set()


def _set_up_worker(started: Any, n_workers: int, stopping: Event) -> None:
    """Give a worker its cores; leave Ctrl-C to the parent, which asks busy workers to stop."""
    global _stopping
    end_with_parent()
    keep_freed_memory()
    without_logging_errors()
    _stopping = stopping
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with started.get_lock():
        number = started.value
        started.value += 1
    if n_workers > 1:
        pin_worker(number, n_workers)


def _mark(marks: Path, batch: Batch) -> Path:
    return marks / f"{batch.id}.json"


def _stop_workers(marks: Sequence[Path]) -> None:
    """Interrupt the processes that hold a mark, and kill those that do not end."""
    _signal(marks, signal.SIGTERM)
    deadline = time.monotonic() + INTERRUPT_GRACE_S
    while any(mark.exists() for mark in marks):
        if time.monotonic() > deadline:
            _signal(marks, signal.SIGKILL)
            return
        time.sleep(0.1)


def _signal(marks: Sequence[Path], signum: int) -> None:
    for mark in marks:
        with suppress(OSError, ValueError, LookupError):
            os.kill(holder_pid(json.loads(mark.read_text())["owner"]), signum)


def holder_pid(owner: str) -> int:
    """Process id in an owner's name, see :func:`stilt.project.owners.new_owner`."""
    return int(owner.split("|")[1])

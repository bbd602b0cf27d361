"""Batches mapped over worker processes, with recovery from workers that die.

A worker that is killed (out of memory, by an operator) breaks Prefect's process pool: every
unfinished future raises, and `retries` cannot help. Here a broken pool is replaced, and the
batches that were running are tried again one at a time, so that blame is certain: a batch that
kills again is halved, and a single simulation that kills twice alone is given up.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ProcessPoolTaskRunner

R = TypeVar("R")

KILLS_ALLOWED = 2
INTERRUPT_GRACE_S = 20.0


@dataclass(frozen=True)
class Job:
    """Simulation ids that one task computes.

    Attributes:
        id: unique within the run, usable as a file name.
        sim_ids: simulations, computed together.
        label: the task run's name for people.
        kills: how often a worker died while it ran this job alone or was suspected of it.
    """

    id: str
    sim_ids: tuple[str, ...]
    label: str
    kills: int = 0

    def halves(self) -> list[Job]:
        """Two jobs with half of the simulations each, one of them guilty: one more kill decides."""
        middle = len(self.sim_ids) // 2
        parts = (self.sim_ids[:middle], self.sim_ids[middle:])
        return [
            Job(f"{self.id}{letter}", part, batch_label(part), kills=KILLS_ALLOWED - 1)
            for letter, part in zip("ab", parts, strict=True)
        ]


def batch_label(sim_ids: Sequence[str]) -> str:
    """A task run's name for people: the first and last simulation and how many."""
    if len(sim_ids) == 1:
        return sim_ids[0]
    return f"{sim_ids[0]} .. {sim_ids[-1]} ({len(sim_ids)})"


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What became of a job: a result, or the reason why there is none."""

    job: Job
    result: R | None = None
    worker_died: bool = False
    error: str = ""


def run_jobs(
    jobs: Sequence[Job],
    submit: Callable[[Sequence[Job]], Sequence[PrefectFuture[R]]],
    *,
    n_workers: int,
    markers: Path,
    on_death: Callable[[PrefectFuture[R]], None] | None = None,
) -> Iterator[Outcome[R]]:
    """Yield the outcome of every job, in the order in which they end.

    Args:
        jobs: what to run.
        submit: maps a task over jobs in the current flow run, one future for each.
        n_workers: worker processes.
        markers: directory where the task keeps a file named after its job while it runs
            (see :func:`running`); tells which jobs a dead worker took along.
        on_death: told the future of each job that was running when a worker died.
    """
    waiting, suspects = list(jobs), deque[Job]()
    while waiting or suspects:
        alone = not waiting
        wave = [suspects.popleft()] if alone else waiting
        waiting = []
        with worker_pool(1 if alone else n_workers, markers):
            futures = dict(zip(submit(wave), wave, strict=True))
            for future in as_completed(list(futures)):
                job = futures[future]
                try:
                    yield Outcome(job, future.result())
                except BrokenProcessPool:
                    if not (markers / job.id).exists():
                        waiting.append(job)
                        continue
                    (markers / job.id).unlink()
                    if on_death:
                        on_death(future)
                    job = Job(job.id, job.sim_ids, job.label, job.kills + 1)
                    if job.kills < KILLS_ALLOWED or not alone:
                        suspects.append(job)
                    elif len(job.sim_ids) > 1:
                        suspects.extend(job.halves())
                    else:
                        yield Outcome(job, worker_died=True)
                except Exception as error:
                    yield Outcome(job, error=f"{type(error).__name__}: {error}")


@contextmanager
def worker_pool(n_workers: int, markers: Path) -> Iterator[None]:
    """Make a new pool of worker processes the task runner of the current flow run.

    When the block is left by an exception (Ctrl-C among them), running workers are told to
    stop and, after a grace period, killed.
    """
    context = FlowRunContext.get()
    if context is None:
        raise RuntimeError("worker_pool is used inside a flow run only")
    markers.mkdir(parents=True, exist_ok=True)
    for left in markers.iterdir():
        left.unlink()
    runner = ProcessPoolTaskRunner(max_workers=n_workers, initializer=_prepare_worker)
    with runner, context.model_copy(update={"task_runner": runner}):
        try:
            yield
        except BaseException:
            _stop_workers(markers)
            raise


@contextmanager
def running(marker: Path) -> Iterator[None]:
    """Keep a file with this process's id while a block runs; it stays if the process dies."""
    marker.write_text(str(os.getpid()))
    try:
        yield
    finally:
        marker.unlink(missing_ok=True)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, which asks each worker to stop with SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _stop_workers(markers: Path) -> None:
    _signal_workers(markers, signal.SIGTERM)
    deadline = time.monotonic() + INTERRUPT_GRACE_S
    while any(markers.iterdir()):
        if time.monotonic() > deadline:
            _signal_workers(markers, signal.SIGKILL)
            return
        time.sleep(0.1)


def _signal_workers(markers: Path, signum: int) -> None:
    for marker in markers.iterdir():
        with suppress(OSError, ValueError):
            os.kill(int(marker.read_text()), signum)

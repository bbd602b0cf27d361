"""Worker processes of this machine: how a pool is set up and stopped, and what a death leaves.

Nothing here imports JAX: a worker must be pinned to its cores first.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.synchronize import Event
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from stilt.errors import SimulationError, UsageError
from stilt.execution.memory import keep_freed_memory
from stilt.execution.plan import Batch
from stilt.execution.setup import end_with_parent, own_process, pin_worker
from stilt.project.owners import pid_of

INTERRUPT_GRACE_S = 30.0

_LAST = -1000
"""After multiprocessing has sent what is queued and has ended the children of a process."""

_stopping: Event | None = None


class WorkerSetUp:
    """What process pools of ``concurrent.futures`` are made with.

    Args:
        n_workers: processes that share the cores.

    Attributes:
        context: to make processes in.
        stopping: set when the run has ended around its workers.

    Raises:
        UsageError: this system does not let processes share anything.
    """

    def __init__(self, n_workers: int) -> None:
        self.context = multiprocessing.get_context("spawn")
        try:
            self.stopping = self.context.Event()
        except OSError as error:
            raise UsageError(
                f"Worker processes cannot share memory here ({error}): make /dev/shm writable (a "
                "tmpfs, in a container), or use one worker."
            ) from error
        self._n_workers = n_workers

    def arguments(self, first: int = 0) -> tuple[Any, ...]:
        """Return arguments of :func:`set_up_worker`, the initializer of a pool.

        Args:
            first: number of the pool's first worker, from 0.
        """
        return self.context.Value("i", first), self._n_workers, self.stopping


def set_up_worker(next_number: Any, n_workers: int, stopping: Event) -> None:
    """Pin a worker to its share of the cores, and leave Ctrl-C to its parent.

    Args:
        next_number: of the next worker of this pool to start; shared by its workers.
        n_workers: how many share the cores.
        stopping: set when the run has ended around this worker.
    """
    global _stopping
    own_process()
    end_with_parent()
    # From Python 3.13 on finalizers no longer know with what status the process ends.
    if sys.version_info < (3, 13):
        Finalize(None, _end_at_once, exitpriority=_LAST)
    keep_freed_memory()
    _stopping = stopping
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with next_number.get_lock():
        number = next_number.value
        next_number.value += 1
    if n_workers > 1:
        pin_worker(number % n_workers, n_workers)


def _end_at_once() -> None:
    """End this process, whose work is done, without taking apart what it has imported.

    After an exception multiprocessing ends it, with the exit status of that exception.
    """
    if sys.exc_info()[0] is not None:
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(0)


def told_to_stop() -> bool:
    """Return whether the run has ended around this worker, which may still have batches queued."""
    return _stopping is not None and _stopping.is_set()


def without_interrupt(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a worker; an interrupt that it lets through is an error.

    As an interrupt it would end the thread of the parent that collects results, or pass there for
    one of the parent's own.

    Raises:
        SimulationError: the worker was interrupted, in the last moments of a batch for example.
    """
    try:
        return function(*arguments)
    except KeyboardInterrupt as error:
        raise SimulationError("The worker was interrupted.") from error


@contextmanager
def ctrl_c_held() -> Iterator[None]:
    """Keep Ctrl-C from processes and threads that start in this block; it reaches us after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def remove_mark(running: Path, batch: Batch) -> bool:
    """Return whether a dead worker had begun a batch, and remove the mark that says so.

    Args:
        running: folder of :func:`stilt.project.batches.mark_running`.
        batch: the batch.
    """
    try:
        _mark(running, batch).unlink()
    except FileNotFoundError:
        return False
    return True


def stop_workers(running: Path, batches: Sequence[Batch]) -> None:
    """Interrupt the processes that compute batches, and kill those that do not end in time."""
    marks = [_mark(running, batch) for batch in batches]
    _signal(marks, signal.SIGTERM)
    deadline = time.monotonic() + INTERRUPT_GRACE_S
    while any(mark.exists() for mark in marks):
        if time.monotonic() > deadline:
            _signal(marks, signal.SIGKILL)
            return
        time.sleep(0.1)


@contextmanager
def killed_when_stuck(pool: ProcessPoolExecutor) -> Iterator[None]:
    """Kill what is left of a broken pool when the block, which closes it, has waited too long.

    When one of its processes dies a pool asks the others to end, and waits for them; one that hangs
    outside Python never hears of it.
    """
    left = list(pool._processes.values()) if pool._broken and pool._processes else []

    def kill() -> None:
        for process in left:
            process.kill()

    timer = threading.Timer(INTERRUPT_GRACE_S, kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _mark(running: Path, batch: Batch) -> Path:
    return running / f"{batch.id}.json"


def _signal(marks: Sequence[Path], signum: int) -> None:
    for mark in marks:
        with suppress(OSError, ValueError, LookupError):
            os.kill(pid_of(json.loads(mark.read_text())["owner"]), signum)

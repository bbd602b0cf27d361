"""Worker processes that compute jobs from a shared queue, replaced when they die."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing import connection as channels
from multiprocessing.connection import Connection
from typing import Any

from stilt.errors import StiltError
from stilt.execution.worker import READY

STOP_GRACE_S = 30.0

_MAIN = "import sys; from stilt.execution.worker import main; main(*map(int, sys.argv[1:]))"
_FAILED_STARTS = 3


@dataclass(frozen=True)
class Job:
    """A function call for a worker.

    Attributes:
        target: ``module:function``, importable in the worker.
        arguments: keyword arguments, picklable.
        tag: anything the caller wants back with the outcome.
    """

    target: str
    arguments: Mapping[str, Any]
    tag: Any = None


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its result, or the death of its worker."""

    job: Job
    result: Any = None
    worker_died: bool = False
    exit_code: int | None = None


@dataclass
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    channel: Connection
    job: Job | None = None
    ready: bool = False


@dataclass
class WorkerPool:
    """Up to ``n_workers`` processes; use it as a context manager.

    Attributes:
        n_workers: most processes at a time; no more are started than there are jobs.
        environment: variables that workers have beside ours.
        waiting: jobs that no worker has yet; more may be added while :meth:`run` goes on.
    """

    n_workers: int
    environment: Mapping[str, str] = field(default_factory=dict)
    waiting: deque[Job] = field(default_factory=deque)
    _workers: list[_Worker] = field(default_factory=list)
    _failed_starts: int = 0

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.channel.close()
            worker.process.terminate()
        for worker in self._workers:
            _end(worker.process, STOP_GRACE_S)
        self._workers.clear()

    def run(self) -> Iterator[Outcome]:
        """Yield the outcome of every job as it ends.

        Raises:
            StiltError: worker processes do not start.
        """
        while self.waiting or any(worker.job for worker in self._workers):
            self._start_missing()
            for worker in self._workers:
                if worker.ready and worker.job is None and self.waiting:
                    self._send(worker, self.waiting.popleft())
            for ready in channels.wait([worker.channel for worker in self._workers]):
                worker = next(w for w in self._workers if w.channel is ready)
                outcome = self._receive(worker)
                if outcome is not None:
                    yield outcome

    def stop(self) -> Iterator[Outcome]:
        """Ask busy workers to stop, and yield what they still had to say within a grace period."""
        self.waiting.clear()
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + STOP_GRACE_S
        while busy := [worker for worker in self._workers if worker.job is not None]:
            left = deadline - time.monotonic()
            ready = channels.wait([worker.channel for worker in busy], timeout=max(0.0, left))
            if not ready:
                break
            for worker in [worker for worker in busy if worker.channel in ready]:
                outcome = self._receive(worker)
                if outcome is not None and not outcome.worker_died:
                    yield outcome
        for worker in self._workers:
            worker.process.kill()

    def _start_missing(self) -> None:
        idle = sum(worker.job is None for worker in self._workers)
        wanted = min(self.n_workers - len(self._workers), len(self.waiting) - idle)
        numbers = set(range(self.n_workers)) - {worker.number for worker in self._workers}
        for number in sorted(numbers)[: max(0, wanted)]:
            self._workers.append(self._start(number))

    def _start(self, number: int) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            descriptor = theirs.fileno()
            # The worker finds the same modules, wherever this process has them from.
            path = os.pathsep.join(entry for entry in sys.path if entry)
            process = subprocess.Popen(
                [sys.executable, "-c", _MAIN, str(descriptor), str(number), str(self.n_workers)],
                env={**os.environ, **self.environment, "PYTHONPATH": path},
                pass_fds=[descriptor],
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        return _Worker(number, process, Connection(ours.detach()))

    def _send(self, worker: _Worker, job: Job) -> None:
        worker.job = job
        # A worker that has just died is noticed when its channel is read.
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            worker.channel.send((job.target, dict(job.arguments)))

    def _receive(self, worker: _Worker) -> Outcome | None:
        """Read what a worker says; its death is the outcome of the job that it had."""
        try:
            message = worker.channel.recv()
        except (EOFError, ConnectionError):
            return self._bury(worker)
        if not worker.ready:
            worker.ready = message == READY
            self._failed_starts = 0
            return None
        job, worker.job = worker.job, None
        assert job is not None
        return Outcome(job, message)

    def _bury(self, worker: _Worker) -> Outcome | None:
        self._workers.remove(worker)
        worker.channel.close()
        code = _end(worker.process, 5.0)
        if worker.job is not None:
            return Outcome(worker.job, worker_died=True, exit_code=code)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= _FAILED_STARTS:
                raise StiltError(
                    f"Worker processes end with code {code} before they start to work: see what "
                    "they printed, or use n_workers=1."
                )
        return None


def _end(process: subprocess.Popen[bytes], patience_s: float) -> int:
    """Wait for a process, kill it when patience ends, and return its exit code."""
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()

"""A worker process that has nothing more to do ends at once, and nothing that it sent is lost."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from stilt.execution.processes import WorkerSetUp, killed_when_stuck, set_up_worker

_queue = None


def _set_up(queue, *arguments) -> None:
    global _queue
    _queue = queue
    set_up_worker(*arguments)


def _work(trace: Path) -> str:
    assert _queue is not None
    for number in range(200):
        _queue.put(number * "x")
    atexit.register(trace.touch)
    return "done"


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="workers of Python 3.13 end as Python does")
def test_a_worker_sends_what_is_queued_and_takes_nothing_apart(tmp_path: Path) -> None:
    setup = WorkerSetUp(1)
    queue = multiprocessing.get_context("spawn").Queue()
    trace = tmp_path / "taken-apart"
    with ProcessPoolExecutor(
        1, mp_context=setup.context, initializer=_set_up, initargs=(queue, *setup.arguments())
    ) as pool:
        future = pool.submit(_work, trace)
        process = next(iter(pool._processes.values()))
        assert future.result(60) == "done"
    assert [len(queue.get(timeout=60)) for _ in range(200)] == list(range(200))
    process.join(60)
    assert process.exitcode == 0
    assert not trace.exists()


def _exit_with(status: int, *arguments) -> None:
    set_up_worker(*arguments)
    raise SystemExit(status)


def test_a_worker_that_breaks_off_ends_with_its_status() -> None:
    setup = WorkerSetUp(1)
    arguments = setup.arguments()  # they are shared as long as they are held here
    process = setup.context.Process(target=_exit_with, args=(3, *arguments))
    process.start()
    process.join(60)
    assert process.exitcode == 3


def _hang(holding: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as one that is outside Python does
    holding.touch()
    time.sleep(600)


def _die(holding: Path) -> None:
    while not holding.exists():
        time.sleep(0.05)
    os._exit(9)


def test_what_hangs_when_another_worker_dies_is_killed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("stilt.execution.processes.INTERRUPT_GRACE_S", 0.5)
    setup = WorkerSetUp(2)
    pool = ProcessPoolExecutor(
        2, mp_context=setup.context, initializer=set_up_worker, initargs=setup.arguments()
    )
    futures = [pool.submit(work, tmp_path / "holding") for work in (_hang, _die)]
    # A pool watches a process that it has just started from the next submission on.
    futures.append(pool.submit(os.getpid))
    for future in futures:
        with pytest.raises(BrokenProcessPool):
            future.result(60)
    processes = list(pool._processes.values())
    with killed_when_stuck(pool):
        pool.shutdown()
    assert sorted(process.exitcode for process in processes) == [-signal.SIGKILL, 9]

"""A worker process that has nothing more to do ends at once, and nothing that it sent is lost."""

from __future__ import annotations

import atexit
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from stilt.execution.processes import WorkerSetUp, set_up_worker

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

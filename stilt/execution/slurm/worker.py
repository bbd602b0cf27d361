"""What a task of a job array does: take orders and compute them until none is left."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from stilt.errors import UsageError
from stilt.execution.engine import WorkersError
from stilt.execution.environment import environment
from stilt.execution.orders import WorkOrder, compute_order
from stilt.execution.places import Folders
from stilt.execution.processes import INTERRUPT_GRACE_S, WorkerSetUp, set_up_worker
from stilt.execution.setup import computing_environment, main_not_run_again
from stilt.execution.slurm.spool import Spool
from stilt.interrupts import interruptible

TASK_VARIABLE = "SLURM_ARRAY_TASK_ID"
_INTERRUPTED = 3


def work_through(folder: Path, n_processes: int = 1) -> list[str]:
    """Compute orders of a submission until all have been taken.

    Args:
        folder: of the submission.
        n_processes: that compute here, each held to its share of the task's cores.

    Returns:
        The batches that this task has taken.

    Raises:
        UsageError: there is no such submission, or this is no task of a job array.
        WorkersError: some of several processes died.
        RunUnfinishedError: the project is on a URL, and another machine computes it.
        KeyboardInterrupt: SIGTERM, which SLURM sends to what it cancels and to what runs out of
            time; what is finished is kept.
    """
    spool = Spool(folder)
    task = os.environ.get(TASK_VARIABLE, "")
    if not spool.logs.is_dir():
        raise UsageError(f"{folder} is not a submission of a job array, or its run has ended.")
    if not task.isdigit():
        raise UsageError(f"This is not a task of a job array: {TASK_VARIABLE} is not set.")
    orders = spool.orders()
    with _leased(orders.values()):
        if n_processes == 1:
            with interruptible():
                _drain(spool, int(task), 0)
        else:
            _share_out(spool, int(task), n_processes)
    return [orders[each.number].batch.id for each in spool.taken() if each.task == int(task)]


def _leased(orders: Iterable[WorkOrder]) -> AbstractContextManager[object]:
    """Keep other machines from computing a project on a URL: nobody may be following the array."""
    place = next((order.place for order in orders), None)
    return place.leased() if isinstance(place, Folders) else nullcontext()


def _drain(spool: Spool, task: int, process: int) -> None:
    while (found := spool.take(task, process)) is not None:
        number, order = found
        summary = compute_order(order)
        if summary.interrupted:
            raise KeyboardInterrupt
        spool.end(number, summary)


def _share_out(spool: Spool, task: int, n_processes: int) -> None:
    """Have several processes take orders, and wait for them."""
    orders = spool.orders()
    if not orders:
        return
    project = next(iter(orders.values())).place.open()
    setup = WorkerSetUp(n_processes)
    begun: list[BaseProcess] = []
    with environment(computing_environment(project, n_processes)), main_not_run_again():
        shared = setup.arguments()
        try:
            with interruptible():
                for number in range(n_processes):
                    arguments = (shared, spool.folder, task, number)
                    process = setup.context.Process(target=_drain_here, args=arguments)
                    process.start()
                    begun.append(process)
                for each in begun:
                    each.join()
        except BaseException:
            _end(begun)
            raise
    died = sum(process.exitcode != 0 for process in begun)
    if died:
        raise WorkersError(f"{died} of {n_processes} processes of this task died.")


def _drain_here(setup: tuple[Any, ...], folder: Path, task: int, process: int) -> None:
    """Compute in a process of its own, which SIGTERM stops."""
    set_up_worker(*setup)
    try:
        with interruptible():
            _drain(Spool(folder), task, process)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _end(processes: list[BaseProcess]) -> None:
    """Interrupt processes, and kill those that do not end in time."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(INTERRUPT_GRACE_S)
        process.kill()

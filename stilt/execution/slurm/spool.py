"""The folder of a submission: orders that wait, those that tasks have taken, and how they ended.

The tasks of an array share the work by renaming: of those that try to take an order one succeeds,
on any file system whose rename is atomic (NFS, Lustre, GPFS among them). A file's name says all::

    orders/00007.order            waits
    taken/00007@3.0.order         taken by process 0 of task 3
    ended/00007.summary           computed; its receipt is where the index looks for it
"""

from __future__ import annotations

import json
import pickle
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilt.atomic import atomic_path

if TYPE_CHECKING:
    from stilt.execution.orders import WorkOrder
    from stilt.execution.summary import BatchSummary

_ORDER, _SUMMARY = ".order", ".summary"
_TRIES, _PAUSE_S = 5, 0.2


@dataclass(frozen=True)
class Taken:
    """An order that a process has taken.

    Attributes:
        number: of the order.
        task: number of the task in its array.
    """

    number: int
    task: int


class Spool:
    """The folder of one job array. Making the object touches nothing.

    Args:
        folder: on a disk that the coordinator and all tasks share.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.script = folder / "array.sh"
        self._orders, self._taken, self._ended = (
            folder / name for name in ("orders", "taken", "ended")
        )
        self._job = folder / "job.json"

    @property
    def name(self) -> str:
        """Its name among the submissions of a project."""
        return self.folder.name

    def fill(self, orders: Sequence[WorkOrder]) -> None:
        """Make the folder and write the orders, numbered in the order in which they begin."""
        for folder in (self._orders, self._taken, self._ended, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        for number, order in enumerate(orders):
            with atomic_path(self._orders / f"{number:05d}{_ORDER}") as part:
                part.write_bytes(pickle.dumps(order))

    def note_job(self, job: str, n_tasks: int) -> None:
        """Keep which job array works through this folder."""
        with atomic_path(self._job) as part:
            part.write_text(json.dumps({"job": job, "n_tasks": n_tasks}))

    @property
    def job(self) -> str:
        """Number of the job array; "" when none was submitted."""
        return str(self._noted().get("job", ""))

    @property
    def n_tasks(self) -> int:
        """Tasks of the job array."""
        return int(self._noted().get("n_tasks", 1))

    def _noted(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._job.read_text()))
        except (OSError, ValueError):
            return {}

    def take(self, task: int, process: int) -> tuple[int, WorkOrder] | None:
        """Take an order: first one that this process had before SLURM restarted its task.

        Returns:
            Its number and the order; None when none is left.
        """
        mark = f"@{task}.{process}"
        ended = self.ended_numbers()
        for path in sorted(self._taken.glob(f"*{mark}{_ORDER}")):
            number = _number(path)
            if number not in ended:
                return number, pickle.loads(path.read_bytes())
        for path in sorted(self._orders.glob(f"*{_ORDER}")):
            mine = self._taken / f"{path.stem}{mark}{_ORDER}"
            with suppress(FileNotFoundError):
                path.rename(mine)
                return _number(mine), pickle.loads(mine.read_bytes())
        return None

    def end(self, number: int, summary: BatchSummary) -> None:
        """Tell the coordinator that an order has been computed."""
        with atomic_path(self._ended / f"{number:05d}{_SUMMARY}") as part:
            part.write_bytes(pickle.dumps(summary))

    def ended_numbers(self) -> set[int]:
        """Return numbers of the orders that have been computed."""
        return {_number(path) for path in self._ended.glob(f"[!.]*{_SUMMARY}")}

    def summary(self, number: int) -> BatchSummary:
        """Return what became of an order that has been computed."""
        summary: BatchSummary = pickle.loads((self._ended / f"{number:05d}{_SUMMARY}").read_bytes())
        return summary

    def taken(self) -> Iterator[Taken]:
        """Yield the orders that tasks have taken, computed or not."""
        for path in sorted(self._taken.glob(f"*{_ORDER}")):
            number, _, who = path.name.removesuffix(_ORDER).partition("@")
            yield Taken(int(number), int(who.partition(".")[0]))

    def orders(self) -> dict[int, WorkOrder]:
        """Return all orders by number, wherever they have got to."""
        return dict(sorted(self.each_order()))

    def each_order(self) -> Iterator[tuple[int, WorkOrder]]:
        """Yield number and order, one after the other: those of a million fill much memory."""
        seen: set[int] = set()
        for path in list(self._orders.glob(f"[!.]*{_ORDER}")):
            # A task may take it meanwhile.
            with suppress(FileNotFoundError):
                order: WorkOrder = pickle.loads(path.read_bytes())
                seen.add(_number(path))
                yield _number(path), order
        for path in self._taken.glob(f"*{_ORDER}"):
            if _number(path) not in seen:
                yield _number(path), pickle.loads(path.read_bytes())

    def last_output(self) -> str:
        """Return the last line that a task has printed, and the log that has it."""
        for log in sorted(self.logs.glob("*.log"), reverse=True):
            lines = log.read_text(errors="replace").split("\n")
            for line in reversed([line.strip() for line in lines if line.strip()]):
                return f"{log} ends with: {line}"
        return f"no log was written in {self.logs}"

    def remove(self) -> None:
        """Remove the folder; for when no task can come back to it."""
        for _ in range(_TRIES):
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                return
            # A task that has just ended its work was still writing its log.
            time.sleep(_PAUSE_S)


def _number(path: Path) -> int:
    return int(path.name.partition(".")[0].partition("@")[0])

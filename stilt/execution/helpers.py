"""Processes that make the files of simulations whose particles another process follows.

A GPU follows the particles of a receptor in a tenth of the time that a core needs for its table,
footprints and files. One process has the GPU; its helpers do the rest, each simulation in one of
them, from rows in shared memory. What they make is the same to the last byte.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilt.errors import SimulationError
from stilt.execution.failures import Failure
from stilt.execution.memory import keep_freed_memory
from stilt.execution.pieces import Piece
from stilt.execution.places import Folders
from stilt.execution.row_memory import POSSIBLE, RowMemory, RowPlace, affordable_bytes
from stilt.execution.setup import end_with_parent, main_not_run_again, pin_worker
from stilt.execution.task import ERROR_PHASE, Task
from stilt.project.inputs import Project
from stilt.project.keys import digest
from stilt.timing import Seconds, collecting, counted_elsewhere, timed

if TYPE_CHECKING:
    from stilt.config import ModelConfig
    from stilt.meteorology.records import AnalysisRef
    from stilt.project.receipts import Result
    from stilt.transport.particle_rows import ReleaseRows
    from stilt.transport.release import Release

logger = logging.getLogger(__name__)

DEATHS_ALLOWED = 1
NICENESS = 10
"""Niceness of helpers: how far they give way to other processes.

One thread gives the GPU its work, thousands of pieces a second. While it waits for a core that a
helper has, the GPU waits too: a third of its time was lost so.
"""

_Version = tuple[Folders, str]


@dataclass(frozen=True)
class _Order:
    """A simulation's files, to be made by a helper from rows in a place of shared memory.

    Attributes:
        project: how a helper finds it.
        task: the simulation.
        rows: of which the table is made.
        place: where these are.
        is_error: rows of the error run.
        corrected: influence is corrected for the near field already.
    """

    project: _Version
    task: Task
    rows: ReleaseRows
    place: RowPlace
    is_error: bool
    corrected: bool


@dataclass(frozen=True)
class _Made:
    """What became of an order."""

    result: Result
    failure: Failure | None
    parts: Seconds
    pieces: Sequence[Piece] = ()


@dataclass
class _Open:
    """An order that a helper has, or will get."""

    order: _Order
    task: Task
    deaths: int = 0


class Helpers:
    """Helper processes of this one.

    Attributes:
        number: of processes.
    """

    def __init__(self, number: int, rows_bytes: int | None = None) -> None:
        """Start processes.

        Args:
            number: how many.
            rows_bytes: memory for rows; None takes a share of what the machine has.
        """
        self.number = number
        self._memory = RowMemory(rows_bytes or affordable_bytes())
        self._reserved: set[RowPlace] = set()
        self._open: dict[Future[_Made], _Open] = {}
        self._pool = self._started()

    def _started(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(
            self.number,
            mp_context=context,
            initializer=_set_up,
            initargs=(context.Value("i", 0), self.number),
        )
        with main_not_run_again():
            # A process starts with each job that finds none idle: they load what they need now.
            for _ in range(self.number):
                pool.submit(_load)
        return pool

    def most_together(self, config: ModelConfig) -> int:
        """Receptors to follow together, none if the rows of one are too many.

        While they are followed, the rows of as many others wait for a helper.
        """
        from stilt.transport import bytes_of_rows, most_together

        size = bytes_of_rows(config)
        places = self._memory.places(size)
        return min(places, most_together(config, max(1, places // 2) * size))

    def expect(self, number: int, config: ModelConfig) -> None:
        """Get memory ready for the rows of so many simulations."""
        from stilt.transport import bytes_of_rows

        most = min(number, 2 * self.most_together(config))
        self._memory.clear_ahead(most * bytes_of_rows(config))

    def prepare_weather(
        self,
        releases: Sequence[Release],
        refs: Sequence[AnalysisRef],
        config: ModelConfig,
        cache_dir: Path,
    ) -> None:
        """Have analyses prepared that these releases need, while the transport begins."""
        from stilt.transport import lacking_weather

        # What goes wrong here goes wrong again in the transport, which reports it.
        with suppress(BrokenProcessPool), main_not_run_again():
            for lacking in lacking_weather(releases, refs, config, cache_dir=cache_dir):
                self._pool.submit(_prepare, cache_dir, lacking)

    def finish(
        self, task: Task, rows: ReleaseRows | SimulationError, *, is_error: bool, corrected: bool
    ) -> None:
        """Have the files of a simulation made; :meth:`wait_for_files` waits until they are."""
        while any(one.task is task for one in self._open.values()):
            self._wait_for_some()
        if isinstance(rows, SimulationError):
            task.receive(rows, is_error=is_error)
            return
        place = rows.store
        assert isinstance(place, RowPlace)
        self._reserved.remove(place)
        if task.failure is not None:
            self._memory.give_back(place)
            return
        project = _version(task.project)
        self._submit(_Open(_Order(project, task, rows, place, is_error, corrected), task))

    def drop_reserved(self) -> None:
        """Free memory that was reserved and not used."""
        for place in self._reserved:
            self._memory.give_back(place)
        self._reserved.clear()

    def wait_for_files(self) -> None:
        """Wait until all files are made, and note in the tasks what became of them."""
        while self._open:
            self._wait_for_some()

    def abandon(self) -> None:
        """Wait for files that are being made, and note them; drop the rest."""
        self.drop_reserved()
        for future in self._open:
            future.cancel()
        while self._open:
            self._wait_for_some(again=False)

    def close(self) -> None:
        """End the processes once they are idle; may be called again."""
        self._pool.shutdown(cancel_futures=True)
        self._memory.close()

    def reserve(self, columns: int, minutes: int, particles: int) -> RowPlace:
        """Memory for the rows of a release; waits until there is some."""
        while (place := self._memory.take(columns, minutes, particles)) is None:
            if not self._open:
                raise MemoryError("More rows are followed together than there is memory for.")
            self._wait_for_some()
        self._reserved.add(place)
        return place

    def _submit(self, one: _Open) -> None:
        """Give an order to the helpers, new ones if one has died meanwhile."""
        try:
            with main_not_run_again():
                future = self._pool.submit(_make, one.order)
        except BrokenProcessPool:
            self._replace([one])
        else:
            self._open[future] = one

    def _wait_for_some(self, *, again: bool = True) -> None:
        """Wait for at least one order, and note what became of those that are done."""
        with timed("waiting"):
            done, _ = wait(self._open, return_when=FIRST_COMPLETED)
        lost = [self._open[future] for future in done if not self._noted(future)]
        for future in done:
            del self._open[future]
        if lost:
            self._replace(lost, again=again)

    def _noted(self, future: Future[_Made]) -> bool:
        """Note an order's outcome in its task; False if its helper died."""
        one = self._open[future]
        task, order = one.task, one.order
        if not future.cancelled():
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                return False
            if error is not None:
                task.fail(Failure.of(error, ERROR_PHASE if order.is_error else "trajectory"))
            else:
                _take(task, future.result())
        self._memory.give_back(order.place)
        return True

    def _replace(self, lost: Sequence[_Open], *, again: bool = True) -> None:
        """Start new helpers for those of which one died; it took the orders of all along.

        The files of a simulation whose helpers die again are made in this process.
        """
        lost = [*lost, *self._open.values()]
        self._open.clear()
        logger.warning("A process that made files died; what it had not finished is made again.")
        self._pool.shutdown(cancel_futures=True)
        self._pool = self._started()
        for one in lost:
            one.deaths += 1
            if not again:
                self._memory.give_back(one.order.place)
            elif one.deaths <= DEATHS_ALLOWED:
                self._submit(one)
            else:
                order = one.order
                one.task.receive(order.rows, is_error=order.is_error, corrected=order.corrected)
                self._memory.give_back(order.place)


_present: Helpers | None = None


def helpers_of_this_process(number: int) -> Helpers | None:
    """Helpers, which stay until this process ends; None where memory cannot be shared."""
    global _present
    if number < 1 or not POSSIBLE:
        return None
    if _present is None or _present.number != number:
        if _present is not None:
            _present.close()
        _present = Helpers(number)
        # A worker process waits for its children before it ends, and so for these; and first of
        # all it closes the queue (priority 10) through which they are told to end.
        Finalize(_present, _present.close, exitpriority=100)
    return _present


def _take(task: Task, made: _Made) -> None:
    """Note in a task what a helper has done of it."""
    vars(task.result).update(vars(made.result))
    for piece in made.pieces:
        assert task.outbox is not None
        task.outbox(piece)
    if made.failure is not None and task.failure is None:
        task.failure = made.failure
        logger.error("%s: %s: %s", task.sim_id, made.failure.reason, made.failure.detail)
    counted_elsewhere(made.parts)


def _set_up(started: Any, number: int) -> None:
    """Give a helper its cores; Ctrl-C is for the process that it helps."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.nice(NICENESS)
    end_with_parent()
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Failures are told where their simulations are; here they would be told twice.
    logging.disable(logging.ERROR)
    with started.get_lock():
        mine = started.value
        started.value += 1
    # The first core is left to the process that has the GPU.
    pin_worker(mine % number + 1, number + 1)


def _load() -> None:
    """Load what orders need."""
    for name in ("netCDF4", "stilt.footprint", "stilt.footprint.near_field", "stilt.transport"):
        import_module(name)


@lru_cache(maxsize=1)
def _version(files: Project) -> _Version:
    """Return how a helper finds a project, and a digest of the configuration it had then."""
    return Folders.of(files), digest(files.config.to_dict())


@lru_cache(maxsize=1)
def _project(version: _Version) -> Project:
    return version[0].open()


def _make(order: _Order) -> _Made:
    """Make the files of a simulation, in a helper."""
    task = order.task
    task.attach_to(_project(order.project))
    pieces: list[Piece] = []
    if task.project.config.output.layout == "store":
        # Rows of many simulations go into one file, which the process that has the batch writes.
        task.outbox = pieces.append
    with collecting() as parts, timed("other"):
        task.receive(order.rows, is_error=order.is_error, corrected=order.corrected)
    return _Made(task.result, task.failure, parts, pieces)


def _prepare(cache_dir: Path, lacking: Any) -> None:
    """Prepare an analysis, in a helper."""
    from stilt.transport import prepare_one

    prepare_one(lacking, cache_dir=cache_dir)

"""Batches: the plain function that every way of running calls, with or without Prefect."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from stilt.errors import ConfigValidationError, Reason, SimulationError
from stilt.execution.failures import Failure
from stilt.execution.forks import refuse_in_fork
from stilt.execution.helpers import Helpers, helpers_of_this_process
from stilt.execution.lookup import receptors_of
from stilt.execution.setup import prepare_process
from stilt.execution.shelf import Shelf
from stilt.execution.stored import Shards, StoredOutputs, stored_outputs
from stilt.execution.summary import BatchSummary
from stilt.execution.task import Task
from stilt.execution.transporting import Progress, group_by_weather, run_group, wanted
from stilt.interrupts import (
    interrupt_taken,
    interrupts_noted,
    raise_if_interrupted,
    suppressed_interrupts_raised,
)
from stilt.project.batches import marked_running
from stilt.project.inputs import Project
from stilt.project.owners import this_place
from stilt.project.receipts import Result, now, write_receipt
from stilt.project.registration import receptor_json
from stilt.receptors import Receptor, met_of
from stilt.timing import Seconds, collecting, timed
from stilt.version import __version__

if TYPE_CHECKING:
    from stilt.config import ModelConfig
    from stilt.transport.program import Programs

logger = logging.getLogger(__name__)

SHOWN_FAILURES = 20


def run_batch(
    project: str,
    sim_ids: Sequence[str],
    *,
    output_dir: str | None = None,
    compute_root: str | None = None,
    skip_existing: bool | None = None,
    batch_id: str | None = None,
    progress: Progress | None = None,
    owner: str = "",
    receptors: Mapping[str, Receptor] | None = None,
    n_helpers: int = 0,
) -> BatchSummary:
    """Compute simulations together and write a receipt; their exceptions are not raised.

    A simulation that fails does not touch the others. Ctrl-C (KeyboardInterrupt) ends the batch:
    what is finished is kept, the rest is pending again, and the summary says so.

    Args:
        project: the project's folder.
        sim_ids: what to compute.
        output_dir: output root, when it is another folder.
        compute_root: folder in which files are made before they are published.
        skip_existing: keep outputs that this configuration made; None asks the configuration.
        batch_id: names the receipt; usable as a file name.
        progress: called with the fraction done, 0 to 1.
        owner: holder of the claims on these simulations, when they were claimed.
        receptors: of these simulations, for workers that are to leave the index alone; None
            asks the index.
        n_helpers: processes that make footprints and files for this one, which follows particles;
            they stay for the next batch.

    Raises:
        UsageError: this process was forked from one that has computed.
    """

    def find() -> Project:
        return Project(project, output_dir=output_dir, compute_root=compute_root)

    return compute_batch(
        find, sim_ids, skip_existing=skip_existing, batch_id=batch_id, progress=progress,
        owner=owner, receptors=receptors, n_helpers=n_helpers,
    )  # fmt: skip


def compute_batch(
    find: Callable[[], Project],
    sim_ids: Sequence[str],
    *,
    skip_existing: bool | None = None,
    batch_id: str | None = None,
    progress: Progress | None = None,
    owner: str = "",
    receptors: Mapping[str, Receptor] | None = None,
    n_helpers: int = 0,
    stored: Shards | None = None,
    programs: Programs | None = None,
    run_began: datetime | None = None,
) -> BatchSummary:
    """Compute simulations of the project that `find` returns; see :func:`run_batch`.

    `stored` names the shards with outputs of these simulations, by id; None asks the index.
    `programs` follow the particles; None takes those of this machine's device. `run_began` is when
    the run began that the batch belongs to.
    """
    refuse_in_fork()
    begun = time.monotonic()
    batch = _Batch(batch_id or secrets.token_hex(6), list(dict.fromkeys(sim_ids)), owner)
    files = None
    with ExitStack() as marks:
        try:
            with suppressed_interrupts_raised():
                files = find()
                marks.enter_context(marked_running(files.layout.running, batch.id, batch.sim_ids))
                known = receptors_of(files, batch.sim_ids) if receptors is None else receptors
                with collecting() as parts, timed("other"):
                    batch.parts = parts
                    batch.helpers = helpers_of_this_process(n_helpers)
                    batch.known_shards = stored
                    batch.programs = programs
                    batch.run_began = run_began
                    batch.run(files, known, skip_existing, progress or _ignore)
            batch.fail_unexplained()
            return _closed(batch, files, begun)
        except KeyboardInterrupt as error:
            interrupt_taken()
            batch.interrupt(Failure.of(error, "worker"))
        except Exception as error:
            batch.fail_rest(Failure.of(error, "worker"))
        return _closed(batch, files, begun)


def _closed(batch: _Batch, files: Project | None, begun: float) -> BatchSummary:
    """Sum up a batch and write its receipt, which no interrupt may keep from being written."""
    with interrupts_noted() as came:
        summary = batch.close(files, time.monotonic() - begun)
    return replace(summary, told_to_stop=bool(came))


def _ignore(fraction: float) -> None:
    """Ignore progress."""


class _Batch:
    """The simulations of one call of :func:`run_batch`."""

    def __init__(self, batch_id: str, sim_ids: list[str], owner: str) -> None:
        self.id = batch_id
        self.sim_ids = sim_ids
        self.owner = owner
        self.tasks: dict[str, Task] = {}
        self.results: dict[str, Result] = {}
        self.parts: Seconds = {}
        self.helpers: Helpers | None = None
        self.known_shards: Shards | None = None
        self.shelf: Shelf | None = None
        self.programs: Programs | None = None
        self.run_began: datetime | None = None

    def run(
        self,
        files: Project,
        receptors: Mapping[str, Receptor],
        skip_existing: bool | None,
        progress: Progress,
    ) -> None:
        """Compute everything that is not there yet."""
        config = files.config
        prepare_process(files)
        skip = config.skip_existing if skip_existing is None else skip_existing
        if config.output.layout == "store":
            self.shelf = Shelf(files, self.id)
        there: Mapping[str, StoredOutputs] = {}
        if skip:
            there = stored_outputs(files, self.sim_ids, batch_id=self.id, known=self.known_shards)
        for sim_id in self.sim_ids:
            self.results[sim_id] = self._result(sim_id)
            self.results[sim_id].seed = config.seed
            met = met_of(sim_id)
            try:
                if sim_id not in receptors:
                    raise SimulationError("It is not registered and not in receptors.csv.")
                if met not in files.expectations:
                    raise ConfigValidationError(f"config.yaml has no meteorology named '{met}'.")
            except SimulationError as error:
                self._give_up(sim_id, Failure.of(error, "worker"))
                continue
            result = self.results[sim_id]
            result.receptor = receptor_json(receptors[sim_id])
            expected = files.expectations[met]
            task = Task(sim_id, receptors[sim_id], files, expected, skip, result)
            task.stored = there.get(sim_id, {})
            if self.shelf is not None:
                task.outbox = partial(self.shelf.add, task)
            task.look()
            if task.lacks_particles:
                result.run_began = self.run_began
            self.tasks[sim_id] = task
        for task in self.tasks.values():
            task.make_from_stored()
        again = sum(task.made_before for task in self.tasks.values())
        if skip and again and not config.trajectories:
            logger.warning(
                "%d of %d simulations run the transport again for footprints that are new or "
                "changed: their trajectories were not kept (trajectories: false in config.yaml).",
                again, len(self.sim_ids),
            )  # fmt: skip
        self._transport(files, progress)
        self._finish_tasks()

    def _finish_tasks(self) -> None:
        if self.helpers is not None:
            # After a run to its end there is nothing left to do.
            self.helpers.abandon()
        if self.shelf is not None:
            self.shelf.publish()
        for task in self.tasks.values():
            task.finish()

    def _transport(self, files: Project, progress: Progress) -> None:
        """Run the transport for those that lack particles, then the error runs."""
        by_met: dict[str, list[Task]] = {}
        for task in self.tasks.values():
            if task.failure is None and (task.lacks_particles or task.lacks_error_particles):
                by_met.setdefault(met_of(task.sim_id), []).append(task)
        if not by_met:
            return
        tasks = [task for some in by_met.values() for task in some]
        config = wanted(files.config, [task.receptor for task in tasks]).config
        helpers = self._help(config, len(tasks))
        most = None if helpers is None else helpers.most_together(config)
        groups = [
            (group, analyses)
            for met, some in by_met.items()
            for group, analyses in group_by_weather(files, met, some, most)
        ]
        runs = [
            (group, analyses, is_error, sum(task.lacks(is_error=is_error) for task in group))
            for group, analyses in groups
            for is_error in (False, True)
        ]
        number = sum(size for *_, size in runs)
        done = 0
        for group, analyses, is_error, size in runs:
            chosen = [t for t in group if t.failure is None and t.lacks(is_error=is_error)]

            def report(fraction: float, before: int = done, size: int = size) -> None:
                raise_if_interrupted()
                progress((before + fraction * size) / number)

            run_group(
                files, chosen, analyses, is_error=is_error, progress=report, helpers=helpers,
                programs=self.programs,
            )  # fmt: skip
            done += size
            progress(done / number)
        if helpers is not None:
            helpers.wait_for_files()

    def _help(self, config: ModelConfig, number: int) -> Helpers | None:
        """Helpers for so many simulations, ready for their rows; None if these are too many."""
        if self.helpers is None or not self.helpers.most_together(config):
            return None
        self.helpers.expect(number, config)
        return self.helpers

    def interrupt(self, failure: Failure) -> None:
        """Make everything unfinished pending again."""
        self._finish_tasks()
        for sim_id in self.sim_ids:
            result = self.results.setdefault(sim_id, self._result(sim_id))
            if result.state == "pending" and not result.reason:
                result.reason, result.detail = Reason.INTERRUPTED, failure.detail
                result.finished_at = now()

    def fail_rest(self, failure: Failure) -> None:
        """Fail everything unfinished: the batch itself could not go on."""
        logger.error("Batch %s: %s: %s", self.id, failure.reason, failure.detail)
        self._finish_tasks()
        for sim_id in self.sim_ids:
            result = self.results.setdefault(sim_id, self._result(sim_id))
            if result.state == "pending" and not result.reason:
                if sim_id in self.tasks:
                    self.tasks[sim_id].fail(failure)
                self._give_up(sim_id, failure)

    def fail_unexplained(self) -> None:
        """Fail what is not complete at the end of :meth:`run` although nothing has failed."""
        for sim_id, result in self.results.items():
            if result.state == "pending" and not result.reason:
                failure = Failure(
                    Reason.UNKNOWN,
                    "Not all of its outputs were made, although nothing failed: run it again.",
                    "worker", "Unexplained",
                )  # fmt: skip
                self.tasks[sim_id].fail(failure)
                self._give_up(sim_id, failure)

    def close(self, files: Project | None, seconds: float) -> BatchSummary:
        """Write the receipt and sum up."""
        results = [self.results[sim_id] for sim_id in self.sim_ids]
        for result in results:
            # What a batch does for all of its simulations is shared equally.
            result.parts = {part: spent / len(results) for part, spent in self.parts.items()}
        receipt = ""
        try:
            if files is not None and results:
                receipt = str(write_receipt(files.layout.receipts, results, self.id))
        except Exception as error:
            failure = Failure.of(error, "worker")
            logger.error("The receipt of batch %s cannot be written: %s", self.id, failure.detail)
            for result in results:
                if result.state != "complete" and not result.reason:
                    self._give_up(result.sim_id, failure)
        return _summary(self.id, results, seconds, receipt)

    def _result(self, sim_id: str) -> Result:
        return Result(
            sim_id, "", batch_id=self.id, host=this_place().split("/")[0],
            version=__version__, owner=self.owner,
        )  # fmt: skip

    def _give_up(self, sim_id: str, failure: Failure) -> None:
        result = self.results[sim_id]
        result.state, result.finished_at = "failed", now()
        result.reason, result.detail = failure.reason, failure.detail


def _summary(
    batch_id: str, results: Sequence[Result], seconds: float, receipt: str
) -> BatchSummary:
    complete = [result for result in results if result.state == "complete"]
    interrupted = [r for r in results if r.state == "pending" and r.reason == Reason.INTERRUPTED]
    failed = [r for r in results if r.state != "complete" and r.reason != Reason.INTERRUPTED]
    n_empty = sum(result.is_empty for result in complete)
    shown = failed[:SHOWN_FAILURES]
    # Long sentences are in the receipt; together they must stay small.
    longest = max(40, 600 // max(1, len(shown)))
    return BatchSummary(
        batch_id,
        n_complete=len(complete) - n_empty,
        n_empty=n_empty,
        n_failed=len(failed),
        n_interrupted=len(interrupted),
        seconds=round(seconds, 3),
        receipt=receipt,
        failures=tuple((r.sim_id, str(r.reason), r.detail[:longest]) for r in shown),
    )

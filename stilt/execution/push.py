"""Push: run exactly the given simulations, here, now, with as many processes as asked for."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import stilt
from stilt.errors import Reason, StiltError
from stilt.execution.batch import BatchSummary, run_batch
from stilt.execution.failures import Failure, log_failure
from stilt.execution.finished import refuse_unfinished
from stilt.execution.forks import refuse_in_fork
from stilt.execution.lookup import receptors_of
from stilt.execution.plan import Batch, Roles, plan_batches
from stilt.execution.pool import Job, Outcome, WorkerPool
from stilt.execution.refusals import refuse_impossible
from stilt.execution.setup import (
    computing_environment,
    refuse_in_starting_worker,
    refuse_missing_gpu,
    worker_arguments,
)
from stilt.interrupts import interruptible, raise_if_interrupted
from stilt.project.owners import this_place
from stilt.project.receipts import Result, write_receipt
from stilt.project.registration import receptor_json

if TYPE_CHECKING:
    from stilt.model import Model
    from stilt.project.inputs import Project
    from stilt.receptors import Receptor

logger = logging.getLogger(__name__)

KILLS_ALLOWED = 2
FOLD_EVERY_S = 2.0

_BATCH_FUNCTION = "stilt.execution.batch:run_batch"

OnSummary = Callable[[BatchSummary], None]


def push_simulations(
    model: Model,
    sim_ids: Iterable[str],
    n_workers: int | None = None,
    *,
    skip_existing: bool | None = None,
    n_cores: int | None = None,
    on_summary: OnSummary | None = None,
) -> None:
    """Run exactly these simulations; none needs to be registered, and nothing is claimed.

    One worker computes in this process. More are processes of their own, each held to its share
    of the cores, on a GPU one that has it and others that make its files; one that is killed is
    replaced, and what it had not finished is tried again. A
    batch that kills its worker twice is halved, and a simulation that does so alone fails with
    WORKER_DIED.

    Args:
        model: the project's model.
        sim_ids: what to run; an id given twice runs once.
        n_workers: processes that compute, 1 when not given.
        skip_existing: keep outputs that this configuration made; None asks the configuration.
        n_cores: another name of ``n_workers``.
        on_summary: told of each batch that has ended.

    Raises:
        KeyError: the receptor of an id cannot be found; nothing was run.
        UsageError: the configuration asks for a GPU that this machine does not have, or this
            process was forked from one that has computed.
        RunUnfinishedError: simulations were not computed although none of them has failed.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what is finished is kept.
    """
    ids = list(dict.fromkeys(map(str, sim_ids)))
    workers = n_workers or n_cores or 1
    if not ids:
        return
    refuse_in_fork()
    refuse_in_starting_worker()
    model.store_inputs()
    files = model.files
    if files.remote is not None:
        files.remote.check(workers)
    receptors = receptors_of(files, ids)
    missing = sorted(set(ids) - receptors.keys())
    if missing:
        raise KeyError(f"No receptor is known for {missing[0]} and {len(missing) - 1} more ids")
    refuse_missing_gpu(files)
    refuse_impossible(files.config)
    device = files.config.execution.device
    roles = Roles.of(workers, device)
    push = _Push(files, receptors, roles, skip_existing, on_summary)
    batches = plan_batches(ids, roles.transport, device, roles.helpers)
    try:
        with interruptible():
            if workers == 1:
                push.inline(batches)
            else:
                push.in_pool(batches)
    finally:
        files.index.fold()
    refuse_unfinished(files, ids)


def fold_receipts(model: Model) -> int:
    """Record in the index what finished batches wrote down; returns how many simulations."""
    return model.files.index.fold()


@dataclass
class _Push:
    """One call of :func:`push_simulations`."""

    files: Project
    receptors: Mapping[str, Receptor]
    roles: Roles
    skip_existing: bool | None
    on_summary: OnSummary | None
    kills: dict[str, int] = field(default_factory=dict)
    folded_at: float = 0.0

    def inline(self, batches: list[Batch]) -> None:
        """Compute in this process."""
        for batch in batches:
            summary = run_batch(**self._arguments(batch))
            self._note(summary)
            if summary.interrupted:
                raise KeyboardInterrupt

    def in_pool(self, batches: list[Batch]) -> None:
        """Compute in worker processes."""
        n_workers = self.roles.transport
        with WorkerPool(n_workers, computing_environment(self.files, n_workers)) as pool:
            pool.waiting.extend(self._job(batch) for batch in batches)
            try:
                for outcome in pool.run():
                    pool.waiting.extendleft(self._after(outcome))
                    raise_if_interrupted()
            except KeyboardInterrupt:
                for outcome in pool.stop():
                    self._note(outcome.result)
                raise

    def _after(self, outcome: Outcome) -> list[Job]:
        """Note an outcome; returns jobs to do again."""
        batch: Batch = outcome.job.tag
        if not outcome.worker_died:
            self._note(outcome.result)
            if outcome.result.interrupted:
                raise KeyboardInterrupt
            return []
        kills = self.kills[batch.id] = self.kills.get(batch.id, 0) + 1
        logger.warning(
            "A worker ended with code %s while it computed %s; what it had not finished is tried "
            "again.", outcome.exit_code, batch.label,
        )  # fmt: skip
        if kills < KILLS_ALLOWED:
            return [self._job(batch)]
        if len(batch.sim_ids) > 1:
            return [self._job(half) for half in batch.halves()]
        self._note(record_worker_death(self.files, batch.sim_ids[0], batch.id))
        return []

    def _note(self, summary: BatchSummary) -> None:
        """Fold receipts now and then, and tell the caller."""
        if time.monotonic() - self.folded_at > FOLD_EVERY_S:
            # A receipt that cannot be folded now waits for the end of the run.
            with contextlib.suppress(StiltError):
                self.files.index.fold()
            self.folded_at = time.monotonic()
        if self.on_summary is not None:
            self.on_summary(summary)

    def _job(self, batch: Batch) -> Job:
        return Job(_BATCH_FUNCTION, self._arguments(batch), batch)

    def _arguments(self, batch: Batch) -> dict[str, Any]:
        return {
            **worker_arguments(self.files),
            "sim_ids": batch.sim_ids,
            "skip_existing": self.skip_existing,
            "batch_id": batch.id,
            # DuckDB, asked by the worker, would give all of its free memory back to the system.
            "receptors": {sim_id: self.receptors[sim_id] for sim_id in batch.sim_ids},
            "n_helpers": self.roles.helpers,
        }


def record_worker_death(files: Project, sim_id: str, batch_id: str) -> BatchSummary:
    """Record a simulation that killed its worker whenever it was alone in it.

    Writes the failure to the simulation's log and a receipt, as a batch would have.
    """
    detail = (
        f"Its worker process died {KILLS_ALLOWED} times, most often for lack of memory; use fewer "
        "workers or fewer particles."
    )
    failure = Failure(Reason.WORKER_DIED, detail, "worker", "WorkerDied")
    log_failure(files, sim_id, failure)
    logger.error("%s: %s: %s", sim_id, failure.reason, detail)
    result = Result(
        sim_id,
        receptor_json(receptors_of(files, [sim_id])[sim_id]),
        state="failed",
        reason=Reason.WORKER_DIED,
        detail=detail,
        batch_id=batch_id,
        host=this_place().split("/")[0],
        version=stilt.__version__,
    )
    path = write_receipt(files.layout.receipts, [result], batch_id)
    failures = ((sim_id, str(Reason.WORKER_DIED), detail),)
    return BatchSummary(batch_id, n_failed=1, receipt=str(path), failures=failures)

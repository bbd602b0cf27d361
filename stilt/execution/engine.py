"""The run loop: every batch of a plan computed once, whoever computes.

A crew computes batches: inline, in processes of this machine, as Prefect task runs, on Dask. An
observer receives what happens. Only this module decides what happens when a worker dies, when
receipts are recorded and how a run is stopped.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Protocol

from stilt.errors import Reason, StiltError
from stilt.execution.failures import Failure, log_failure
from stilt.execution.lookup import receptors_of
from stilt.execution.observing import Ended, Observer, Silent, Tally
from stilt.execution.orders import store_receipt
from stilt.execution.plan import Batch, Plan
from stilt.execution.runs import Outcome, outcome_of
from stilt.execution.summary import BatchSummary
from stilt.interrupts import interruptible, raise_if_interrupted
from stilt.project.inputs import Project
from stilt.project.owners import this_place
from stilt.project.receipts import Result, write_receipt
from stilt.project.registration import receptor_json
from stilt.receptors import Receptor
from stilt.version import __version__

logger = logging.getLogger(__name__)

DEATHS_ALLOWED = 2
FRUITLESS_ALLOWED = 3
FOLD_EVERY_S = 2.0


class WorkersError(StiltError):
    """Worker processes cannot be kept alive at all."""


WithinBatch = Callable[[Batch, float], None]


class Crew(Protocol):
    """Workers that compute batches.

    Attributes:
        deaths_are_isolated: a death affects only the batch that its worker was computing.
    """

    deaths_are_isolated: bool

    def compute(
        self, plan: Plan, batches: Sequence[Batch], *, alone: bool, progress: WithinBatch
    ) -> Iterator[Ended]:
        """Yield what became of each batch, as it ends; closing the iterator stops the workers.

        Args:
            plan: that the batches belong to.
            batches: what to compute, in this order.
            alone: one worker computes one batch after the other, so that it is certain which one
            kills it.
            progress: called by crews that know it, with the batch being computed and the fraction
                of it that is done.
        """


def run_plan(project: Project, plan: Plan, crew: Crew, observer: Observer | None = None) -> Outcome:
    """Compute every batch of a plan and record in the index what came of it.

    A batch whose worker dies twice is halved, and a simulation that kills its worker whenever it
    is alone fails with WORKER_DIED.

    Args:
        project: whose simulations these are.
        plan: what to compute.
        crew: who computes.
        observer: receives its progress.

    Returns:
        What came of it, read from the index in the transaction that recorded the last receipts,
        so that no hole is hidden.

    Raises:
        WorkersError: workers end again and again before they have begun a batch.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what is finished is kept and recorded.
    """
    run = _Run(project, plan, crew, observer or Silent())
    run.observer.planned(plan)
    run.show()
    try:
        with interruptible():
            for ended in run.batches():
                run.note(ended)
                raise_if_interrupted()
    except BaseException:
        project.index.fold()
        raise
    outcome = outcome_of(project, plan.sim_ids, run.errors, ended=True)
    outcome = replace(outcome, retried=run.retried)
    run.observer.done()
    return outcome


@dataclass
class _Run:
    """One call of :func:`run_plan`."""

    project: Project
    plan: Plan
    crew: Crew
    observer: Observer
    deaths: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    any_lost: bool = False
    folded_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.queued = deque(len(batch.sim_ids) for batch in self.plan.batches)
        self.tally = Tally(len(self.plan.sim_ids), running=self._in_hand())

    @property
    def retried(self) -> int:
        """Batches of the plan that were tried again after the death of a worker.

        At least one when a worker died that had not begun its batch.
        """
        return sum(batch.id in self.deaths for batch in self.plan.batches) or int(self.any_lost)

    def batches(self) -> Iterator[Ended]:
        """Yield the end of every batch; those whose workers died are tried again first."""
        waiting, suspects = list(self.plan.batches), list[Batch]()
        fruitless = 0
        while waiting or suspects:
            # Batches whose worker died twice come last, one at a time: then the cause of a death
            # is sure.
            alone = not waiting and not self.crew.deaths_are_isolated
            wave = waiting or suspects
            waiting, suspects = [], suspects if waiting else []
            dead, untouched, computed = list[Batch](), list[Batch](), 0
            for ended in self.crew.compute(self.plan, wave, alone=alone, progress=self._within):
                if not ended.lost:
                    computed += 1
                    yield ended
                else:
                    self.any_lost = True
                    (dead if ended.begun else untouched).append(ended.batch)
            (suspects if alone else waiting).extend(untouched)
            fruitless = fruitless + 1 if untouched and not dead and not computed else 0
            if fruitless == FRUITLESS_ALLOWED:
                raise WorkersError(
                    "Worker processes end before they compute anything: try n_workers=1, which "
                    "computes in this process and shows why."
                )
            for batch in dead:
                again, given_up = self._after_death(batch, alone or self.crew.deaths_are_isolated)
                suspects.extend(again)
                if given_up:
                    yield Ended(batch, self._give_up(batch))

    def note(self, ended: Ended) -> None:
        """Count a batch that has ended, and fold receipts now and then.

        Raises:
            KeyboardInterrupt: the batch was told to stop, and so is the run.
            RunUnfinishedError: another machine has taken the project over.
        """
        self.project.require_lease()
        size, summary = len(ended.batch.sim_ids), ended.summary
        if summary is None:
            logger.error("Batch %s: %s", ended.batch.label, ended.error)
            self.errors.append(ended.error)
        else:
            store_receipt(self.project, summary)
        self.observer.ended(ended)
        if self.queued:
            self.queued.popleft()
        self.tally = Tally(
            self.tally.total,
            self.tally.done + size,
            self.tally.failed + (size if summary is None else summary.n_failed),
            self._in_hand(),
        )
        if self.queued and time.monotonic() - self.folded_at > FOLD_EVERY_S:
            # A receipt that cannot be folded now waits for the end of the run.
            with contextlib.suppress(StiltError):
                self.project.index.fold()
            self.folded_at = time.monotonic()
        self.show()
        if summary is not None and summary.interrupted:
            raise KeyboardInterrupt

    def show(self, within_batch: float = 0.0) -> None:
        """Tell the observer; `within_batch`: simulations' worth of the batch being computed."""
        done = min(self.tally.done + within_batch, self.tally.total)
        self.observer.progressed(replace(self.tally, done=done))

    def _within(self, batch: Batch, fraction: float) -> None:
        self.show(fraction * len(batch.sim_ids))

    def _in_hand(self) -> int:
        return sum(islice(self.queued, self.plan.roles.transport))

    def _give_up(self, batch: Batch) -> BatchSummary:
        (sim_id,) = batch.sim_ids
        known = self.plan.receptors or receptors_of(self.project, [sim_id])
        return record_worker_death(self.project, batch, known[sim_id])

    def _after_death(self, batch: Batch, surely: bool) -> tuple[Sequence[Batch], bool]:
        """Return what to try again after the death of a batch's worker, and whether to give up."""
        self.deaths[batch.id] += 1
        if not surely or self.deaths[batch.id] < DEATHS_ALLOWED:
            return [batch], False
        if len(batch.sim_ids) == 1:
            return [], True
        halves = batch.halves()
        # One of the two halves kills its worker, so one more death decides which.
        self.deaths.update({half.id: DEATHS_ALLOWED - 1 for half in halves})
        return halves, False


def record_worker_death(project: Project, batch: Batch, receptor: Receptor) -> BatchSummary:
    """Record a simulation that killed its worker whenever it was alone in it.

    Writes the failure to the simulation's log and a receipt, as a batch would have.

    Args:
        project: whose simulation it is.
        batch: of this simulation alone.
        receptor: of the simulation.
    """
    (sim_id,) = batch.sim_ids
    detail = (
        f"Its worker process died {DEATHS_ALLOWED} times, most often for lack of memory; use fewer "
        "workers or fewer particles."
    )
    failure = Failure(Reason.WORKER_DIED, detail, "worker", "WorkerDied")
    log_failure(project, sim_id, failure)
    logger.error("%s: %s: %s", sim_id, failure.reason, detail)
    result = Result(
        sim_id,
        receptor_json(receptor),
        state="failed",
        reason=Reason.WORKER_DIED,
        detail=detail,
        batch_id=batch.id,
        host=this_place().split("/")[0],
        version=__version__,
    )
    path = write_receipt(project.layout.receipts, [result], batch.id)
    failures = ((sim_id, str(Reason.WORKER_DIED), detail),)
    return BatchSummary(batch.id, n_failed=1, receipt=str(path), failures=failures)

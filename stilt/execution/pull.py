"""Pull: claim pending simulations and run them, beside other processes that do the same."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator

from stilt.errors import StiltError
from stilt.execution.crews import InlineCrew
from stilt.execution.engine import run_plan
from stilt.execution.forks import refuse_in_fork
from stilt.execution.observing import Observer
from stilt.execution.plan import plan_run
from stilt.execution.refusals import refuse_impossible
from stilt.execution.runs import Outcome, outcome_of, require_finished
from stilt.execution.setup import refuse_missing_gpu
from stilt.interrupts import interruptible
from stilt.project.batches import LEASE_S
from stilt.project.claims import claim, release, renew
from stilt.project.index import Index
from stilt.project.owners import new_owner
from stilt.project.stored_inputs import HasInputs

logger = logging.getLogger(__name__)

LONGEST_SLEEP_S = 60.0


def pull_simulations(
    model: HasInputs,
    follow: bool = False,
    poll_interval: float = 10.0,
    *,
    skip_existing: bool | None = None,
    batch_size: int | None = None,
    observer: Observer | None = None,
) -> Outcome:
    """Claim pending simulations, run and record them, until none can be claimed.

    Any number of processes may pull from one project at once; each simulation is computed by
    one of them. The claims of a process that was killed are free again at once on the same
    machine, and when their lease ends elsewhere. Failed simulations are not pending.

    Args:
        model: the project's model.
        follow: wait for more work instead of returning.
        poll_interval: seconds of the first idle wait; each further one is twice as long, up to
            a minute.
        skip_existing: keep outputs that this configuration made; None asks the configuration.
        batch_size: simulations claimed at once; None takes one, or more from a long queue.
        observer: called for each batch that has ended.

    Returns:
        What came of the simulations that were claimed here: counts, failures by reason, and
        ``raise_for_failures()``.

    Raises:
        UsageError: the configuration asks for a GPU that this machine does not have, a folder for
            caches or for computing cannot be used, or this process was forked from one that has
            computed.
        RunUnfinishedError: simulations were not computed although none of them has failed, or
            another machine runs the project, which is on a URL.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what is finished is kept, the rest pending again.
    """
    refuse_in_fork()
    project = model.files
    project.require_folders()
    refuse_missing_gpu(project)
    refuse_impossible(project.config)
    model.store_inputs()
    index = project.index
    index.reconcile(project.expectations)
    owner = new_owner()
    tried: set[str] = set()
    claimed: dict[str, None] = {}
    errors: list[str] = []
    shortest = max(poll_interval, 0.1)
    idle = shortest
    with interruptible(), project.leased(), _released(index, owner):
        while True:
            ids = claim(index, owner, limit=batch_size, exclude=tried)
            if ids:
                tried.update(ids)
                claimed.update(dict.fromkeys(ids))
                plan = plan_run(project, ids, 1, skip_existing=skip_existing, owner=owner)
                with _renewed(index, owner):
                    outcome = run_plan(project, plan, InlineCrew(project), observer)
                errors += outcome.errors
                idle = shortest
            elif not follow:
                break
            else:
                time.sleep(idle)
                idle = min(2 * idle, LONGEST_SLEEP_S, max(shortest, 8 * poll_interval))
                tried.clear()
    ids = list(claimed)
    return require_finished(project, ids, outcome_of(project, ids, errors)) if ids else Outcome()


@contextlib.contextmanager
def _released(index: Index, owner: str) -> Iterator[None]:
    """Give back what is still claimed at the end, however it comes."""
    try:
        yield
    finally:
        release(index, owner)


@contextlib.contextmanager
def _renewed(index: Index, owner: str) -> Iterator[None]:
    """Renew the owner's claims while the block runs."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(LEASE_S / 3):
            try:
                renew(index, owner)
            except StiltError as error:
                logger.warning("The claims could not be renewed: %s", error)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

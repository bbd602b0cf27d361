"""Wait for the workers of a cluster, up to a time limit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from stilt.errors import Reason, SimulationError
from stilt.notices import notice

logger = logging.getLogger(__name__)

SAID_AFTER_S = 30.0
ASKED_EVERY_S = 2.0


class ClusterClient(Protocol):
    """A connection to a scheduler, as Dask's.

    Attributes:
        status: ``connecting``, ``running``, ``closing`` or ``closed``.
    """

    status: str

    def nthreads(self) -> object:
        """Return something true while workers are connected."""


@contextmanager
def workers_awaited(
    client: ClusterClient, timeout_s: float, give_up: Callable[[], object]
) -> Iterator[None]:
    """Cancel what a block has submitted when no worker has been connected for some time.

    The cluster itself would wait for ever. A scheduler that goes away ends the block too.

    Args:
        client: of the cluster.
        timeout_s: how long the block waits while no worker is connected.
        give_up: cancels all that the block has submitted.

    Raises:
        SimulationError: at the end of the block, which came early; what is not computed is pending.
    """
    ended, given_up = threading.Event(), threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(client, timeout_s, give_up, ended, given_up), daemon=True
    )
    watcher.start()
    try:
        yield
    finally:
        ended.set()
    if given_up.is_set():
        raise SimulationError(
            f"No Dask worker has been connected for {_in_words(timeout_s)} "
            "(execution.no_workers_timeout): what is not computed is pending; run again when there "
            "are workers, and see that they start and stay (their log, lifetime, time limit).",
            reason=Reason.WORKER_DIED,
        )
    while client.status == "connecting":
        time.sleep(0.1)
    if client.status in ("closing", "closed"):
        raise SimulationError(
            "The connection to the Dask scheduler was lost: what is not computed is pending; run "
            "again when the scheduler answers.",
            reason=Reason.WORKER_DIED,
        )


def _watch(
    client: ClusterClient,
    timeout_s: float,
    give_up: Callable[[], object],
    ended: threading.Event,
    given_up: threading.Event,
) -> None:
    """Look for workers until `ended`; without any for too long set `given_up`, and cancel all."""
    last_seen, said = time.monotonic(), False
    while not ended.wait(min(ASKED_EVERY_S, timeout_s)):
        if client.status != "running":
            continue
        try:
            if given_up.is_set():
                # Again until the block ends: it may have submitted more.
                give_up()
                continue
            found = bool(client.nthreads())
        except Exception as error:  # without this thread the run would wait for ever
            logger.debug("The Dask scheduler does not answer: %s", error)
            continue
        waited_s = time.monotonic() - last_seen
        if found:
            last_seen, said = time.monotonic(), False
        elif waited_s >= timeout_s:
            given_up.set()
        elif waited_s >= SAID_AFTER_S and not said:
            said = True
            notice(
                logger,
                "No Dask worker is connected; the run waits up to %s for one "
                "(execution.no_workers_timeout).", _in_words(timeout_s),
            )  # fmt: skip


def _in_words(seconds: float) -> str:
    """Return a length of time as ``10 min``, ``24 h`` or ``90 s``."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"

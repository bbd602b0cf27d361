"""Processes that cannot compute: forks of one that has, and daemonic ones with workers."""

from __future__ import annotations

import logging
import os
import sys
import threading
from multiprocessing import current_process

from stilt.errors import UsageError

logger = logging.getLogger(__name__)

_computing: int | None = None


def note_computing() -> None:
    """Remember that this process has threads that a fork of it would lack: JAX's, or Prefect's."""
    global _computing
    _computing = _computing or os.getpid()


def refuse_in_fork() -> None:
    """Stop in a process that was forked from one that has computed: it would wait for ever.

    Raises:
        UsageError: says how to start the process instead.
    """
    if _computing in (None, os.getpid()) and not _lacks_threads_of_jax():
        return
    raise UsageError(
        "This process was forked from one that has computed with JAX, whose threads a fork does "
        "not have: start it with multiprocessing.get_context('spawn') (or subprocess), or compute "
        "only after the fork."
    )


def allowed_workers(n_workers: int) -> int:
    """Return how many worker processes this process may have, one being itself.

    Daemonic processes (members of ``multiprocessing.Pool``, Dask workers) may start none.
    """
    if n_workers > 1 and current_process().daemon:
        logger.warning(
            "This process is daemonic (a member of multiprocessing.Pool, for example) and may not "
            "start others: it computes everything itself, instead of n_workers: %d.", n_workers,
        )  # fmt: skip
        return 1
    return n_workers


def _lacks_threads_of_jax() -> bool:
    """Return whether JAX is in use here without a thread of its own, as after a fork on Linux."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    if bridge is None or not bridge.backends_are_initialized():
        return False
    try:
        running = {int(name) for name in os.listdir("/proc/self/task")}
    except OSError:
        return False
    # A dummy stands for a thread that Python has not started, and stays when that has ended.
    ours = [t for t in threading.enumerate() if not isinstance(t, threading._DummyThread)]
    # The first thread has the number of its process, which Python does not learn by a fork.
    return running <= {os.getpid(), *(thread.native_id for thread in ours)}

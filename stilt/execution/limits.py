"""Limits of the system on processes and threads, compared with what a run takes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_RUN_THREADS, _WORKER_THREADS = 30, 20
"""Measured on two cores: the coordinator with Prefect's server, and each worker."""

_ADDRESS_SPACE_BYTES = 4_000_000_000
"""Measured on two cores: the smallest run ends at 3.0 GB and is well at 3.5 GB."""

_NEVER_SHORT = 10_000
_CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/pids"))


def thread_shortage(n_workers: int) -> str:
    """Return a sentence when the system allows fewer threads than a run takes; "" when it does not.

    XLA ends its process when it cannot start a thread, which looks like a lack of memory.

    Args:
        n_workers: processes that compute.
    """
    needed = _RUN_THREADS + _WORKER_THREADS * n_workers
    for free, limit in filter(None, (_left_to_user(), *map(_left_in_container, _CGROUPS))):
        if free < needed:
            return (
                f"The system lets this run start {max(0, free)} processes and threads ({limit}); "
                f"with {n_workers} worker{'s' * (n_workers > 1)} it takes about {needed}. Should "
                "workers die, raise that limit or use fewer workers."
            )
    return ""


def address_space_shortage() -> str:
    """Return a sentence when a process may use too few addresses; "" when it may use enough.

    Libraries then fail in ways of their own: threads that do not start, shared objects that are
    not mapped, a violation of segmentation.
    """
    try:
        import resource
    except ImportError:  # Windows
        return ""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY or limit >= _ADDRESS_SPACE_BYTES:
        return ""
    return (
        f"A process may use only {limit / 1e9:.1f} GB of virtual memory here (ulimit -v, or a "
        "scheduler's limit such as h_vmem), of which much more is addressed than used: raise that "
        f"limit to {_ADDRESS_SPACE_BYTES / 1e9:.0f} GB or more should processes die."
    )


def _left_to_user() -> tuple[int, str] | None:
    """Return how many threads this user may still start, and the limit; None when very many."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    # Counting takes a while on a machine with many processes; the limit does not bind root.
    if limit == resource.RLIM_INFINITY or limit > _NEVER_SHORT or os.geteuid() == 0:
        return None
    return limit - _threads_of(os.geteuid()), f"ulimit -u is {limit}"


def _threads_of(uid: int) -> int:
    """Return how many threads a user has on this machine; 0 where the system does not list them."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.stat().st_uid == uid:
                total += len(os.listdir(process / "task"))
    return total


def _left_in_container(folder: Path) -> tuple[int, str] | None:
    """Return how many threads a container may still start, and its limit; None without one."""
    try:
        limit = int((folder / "pids.max").read_text())
        return limit - int((folder / "pids.current").read_text()), f"pids.max is {limit}"
    except (OSError, ValueError):
        return None

"""Which processes use a folder of prepared weather, so that nothing is removed under them.

Each process keeps a file under ``in-use`` locked while it lives; the system frees the lock of one
that was killed.
"""

from __future__ import annotations

import atexit
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from stilt.locks import has_no_locks

_FOLDER = "in-use"
_held: dict[tuple[int, Path], FileLock] = {}


def mark_in_use(cache_dir: Path) -> None:
    """Say that this process uses a folder, from now until it ends; without effect the second time.

    Where no file can be written, nothing is said: such a folder cannot be cleared either.
    """
    key = os.getpid(), cache_dir
    if key in _held:
        return
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}.lock"
    lock = FileLock(cache_dir / _FOLDER / name, fallback_to_soft=False)
    _held[key] = lock
    try:
        (cache_dir / _FOLDER).mkdir(parents=True, exist_ok=True)
        lock.acquire()
        # Locking an existing file leaves its date; this one counts from now.
        os.utime(lock.lock_file)
    except OSError:
        return
    atexit.register(_release, lock, os.getpid())


def in_use_since(cache_dir: Path) -> float | None:
    """Return when the first of the processes that use a folder began to, as a file date.

    Returns:
        Seconds since 1970; None when no process uses it. Marks of processes that have ended are
        removed. On a file system without locks every mark counts as that of a living process.
    """
    begun = []
    for mark in sorted((cache_dir / _FOLDER).glob("*.lock")):
        with suppress(FileNotFoundError):
            since = mark.stat().st_mtime
            if _is_held(mark):
                begun.append(since)
            else:
                mark.unlink()
    return min(begun, default=None)


def _is_held(mark: Path) -> bool:
    if any(str(mark) == lock.lock_file and lock.is_locked for lock in _held.values()):
        return True
    lock = FileLock(mark, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError as error:
        return has_no_locks(error)
    lock.release()
    return False


def _release(lock: FileLock, pid: int) -> None:
    """Remove a mark at the end of the process that made it, not of one forked from it."""
    if os.getpid() == pid:
        with suppress(OSError):
            lock.release(force=True)
            Path(lock.lock_file).unlink(missing_ok=True)

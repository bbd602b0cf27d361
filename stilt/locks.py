"""File locks, and file systems without them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock

_REFUSED = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


def has_no_locks(error: OSError) -> bool:
    """Return whether a lock was refused because the file system has none."""
    return error.errno in _REFUSED


@contextmanager
def locked_if_possible(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold the lock of a file; on a file system without locks, run the block all the same.

    For locks that only save work: without one, several processes may do the same at once.
    """
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire()
    except OSError as error:
        if not has_no_locks(error):
            raise
    try:
        yield
    finally:
        lock.release()

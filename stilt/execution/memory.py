"""What a process that computes does with memory it no longer needs."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1
_MADV_POPULATE_READ = 22


def keep_freed_memory() -> bool:
    """Have this process keep the memory it frees for what it needs next, for the rest of its life.

    The tables of one batch are as large as those of the next. Otherwise glibc gives each back to
    the system, which clears the pages again: a fifth of the transport's time on a virtual machine.

    Returns:
        Whether the system's allocator could be told so; only glibc can.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))


def map_pages(address: int, nbytes: int) -> bool:
    """Have the system put pages of shared memory where this process will find them.

    Otherwise it does so one by one, when each is first used. Python's lock is not held.

    Args:
        address: of a whole page, mapped.
        nbytes: whole pages.

    Returns:
        Whether the system could; Linux can since 5.14.
    """
    madvise = getattr(ctypes.CDLL(None), "madvise", None)
    if madvise is None or not sys.platform.startswith("linux"):
        return False
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return bool(madvise(address, nbytes, _MADV_POPULATE_READ) == 0)

"""What a process that computes does with memory it no longer needs."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


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

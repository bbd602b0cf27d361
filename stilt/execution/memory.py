"""Memory of this machine, and what a process that computes does with what it has freed."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Have this process keep the memory it frees for what it needs next, for the rest of its life.

    The tables of one batch are as large as those of the next. Otherwise glibc gives each back to
    the system, which clears the pages again: a fifth of the transport's time on a virtual machine.

    Returns:
        Whether the system's allocator has such an option; only glibc has.
    """
    return _set(_M_MMAP_MAX, 0) and _set(_M_TRIM_THRESHOLD, _NEVER)


def share_one_heap() -> bool:
    """Have all threads of this process allocate in one heap, for the rest of its life.

    For a process that plans and follows a large campaign. Otherwise each thread of DuckDB keeps a
    heap of its own with holes that the others cannot use, and so does Arrow: 60 MB for 300,000
    simulations.

    Returns:
        Whether the system's allocator has such an option; only glibc has.
    """
    possible = _set(_M_ARENA_MAX, 1)
    # After that, for its threads would have heaps by then.
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    return possible


def _set(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(option, value))


@contextmanager
def loading() -> Iterator[None]:
    """Do not look for garbage while a block imports, in a process of our own.

    The half a million objects that imports make stay for the life of the process; looking through
    them again and again takes a quarter of the time of importing.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def machine_memory_bytes() -> int:
    """Return the memory that processes here may have together: the machine's, or their group's."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # "max" where a control group has no limit.
    with suppress(OSError, ValueError):
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return memory

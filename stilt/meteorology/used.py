"""The size on disk of prepared weather and crops: the least recently used is removed first.

An entry is a folder that is there completely or not at all. A reader holds a shared lock on the
folder; where there are no locks, entries used in the last minutes are assumed to be in use.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]

CROPS = "met-crops"
"""Folder below the cache that keeps crops of stores at URLs."""

_USED = ".used"
_RECENT_S = 600.0
_NOTED_EVERY_S = 60.0


@dataclass(frozen=True)
class CacheEntry:
    """One prepared analysis, or the crop of one.

    Attributes:
        folder: where it is.
        nbytes: size of its files.
        used: when it was read last, seconds since 1970.
    """

    folder: Path
    nbytes: int
    used: float


def note_use(folder: Path) -> None:
    """Note that an entry is used now, unless its folder cannot be written to."""
    mark = folder / _USED
    with suppress(OSError):
        try:
            if time.time() - mark.stat().st_mtime < _NOTED_EVERY_S:
                return
        except FileNotFoundError:
            mark.touch()
        os.utime(mark)


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Keep an entry from being removed in this block."""
    handle = _locked(folder, exclusive=False)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def cache_entries(cache_dir: Path) -> list[CacheEntry]:
    """Return all weather kept in a cache folder, the least recently used first.

    Args:
        cache_dir: folder of prepared weather.
    """
    found = []
    for parent in (Path(cache_dir), Path(cache_dir) / CROPS):
        with suppress(OSError):
            for entry in os.scandir(parent):
                if entry.name[:1].isdigit() and entry.is_dir(follow_symlinks=False):
                    found.append(_entry(Path(entry.path)))
    return sorted(found, key=lambda each: each.used)


def trim_cache(cache_dir: Path, limit_bytes: float) -> int:
    """Remove the least recently used entries until the rest is no larger than a limit.

    Entries that are being read, or were used within the last ten minutes, stay.

    Returns:
        How many bytes were removed.
    """
    entries = cache_entries(cache_dir)
    excess = sum(entry.nbytes for entry in entries) - limit_bytes
    removed = 0
    for entry in entries:
        if removed >= excess or time.time() - entry.used < _RECENT_S:
            break
        if remove_unused(entry.folder):
            removed += entry.nbytes
    return removed


def remove_unused(folder: Path) -> bool:
    """Remove an entry unless it is being read or was used within the last ten minutes.

    The last use is looked up again: it may be later than a list of entries says.
    """
    return time.time() - _entry(folder).used >= _RECENT_S and _remove(folder)


def _entry(folder: Path) -> CacheEntry:
    nbytes, used = 0, 0.0
    with suppress(OSError):
        used = folder.stat().st_mtime
        for file in os.scandir(folder):
            stat = file.stat()
            if file.name == _USED:
                used = max(used, stat.st_mtime)
            else:
                nbytes += stat.st_size
    return CacheEntry(folder, nbytes, used)


def _remove(folder: Path) -> bool:
    """Remove an entry unless it is being read; it is renamed first, so that no one finds a part."""
    try:
        handle = _locked(folder, exclusive=True)
    except BlockingIOError:
        return False
    gone = folder.with_name(f".removed_{os.getpid()}_{folder.name}")
    try:
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        Path(f"{folder}.lock").unlink(missing_ok=True)
    except OSError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True


def _locked(folder: Path, *, exclusive: bool) -> int | None:
    """Return a handle that holds a lock on a folder; None where the file system has no locks.

    Raises:
        BlockingIOError: another process holds it, and it is to be exclusive.
    """
    if fcntl is None:
        return None
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:
        os.close(handle)
        return None
    return handle

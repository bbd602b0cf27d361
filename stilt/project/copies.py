"""Copies on this machine of outputs on a URL, kept within a limit of bytes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

# Whoever was given a copy opens it within this time.
RECENT_S = 600.0


class Copies:
    """Copies in some folders. Making the object touches nothing.

    Args:
        folders: whose files are copies, all of them.
        limit_bytes: what they take together at most, besides those used within ten minutes.
    """

    def __init__(self, folders: Iterable[Path], limit_bytes: float) -> None:
        self._folders = tuple(folders)
        self._limit_bytes = limit_bytes
        # So that the first copy makes this process look at what others have left.
        self._came_bytes = limit_bytes

    def used(self, path: Path) -> None:
        """Note that a copy is used now."""
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > RECENT_S / 2:
                os.utime(path)

    def came(self, path: Path) -> None:
        """Note a new copy; remove those unused for longest where there are too many."""
        with suppress(OSError):
            self._came_bytes += path.stat().st_size
        if self._came_bytes > 0.1 * self._limit_bytes:
            self._came_bytes = 0.0
            self._trim()

    def _trim(self) -> None:
        found = sorted(entry for folder in self._folders for entry in _files(folder))
        excess = sum(nbytes for _, nbytes, _ in found) - self._limit_bytes
        for used, nbytes, path in found:
            if excess <= 0 or time.time() - used < RECENT_S:
                return
            with suppress(OSError):
                os.unlink(path)
                excess -= nbytes


def _files(folder: Path) -> Iterator[tuple[float, int, str]]:
    """Yield when each file below a folder was used last, its bytes, and its path."""
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with suppress(OSError):
                told = os.stat(path)
                yield told.st_mtime, told.st_size, path

"""Memory that a process shares with its helpers, cut into places for the rows of a release each.

It has no name in the file system and no limit but the machine's memory, and it is gone with the
last process that uses it, however that ends.
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import numpy as np

from stilt.execution.memory import map_pages

POSSIBLE = hasattr(os, "memfd_create")
"""Whether this system has such memory; Linux does."""

SHARE = 4
MOST_BYTES = 32 * 10**9
_READY_AT_ONCE = 64 * 2**20
_THREADS = 2


@dataclass(frozen=True)
class Place:
    """Where the rows of a release are, for another process of this machine.

    Attributes:
        path: of the memory, as long as the process that made it lives.
        offset: first byte.
        columns, minutes, particles: shape of the values, float32, which the rows that there are
            follow: bool, (minutes, particles).
    """

    path: str
    offset: int
    columns: int
    minutes: int
    particles: int

    @property
    def nbytes(self) -> int:
        """Size in whole pages."""
        exact = self.minutes * self.particles * (4 * self.columns + 1)
        return -(-exact // mmap.PAGESIZE) * mmap.PAGESIZE

    def arrays(self, memory: mmap.mmap, begin: int) -> tuple[np.ndarray, np.ndarray]:
        """Which rows there are, and their values, in mapped memory."""
        rows = self.minutes * self.particles
        values = np.frombuffer(memory, np.float32, rows * self.columns, begin)
        moved = np.frombuffer(memory, bool, rows, begin + values.nbytes)
        return (
            moved.reshape(self.minutes, self.particles),
            values.reshape(self.columns, self.minutes, self.particles),
        )

    def attached(self) -> tuple[np.ndarray, np.ndarray]:
        """The arrays in another process; its mapping ends with them."""
        descriptor = os.open(self.path, os.O_RDWR)
        try:
            return self.arrays(mmap.mmap(descriptor, self.nbytes, offset=self.offset), 0)
        finally:
            os.close(descriptor)


class RowMemory:
    """The memory in the process that fills it; its size is taken from the system as it is used."""

    def __init__(self, nbytes: int) -> None:
        """Have up to so many bytes."""
        self.nbytes = -(-nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
        self._descriptor = os.memfd_create("stilt-rows")
        os.ftruncate(self._descriptor, self.nbytes)
        self._map = mmap.mmap(self._descriptor, self.nbytes)
        self._path = f"/proc/{os.getpid()}/fd/{self._descriptor}"
        self._base = np.frombuffer(self._map, np.uint8).ctypes.data
        self._place_bytes = 0
        self._free: list[int] = []
        self._used: set[int] = set()
        self._ended = Event()

    def take(
        self, columns: int, minutes: int, particles: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Memory for some rows, whatever it holds; None when all of it is in use.

        Raises:
            MemoryError: it never will be enough.
        """
        place = Place(self._path, 0, columns, minutes, particles)
        if place.nbytes > self.nbytes:
            raise MemoryError(f"{place.nbytes} bytes of rows for one receptor, {self.nbytes} held")
        if place.nbytes != self._place_bytes:
            if self._used:
                return None
            self._place_bytes = place.nbytes
            last = self.nbytes - self._place_bytes
            self._free = list(range(0, last + 1, self._place_bytes))[::-1]
        if not self._free:
            return None
        offset = self._free.pop()
        self._used.add(offset)
        return place.arrays(self._map, offset)

    def place_of(self, values: np.ndarray) -> Place:
        """The place of values that were taken, for another process."""
        return Place(self._path, self._offset(values), *values.shape)

    def give_back(self, offset: int) -> None:
        """Let a place be taken again."""
        self._used.discard(offset)
        self._free.append(offset)

    def _offset(self, values: np.ndarray) -> int:
        return int(values.ctypes.data) - self._base

    def clear_ahead(self, nbytes: int) -> None:
        """Have the first so many bytes ready while this process does something else.

        Otherwise the system clears a page when it is first written to, one after the other: up to
        fifty times as slow as writing.
        """
        ends = range(_READY_AT_ONCE, min(nbytes, self.nbytes) + _READY_AT_ONCE, _READY_AT_ONCE)
        begins = deque((end - _READY_AT_ONCE, min(end, self.nbytes)) for end in ends)

        def get_ready() -> None:
            # Without room the pages come one by one, or not at all, when they are written to.
            with suppress(OSError, IndexError):
                while not self._ended.is_set():
                    begin, end = begins.popleft()
                    os.posix_fallocate(self._descriptor, begin, end - begin)
                    map_pages(self._base + begin, end - begin)

        for number in range(_THREADS):
            Thread(target=get_ready, name=f"row-memory-{number}", daemon=True).start()

    def close(self) -> None:
        """Give the memory back to the system when its arrays are gone too."""
        self._ended.set()
        os.close(self._descriptor)


def affordable_bytes() -> int:
    """A quarter of the memory that this process could have now, and no more than is of use."""
    available = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(line for line in lines if line.startswith("MemAvailable"))
        available.append(int(free.split()[1]) * 1024)
    with suppress(OSError, ValueError):
        # "max" where a control group has no limit.
        available.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(min(available) // SHARE, MOST_BYTES)

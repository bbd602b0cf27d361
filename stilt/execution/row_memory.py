"""Memory that a process shares with its helpers, cut into places for the rows of a release each.

It is files that have no name and are nowhere but in memory: as large as the machine allows, gone
with the last process that uses them, however that ends. They are read and written, not mapped,
since a system takes longer to map a page than to copy it.
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

POSSIBLE = hasattr(os, "memfd_create")
"""Whether this system has such memory; Linux does."""

SHARE = 4
MOST_BYTES = 32 * 10**9
# One thread at a time writes to a file.
_FILES = 4
_READY_AT_ONCE = 64 * 2**20


@dataclass(frozen=True)
class RowPlace:
    """A place for the rows of one release: written by one process, read by any of this machine.

    Attributes:
        path: of the file, as long as the process that made it lives.
        inode: tells files apart whose path was the same.
        offset: first byte.
        columns, minutes, particles: shape of the values, float32, which the rows that there are
            follow: bool, (minutes, particles).
    """

    path: str
    inode: int
    offset: int
    columns: int
    minutes: int
    particles: int

    @property
    def nbytes(self) -> int:
        """Size in whole pages."""
        return _whole_pages(self.minutes * self.particles * (4 * self.columns + 1))

    def put(self, first: int, moved: np.ndarray, values: np.ndarray) -> None:
        """Write the rows of some minutes: see :class:`stilt.transport.particle_rows.RowStore`."""
        for column, rows in enumerate(values):
            self._write(np.ascontiguousarray(rows), self._begin(column, 4, first))
        self._write(np.ascontiguousarray(moved), self._begin(self.columns, 1, first))

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Read all rows: see :class:`stilt.transport.particle_rows.RowStore`."""
        moved = np.empty((self.minutes, self.particles), bool)
        values = np.empty((self.columns, *moved.shape), np.float32)
        for column, rows in enumerate(values):
            self._read(rows, self._begin(column, 4, 0))
        self._read(moved, self._begin(self.columns, 1, 0))
        return moved, values

    def _begin(self, column: int, size: int, minute: int) -> int:
        """First byte of a minute's rows in a column whose numbers have so many bytes."""
        whole = self.minutes * self.particles * 4
        return self.offset + column * whole + minute * self.particles * size

    def _write(self, rows: np.ndarray, begin: int) -> None:
        if os.pwrite(self._file(), rows.data, begin) != rows.nbytes:
            raise MemoryError("The machine's memory has no room for more rows of particles.")

    def _read(self, rows: np.ndarray, begin: int) -> None:
        if os.preadv(self._file(), [rows.data], begin) != rows.nbytes:
            raise MemoryError("Rows of particles in shared memory have been cut off.")

    def _file(self) -> int:
        key = self.path, self.inode
        if key not in _open_files:
            _open_files[key] = os.open(self.path, os.O_RDWR)
        return _open_files[key]


_open_files: dict[tuple[str, int], int] = {}


class RowMemory:
    """The memory in the process that fills it; it is taken from the system as it is used.

    Attributes:
        nbytes: all of it.
    """

    def __init__(self, nbytes: int) -> None:
        """Reserve up to so many bytes."""
        self._file_bytes = -(-nbytes // (_FILES * mmap.PAGESIZE)) * mmap.PAGESIZE
        self.nbytes = _FILES * self._file_bytes
        self._files = [os.memfd_create(f"stilt-rows-{number}") for number in range(_FILES)]
        self._keys = []
        for file in self._files:
            os.ftruncate(file, self._file_bytes)
            self._keys.append((f"/proc/{os.getpid()}/fd/{file}", os.fstat(file).st_ino))
        self._free: list[RowPlace] = []
        self._shape = (0, 0, 0)
        self._used: set[RowPlace] = set()
        self._ended = Event()
        self._cleared = 0
        self._making_room: list[Thread] = []

    def places(self, nbytes: int) -> int:
        """How many places of so many bytes there are."""
        return _FILES * (self._file_bytes // _whole_pages(nbytes))

    def take(self, columns: int, minutes: int, particles: int) -> RowPlace | None:
        """A place for some rows, whatever it holds; None when all are in use.

        Raises:
            MemoryError: it never will be enough.
        """
        if (columns, minutes, particles) != self._shape:
            if self._used:
                return None
            self._shape = columns, minutes, particles
            self._free = self._cut(*self._shape)
            if not self._free:
                raise MemoryError("The rows of one receptor are more than there is memory for.")
        if not self._free:
            return None
        place = self._free.pop()
        self._used.add(place)
        return place

    def _cut(self, columns: int, minutes: int, particles: int) -> list[RowPlace]:
        """All places of a size, the first ones of every file last."""
        size = RowPlace("", 0, 0, columns, minutes, particles).nbytes
        return [
            RowPlace(*key, begin, columns, minutes, particles)
            for begin in reversed(range(0, self._file_bytes - size + 1, size))
            for key in self._keys
        ]

    def give_back(self, place: RowPlace) -> None:
        """Let a place be taken again, if it is in use."""
        if place in self._used:
            self._used.remove(place)
            self._free.append(place)

    def clear_ahead(self, nbytes: int) -> None:
        """Have the system make room for so many bytes while this process does something else.

        Otherwise it does so page by page as they are written to, ten times as slow.
        """
        each = min(-(-nbytes // _FILES), self._file_bytes)
        begins = deque(
            (file, begin, min(_READY_AT_ONCE, each - begin))
            for begin in range(self._cleared, each, _READY_AT_ONCE)
            for file in self._files
        )
        self._cleared = max(self._cleared, each)

        def make_room() -> None:
            # Without room it is told when rows are written.
            with suppress(OSError, IndexError):
                while not self._ended.is_set():
                    os.posix_fallocate(*begins.popleft())

        self._making_room.append(Thread(target=make_room, name="row-memory", daemon=True))
        self._making_room[-1].start()

    def close(self) -> None:
        """Give the memory back to the system, once no other process uses it either."""
        self._ended.set()
        # A descriptor that is closed may soon stand for another file.
        for thread in self._making_room:
            thread.join()
        while self._files:
            os.close(self._files.pop())
        for key in self._keys:
            if key in _open_files:
                os.close(_open_files.pop(key))


def _whole_pages(nbytes: int) -> int:
    return -(-nbytes // mmap.PAGESIZE) * mmap.PAGESIZE


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

"""Shards that are read, by simulation: Parquet files with rows of many."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stilt.errors import StiltError
from stilt.store.header import Header, Stored

SIM_ID = "sim_id"
_KEPT_OPEN = 16
# Rows that are read together, at most, where one simulation has not more.
TOGETHER_ROWS = 262_144
# Of groups of rows that stay in memory: those of some batches that were computed at one time.
GROUPS_BYTES = 64_000_000


class DamagedShardError(StiltError):
    """A shard cannot be read: cut short, overwritten, or something else."""


class ShardReader:
    """A shard that is read, by simulation.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is none.
        DamagedShardError: it is none of ours, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
            self.header = Header.of(self._file.metadata.metadata)
        except FileNotFoundError:
            raise
        except _UNREADABLE as error:
            raise damaged(path, error) from error

    @cached_property
    def _places(self) -> dict[str, tuple[int, Stored, int]]:
        """Number of each simulation, what is said of it, and its first row."""
        places, first = {}, 0
        for number, stored in enumerate(self.header.simulations):
            places[stored.sim_id] = number, stored, first
            first += stored.rows
        return places

    @cached_property
    def _first_rows(self) -> np.ndarray:
        """First row of each group, and the number of rows."""
        meta = self._file.metadata
        sizes = [meta.row_group(number).num_rows for number in range(meta.num_row_groups)]
        return np.cumsum([0, *sizes])

    def __contains__(self, sim_id: str) -> bool:
        return sim_id in self._places

    def stored(self, sim_id: str) -> Stored:
        """Return what is said of a simulation.

        Raises:
            KeyError: it is not in this shard.
        """
        return self._places[sim_id][1]

    def rows(self, sim_id: str, columns: Sequence[str]) -> pa.Table:
        """Read some columns of a simulation.

        Raises:
            KeyError: it is not in this shard.
            DamagedShardError: its rows cannot be read.
        """
        _, stored, first = self._places[sim_id]
        return self._between(first, first + stored.rows, columns)

    def _between(self, first: int, end: int, columns: Sequence[str]) -> pa.Table:
        groups = self._first_rows
        at = int(np.searchsorted(groups, first, side="right")) - 1
        parts = []
        try:
            while first < end:
                table = self._group_of(at, tuple(columns))
                part = table.slice(first - int(groups[at]), end - first)
                if len(part) == 0:
                    raise ValueError("rows are missing")
                parts.append(part)
                first += len(part)
                at += 1
            if not parts:
                schema = self._file.schema_arrow
                return pa.schema([schema.field(name) for name in columns]).empty_table()
        except _UNREADABLE as error:
            raise damaged(self.path, error) from error
        return pa.concat_tables(parts) if len(parts) > 1 else parts[0]

    def arrays_together(
        self, sim_ids: Sequence[str], columns: Mapping[str, np.dtype]
    ) -> list[np.ndarray]:
        """Read some columns of simulations that lie side by side; see :meth:`rows`.

        Args:
            sim_ids: the simulations.
            columns: which, and the type that each is wanted in.

        Returns:
            A new array for each column.
        """
        places = [self._places[sim_id] for sim_id in sim_ids]
        end = places[-1][2] + places[-1][1].rows
        table = self._between(places[0][2], end, list(columns))
        found = []
        for name, kind in columns.items():
            parts = [part.to_numpy() for part in table[name].chunks]
            found.append(np.concatenate([np.empty(0, kind), *parts], dtype=kind))
        return found

    def together(self, sim_ids: Sequence[str]) -> Iterator[list[str]]:
        """Yield simulations in their order, as many at once as lie side by side in some groups.

        Raises:
            KeyError: one is not in this shard.
        """
        found: list[str] = []
        end = rows = 0
        for sim_id in sim_ids:
            _, stored, first = self._places[sim_id]
            if found and (first != end or rows + stored.rows > TOGETHER_ROWS):
                yield found
                found, rows = [], 0
            found.append(sim_id)
            end, rows = first + stored.rows, rows + stored.rows
        if found:
            yield found

    @property
    def columns(self) -> list[str]:
        """Names of the columns, without that of the simulation."""
        return [name for name in self._file.schema_arrow.names if name != SIM_ID]

    def _group_of(self, number: int, columns: tuple[str, ...]) -> pa.Table:
        """Read a group, or take it from memory: neighbours of a simulation are asked for next."""
        key = self, number, columns
        # A file is read by one thread at a time; other shards need not wait.
        with self._lock:
            table = _groups.get(key)
            if table is None:
                table = self._file.read_row_group(number, list(columns), use_threads=False)
                _groups.keep(key, table)
            return table


class _Groups:
    """The groups of rows of all shards that were used last, up to some bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: OrderedDict[Hashable, pa.Table] = OrderedDict()
        self._nbytes = 0

    def get(self, key: Hashable) -> pa.Table | None:
        """Return a group that is in memory."""
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
            return self._tables.get(key)

    def keep(self, key: Hashable, table: pa.Table) -> None:
        """Keep a group, and forget those that were used longest ago."""
        with self._lock:
            self._tables[key] = table
            self._nbytes += table.nbytes
            while self._nbytes > GROUPS_BYTES and len(self._tables) > 1:
                _, oldest = self._tables.popitem(last=False)
                self._nbytes -= oldest.nbytes


_groups = _Groups()
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError, pa.ArrowException)


def damaged(path: Path, error: Exception) -> DamagedShardError:
    """Return the error of a shard that cannot be read."""
    said = " ".join(str(error).split()) or type(error).__name__
    return DamagedShardError(
        f"{path} is damaged ({said}): delete it and run again; what it held is computed again"
    )


_open: OrderedDict[tuple[str, int, int], ShardReader] = OrderedDict()
_open_lock = threading.Lock()


def opened(path: Path) -> ShardReader:
    """Return a reader of a shard; the latest stay open.

    Raises:
        FileNotFoundError: there is none.
        DamagedShardError: it is none of ours, or damaged.
    """
    found = path.stat()
    key = str(path), found.st_size, found.st_mtime_ns
    with _open_lock:
        if key in _open:
            _open.move_to_end(key)
            return _open[key]
    reader = ShardReader(path)
    with _open_lock:
        _open[key] = reader
        while len(_open) > _KEPT_OPEN:
            _open.popitem(last=False)
    return reader

"""Shards: Parquet files with rows of many simulations, written once and read by simulation."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stilt.errors import StiltError
from stilt.store.header import Header, Stored

# Rows of a group, at least: few groups keep a shard's index small, and one is soon read.
GROUP_ROWS = 131_072
SIM_ID = "sim_id"
_KEPT_OPEN = 16
# Rows that are read together, at most, where one simulation has not more.
TOGETHER_ROWS = 524_288
# Of groups of rows that stay in memory: those of some batches that were computed at one time.
GROUPS_BYTES = 64_000_000


class DamagedShardError(StiltError):
    """A shard cannot be read: cut short, overwritten, or something else."""


def shard_name(batch_id: str, number: int) -> str:
    """Return the name of a new shard: later ones come later in the order of names."""
    return f"{time.time_ns():020d}-{batch_id}-{number}.parquet"


class ShardWriter:
    """A shard while it is written, under a temporary name.

    Args:
        path: file to write; whoever has the writer renames it.
        kind, name, settings: see :class:`stilt.store.header.Header`.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        name: str,
        settings: Mapping[str, Any],
    ) -> None:
        self.path = path
        self.kind, self.name, self.settings = kind, name, settings
        self.simulations: list[Stored] = []
        self.begun = time.monotonic()
        self._writer: pq.ParquetWriter | None = None
        self._schema: pa.Schema | None = None
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def fits(self, table: pa.Table, settings: Mapping[str, Any]) -> bool:
        """Return whether rows can go into this shard: columns and settings are the same."""
        return settings == self.settings and (
            self._schema is None or _columns_of(table) == self._schema
        )

    def add(self, stored: Stored, table: pa.Table) -> None:
        """Write rows of one simulation, which has none here yet.

        Args:
            stored: whose; its ``rows`` are counted here.
            table: the rows, without a column for the simulation.

        Raises:
            OSError: the disk refuses.
        """
        if self._schema is None:
            self._schema = _columns_of(table)
            self._open()
        self.simulations.append(stored)
        self._waiting.append(table)
        self._rows += len(table)
        if self._rows >= GROUP_ROWS:
            self._write_group()

    def close(self) -> None:
        """Complete the file, which is synced to disk.

        Raises:
            OSError: the disk refuses.
        """
        assert self._writer is not None
        self._write_group()
        header = Header(self.kind, self.name, self.settings, self.simulations)
        self._writer.add_key_value_metadata(header.metadata())
        self._writer.close()
        self._writer = None
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def discard(self) -> None:
        """Remove the file."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
            self._writer = None
        self.path.unlink(missing_ok=True)

    def _open(self) -> None:
        assert self._schema is not None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        repeated, split = _encodings(self.kind, self._schema)
        sim_id = pa.field(SIM_ID, pa.dictionary(pa.int32(), pa.string()), nullable=False)
        self._writer = pq.ParquetWriter(
            self.path,
            self._schema.insert(0, sim_id),
            compression="zstd" if pa.Codec.is_available("zstd") else "snappy",
            use_dictionary=[SIM_ID, *repeated],
            column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
            write_statistics=[SIM_ID, *(name for name in self._schema.names if name not in split)],
            write_batch_size=GROUP_ROWS,
            write_page_checksum=True,
        )

    def _write_group(self) -> None:
        if self._waiting:
            assert self._writer is not None
            number = len(self._waiting)
            names = pa.array([each.sim_id for each in self.simulations[-number:]], pa.string())
            whose = np.repeat(np.arange(number, dtype=np.int32), list(map(len, self._waiting)))
            ids = pa.DictionaryArray.from_arrays(pa.array(whose), names)
            columns = [ids, *pa.concat_tables(self._waiting).columns]
            table = pa.Table.from_arrays(columns, schema=self._writer.schema)
            self._writer.write_table(table, max(1, len(table)))
        self._waiting, self._rows = [], 0


def _columns_of(table: pa.Table) -> pa.Schema:
    """Return names and types of columns, none of which has gaps."""
    return pa.schema([pa.field(f.name, f.type, nullable=False) for f in table.schema])


def _encodings(kind: str, schema: pa.Schema) -> tuple[list[str], list[str]]:
    """Return the columns with a dictionary of values, and those whose bytes are split by place."""
    if kind == "footprints":
        # Dictionaries of times and coordinates would save 2 % of the bytes and cost a third more.
        return [], ["cell", "foot"]
    split = [column.name for column in schema if pa.types.is_float32(column.type)]
    return [name for name in schema.names if name not in split], split


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

    def rows_together(self, sim_ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """Read some columns of simulations that lie side by side; see :meth:`rows`."""
        places = [self._places[sim_id] for sim_id in sim_ids]
        return self._between(places[0][2], places[-1][2] + places[-1][1].rows, columns)

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

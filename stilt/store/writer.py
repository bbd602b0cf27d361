"""Shards that are written: Parquet files with rows of many simulations."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stilt.store.header import Header, Stored
from stilt.store.shards import SIM_ID

# Rows of a group, at least: few groups keep a shard's index small, and one is soon read.
GROUP_ROWS = 131_072


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
        split = _split(self.kind, self._schema)
        sim_id = pa.field(SIM_ID, pa.dictionary(pa.int32(), pa.string()), nullable=False)
        self._writer = pq.ParquetWriter(
            self.path,
            self._schema.insert(0, sim_id),
            compression=_compression(),
            # Others would save 5 % of the bytes at most, and cost a third more time.
            use_dictionary=[SIM_ID],
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


def _compression() -> str:
    """Return a codec that takes less time than zstd for some 10 % more bytes."""
    return "lz4" if pa.Codec.is_available("lz4") else "snappy"


def _columns_of(table: pa.Table) -> pa.Schema:
    """Return names and types of columns, none of which has gaps."""
    return pa.schema([pa.field(f.name, f.type, nullable=False) for f in table.schema])


def _split(kind: str, schema: pa.Schema) -> list[str]:
    """Return the columns whose bytes are split by place, which makes them smaller."""
    if kind == "footprints":
        return ["cell", "foot"]
    return [column.name for column in schema if column.type in (pa.float32(), pa.int32())]

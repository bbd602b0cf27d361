"""Compact a store: drop superseded rows and join small shards."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.errors import RunUnfinishedError
from stilt.project.holders import holders, names
from stilt.project.inputs import Project
from stilt.project.kinds import ENDS, ERROR_PARTICLES, FOOTPRINTS, PARTICLES, shard_folder
from stilt.project.reading import ends_in_store
from stilt.project.store_scan import name_of, shards_of
from stilt.store import DamagedShardError, ShardReader, ShardWriter

if TYPE_CHECKING:
    import duckdb

# Shards of this size are left as they are, unless a part of them is superseded.
LARGE_BYTES = 256_000_000

Progress = Callable[[float], None]


@dataclass
class Compacted:
    """What has been done.

    Attributes:
        removed, written: number of shards.
        superseded: outputs of simulations that were dropped since later ones are there.
        bytes_before, bytes_after: of the shards concerned.
        damaged: sentences on shards that cannot be read and were left alone.
    """

    removed: int = 0
    written: int = 0
    superseded: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    damaged: list[str] = field(default_factory=list)


def compact_store(project: Project, progress: Progress | None = None) -> Compacted:
    """Join small shards, drop what is superseded, and remove the shards that are left over.

    New shards are there, and in the index, before old ones go, so that it may be interrupted, and
    readers may go on; a reader that has listed the old shards may have to look again.

    Args:
        project: whose store it is.
        progress: called with the fraction done.

    Raises:
        RunUnfinishedError: simulations of this project are being computed.
    """
    with project.leased():
        return _compacted(project, progress)


def _compacted(project: Project, progress: Progress | None) -> Compacted:
    index = project.index
    if busy := holders(index):
        raise RunUnfinishedError(
            f"Simulations of {project.name} are being computed by {names(busy)}: compact the store "
            "when that has ended."
        )
    index.refresh(project.expected)
    done = Compacted()
    nothing: dict[tuple[str, str], set[str]] = {}
    current = index.read(_current, nothing)
    current |= _current_ends(project)
    folders: dict[str, list[str]] = {}
    stamps = shards_of(project.layout, project.remote)
    for shard in stamps:
        folders.setdefault(shard.rpartition("/")[0], []).append(shard)
    old: list[str] = []
    total = sum(stamp.nbytes for stamp in stamps.values()) or 1
    seen = 0
    for folder, shards in folders.items():
        joiner = _Joiner(project, folder)
        used = {shard: current.get((folder, shard), set()) for shard in shards}
        sizes = {shard: stamps[shard].nbytes for shard in shards}
        for shard in _to_rewrite(project, shards, used, sizes, done):
            done.bytes_before += stamps[shard].nbytes
            joiner.take(shard, used[shard], done)
            old.append(shard)
            seen += stamps[shard].nbytes
            if progress is not None:
                progress(seen / total)
        joiner.finish(done)
    # The index learns of the new shards while the old ones are still there, and so do machines
    # that have an index of their own.
    index.refresh(project.expected)
    if project.home is not None and done.written:
        index.tell(sorted(set().union(*current.values())))
    for shard in old:
        remove_shard(project, shard)
        done.removed += 1
    if project.home is not None:
        project.home.join_receipts()
    return done


def _to_rewrite(
    project: Project,
    shards: Sequence[str],
    used: Mapping[str, set[str]],
    sizes: Mapping[str, int],
    done: Compacted,
) -> list[str]:
    """Return the shards of a folder to be rewritten or removed, in the order of their names."""
    chosen: list[str] = []
    small: list[str] = []
    for shard in sorted(shards, key=name_of):
        try:
            reader = ShardReader(project.output_files.shard_path(shard))
        except FileNotFoundError:
            continue
        except DamagedShardError as error:
            done.damaged.append(str(error))
            continue
        if len(used[shard]) < len(reader.header.simulations):
            chosen.append(shard)
        elif sizes[shard] < LARGE_BYTES:
            small.append(shard)
    if len(small) + len(chosen) > 1:
        chosen += small
    return sorted(chosen, key=name_of)


class _Joiner:
    """Writes the rows of some shards of one folder into new ones."""

    def __init__(self, project: Project, folder: str) -> None:
        self._project, self._folder = project, folder
        self._writer: ShardWriter | None = None
        self._latest = ""
        self._number = 0

    def take(self, shard: str, wanted: set[str], done: Compacted) -> None:
        """Add what is current in a shard."""
        reader = ShardReader(self._project.output_files.shard_path(shard))
        header = reader.header
        done.superseded += len(header.simulations) - len(wanted)
        if not wanted:
            return
        # What is computed from now on has a later name than the latest of these.
        begun = name_of(shard).partition("-")[0]
        self._latest = max(self._latest, begun)
        for stored in header.simulations:
            if stored.sim_id not in wanted:
                continue
            table = reader.rows(stored.sim_id, reader.columns)
            if self._writer is not None and not self._writer.fits(table, header.settings):
                self.finish(done)
                self._latest = begun
            if self._writer is None:
                path = self._working()
                self._writer = ShardWriter(path, header.kind, header.name, header.settings)
            self._writer.add(stored, table)
        if self._writer is not None and self._writer.path.stat().st_size > LARGE_BYTES:
            self.finish(done)

    def finish(self, done: Compacted) -> None:
        """Publish the shard that is being written."""
        if self._writer is None:
            return
        self._writer.close()
        # After all that it is made of, which begin with the same time at most, and before all that
        # has been computed since.
        name = f"{self._latest}-~{time.time_ns():020d}-{self._number}.parquet"
        stamp = self._project.output_files.publish_shard(
            self._writer.path, f"{self._folder}/{name}"
        )
        done.written += 1
        done.bytes_after += stamp.nbytes
        self._writer, self._latest = None, ""

    def _working(self) -> Path:
        self._number += 1
        name = f".compact-{secrets.token_hex(4)}.tmp"
        return self._project.layout.store / self._folder / name


def _current(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], set[str]]:
    """Simulations whose output a shard holds, by folder and shard."""
    rows = connection.execute(
        f"""
        SELECT '{FOOTPRINTS}', name, shard, sim_id FROM footprints WHERE shard <> ''
        UNION ALL SELECT '{PARTICLES}', '', trajectory_shard, sim_id FROM simulations
            WHERE trajectory_shard <> '' AND transport_key IS NOT NULL
        UNION ALL SELECT '{ERROR_PARTICLES}', '', error_shard, sim_id FROM simulations
            WHERE error_shard <> '' AND error_key IS NOT NULL"""
    ).fetchall()
    found: dict[tuple[str, str], set[str]] = {}
    for kind, name, shard, sim_id in rows:
        found.setdefault((shard_folder(kind, name), shard), set()).add(sim_id)
    return found


def _current_ends(project: Project) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for one in ends_in_store(project).values():
        found.setdefault((ENDS, one.shard), set()).add(one.sim_id)
    return found


def remove_shard(project: Project, shard: str) -> None:
    """Remove a shard, here and on the URL; one that is gone is no fault."""
    if project.remote is not None:
        project.remote.remove_shard(shard)
    with suppress(OSError):
        project.layout.shard(shard).unlink(missing_ok=True)

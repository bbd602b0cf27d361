"""Receipts: what a batch did, one small Parquet file each, written whole or not at all.

They let the state of a run be read while workers compute, and the index be rebuilt with the
reasons of failures. A receipt waits in ``receipts/`` until the coordinator has folded it into
the index; then it moves to ``folded/``, where many small ones are joined now and then.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stilt.atomic import atomic_path
from stilt.project.artifacts import Stamp
from stilt.project.keys import footprint_keys_text
from stilt.project.layout import receipt_files

logger = logging.getLogger(__name__)

_JOIN_ABOVE = 256
# As tables in memory they take some hundred times as much, and more as Python's texts.
_LARGE_BYTES = 250_000

_TEXT = (
    "sim_id", "receptor", "state", "reason", "detail", "transport_key", "error_key",
    "footprint_keys", "footprints", "batch_id", "host", "version", "owner", "met_files", "parts",
    "weather", "device", "jax", "trajectory_shard", "error_shard",
)  # fmt: skip
_NUMBERS = (
    "seed", "n_rows", "trajectory_bytes", "trajectory_mtime_us", "error_bytes", "error_mtime_us",
)  # fmt: skip
SCHEMA = pa.schema(
    [(name, pa.string()) for name in _TEXT]
    + [(name, pa.int64()) for name in _NUMBERS]
    + [("followed", pa.float64()), ("seconds", pa.float64())]
    + [(name, pa.timestamp("us")) for name in ("started_at", "finished_at", "run_began")]
)


@dataclass
class FootprintEntry:
    """One footprint as a receipt describes it.

    Attributes:
        key: content key.
        total: sum of the footprint, ppm per (umol m-2 s-1).
        empty_reason: "" or why all values are zero.
        nbytes: size of its file, or of the shard that it is in.
        mtime_us: when that was changed; None when unknown, and on a URL.
        shard: of the store, that it is in; "" when it has a file of its own.
    """

    key: str
    total: float | None = None
    empty_reason: str = ""
    nbytes: int | None = None
    mtime_us: int | None = None
    shard: str = ""

    @property
    def stamp(self) -> Stamp | None:
        """Size and time of change of the file; None when unknown."""
        return None if self.nbytes is None else Stamp(self.nbytes, self.mtime_us)


@dataclass
class Result:
    """What became of one simulation in one attempt.

    Attributes:
        sim_id: the simulation.
        receptor: JSON of its receptor.
        state: ``complete``, ``failed`` or ``pending`` (interrupted, or an error run failed).
        reason: member of :class:`stilt.errors.Reason`, "" when complete.
        detail: one sentence about the failure.
        transport_key, error_key: keys of the trajectories that exist now.
        footprints: footprints that exist now, by name.
        met_files: weather files that the outputs were made from.
        weather: what these held; see :mod:`stilt.meteorology.fingerprint`.
        device, jax: kind of device, and version of JAX, that computed the particles.
        n_rows: of the particle table of the main run; None where none was made or read.
        followed: share of the hours for which its particles were followed on average, 0 to 1.
        trajectory_bytes, trajectory_mtime_us, error_bytes, error_mtime_us: sizes of the trajectory
            files, or of the shards that these are in, and when they were changed.
        trajectory_shard, error_shard: shards of the store, "" for files.
        parts: seconds of a worker by part of the work; a batch's are shared equally.
        run_began: when the run began that followed its particles; None where they were there
            before, or no run was made.
    """

    sim_id: str
    receptor: str
    state: str = "pending"
    reason: str = ""
    detail: str = ""
    transport_key: str | None = None
    error_key: str | None = None
    footprints: dict[str, FootprintEntry] = field(default_factory=dict)
    batch_id: str = ""
    host: str = ""
    version: str = ""
    owner: str = ""
    met_files: tuple[str, ...] = ()
    weather: str = ""
    device: str = ""
    jax: str = ""
    seed: int | None = None
    n_rows: int | None = None
    followed: float | None = None
    trajectory_bytes: int | None = None
    trajectory_mtime_us: int | None = None
    error_bytes: int | None = None
    error_mtime_us: int | None = None
    trajectory_shard: str = ""
    error_shard: str = ""
    seconds: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    run_began: datetime | None = None
    started_at: datetime = field(default_factory=lambda: now())
    finished_at: datetime = field(default_factory=lambda: now())

    @property
    def is_empty(self) -> bool:
        """Whether the simulation is complete and all of its footprints are zero."""
        entries = self.footprints.values()
        return self.state == "complete" and bool(entries) and all(e.empty_reason for e in entries)

    def to_row(self) -> dict[str, object]:
        """Values of one row of :data:`SCHEMA`."""
        row = {name: getattr(self, name, None) for name in SCHEMA.names}
        row["footprints"] = json.dumps({name: vars(e) for name, e in self.footprints.items()})
        row["parts"] = json.dumps({name: round(spent, 4) for name, spent in self.parts.items()})
        row["met_files"] = json.dumps(list(self.met_files))
        row["footprint_keys"] = footprint_keys_text(
            {name: entry.key for name, entry in self.footprints.items()},
            {name for name, entry in self.footprints.items() if entry.empty_reason},
        )
        return row


def now() -> datetime:
    """The time in UTC, without a zone, as the index stores it."""
    return datetime.now(UTC).replace(tzinfo=None)


def write_receipt(folder: Path, results: Sequence[Result], batch_id: str) -> Path:
    """Write the receipt of a batch and return its path."""
    stamp = f"{time.time_ns():020d}"
    path = folder / f"{stamp}-{batch_id}-{secrets.token_hex(3)}.parquet"
    table = pa.Table.from_pylist([result.to_row() for result in results], schema=SCHEMA)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path


def write_recorded(folder: Path, rows: pd.DataFrame) -> Path:
    """Write a receipt that says what is recorded already, and return its path.

    Args:
        folder: of receipts.
        rows: with the columns of :data:`SCHEMA`.
    """
    path = folder / f"{time.time_ns():020d}-recorded-{secrets.token_hex(3)}.parquet"
    table = pa.Table.from_pandas(rows, schema=SCHEMA, preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path


def read_receipts(paths: Iterable[Path]) -> tuple[pd.DataFrame, list[Path]]:
    """Read receipts; the latest row of each simulation counts.

    Returns:
        One row per simulation, the latest, and the receipts that could not be read: they are set
        aside under ``.damaged`` with a message, since the files themselves tell the rest.
    """
    table, damaged = read_tables(paths)
    _set_aside(damaged)
    frame = table.to_pandas()
    frame = frame.sort_values("finished_at", kind="stable").drop_duplicates("sim_id", keep="last")
    return frame.reset_index(drop=True), damaged


def _set_aside(damaged: Iterable[Path]) -> None:
    for path in damaged:
        logger.warning(
            "Receipt %s is damaged and was set aside: what it said is read from the output files.",
            path,
        )
        with suppress(FileNotFoundError):
            os.replace(path, path.with_suffix(".damaged"))


def read_tables(paths: Iterable[Path]) -> tuple[pa.Table, list[Path]]:
    """All rows of receipts, oldest receipt first, and the receipts that cannot be read.

    One that is gone by now has been recorded and moved.
    """
    tables, damaged = [], []
    for path in sorted(paths):
        try:
            with pq.ParquetFile(path) as file:
                tables.append(file.read().select(SCHEMA.names).cast(SCHEMA))
        except FileNotFoundError:
            continue
        except (OSError, pa.ArrowException, KeyError):
            damaged.append(path)
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table(), damaged


def seconds_by_part(texts: Iterable[str | None]) -> dict[str, float]:
    """Seconds that workers spent on each part of the work, longest first.

    Args:
        texts: the column ``parts`` of receipts.
    """
    total: dict[str, float] = {}
    for text in texts:
        for part, spent in json.loads(text or "{}").items():
            total[part] = total.get(part, 0.0) + spent
    return dict(sorted(total.items(), key=lambda entry: -entry[1]))


def move_folded(paths: Iterable[Path], folded: Path) -> None:
    """Move receipts that the index has to `folded`, and join them when they have become many."""
    folded.mkdir(parents=True, exist_ok=True)
    for path in paths:
        try:
            os.replace(path, folded / path.name)
        except FileNotFoundError:
            continue
    # One that is large stays as it is: to join all again and again would take a campaign's memory.
    files = [path for path in receipt_files(folded) if _size(path) < _LARGE_BYTES]
    if len(files) > _JOIN_ABOVE:
        for portion in portions(files):
            if len(portion) > 1:
                _join(portion, folded)


def portions(paths: Iterable[Path]) -> Iterator[list[Path]]:
    """Yield receipts, oldest first, in portions that need little memory."""
    portion: list[Path] = []
    nbytes = 0
    for path in sorted(paths):
        size = _size(path)
        if portion and nbytes + size > _LARGE_BYTES:
            yield portion
            portion, nbytes = [], 0
        portion.append(path)
        nbytes += size
    if portion:
        yield portion


def _size(path: Path) -> int:
    """Return the bytes of a receipt, 0 when another process has moved it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _join(files: Sequence[Path], folded: Path) -> None:
    """Write one receipt that says the same as many, earlier attempts included."""
    table, damaged = read_tables(files)
    _set_aside(damaged)
    with atomic_path(folded / f"{time.time_ns():020d}-joined.parquet") as temporary:
        pq.write_table(table, temporary, compression="zstd")
    for path in set(files) - set(damaged):
        path.unlink(missing_ok=True)


def join_tables(folder: Path) -> Path | None:
    """Write one receipt with all rows of those in a folder, beside them; None if one is damaged.

    Rows of earlier attempts stay, which tell where the time went.
    """
    paths = receipt_files(folder)
    table, damaged = read_tables(paths)
    if damaged:
        return None
    path = folder / f"{time.time_ns():020d}-joined-{secrets.token_hex(3)}.parquet"
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path


def write_registration(folder: Path, rows: pd.DataFrame) -> Path:
    """Keep newly registered simulations beside the index, so that it can be rebuilt from files."""
    path = folder / f"{time.time_ns():020d}-{secrets.token_hex(3)}.parquet"
    table = pa.Table.from_pandas(rows, preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path


def entries_of(text: str | None) -> Mapping[str, FootprintEntry]:
    """Footprints of a receipt's row."""
    if not isinstance(text, str) or not text:
        return {}
    return {name: FootprintEntry(**entry) for name, entry in json.loads(text).items()}

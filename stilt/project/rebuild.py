"""Rebuild the whole index by one scan of the folders.

A scan lists each simulation's folder once and looks at names. A file is opened only when neither
a receipt nor the old index knows what made it, or when it was changed since. Sizes and times of
change are compared in projects of up to :data:`stilt.project.scan.VERIFY_UP_TO` folders, or when
asked for: on network file systems one question per file takes minutes where listing folders takes
seconds.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from stilt.errors import Reason
from stilt.project import records
from stilt.project.artifacts import Stamp
from stilt.project.database import DamagedIndexError, Database
from stilt.project.found import Outputs
from stilt.project.keys import ERROR_SUFFIX, footprint_keys_text
from stilt.project.layout import ProjectLayout, receipt_files
from stilt.project.receipts import entries_of, read_receipts
from stilt.project.records import FOOTPRINTS_AS_JSON
from stilt.project.scan import scan
from stilt.project.schema import RECEIPT_COLUMNS, REGISTRATION_COLUMNS
from stilt.receptors import sim_parts

if TYPE_CHECKING:
    import duckdb

    from stilt.project.remote import RemoteOutputs

logger = logging.getLogger(__name__)


class Rebuilt(Protocol):
    """What is rebuilt: :class:`stilt.project.index.Index`."""

    layout: ProjectLayout
    remote: RemoteOutputs | None
    max_rows: int | None

    def fold(self) -> int:
        """Record all waiting receipts."""


def rebuild_index(index: Rebuilt, database: Database, *, verify: bool | None) -> None:
    """Rebuild the index from output files, registrations, receipts, and the old index if any.

    Reasons of failures are kept where the files do not contradict them; scenes are kept.
    """
    layout = index.layout
    old = _old_tables(database)
    waiting = receipt_files(layout.receipts)
    receipts, _ = read_receipts([*receipt_files(layout.folded), *waiting])
    definitions = _definitions(layout, old, receipts)
    known = known_from(receipts, old)
    found = scan(layout, known, verify=verify, remote=index.remote)
    rows, footprints = _rows(definitions, receipts, old, known, found, layout)

    def work(connection: duckdb.DuckDBPyConnection) -> None:
        connection.register("rebuilt", rows)
        columns = ", ".join(rows.columns)
        connection.execute(
            f"INSERT INTO simulations ({columns}) SELECT {columns} FROM rebuilt ORDER BY sim_id"
        )
        records.write_footprints(connection, footprints, fresh=True)

    database.replace(work)
    if index.max_rows is not None:
        most = index.max_rows
        database.write(lambda connection: records.cap(connection, most))
    index.fold()


def _old_tables(database: Database) -> pd.DataFrame:
    """Rows of the index that is about to be replaced, as far as it can be read."""
    try:
        return database.read(lambda c: _all_rows(c))
    except (DamagedIndexError, FileNotFoundError):
        return pd.DataFrame()


def _all_rows(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return connection.execute(
        f"""
        SELECT s.*, f.footprints FROM simulations s LEFT JOIN ({FOOTPRINTS_AS_JSON}) f
        USING (sim_id)"""
    ).df()


def _definitions(layout: ProjectLayout, old: pd.DataFrame, receipts: pd.DataFrame) -> pd.DataFrame:
    """Definition of every simulation known from registrations, the old index, or receipts."""
    found = read_registrations(receipt_files(layout.registrations))
    frames = [rows.assign(generation=generation) for generation, rows in found]
    if len(old):
        frames.append(old[[*REGISTRATION_COLUMNS, "generation"]])
    if len(receipts):
        run = _with_id_parts(receipts)[["sim_id", "met", "location_id", "receptor"]]
        frames.insert(0, run)
    names = [*REGISTRATION_COLUMNS, "generation"]
    if not frames:
        return pd.DataFrame(columns=names)
    joined = pd.concat([f.reindex(columns=names) for f in frames], ignore_index=True)
    # The last non-empty value wins, so that a scene survives a registration without one.
    return joined.groupby("sim_id", sort=False).last().reset_index()


def read_registrations(paths: Iterable[Path]) -> list[tuple[int, pd.DataFrame]]:
    """Return the rows of registrations with their numbers from 1; damaged ones are left out."""
    found = []
    for number, path in enumerate(sorted(paths), start=1):
        try:
            found.append((number, pd.read_parquet(path)))
        except (OSError, ValueError) as error:
            logger.warning("Registration %s cannot be read (%s) and was left out.", path, error)
    return found


def _with_id_parts(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with the columns that can be worked out from the id."""
    parts = [sim_parts(sim_id) for sim_id in frame["sim_id"]]
    mets, locations = [part.met for part in parts], [part.location for part in parts]
    return frame.assign(met=mets, location_id=locations)


def known_from(*frames: pd.DataFrame) -> dict[str, Outputs]:
    """Recorded outputs by id; the first frame that has an id wins."""
    known: dict[str, Outputs] = {}
    texts = (
        "met_files", "weather", "device", "jax", "version", "trajectory_shard", "error_shard",
    )  # fmt: skip
    columns = (
        "transport_key", "error_key", "footprints", "trajectory_bytes", "trajectory_mtime_us",
        "error_bytes", "error_mtime_us", *texts,
    )  # fmt: skip
    for frame in frames:
        if frame.empty:
            continue
        values = [frame["sim_id"].tolist(), *(_nones(frame[name]) for name in columns)]
        for (
            sim_id,
            transport,
            error,
            footprints,
            size,
            moment,
            error_size,
            error_moment,
            *told,
        ) in zip(*values, strict=True):
            if sim_id not in known:
                outputs = known[sim_id] = Outputs(
                    transport, error, _stamp(size, moment), _stamp(error_size, error_moment),
                    dict(entries_of(footprints)),
                )  # fmt: skip
                for name, text in zip(texts, told, strict=True):
                    setattr(outputs, name, text or "")
    return known


def _stamp(nbytes: Any, mtime_us: Any) -> Stamp | None:
    return None if nbytes is None else Stamp(int(nbytes), _int(mtime_us))


def _nones(column: pd.Series) -> list[Any]:
    return column.astype(object).where(column.notna(), None).tolist()


def _int(value: Any) -> int | None:
    return None if value is None else int(value)


def _rows(
    definitions: pd.DataFrame,
    receipts: pd.DataFrame,
    old: pd.DataFrame,
    known: dict[str, Outputs],
    found: dict[str, Outputs],
    layout: ProjectLayout,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of both tables; definitions that only files have come from their metadata."""
    base = definitions.set_index("sim_id")
    unknown = [s for s in found.keys() - set(base.index) if found[s].receptor]
    if unknown:
        frame = pd.DataFrame({"sim_id": unknown, "receptor": [found[s].receptor for s in unknown]})
        extra = _with_id_parts(frame).set_index("sim_id")
        base = pd.concat([base, extra]) if len(base) else extra.reindex(columns=base.columns)
    told = _told(receipts, old).reindex(base.index)
    sim_ids = base.index.tolist()
    outputs = [found.get(sim_id, Outputs()) for sim_id in sim_ids]
    states = [
        _state(out, targets, state, reason, partial(_logged_reason, layout.log(sim_id)))
        for sim_id, out, targets, state, reason in zip(
            sim_ids, outputs, _nones(base["targets"]), _nones(told["state"]),
            _nones(told["reason"]), strict=True,
        )
    ]  # fmt: skip
    rows = pd.concat([base, told.drop(columns=[c for c in told if c in base])], axis=1)
    rows["time"] = _times(rows)
    rows["state"] = [state for state, _ in states]
    rows["reason"] = [reason for _, reason in states]
    rows["transport_key"] = [out.transport for out in outputs]
    rows["error_key"] = [out.error for out in outputs]
    stamps = pd.DataFrame([stamps_row(out) for out in outputs], rows.index)
    for name in stamps:
        rows[name] = stamps[name].astype("Int64")
    for name in ("trajectory_shard", "error_shard"):
        # A simulation that was never run has none, not even "".
        told_of = told[name].notna() | pd.Series([out.exist for out in outputs], base.index)
        shards = pd.Series([getattr(out, name) for out in outputs], base.index, dtype=object)
        rows[name] = shards.where(told_of, None)
    rows["footprint_keys"] = [keys_text(out) for out in outputs]
    for name in ("met_files", "weather", "device", "jax", "version"):
        seen = pd.Series([getattr(out, name) or None for out in outputs], base.index, dtype=object)
        rows[name] = seen.where(seen.notna(), rows[name])
    rows["detail"] = rows["detail"].where(rows["detail"].notna(), "")
    rows["has_log"] = [out.has_log for out in outputs]
    for name in ("seed", "n_rows", "ordinal", "generation", "attempts"):
        rows[name] = pd.to_numeric(rows[name]).astype("Int64")
    moment = pd.Timestamp.now("UTC").tz_localize(None)
    rows["created_at"] = rows["created_at"].astype("datetime64[us]").fillna(moment)
    rows["updated_at"] = moment
    footprints = pd.DataFrame(
        {"sim_id": sim_ids, "footprints": [footprints_json(out) for out in outputs]}
    )
    return rows.reset_index(names="sim_id"), footprints


def _told(receipts: pd.DataFrame, old: pd.DataFrame) -> pd.DataFrame:
    """What receipts, else the old index, say beyond the outputs themselves, by id.

    Claims of living processes are kept: only the old index has them.
    """
    names = [
        "sim_id", *RECEIPT_COLUMNS, "attempts", "created_at", "owner", "claimed_at", "lease_end",
    ]  # fmt: skip
    frames = [f.reindex(columns=names) for f in (receipts.drop(columns="owner"), old) if len(f)]
    if not frames:
        return pd.DataFrame(columns=names).set_index("sim_id")
    joined = pd.concat(frames, ignore_index=True)
    if len(frames) == 2:
        latest = joined.sort_values("finished_at", kind="stable", na_position="first")
        return latest.groupby("sim_id", sort=False).last()
    return joined.set_index("sim_id")


def _state(
    outputs: Outputs,
    targets: str | None,
    state: str | None,
    reason: str | None,
    logged: Callable[[], str],
) -> tuple[str, str]:
    """Return state and reason as reported, unless the files contradict them."""
    wanted = [name for name in (targets or "").split(",") if name]
    if outputs.exist and all(name in outputs.footprints for name in wanted):
        needs_error = any(name.endswith(ERROR_SUFFIX) for name in wanted)
        if outputs.error is not None or not needs_error:
            return ("pending", reason) if reason and state == "pending" else ("complete", "")
    if state == "running":
        return "running", reason or ""
    if state == "failed":
        return "failed", reason or Reason.UNKNOWN
    if state is None and (outputs.has_log or outputs.error is not None) and not outputs.exist:
        why = logged()
        return ("pending", why) if why == Reason.INTERRUPTED else ("failed", why)
    return "pending", reason or ""


def _logged_reason(log: Path) -> str:
    """Reason in the last block of a log of ours."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return Reason.UNKNOWN
    reasons = [line.partition(":")[2].strip() for line in lines if line.startswith("Reason:")]
    return reasons[-1] if reasons and reasons[-1] in set(Reason) else Reason.UNKNOWN


def _times(rows: pd.DataFrame) -> pd.Series:
    """Receptor times; from the id where no registration has them."""
    times = pd.to_datetime(rows["time"])
    if not times.isna().any():
        return times
    stamps = pd.Series([sim_parts(sim_id).stamp for sim_id in rows.index], index=rows.index)
    return times.fillna(pd.to_datetime(stamps, format="%Y%m%d%H%M%S"))


def keys_text(outputs: Outputs) -> str:
    """Return keys of footprints as the index stores them."""
    entries = outputs.footprints
    return footprint_keys_text(
        {name: entry.key for name, entry in entries.items()},
        {name for name, entry in entries.items() if entry.empty_reason},
    )


def footprints_json(outputs: Outputs) -> str:
    """Return footprints as a receipt tells of them."""
    return json.dumps({name: vars(entry) for name, entry in outputs.footprints.items()})


def stamps_row(outputs: Outputs) -> dict[str, int | None]:
    """Return sizes and times of change of the trajectories, by column of the table."""
    row: dict[str, int | None] = {}
    stamps = {"trajectory": outputs.trajectory_stamp, "error": outputs.error_stamp}
    for name, stamp in stamps.items():
        row[f"{name}_bytes"] = None if stamp is None else stamp.nbytes
        row[f"{name}_mtime_us"] = None if stamp is None else stamp.mtime_us
    return row

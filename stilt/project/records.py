"""The SQL behind the index: definitions and receipts into tables, in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from stilt.project.keys import Expectation
from stilt.project.kinds import FOOTPRINTS, PARTICLES
from stilt.project.present import NOW, show_present
from stilt.project.receipts import entries_of, now
from stilt.project.schema import RECEIPT_COLUMNS
from stilt.project.states import RECORDED_COLUMNS, Recorded, state_of
from stilt.project.waiting import FROM_ID, NEWER, NOT_HELD, is_other_attempt

if TYPE_CHECKING:
    import duckdb

_DEFINITION = "location_id, time, receptor, targets"
_SAME = " AND ".join(f"{name} IS NOT DISTINCT FROM ?" for name in Recorded._fields)
_BLANK = "reason, detail, footprint_keys, has_log"
_BLANKS = "'', '', '', false"
# The tables that a query makes of them would take 200 MB for a million.
_ASKED_TOGETHER = 100_000


FOOTPRINTS_AS_JSON = """
    SELECT sim_id, json_group_object(name, {key: key, total: total,
               empty_reason: coalesce(empty_reason, ''), nbytes: nbytes,
               mtime_us: mtime_us, shard: coalesce(shard, '')})::VARCHAR AS footprints
    FROM footprints GROUP BY sim_id"""


def asked_in_parts(connection: duckdb.DuckDBPyConnection, sim_ids: Sequence[str]) -> Iterator[None]:
    """Make the table ``asked`` of some of the ids, and of the next ones at each further turn."""
    for begin in range(0, len(sim_ids), _ASKED_TOGETHER):
        part = list(sim_ids[begin : begin + _ASKED_TOGETHER])
        connection.register("asked", pd.DataFrame({"sim_id": part}, dtype="string"))
        yield


def rows_of(
    sim_ids: Sequence[str], columns: Sequence[str], connection: duckdb.DuckDBPyConnection
) -> list[dict[str, Any]]:
    """Rows of the given ids, as mappings."""
    connection.register("asked", pd.DataFrame({"sim_id": list(sim_ids)}, dtype="string"))
    found = connection.execute(
        f"SELECT {', '.join(columns)} FROM simulations SEMI JOIN asked USING (sim_id)"
    )
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def stored_receptors(
    sim_ids: Sequence[str], connection: duckdb.DuckDBPyConnection
) -> dict[str, str]:
    """Return the stored receptor (JSON) of each of the given ids that has one."""
    rows = rows_of(sim_ids, ("sim_id", "receptor"), connection)
    return {row["sim_id"]: row["receptor"] for row in rows if row["receptor"]}


def as_receipts(sim_ids: Sequence[str], connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Return what is recorded of the given ids, as a receipt tells of it.

    Where outputs were found without a receipt, whose writer was killed, the time is now.
    """
    columns = ", ".join(f"s.{name}" for name in RECEIPT_COLUMNS if name != "finished_at")
    connection.register("asked", pd.DataFrame({"sim_id": list(sim_ids)}, dtype="string"))
    return connection.execute(
        f"""
        SELECT s.sim_id, s.receptor, NULL::VARCHAR AS owner, '{{}}' AS parts,
               NULL::TIMESTAMP AS run_began,
               coalesce(f.footprints, '{{}}') AS footprints, {columns},
               coalesce(s.finished_at, ?::TIMESTAMP) AS finished_at
        FROM simulations s SEMI JOIN asked USING (sim_id)
        LEFT JOIN ({FOOTPRINTS_AS_JSON}) f USING (sim_id)""",
        [now()],
    ).df()


def shards_of(
    sim_ids: Sequence[str], connection: duckdb.DuckDBPyConnection
) -> dict[str, tuple[str, ...]]:
    """Return the shards with outputs of the given ids, for those that have any."""
    connection.register("asked", pd.DataFrame({"sim_id": list(sim_ids)}, dtype="string"))
    found = connection.execute(
        """
        WITH held AS (
            SELECT sim_id, unnest([trajectory_shard, error_shard]) AS shard FROM simulations
            UNION ALL SELECT sim_id, shard FROM footprints)
        SELECT sim_id, list(DISTINCT shard) FROM held SEMI JOIN asked USING (sim_id)
        WHERE shard <> '' GROUP BY sim_id"""
    )
    return {sim_id: tuple(shards) for sim_id, shards in found.fetchall()}


def shards_with(
    sim_ids: Sequence[str], kind: str, name: str, connection: duckdb.DuckDBPyConnection
) -> dict[str, str]:
    """Return the shard of one kind of output of each of the given ids that has it in one."""
    connection.register("asked", pd.DataFrame({"sim_id": list(sim_ids)}, dtype="string"))
    if kind == FOOTPRINTS:
        query, values = "SELECT sim_id, shard FROM footprints {} WHERE name = ?", [name]
    else:
        column = "trajectory_shard" if kind == PARTICLES else "error_shard"
        query, values = f"SELECT sim_id, {column} AS shard FROM simulations {{}} WHERE true", []
    found = connection.execute(
        f"{query.format('SEMI JOIN asked USING (sim_id)')} AND shard <> ''", values
    )
    return dict(found.fetchall())


def changed_definitions(connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame) -> pd.DataFrame:
    """Registration rows that say something the index does not know."""
    connection.register("rows", rows)
    return connection.execute(
        """
        SELECT r.* FROM rows r LEFT JOIN simulations s USING (sim_id)
        WHERE s.sim_id IS NULL OR s.receptor IS DISTINCT FROM r.receptor
           OR s.targets IS DISTINCT FROM r.targets
           OR (r.scene_id IS NOT NULL AND s.scene_id IS DISTINCT FROM r.scene_id)
        ORDER BY r.ordinal"""
    ).df()


def learn_definitions(
    connection: duckdb.DuckDBPyConnection, registrations: Iterable[pd.DataFrame]
) -> None:
    """Write registrations that were made elsewhere, each by its rows; the oldest first."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'token'").fetchall()
    for rows in registrations:
        upsert_definitions(connection, rows, found[0][0] if found else "")


def upsert_definitions(
    connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame, token: str
) -> int:
    """Write registration rows; returns how many simulations were new."""
    connection.register("rows", rows)
    found = connection.execute("SELECT coalesce(max(generation), 0) + 1 FROM simulations")
    generation = found.fetchall()[0][0]
    connection.execute(
        f"""
        UPDATE simulations SET receptor = r.receptor, targets = r.targets,
            scene_id = coalesce(r.scene_id, simulations.scene_id), updated_at = {NOW}
        FROM rows r WHERE simulations.sim_id = r.sim_id
          AND (simulations.receptor IS DISTINCT FROM r.receptor
               OR simulations.targets IS DISTINCT FROM r.targets
               OR (r.scene_id IS NOT NULL AND simulations.scene_id IS DISTINCT FROM r.scene_id))"""
    )
    connection.execute(
        """
        UPDATE simulations SET ordinal = r.ordinal, generation = ?
        FROM rows r WHERE simulations.sim_id = r.sim_id""",
        [generation],
    )
    new = insert_definitions(connection, generation)
    connection.execute(
        "INSERT INTO meta VALUES ('token', ?) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [token],
    )
    return new


def insert_definitions(connection: duckdb.DuckDBPyConnection, generation: int) -> int:
    """Insert the registered frame ``rows`` as far as its ids are new; returns how many were.

    Rows lie in the order in which batches take them: DuckDB allocates 1 MB for each 2,048 rows of
    which a receipt changes one, 450 MB where those of a few batches are strewn over a million.
    """
    found = connection.execute(
        f"""
        INSERT INTO simulations (sim_id, met, scene_id, ordinal, generation, state, attempts,
                                 created_at, updated_at, {_BLANK}, {_DEFINITION})
        SELECT sim_id, met, scene_id, ordinal, ?, 'pending', 0, {NOW}, {NOW}, {_BLANKS},
               {_DEFINITION}
        FROM rows ANTI JOIN simulations USING (sim_id) ORDER BY sim_id""",
        [generation],
    )
    return int(found.fetchall()[0][0])


def apply_receipts(
    connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame, owner: str | None
) -> int:
    """Write rows of receipts into both tables; returns how many simulations changed.

    Simulations that another living owner has claimed keep their claim. What is recorded already
    is never replaced by an older receipt.
    """
    insert_unknown(connection, frame)
    condition = NOT_HELD if owner is None else "s.owner = ?"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE applied AS
        SELECT r.* FROM receipts r JOIN simulations s USING (sim_id)
        WHERE {NEWER} AND ({condition})""",
        [] if owner is None else [owner],
    )
    changes = ", ".join(f"{name} = a.{name}" for name in RECEIPT_COLUMNS)
    found = connection.execute(
        f"""
        UPDATE simulations SET {changes}, owner = NULL, lease_end = NULL, updated_at = {NOW},
            has_log = coalesce(has_log, false) OR a.reason <> '',
            attempts = coalesce(attempts, 0) + {is_other_attempt("simulations", "a")}
        FROM applied a WHERE simulations.sim_id = a.sim_id"""
    )
    changed = int(found.fetchall()[0][0])
    applied = connection.execute("SELECT sim_id, footprints FROM applied").df()
    write_footprints(connection, applied)
    return changed


def insert_unknown(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> None:
    """Register simulations that were run without having been registered.

    The frame, with columns sim_id and receptor, can be queried as ``receipts`` afterwards.
    """
    connection.register("receipts", frame)
    connection.execute(
        f"""
        INSERT INTO simulations
            (sim_id, met, location_id, time, receptor, state, attempts, created_at, {_BLANK})
        SELECT sim_id, {FROM_ID}, receptor, 'pending', 0, {NOW}, {_BLANKS}
        FROM receipts ANTI JOIN simulations USING (sim_id)"""
    )


def write_footprints(
    connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame, *, fresh: bool = False
) -> None:
    """Write the footprints that receipts' ``footprints`` column tells of.

    Args:
        connection: an open transaction.
        frame: columns sim_id and footprints (JSON).
        fresh: whether the table is empty, which saves looking for older rows.
    """
    rows = [
        (sim_id, name, "complete-empty" if entry.empty_reason else "complete", entry.key,
         entry.total, entry.empty_reason, entry.nbytes, entry.mtime_us, entry.shard)
        for sim_id, text in zip(frame["sim_id"], frame["footprints"], strict=True)
        for name, entry in entries_of(text).items()
    ]  # fmt: skip
    if not rows:
        return
    names = (
        "sim_id", "name", "state", "key", "total", "empty_reason", "nbytes", "mtime_us", "shard",
    )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(names))
    for name in ("nbytes", "mtime_us"):
        table[name] = table[name].astype("Int64")
    table["total"] = table["total"].astype("Float64")
    connection.register("new_footprints", table)
    changes = ", ".join(f"{name} = excluded.{name}" for name in names[2:])
    conflict = "" if fresh else f"ON CONFLICT (sim_id, name) DO UPDATE SET {changes}"
    connection.execute(
        f"INSERT INTO footprints ({', '.join(names)}) "
        f"SELECT {', '.join(names)} FROM new_footprints {conflict}"
    )


def record_stamps(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> None:
    """Record places, sizes and times of change of files that are otherwise as recorded."""
    connection.register("stamped", frame)
    names = (
        "trajectory_bytes", "trajectory_mtime_us", "error_bytes", "error_mtime_us",
        "trajectory_shard", "error_shard",
    )  # fmt: skip
    changes = ", ".join(f"{name} = f.{name}" for name in names)
    connection.execute(
        f"UPDATE simulations SET {changes} FROM stamped f WHERE simulations.sim_id = f.sim_id"
    )
    write_footprints(connection, frame)


def replace_footprints(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> None:
    """Write footprints as :func:`write_footprints` does, and forget those not given."""
    connection.register("told", frame)
    connection.execute(
        """
        DELETE FROM footprints USING told
        WHERE footprints.sim_id = told.sim_id
          AND NOT json_exists(told.footprints, '$."' || footprints.name || '"')"""
    )
    write_footprints(connection, frame)


def reconcile(
    connection: duckdb.DuckDBPyConnection,
    expected: Mapping[str, Expectation],
    outdated: Sequence[tuple[str, str]] = (),
) -> None:
    """Set the recorded state of finished simulations to what the outputs are worth now."""
    show_present(connection, outdated=outdated)
    found = connection.execute(f"SELECT DISTINCT {RECORDED_COLUMNS} FROM present")
    for row in found.fetchall():
        recorded = Recorded(*row)
        state = state_of(recorded, expected)
        state = "pending" if state == "stale" else state
        if state == recorded.state and recorded.state != "pending":
            continue
        reason = ", reason = '', detail = ''" if state == "complete" else ""
        connection.execute(
            f"UPDATE simulations SET state = ?, owner = NULL, lease_end = NULL, "
            f"updated_at = {NOW}{reason} WHERE state <> ? "
            f"AND sim_id IN (SELECT sim_id FROM present WHERE {_SAME})",
            [state, state, *recorded],
        )


def cap(connection: duckdb.DuckDBPyConnection, most: int) -> None:
    """Remove the oldest finished rows until at most ``most`` are left; active ones stay."""
    found = connection.execute("SELECT count(*) FROM simulations")
    surplus = found.fetchall()[0][0] - most
    if surplus <= 0:
        return
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE old AS
        SELECT sim_id FROM simulations WHERE state IN ('complete', 'failed')
        ORDER BY coalesce(finished_at, updated_at), sim_id LIMIT ?""",
        [surplus],
    )
    for table in ("footprints", "simulations"):
        connection.execute(f"DELETE FROM {table} WHERE sim_id IN (SELECT sim_id FROM old)")

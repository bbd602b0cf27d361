"""What readers see of a run that goes on: receipts that wait, shown as if they were recorded.

Only whoever runs simulations writes to the index. A reader that finds receipts which nobody has
recorded yet puts temporary views of the names ``simulations`` and ``footprints`` before the
tables, for its own connection, so that every query sees what the tables will hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.project.schema import RECEIPT_COLUMNS

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# Of receipts `r`, joined with their simulations `s`, those that count: what is recorded already is
# never replaced by something older, and a simulation that another process holds stays with it.
NEWER = "(s.finished_at IS NULL OR s.finished_at <= r.finished_at)"
NOT_HELD = "(s.owner IS NULL OR s.owner = r.owner)"

# Columns that follow from the id, <met>_<time>_<place>, and from the receptor.
FROM_ID = """
    split_part(sim_id, '_', 1) AS met,
    substr(sim_id, length(split_part(sim_id, '_', 1)) + length(split_part(sim_id, '_', 2)) + 3)
        AS location_id,
    (nullif(receptor, '')::JSON->>'time')::TIMESTAMP AS time"""


def is_other_attempt(recorded: str, told: str) -> str:
    """Return SQL: 1 where a receipt tells of another attempt than the one recorded, else 0.

    Two processes may find the same receipt, and record it one after the other.
    """
    same = " AND ".join(
        f"{recorded}.{name} IS NOT DISTINCT FROM {told}.{name}"
        for name in ("finished_at", "batch_id")
    )
    return f"(NOT ({same}))::INTEGER"


def waiting_receipts(paths: Sequence[Path]) -> pa.Table | None:
    """All rows of receipts that wait; None when there are none.

    To be called before the index is opened: a receipt that is gone by then has been recorded.
    """
    if not paths:
        return None
    from stilt.project.receipts import read_tables

    table, _ = read_tables(paths)
    return table if len(table) else None


def show_waiting(connection: duckdb.DuckDBPyConnection, told: pa.Table) -> None:
    """Have a connection see the tables as they will be when these receipts are recorded."""
    (index,) = connection.execute("SELECT current_database()").fetchall()[0]
    tables = f'"{index}".main'
    connection.register("told", told)
    connection.execute(
        f"""
        CREATE TEMP TABLE waiting AS
        SELECT r.*, s.sim_id IS NULL AS is_new
        FROM (SELECT * FROM told
              QUALIFY row_number() OVER (PARTITION BY sim_id ORDER BY finished_at DESC) = 1) r
        LEFT JOIN {tables}.simulations s USING (sim_id)
        WHERE s.sim_id IS NULL OR ({NEWER} AND {NOT_HELD})"""
    )
    connection.unregister("told")
    told_now = ", ".join(
        f"CASE WHEN w.sim_id IS NULL THEN s.{name} ELSE w.{name} END AS {name}"
        for name in RECEIPT_COLUMNS
    )
    connection.execute(
        f"""
        CREATE TEMP VIEW simulations AS
        SELECT s.* REPLACE ({told_now},
            CASE WHEN w.sim_id IS NULL THEN s.owner END AS owner,
            CASE WHEN w.sim_id IS NULL THEN s.lease_end END AS lease_end,
            coalesce(s.has_log, false) OR coalesce(w.reason, '') <> '' AS has_log,
            coalesce(s.attempts, 0)
                + CASE WHEN w.sim_id IS NULL THEN 0 ELSE {is_other_attempt("s", "w")} END
                AS attempts)
        FROM {tables}.simulations s
        LEFT JOIN (SELECT * FROM waiting WHERE NOT is_new) w USING (sim_id)
        UNION ALL BY NAME
        SELECT sim_id, {FROM_ID}, receptor, {", ".join(RECEIPT_COLUMNS)},
            reason <> '' AS has_log, 1 AS attempts
        FROM waiting WHERE is_new"""
    )
    connection.execute(
        f"""
        CREATE TEMP VIEW footprints AS
        WITH names AS (
            SELECT sim_id, footprints::JSON AS entries, unnest(json_keys(footprints)) AS name
            FROM waiting),
        entries AS (SELECT sim_id, name, entries->('$."' || name || '"') AS entry FROM names)
        SELECT f.* FROM {tables}.footprints f ANTI JOIN entries USING (sim_id, name)
        UNION ALL BY NAME
        SELECT sim_id, name, entry->>'key' AS key, (entry->>'total')::DOUBLE AS total,
            entry->>'empty_reason' AS empty_reason, (entry->>'nbytes')::BIGINT AS nbytes,
            (entry->>'mtime_us')::BIGINT AS mtime_us, entry->>'shard' AS shard,
            CASE WHEN entry->>'empty_reason' <> '' THEN 'complete-empty' ELSE 'complete' END
                AS state
        FROM entries"""
    )

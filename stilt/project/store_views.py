"""What is in the store as views for SQL: cells of footprints, and particles.

A view reads the shards themselves, and of them only the groups of rows that a query needs: each
group's smallest and largest time, latitude and longitude are in the shard's index. Rows that were
computed again later are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.errors import UsageError
from stilt.project.kinds import ERROR_PARTICLES, PARTICLES
from stilt.project.receptor_view import show_receptors

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

CELLS = "footprint_cells"
VIEWS = (CELLS, PARTICLES, ERROR_PARTICLES)
_TABLES = ("simulations", "footprints", "meta")
_COLUMN = {PARTICLES: "trajectory_shard", ERROR_PARTICLES: "error_shard"}

_IN_FILES = {
    CELLS: ("footprints", "footprints", "nbytes"),
    PARTICLES: ("particles", "simulations", "trajectory_bytes"),
    ERROR_PARTICLES: ("particles of error runs", "simulations", "error_bytes"),
}
"""What each view shows, and the table and column that say how large the files of that are."""
_EXPORT = {
    "footprints": "model.footprints[NAME].export('cells.parquet')",
    "particles": "model.trajectories.export('particles.parquet')",
    "particles of error runs": "model.trajectories.export('particles.parquet', error=True)",
}

Tables = dict[str, "pa.Table"]


def wanted_views(query: str) -> list[str]:
    """Return the views that a query names."""
    words = set(re.findall(r"\w+", query.lower()))
    return [view for view in VIEWS if view in words]


def tables_of(connection: duckdb.DuckDBPyConnection) -> Tables:
    """Copy the tables of the index, so that it need not stay open while shards are read."""
    return {name: connection.sql(f"SELECT * FROM {name}").to_arrow_table() for name in _TABLES}


def show_tables(connection: duckdb.DuckDBPyConnection, tables: Tables) -> None:
    """Make copied tables known to a connection of its own, and the view of receptors."""
    for name, table in tables.items():
        connection.register(f"copied_{name}", table)
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM copied_{name}")
    show_receptors(connection)


def shards_in(connection: duckdb.DuckDBPyConnection, view: str) -> dict[str, list[str]]:
    """Return the shards behind a view, by name of the footprints ("" for particles)."""
    if view == CELLS:
        query = "SELECT DISTINCT name, shard FROM footprints WHERE shard <> '' ORDER BY ALL"
    else:
        column = _COLUMN[view]
        query = f"SELECT DISTINCT '', {column} FROM simulations WHERE {column} <> '' ORDER BY ALL"
    found: dict[str, list[str]] = {}
    for name, shard in connection.execute(query).fetchall():
        found.setdefault(name, []).append(shard)
    return found


def refuse_files(connection: duckdb.DuckDBPyConnection, view: str) -> None:
    """Refuse a view that would be empty because all that it would show is in files.

    Raises:
        UsageError: it is.
    """
    if shards_in(connection, view):
        return
    what, table, size = _IN_FILES[view]
    query = f"SELECT count(*) FROM {table} WHERE coalesce({size}, 0) > 0"
    ((files,),) = connection.execute(query).fetchall()
    if files:
        raise UsageError(
            f"The view {view} shows what is in a store, and this project's {what} are {files} "
            f"files: write them as one table that DuckDB reads ({_EXPORT[what]}), or compute with "
            "output: {layout: store} in config.yaml."
        )


def show_store(
    connection: duckdb.DuckDBPyConnection,
    view: str,
    path_of: Callable[[str], Path],
) -> None:
    """Make a view of what is in the store.

    Args:
        connection: one with the tables of the index; the view ends with it.
        view: ``footprint_cells``, ``particles`` or ``error_particles``.
        path_of: gives the path of a shard on this machine; a shard that is not there is left out.
    """
    parts = []
    for name, shards in shards_in(connection, view).items():
        paths = {shard: path_of(shard) for shard in shards}
        there = {shard: path for shard, path in paths.items() if path.exists()}
        if not there:
            continue
        listed = ", ".join(_text(str(path)) for path in there.values())
        said = f"{_text(name)} AS name, " if view == CELLS else ""
        current = (
            f"SELECT sim_id, shard FROM footprints WHERE name = {_text(name)}"
            if view == CELLS
            else f"SELECT sim_id, {_COLUMN[view]} AS shard FROM simulations"
        )
        root = next(iter(there.values()))
        folder = str(root)[: -len(next(iter(there)))]
        parts.append(
            f"""
            SELECT c.sim_id, {said}c.* EXCLUDE (sim_id, filename)
            FROM read_parquet([{listed}], filename = true) c
            WHERE (c.sim_id, c.filename) IN (
                SELECT (sim_id, {_text(folder)} || shard) FROM ({current}) WHERE shard <> '')"""
        )
    body = " UNION ALL BY NAME ".join(parts) or _NOTHING[view]
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {body}")


_NOTHING = {
    CELLS: (
        "SELECT ''::VARCHAR AS sim_id, '' AS name, NULL::TIMESTAMP AS time, 0.0::DOUBLE AS lat, "
        "0.0::DOUBLE AS lon, 0 AS cell, 0.0::FLOAT AS foot WHERE false"
    ),
    PARTICLES: "SELECT ''::VARCHAR AS sim_id, 0.0::DOUBLE AS time, 0 AS indx WHERE false",
    ERROR_PARTICLES: "SELECT ''::VARCHAR AS sim_id, 0.0::DOUBLE AS time, 0 AS indx WHERE false",
}


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

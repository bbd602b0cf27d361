"""Receptors of registered simulations as a table: place, height and labels in columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

VIEW = "receptors"

# Of a column and of several points the middle, as in footprint files; on the dateline too.
_PLACES = """
    SELECT sim_id, substr(sim_id, length(met) + 2) AS receptor, met, location_id, time, scene_id,
        CASE receptor->>'$.type' WHEN 'PointReceptor' THEN 'point'
             WHEN 'ColumnReceptor' THEN 'column' ELSE 'multipoint' END AS kind,
        coalesce((receptor->>'$.longitude')::DOUBLE, CASE
            WHEN list_max(lons) - list_min(lons) < 180 THEN list_avg(lons)
            ELSE (list_avg(list_transform(lons, lambda x: (x + 360) % 360)) + 180) % 360 - 180
        END) AS longitude,
        coalesce((receptor->>'$.latitude')::DOUBLE,
            list_avg((receptor->'$.latitudes')::DOUBLE[])) AS latitude,
        coalesce((receptor->>'$.altitude')::DOUBLE,
            ((receptor->>'$.bottom')::DOUBLE + (receptor->>'$.top')::DOUBLE) / 2,
            list_avg((receptor->'$.altitudes')::DOUBLE[])) AS altitude,
        receptor->>'$.altitude_ref' AS altitude_ref{labels}
    FROM (SELECT sim_id, met, location_id, time, scene_id, nullif(receptor, '')::JSON AS receptor,
              (nullif(receptor, '')::JSON->'$.longitudes')::DOUBLE[] AS lons
          FROM simulations)"""

COLUMNS = (
    "sim_id", "receptor", "met", "location_id", "time", "scene_id", "kind", "longitude",
    "latitude", "altitude", "altitude_ref",
)  # fmt: skip


def label_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return names of all labels of registered receptors, in order."""
    found = connection.execute(
        """SELECT DISTINCT unnest(json_keys(receptor::JSON->'$.labels'))
           FROM simulations WHERE receptor LIKE '%"labels":%' ORDER BY 1"""
    )
    return [name for (name,) in found.fetchall()]


def show_receptors(connection: duckdb.DuckDBPyConnection, taken: Iterable[str] = ()) -> list[str]:
    """Make the view ``receptors``, which has a column for each label.

    A label whose name is that of another column, in any case, has ``label_`` before it. Whole
    numbers, other numbers and truth values are such where all values of a label are; the others
    are text.

    Args:
        connection: an open one; the view ends with it.
        taken: further names that no label's column may have.

    Returns:
        Names of the labels' columns.
    """
    columns = []
    named: list[str] = []
    taken = {*COLUMNS, *taken}
    for name in label_names(connection):
        path = _quoted_text(f'$.labels."{name}"')
        kinds = connection.execute(
            f"SELECT DISTINCT json_type(receptor::JSON, {path}) FROM simulations "
            """WHERE receptor LIKE '%"labels":%'"""
        ).fetchall()
        column = name
        while column.lower() in taken:
            column = f"label_{column}"
        taken.add(column.lower())
        kind = _sql_type({kind for (kind,) in kinds} - {None, "NULL"})
        columns.append(f', (receptor->>{path})::{kind} AS "{quoted(column)}"')
        named.append(column)
    text = _PLACES.replace("{labels}", "".join(columns))
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {VIEW} AS {text}")
    return named


def _sql_type(kinds: set[str]) -> str:
    if kinds <= {"BIGINT", "UBIGINT"} and kinds:
        return "BIGINT"
    if kinds <= {"BIGINT", "UBIGINT", "DOUBLE"} and kinds:
        return "DOUBLE"
    return "BOOLEAN" if kinds == {"BOOLEAN"} else "VARCHAR"


def _quoted_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """Return a name as it stands between the double quotes of SQL."""
    return name.replace('"', '""')

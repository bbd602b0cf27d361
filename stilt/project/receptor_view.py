"""Receptors of registered simulations as a table: place, height and labels in columns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

VIEW = "receptors"

COLUMNS = (
    "sim_id", "receptor", "met", "location_id", "time", "scene_id", "kind", "longitude",
    "latitude", "altitude", "altitude_ref",
)  # fmt: skip

_STRUCTURE: dict[str, Any] = {
    "type": "VARCHAR", "longitude": "DOUBLE", "latitude": "DOUBLE", "altitude": "DOUBLE",
    "bottom": "DOUBLE", "top": "DOUBLE", "longitudes": ["DOUBLE"], "latitudes": ["DOUBLE"],
    "altitudes": ["DOUBLE"], "altitude_ref": "VARCHAR",
}  # fmt: skip

# Of a column and of several points the middle, as in footprint files; on the dateline too. Each
# receptor is parsed once.
_SELECT = """
    SELECT sim_id, substr(sim_id, length(met) + 2) AS receptor, met, location_id, time, scene_id,
        CASE r.type WHEN 'PointReceptor' THEN 'point'
             WHEN 'ColumnReceptor' THEN 'column' ELSE 'multipoint' END AS kind,
        coalesce(r.longitude, CASE
            WHEN list_max(r.longitudes) - list_min(r.longitudes) < 180
                THEN list_avg(r.longitudes)
            ELSE (list_avg(list_transform(r.longitudes, lambda x: (x + 360) % 360)) + 180) % 360
                - 180
        END) AS longitude,
        coalesce(r.latitude, list_avg(r.latitudes)) AS latitude,
        coalesce(r.altitude, (r.bottom + r.top) / 2, list_avg(r.altitudes)) AS altitude,
        r.altitude_ref AS altitude_ref{labels}
    FROM (SELECT sim_id, met, location_id, time, scene_id,
              json_transform(nullif(receptor, ''), {structure}) AS r FROM simulations)"""


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
    kinds = _label_kinds(connection)
    columns, named = [], []
    used = {*COLUMNS, *(name.lower() for name in taken)}
    for name in kinds:
        column = name
        while column.lower() in used:
            column = f"label_{column}"
        used.add(column.lower())
        columns.append(f', r.labels."{quoted(name)}" AS "{quoted(column)}"')
        named.append(column)
    structure = {**_STRUCTURE, "labels": kinds} if kinds else _STRUCTURE
    text = _SELECT.replace("{labels}", "".join(columns))
    text = text.replace("{structure}", _text(json.dumps(structure)))
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {VIEW} AS {text}")
    return named


def _label_kinds(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the type of each label's column by name, in order."""
    found = connection.execute(
        """
        SELECT DISTINCT json_structure(receptor->'$.labels')::VARCHAR FROM simulations
        WHERE contains(receptor, '"labels":')"""
    ).fetchall()
    seen: dict[str, set[str]] = {}
    for (text,) in found:
        structure = json.loads(text) if text else {}
        for name, kind in structure.items() if isinstance(structure, dict) else ():
            kinds = seen.setdefault(name, set())
            kinds.add(kind if isinstance(kind, str) else "VARCHAR")
    return {name: _sql_type(seen[name] - {"NULL"}) for name in sorted(seen)}


def _sql_type(kinds: set[str]) -> str:
    if kinds and kinds <= {"BIGINT", "UBIGINT"}:
        return "BIGINT"
    if kinds and kinds <= {"BIGINT", "UBIGINT", "DOUBLE"}:
        return "DOUBLE"
    return "BOOLEAN" if kinds == {"BOOLEAN"} else "VARCHAR"


def quoted(name: str) -> str:
    """Return a name as it stands between the double quotes of SQL."""
    return name.replace('"', '""')


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

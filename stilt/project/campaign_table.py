"""Receptors of the outputs of a campaign, with the shard of each output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from stilt.project.index import Index
from stilt.project.kinds import FOOTPRINTS, PARTICLES
from stilt.project.receptor_view import VIEW, quoted, show_receptors
from stilt.project.records import asked_in_parts

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_COLUMNS = (
    "sim_id", "met", "location_id", "time", "scene_id", "longitude", "latitude", "altitude",
    "altitude_ref",
)  # fmt: skip


class Others(NamedTuple):
    """Simulations of a selection of which there is no output of this configuration.

    Attributes:
        stale: how many outputs another configuration made.
        wanted: how many simulations are selected, with and without an output.
        lacking: how many of them have none, of no configuration.
        example: id of one of those; "" without any.
    """

    stale: int = 0
    wanted: int = 0
    lacking: int = 0
    example: str = ""


def campaign_table(
    index: Index,
    kind: str,
    name: str,
    keys: Mapping[str, Sequence[str]],
    *,
    where: str = "true",
    parameters: Sequence[Any] = (),
    only: Sequence[str] | None = None,
) -> tuple[pd.DataFrame, Others]:
    """Return rows of the view ``receptors`` for outputs that this configuration made, by id.

    Args:
        index: the project's index.
        kind, name: of the outputs.
        keys: content keys of current outputs, by meteorology.
        where, parameters: an SQL condition on simulations ``s`` and its parameters.
        only: simulations to keep; None keeps all.

    Returns:
        One row for each output, with a column ``shard`` that is "" where the output is a file of
        its own; and counts of selected simulations that have none, or one of another
        configuration.
    """
    made, names = _made(kind, name)

    def work(connection: duckdb.DuckDBPyConnection) -> tuple[pd.DataFrame, Others]:
        labels = show_receptors(connection, (*_COLUMNS, "shard"))
        current = pd.DataFrame(
            [(met, key) for met, some in keys.items() for key in some],
            columns=["met", "key"],
            dtype="string",
        )
        connection.register("current", current)
        restricted = ""
        if only is not None:
            connection.register("asked", pd.DataFrame({"sim_id": list(only)}, dtype="string"))
            restricted = "AND s.sim_id IN (SELECT sim_id FROM asked)"
        chosen = (
            f"FROM {made} o JOIN simulations s USING (sim_id) "
            f"WHERE o.key IS NOT NULL AND ({where}) {restricted}"
        )
        columns = ", ".join(f'r."{quoted(name)}"' for name in (*_COLUMNS, *labels))
        query = f"""
            SELECT {columns}, coalesce(c.shard, '') AS shard
            FROM (SELECT sim_id, o.shard {chosen}
                  AND (s.met, o.key) IN (SELECT (met, key) FROM current)) c
            JOIN {VIEW} r USING (sim_id) ORDER BY sim_id"""
        table = _frame(connection.sql(query, params=[*names, *parameters]).to_arrow_table())

        def selected(without: str = "") -> str:
            return f"FROM simulations s {without} WHERE ({where}) {restricted}"

        ((found, wanted),) = connection.execute(
            f"SELECT (SELECT count(*) {chosen}), (SELECT count(*) {selected()})",
            [*names, *parameters, *parameters],
        ).fetchall()
        example = ""
        if found < wanted:
            without = f"ANTI JOIN (SELECT sim_id FROM {made} WHERE key IS NOT NULL) USING (sim_id)"
            ((example,),) = connection.execute(
                f"SELECT min(s.sim_id) {selected(without)}", [*names, *parameters]
            ).fetchall()
        return table, Others(found - len(table), wanted, wanted - found, example)

    return index.read(work, (pd.DataFrame({"sim_id": [], "shard": []}), Others()))


def earlier_outputs(
    index: Index, kind: str, name: str, keys: Mapping[str, Sequence[str]], sim_ids: Sequence[str]
) -> tuple[int, int]:
    """Return how many outputs of some simulations another configuration made, and how many exist.

    Outputs in a meteorology that is not configured any more count as they are.

    Args:
        index, kind, name, keys: as for :func:`campaign_table`.
        sim_ids: the simulations.
    """
    made, names = _made(kind, name)

    def work(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
        earlier = number = 0
        for _ in asked_in_parts(connection, sim_ids):
            groups = connection.execute(
                f"""
                SELECT s.met, o.key, count(*) FROM {made} o SEMI JOIN asked USING (sim_id)
                JOIN simulations s USING (sim_id) WHERE o.key IS NOT NULL GROUP BY ALL""",
                names,
            ).fetchall()
            number += sum(count for _, _, count in groups)
            earlier += sum(count for met, key, count in groups if key not in keys.get(met, [key]))
        return earlier, number

    return index.read(work, (0, 0))


def made_when(
    index: Index, kind: str, name: str, where: str, parameters: Sequence[Any]
) -> tuple[int, int, Any, Any]:
    """Return how many outputs are chosen, how many there are, and their first and last times.

    Args:
        index, kind, name, where, parameters: as for :func:`campaign_table`.
    """
    made, names = _made(kind, name)
    query = f"""
        SELECT count(*) FILTER (WHERE {where}), count(*), min(s.time), max(s.time)
        FROM {made} o JOIN simulations s USING (sim_id) WHERE o.key IS NOT NULL"""

    def work(connection: duckdb.DuckDBPyConnection) -> tuple[int, int, Any, Any]:
        chosen, number, first, last = connection.execute(query, [*parameters, *names]).fetchall()[0]
        return chosen, number, first, last

    return index.read(work, (0, 0, None, None))


def _made(kind: str, name: str) -> tuple[str, list[str]]:
    """Return a table expression of sim_id, key and shard of one kind of output, and its values."""
    if kind == FOOTPRINTS:
        return "(SELECT sim_id, key, shard FROM footprints WHERE name = ?)", [name]
    key, shard = (
        ("transport_key", "trajectory_shard") if kind == PARTICLES else ("error_key", "error_shard")
    )
    return f"(SELECT sim_id, {key} AS key, {shard} AS shard FROM simulations)", []


def _frame(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame; texts that are few stand in memory once."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if pa.types.is_string(column.type) and name != "sim_id":
            coded = column.dictionary_encode()
            codes = coded.indices.fill_null(-1).to_numpy()
            columns[name] = pd.Categorical.from_codes(codes, coded.dictionary.to_pylist())
        else:
            columns[name] = column.to_numpy(zero_copy_only=False)
    return pd.DataFrame(columns)

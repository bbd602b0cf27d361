"""Receptors of the outputs of a campaign, with the shard of each output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from stilt.project.index import Index
from stilt.project.kinds import FOOTPRINTS, PARTICLES
from stilt.project.receptor_view import VIEW, show_receptors

if TYPE_CHECKING:
    import duckdb


def campaign_table(
    index: Index,
    kind: str,
    name: str,
    keys: Mapping[str, str],
    *,
    where: str = "true",
    parameters: Sequence[Any] = (),
    only: Sequence[str] | None = None,
) -> tuple[pd.DataFrame, int]:
    """Return rows of the view ``receptors`` for outputs that this configuration made, by id.

    Args:
        index: the project's index.
        kind, name: of the outputs.
        keys: content key of a current output, by meteorology.
        where, parameters: an SQL condition on simulations ``s`` and its parameters.
        only: simulations to keep; None keeps all.

    Returns:
        The rows, with a column ``shard`` ("" for a file), and the number of outputs left out
        because another configuration made them.
    """
    if kind == FOOTPRINTS:
        made, names = "(SELECT sim_id, key, shard FROM footprints WHERE name = ?)", [name]
    else:
        key, shard = (
            ("transport_key", "trajectory_shard")
            if kind == PARTICLES
            else ("error_key", "error_shard")
        )
        made = f"(SELECT sim_id, {key} AS key, {shard} AS shard FROM simulations)"
        names = []

    def work(connection: duckdb.DuckDBPyConnection) -> tuple[pd.DataFrame, int]:
        show_receptors(connection)
        connection.register(
            "current", pd.DataFrame({"met": list(keys), "key": list(keys.values())}, dtype="string")
        )
        restricted = ""
        if only is not None:
            connection.register("asked", pd.DataFrame({"sim_id": list(only)}, dtype="string"))
            restricted = "AND s.sim_id IN (SELECT sim_id FROM asked)"
        chosen = (
            f"FROM {made} o JOIN simulations s USING (sim_id) "
            f"WHERE o.key IS NOT NULL AND ({where}) {restricted}"
        )
        table = connection.execute(
            f"""
            SELECT r.*, coalesce(c.shard, '') AS shard
            FROM (SELECT sim_id, o.shard {chosen}
                  AND (s.met, o.key) IN (SELECT (met, key) FROM current)) c
            JOIN {VIEW} r USING (sim_id) ORDER BY sim_id""",
            [*names, *parameters],
        ).df()
        found = connection.execute(f"SELECT count(*) {chosen}", [*names, *parameters]).fetchall()
        return table, int(found[0][0]) - len(table)

    return index.read(work, (pd.DataFrame({"sim_id": [], "shard": []}), 0))

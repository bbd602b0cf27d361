"""What is asked of an open index, where the view ``present`` is shown if need be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from stilt.errors import UsageError
from stilt.project.keys import Expectation
from stilt.project.present import show_present, show_states
from stilt.project.receptor_view import VIEW, quoted, show_receptors
from stilt.project.states import RECORDED_COLUMNS, Alike, Counts, Failed, Recorded, count_states

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

Expected = Mapping[str, Expectation] | None
"""Outputs of a complete simulation by meteorology; None believes the recorded states."""


def answered(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[Any] | None
) -> pd.DataFrame:
    """Answer a person's query.

    Raises:
        UsageError: it cannot be answered, or tries to change something.
    """
    import duckdb

    wrong = (
        duckdb.ProgrammingError, duckdb.DataError, duckdb.PermissionException,
        duckdb.NotSupportedError,
    )  # fmt: skip
    try:
        # There is no answer to a query of blanks and comments alone.
        if (answer := connection.execute(query, parameters)) is None:
            raise UsageError("The query is empty: write one such as SELECT * FROM simulations.")
        return answer.df()
    except wrong as error:
        raise UsageError(f"The index cannot answer this query: {error}") from error


def registered(connection: duckdb.DuckDBPyConnection, mets: Sequence[str]) -> list[str]:
    """Return ids of the last registration, meteorology by meteorology, as they were given."""
    query = f"""
        SELECT sim_id FROM simulations
        WHERE generation = (SELECT max(generation) FROM simulations)
          AND met IN ({", ".join("?" * len(mets))})
        ORDER BY ordinal"""
    return texts(connection.execute(query, list(mets))) if mets else []


def ids_in_states(
    connection: duckdb.DuckDBPyConnection,
    expected: Expected,
    states: Iterable[str],
    *,
    where: str = "true",
    parameters: Sequence[Any] = (),
) -> list[str]:
    """Return ids in some states; see :meth:`Index.in_states`.

    Args:
        connection: one with the view of :func:`stilt.project.present.show_present`.
        expected, states, where, parameters: as for :meth:`Index.in_states`.
    """
    chosen = show_states(connection, expected, set(states))
    query = f"""
        SELECT s.sim_id FROM {chosen} WHERE {where}
        ORDER BY s.generation DESC NULLS LAST, s.ordinal, s.sim_id"""
    return texts(connection.execute(query, list(parameters)))


def came_of(
    connection: duckdb.DuckDBPyConnection, sim_ids: Sequence[str], expected: Expected
) -> tuple[Counts, list[Failed]]:
    """Return counts and failures of some simulations; see :meth:`Index.came_of`."""
    from stilt.project.records import asked_in_parts

    show_present(connection)
    chosen = show_states(connection, expected, {"failed", "pending", "stale"})
    groups, failed = [], []
    for _ in asked_in_parts(connection, sim_ids):
        groups += connection.execute(
            f"SELECT reason, count(*), {RECORDED_COLUMNS} FROM present "
            "SEMI JOIN asked USING (sim_id) GROUP BY ALL"
        ).fetchall()
        failed += connection.execute(
            f"""
            SELECT s.sim_id, coalesce(nullif(s.reason, ''), 'UNKNOWN'), coalesce(s.detail, '')
            FROM {chosen} WHERE s.sim_id IN (SELECT sim_id FROM asked)
              AND (alike.now = 'failed' OR coalesce(s.reason, '') NOT IN ('', 'INTERRUPTED'))"""
        ).fetchall()
    counts = count_states([Alike(Recorded(*g[2:]), g[0], g[1]) for g in groups], expected)
    return counts, [Failed(*row) for row in sorted(failed)]


ENOUGH_FOLLOWED = 0.9
"""Share of the hours of a simulation's particles below which people are told."""


class OutputSizes(NamedTuple):
    """How much there is of outputs.

    Attributes:
        particle_bytes, footprint_bytes: of all particles, and of all footprints, as they were
            recorded; a shard of a store counts once, however many simulations are in it.
        followed: share of the hours for which particles of current outputs were followed on
            average, 0 to 1; NaN where that is not known.
        left_early: simulations with less than ``ENOUGH_FOLLOWED`` of their particles' hours.
        n_known: simulations with a known share.
        worst: one with the smallest share; "" where none is known.
        least: the share of that one, NaN where none is known.
    """

    particle_bytes: int = 0
    footprint_bytes: int = 0
    followed: float = math.nan
    left_early: int = 0
    n_known: int = 0
    worst: str = ""
    least: float = math.nan


def output_sizes(connection: duckdb.DuckDBPyConnection, expected: Expected) -> OutputSizes:
    """Return how much there is of outputs; see :meth:`Index.output_sizes`."""
    parts = {
        "trajectory": ("simulations", "trajectory_bytes", "trajectory_shard"),
        "error": ("simulations", "error_bytes", "error_shard"),
        "footprint": ("footprints", "nbytes", "shard"),
    }
    found = {}
    for part, (table, size, shard) in parts.items():
        # Outputs in one shard all have its size.
        rows = connection.execute(
            f"""
            SELECT coalesce(sum(nbytes), 0)::BIGINT FROM (
                SELECT CASE WHEN coalesce({shard}, '') = '' THEN sum({size}) ELSE max({size}) END
                    AS nbytes
                FROM {table} GROUP BY coalesce({shard}, ''), {shard})"""
        ).fetchall()
        found[part] = int(rows[0][0])
    wanted = (expected or {}).values()
    rows = connection.execute(
        """
        SELECT coalesce(avg(followed), 'nan'::DOUBLE), count(*) FILTER (followed < ?),
            count(followed), coalesce(arg_min(s.sim_id, followed), ''),
            coalesce(min(followed), 'nan'::DOUBLE)
        FROM simulations s WHERE list_contains(?, transport_key)
            OR EXISTS (FROM footprints f WHERE f.sim_id = s.sim_id AND list_contains(?, f.key))""",
        [
            ENOUGH_FOLLOWED,
            [key for each in wanted for key in each.accepted(each.transport)],
            [
                key
                for each in wanted
                for main in each.footprints.values()
                for key in each.accepted(main)
            ],
        ],
    ).fetchall()
    return OutputSizes(found["trajectory"] + found["error"], found["footprint"], *rows[0])


def texts(result: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the first column of a result."""
    column = next(iter(result.fetchnumpy().values()))
    return list(column.tolist())


def token(connection: duckdb.DuckDBPyConnection) -> str:
    """Return what stood for the inputs at the last registration; "" when there was none."""
    rows = connection.execute("SELECT value FROM meta WHERE key = 'token'").fetchall()
    return rows[0][0] if rows else ""


def state(connection: duckdb.DuckDBPyConnection, sim_id: str, expected: Expected) -> str:
    """Return the state of one simulation as counts have it; "" when it is not registered."""
    chosen = show_states(connection, expected)
    query = f"SELECT alike.now FROM {chosen} WHERE s.sim_id = ?"
    rows = connection.execute(query, [sim_id]).fetchall()
    return rows[0][0] if rows else ""


def frame(
    connection: duckdb.DuckDBPyConnection,
    expected: Expected,
    states: Iterable[str] | None,
    *,
    where: str,
    parameters: Sequence[Any],
) -> pd.DataFrame:
    """Return simulations with all columns of the table and labels; see :meth:`Index.frame`."""
    chosen = show_states(connection, expected, None if states is None else set(states))
    taken = [name for name, *_ in connection.execute("DESCRIBE present").fetchall()]
    labels = show_receptors(connection, taken)
    further = "".join(f', r."{quoted(name)}"' for name in labels)
    joined = f"JOIN {VIEW} r ON r.sim_id = s.sim_id" if labels else ""
    return connection.execute(
        f"SELECT s.* EXCLUDE (outdated) REPLACE (alike.now AS state){further} "
        f"FROM {chosen} {joined} WHERE {where} ORDER BY s.sim_id",
        list(parameters),
    ).df()


def labels(connection: duckdb.DuckDBPyConnection, sim_ids: Sequence[str]) -> pd.DataFrame:
    """Return sim_id and the labels of its receptor, a column each, of registered simulations."""
    import pandas as pd

    columns = "".join(f', "{quoted(name)}"' for name in show_receptors(connection))
    connection.register("asked", pd.DataFrame({"sim_id": list(sim_ids)}, dtype="string"))
    return connection.execute(
        f"SELECT sim_id{columns} FROM {VIEW} SEMI JOIN asked USING (sim_id)"
    ).df()


def alike_by_scene(
    connection: duckdb.DuckDBPyConnection, condition: str, parameters: Sequence[Any]
) -> list[tuple[str | None, Alike]]:
    """Return scene and number of simulations that do not differ in what states depend on."""
    found = connection.execute(
        f"SELECT scene_id, reason, count(*), device, jax, {RECORDED_COLUMNS} FROM present "
        f"{condition} GROUP BY ALL",
        list(parameters),
    )
    return [
        (scene, Alike(Recorded(*recorded), reason, number, device, jax))
        for scene, reason, number, device, jax, *recorded in found.fetchall()
    ]


def failures(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return sim_id, reason, detail and finished_at of what failed; see :meth:`Model.failures`."""
    frame = connection.execute(
        "SELECT sim_id, reason, detail, finished_at FROM simulations WHERE state = 'failed' "
        "OR (state = 'pending' AND coalesce(reason, '') NOT IN ('', 'INTERRUPTED')) "
        "ORDER BY sim_id"
    ).df()
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]

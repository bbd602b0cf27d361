"""Show simulations as they are now, with running batches, ended leases and replaced weather."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from stilt.project.keys import Expectation
from stilt.project.states import RECORDED_COLUMNS, Recorded, State, state_of

if TYPE_CHECKING:
    import duckdb

NOW = "now()::TIMESTAMP"


def show_present(
    connection: duckdb.DuckDBPyConnection,
    *,
    outdated: Sequence[tuple[str, str]] = (),
    busy: Sequence[str] = (),
) -> None:
    """Make the view ``present``: simulations as they are now, with a column ``outdated``.

    Args:
        connection: an open one; the view ends with it.
        outdated: pairs of met_files and weather that the files no longer agree with.
        busy: simulations in batches that are computed now.
    """
    # Most often both are empty; then nothing is looked up.
    is_busy = is_outdated = "false"
    if busy:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE busy AS SELECT unnest(?::VARCHAR[]) AS sim_id",
            [list(busy)],
        )
        is_busy = "sim_id IN (SELECT sim_id FROM busy)"
    if outdated:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE outdated_pairs AS "
            "SELECT unnest(?::VARCHAR[]) AS met_files, unnest(?::VARCHAR[]) AS weather",
            [[files for files, _ in outdated], [weather for _, weather in outdated]],
        )
        is_outdated = "(met_files, weather) IN (SELECT (met_files, weather) FROM outdated_pairs)"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW present AS
        SELECT * REPLACE (
                CASE WHEN {is_busy} THEN 'running'
                     WHEN state = 'running' AND lease_end < {NOW} THEN 'pending'
                     ELSE state END AS state,
                CASE WHEN {is_busy} THEN NULL ELSE owner END AS owner),
            CASE WHEN {is_outdated} THEN 'yes' END AS outdated
        FROM simulations"""
    )


def show_states(
    connection: duckdb.DuckDBPyConnection,
    expected: Mapping[str, Expectation] | None,
    wanted: Collection[str] | None = None,
) -> str:
    """Make the table ``alike`` with the state of each kind of simulation in ``present``.

    Args:
        connection: one with the view of :func:`show_present`.
        expected: as in :func:`stilt.project.states.state_of`.
        wanted: states to keep; None keeps all.

    Returns:
        A table expression of simulations ``s`` in these states, ``alike.now`` being the state.
    """
    groups = connection.execute(f"SELECT DISTINCT {RECORDED_COLUMNS} FROM present").fetchall()
    rows: list[tuple[str | None, ...]] = []
    for group in groups:
        state: State = state_of(Recorded(*group), expected)
        if wanted is None or state in wanted:
            rows.append((state, *group))
    # Names of their own, so that a condition need not say whose columns it means.
    columns = ("now", *(f"same_{name}" for name in Recorded._fields))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE alike AS SELECT "
        + ", ".join(f"unnest(?::VARCHAR[]) AS {name}" for name in columns),
        [[row[place] for row in rows] for place in range(len(columns))],
    )
    same = " AND ".join(f"s.{name} IS NOT DISTINCT FROM same_{name}" for name in Recorded._fields)
    return f"present s JOIN alike ON {same}"

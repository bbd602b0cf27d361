"""Find out what a run would compute, from one look at the index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stilt.project.holders import holders, receptors_to_carry
from stilt.project.index_queries import Expected, ids_in_states
from stilt.project.owners import Holder
from stilt.project.present import show_states
from stilt.project.states import UNLISTED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from stilt.project.index import Index


@dataclass(frozen=True)
class Again:
    """How many pending simulations a person may not expect.

    Attributes:
        stale: they have outputs that other settings or other weather made.
        footprints_only: stale ones whose particles are as they should be.
        unlisted: of receptors registered before the last ones, and not as a scene.
    """

    stale: int = 0
    footprints_only: int = 0
    unlisted: int = 0


@dataclass(frozen=True)
class Ahead:
    """What a run would find.

    Attributes:
        pending: simulations that it would compute.
        running: those that others compute.
        holders: living processes that compute, or will compute, and what.
        receptors: stored receptor (JSON) of each pending one; None when these are too many.
        again: how many of the pending ones a person may not expect.
    """

    pending: list[str]
    running: list[str]
    holders: Sequence[Holder]
    receptors: Mapping[str, str] | None
    again: Again


def look_ahead(
    connection: DuckDBPyConnection,
    index: Index,
    expected: Expected,
    *,
    skip_existing: bool,
    where: str = "true",
    parameters: Sequence[Any] = (),
) -> Ahead:
    """Return what a run would compute.

    Args:
        connection: one with the view of :func:`stilt.project.present.show_present`.
        index: whose connection it is.
        expected: outputs of a complete simulation.
        skip_existing: leave out what is complete.
        where, parameters: an SQL condition on simulations ``s`` and its parameters.
    """
    states = ["pending", "stale", "failed"] + ([] if skip_existing else ["complete"])
    pending = ids_in_states(connection, expected, states, where=where, parameters=parameters)
    return Ahead(
        pending,
        ids_in_states(connection, expected, ["running"]),
        holders(index, connection),
        receptors_to_carry(connection, pending),
        _again(connection, expected, states, where, parameters),
    )


def _again(
    connection: DuckDBPyConnection,
    expected: Expected,
    states: Sequence[str],
    where: str,
    parameters: Sequence[Any],
) -> Again:
    chosen = show_states(connection, expected, set(states))
    query = f"""
        SELECT count(*), alike.now = 'stale', s.met, s.transport_key, s.outdated,
            {UNLISTED} AS unlisted
        FROM {chosen} WHERE {where} GROUP BY ALL"""
    counts: Counter[str] = Counter()
    for number, stale, met, key, outdated, unlisted in connection.execute(
        query, list(parameters)
    ).fetchall():
        wanted = (expected or {}).get(met)
        keeps = False
        if wanted is not None and wanted.keeps_particles:
            keeps = wanted.is_met(key, wanted.transport)
        counts["stale"] += number * stale
        counts["footprints_only"] += number * (stale and keeps and not outdated)
        counts["unlisted"] += number * unlisted
    return Again(**counts)

"""Find out what a run would compute, from one look at the index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stilt.project.holders import holders, receptors_to_carry
from stilt.project.index_queries import Expected, ids_in_states
from stilt.project.owners import Holder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from stilt.project.index import Index


@dataclass(frozen=True)
class Ahead:
    """What a run would find.

    Attributes:
        pending: simulations that it would compute.
        running: those that others compute.
        holders: living processes that compute, or will compute, and what.
        receptors: stored receptor (JSON) of each pending one; None when these are too many.
    """

    pending: list[str]
    running: list[str]
    holders: Sequence[Holder]
    receptors: Mapping[str, str] | None


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
    )

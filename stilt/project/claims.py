"""Claims: who computes which simulation, for processes that share one index.

A claim is one short transaction under the index's lock. It ends with a result, with its
holder's process (noticed at once on the same machine), or with its lease elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

import pandas as pd

from stilt.project.batches import LEASE_S, ids_in_batches
from stilt.project.index import Index
from stilt.project.owners import is_dead
from stilt.project.receipts import now

if TYPE_CHECKING:
    import duckdb

_PENDING_PER_CLAIM = 64
_MOST_AT_ONCE = 16


def claim(
    index: Index,
    owner: str,
    *,
    limit: int | None = 1,
    lease_s: float = LEASE_S,
    exclude: Iterable[str] = (),
) -> list[str]:
    """Claim the first pending simulations by id, so that no other process runs them.

    Args:
        index: the project's index.
        owner: who claims; see :func:`stilt.project.owners.new_owner`.
        limit: how many at most; None takes one, or more from a long queue, since simulations
            that are computed together share weather and transport.
        lease_s: seconds after which a claim that is not renewed may be taken over.
        exclude: simulations not to take.

    Returns:
        Their ids; none when nothing is pending.
    """
    tried = set(exclude)

    def work(connection: duckdb.DuckDBPyConnection) -> list[str]:
        moment = now()
        # Looked at under the lock, which runs hold when they take theirs.
        batches, runs = map(ids_in_batches, (index.layout.running, index.layout.planned))
        busy = sorted(tried | batches | runs)
        owners = connection.execute(
            "SELECT DISTINCT owner FROM simulations WHERE state = 'running' AND owner IS NOT NULL"
        ).fetchall()
        dead = [name for (name,) in owners if is_dead(name)]
        connection.register("dead", pd.DataFrame({"owner": dead}, dtype="string"))
        connection.register("busy", pd.DataFrame({"sim_id": busy}, dtype="string"))
        most = _fair_share(connection) if limit is None else limit
        # Pending with a reason: the error run failed, which a new run tries again.
        found = connection.execute(
            """
            SELECT sim_id FROM simulations
            WHERE ((state = 'pending' AND coalesce(reason, '') IN ('', 'INTERRUPTED'))
                   OR (state = 'running' AND (lease_end < ? OR owner IS NULL
                                              OR owner IN (SELECT owner FROM dead))))
              AND sim_id NOT IN (SELECT sim_id FROM busy)
            ORDER BY sim_id LIMIT ?""",
            [moment, most],
        ).fetchall()
        ids = [row[0] for row in found]
        if ids:
            connection.register("mine", pd.DataFrame({"sim_id": ids}, dtype="string"))
            connection.execute(
                """
                UPDATE simulations SET state = 'running', owner = ?, claimed_at = ?, lease_end = ?
                FROM mine WHERE simulations.sim_id = mine.sim_id""",
                [owner, moment, moment + timedelta(seconds=lease_s)],
            )
        return ids

    return index.write(work)


def renew(index: Index, owner: str, *, lease_s: float = LEASE_S) -> int:
    """Extend an owner's claims; returns how many it still has."""
    return index.write(
        lambda connection: _changed(
            connection,
            "UPDATE simulations SET lease_end = ? WHERE owner = ? AND state = 'running'",
            [now() + timedelta(seconds=lease_s), owner],
        )
    )


def release(index: Index, owner: str) -> int:
    """Release what an owner has claimed and not recorded; return how many."""
    return index.write(
        lambda connection: _changed(
            connection,
            "UPDATE simulations SET state = 'pending', owner = NULL, lease_end = NULL "
            "WHERE owner = ? AND state = 'running'",
            [owner],
        )
    )


def release_stale(index: Index) -> int:
    """Release the claims of owners that have died or let their lease end; return how many."""
    held = index.sql(
        "SELECT owner, max(lease_end) AS lease_end FROM simulations "
        "WHERE state = 'running' AND owner IS NOT NULL GROUP BY owner"
    )
    return sum(
        release(index, owner)
        for owner, lease_end in held.itertuples(index=False)
        if is_dead(owner) or lease_end < now()
    )


def _fair_share(connection: duckdb.DuckDBPyConnection) -> int:
    found = connection.execute("SELECT count(*) FROM simulations WHERE state = 'pending'")
    pending = int(found.fetchall()[0][0])
    return max(1, min(_MOST_AT_ONCE, pending // _PENDING_PER_CLAIM))


def _changed(connection: duckdb.DuckDBPyConnection, query: str, values: list[object]) -> int:
    return int(connection.execute(query, values).fetchall()[0][0])

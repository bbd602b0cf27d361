"""Find who computes which simulations: by plans of runs, marks of batches, and claims.

A run keeps a list of its simulations in a file under ``.stilt/planned``, from before its first
batch to its end, as each batch has a mark of its own under ``.stilt/running``.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stilt.errors import RunUnfinishedError
from stilt.project.batches import kept, living_marks, mark_running
from stilt.project.owners import Holder, is_dead, new_owner
from stilt.project.receipts import now
from stilt.project.records import asked_in_parts, stored_receptors

if TYPE_CHECKING:
    import duckdb

    from stilt.project.index import Index

logger = logging.getLogger(__name__)

# So many fill less memory than a worker; of more, workers ask the index.
MOST_RECEPTORS_CARRIED = 20_000
_NAMED = 3


@dataclass(frozen=True)
class Share:
    """What a run computes of what it was asked for.

    Attributes:
        mine: simulations that it alone computes.
        others: who computes the rest.
        receptors: stored receptor (JSON) of each of `mine`; None when they are too many.
        scenes: that `mine` belong to.
        n_registered: all simulations of the project.
    """

    mine: list[str]
    others: Sequence[Holder] = ()
    receptors: Mapping[str, str] | None = None
    scenes: tuple[str, ...] = ()
    n_registered: int = 0


@contextmanager
def planned(index: Index, sim_ids: Sequence[str]) -> Iterator[Share]:
    """Take simulations for a run, those left out that other living processes compute already.

    Nobody else takes them while the block runs. When this process is killed they are free at once
    on this machine, and elsewhere when its mark has not been renewed for
    :data:`stilt.project.batches.LEASE_S`.
    """
    folder = index.layout.planned
    owner = new_owner()

    def take(connection: duckdb.DuckDBPyConnection) -> Share:
        # Under the index's lock, so that two runs that begin together do not both take one.
        others = _of(holders(index, connection), sim_ids)
        held = frozenset[str]().union(*(holder.sim_ids for holder in others))
        share = _share(connection, [sim_id for sim_id in sim_ids if sim_id not in held], others)
        if share.mine:
            mark_running(folder, name, owner, share.mine)
        return share

    name = secrets.token_hex(6)
    share = index.write(take)
    if not share.mine:
        yield share
        return
    with kept(folder / f"{name}.json"):
        yield share


@contextmanager
def shared(index: Index, sim_ids: Sequence[str]) -> Iterator[Share]:
    """Take simulations for a run as :func:`planned` does, and log what is left to others.

    Yields:
        What this run computes.

    Raises:
        RunUnfinishedError: others compute all of them.
    """
    if not sim_ids:
        yield Share([])
        return
    with planned(index, sim_ids) as share:
        if share.others and not share.mine:
            raise all_held(share.others, len(sim_ids))
        if share.others:
            logger.warning(
                "%d of %d simulations are left to %s.",
                len(sim_ids) - len(share.mine), len(sim_ids), names(share.others),
            )  # fmt: skip
        yield share


def holders(index: Index, connection: duckdb.DuckDBPyConnection | None = None) -> list[Holder]:
    """Return the living processes that compute simulations of a project, and which.

    Args:
        index: of the project.
        connection: an open one; None reads the index.
    """
    marks = living_marks(index.layout.planned) + living_marks(index.layout.running)
    none: list[Holder] = []
    claims = _claims(connection) if connection is not None else index.read(_claims, none)
    return marks + claims


def refuse_if_all_held(found: Sequence[Holder], sim_ids: Sequence[str]) -> None:
    """Refuse a run of which others compute everything already; warn if it is a part.

    Args:
        found: who computes what; see :func:`holders`.
        sim_ids: what the run is to compute.

    Raises:
        RunUnfinishedError: names them.
    """
    others = _of(found, sim_ids)
    if not others:
        return
    held = frozenset[str]().union(*(holder.sim_ids for holder in others))
    n_held = sum(sim_id in held for sim_id in sim_ids)
    if n_held == len(sim_ids):
        raise all_held(others, n_held)
    logger.warning(
        "%d of %d simulations are left to %s, which computes them already.",
        n_held, len(sim_ids), names(others),
    )  # fmt: skip


def all_held(others: Sequence[Holder], number: int) -> RunUnfinishedError:
    """Return the error that others compute all of so many simulations."""
    return RunUnfinishedError(
        f"All {number} simulation(s) that are left are being computed by {names(others)}: wait "
        "for that run, or end it and run again."
    )


def names(others: Sequence[Holder]) -> str:
    """Return who computes, for a sentence."""
    listed = list(dict.fromkeys(map(str, others)))
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return " and ".join(listed[:_NAMED]) + more


def _share(
    connection: duckdb.DuckDBPyConnection, mine: list[str], others: Sequence[Holder]
) -> Share:
    scenes = set[str]()
    for _ in asked_in_parts(connection, mine):
        found = connection.execute(
            "SELECT DISTINCT scene_id FROM simulations SEMI JOIN asked USING (sim_id) "
            "WHERE scene_id IS NOT NULL"
        )
        scenes.update(scene for (scene,) in found.fetchall())
    registered = connection.execute("SELECT count(*) FROM simulations").fetchall()
    return Share(
        mine,
        others,
        receptors_to_carry(connection, mine),
        tuple(sorted(scenes)),
        int(registered[0][0]),
    )


def receptors_to_carry(
    connection: duckdb.DuckDBPyConnection, sim_ids: Sequence[str]
) -> dict[str, str] | None:
    """Return the stored receptor (JSON) of each simulation of a run; None when they are many."""
    if len(sim_ids) > MOST_RECEPTORS_CARRIED:
        return None
    return stored_receptors(sim_ids, connection)


def _of(found: Sequence[Holder], sim_ids: Sequence[str]) -> list[Holder]:
    """Those who compute any of some simulations."""
    return [holder for holder in found if not holder.sim_ids.isdisjoint(sim_ids)]


def _claims(connection: duckdb.DuckDBPyConnection) -> list[Holder]:
    """Living claims in the index, see :mod:`stilt.project.claims`."""
    found = connection.execute(
        "SELECT owner, min(claimed_at), list(sim_id) FROM simulations "
        "WHERE state = 'running' AND owner IS NOT NULL AND lease_end >= ? GROUP BY owner",
        [now()],
    ).fetchall()
    return [
        Holder(owner, since, frozenset(ids)) for owner, since, ids in found if not is_dead(owner)
    ]

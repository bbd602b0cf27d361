"""The progress of a project's runs, from marks of batches and the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from stilt.project.batches import living_marks
from stilt.project.owners import host_and_pid
from stilt.project.receipts import now
from stilt.project.states import Counts

if TYPE_CHECKING:
    import duckdb

    from stilt.project.inputs import Project

WINDOW = timedelta(minutes=10)
_FAILURES_SHOWN = 20


@dataclass(frozen=True)
class HostAtWork:
    """Workers of a project on one machine.

    Attributes:
        host: its name.
        n_workers: processes that are computing a batch.
        n_simulations: simulations in these batches.
    """

    host: str
    n_workers: int
    n_simulations: int


@dataclass(frozen=True)
class Progress:
    """The runs of a project at one moment.

    Attributes:
        counts: simulations by state.
        runs: processes and job arrays that have planned simulations, in words.
        hosts: who computes, by name of the machine.
        per_minute: simulations that ended in a minute, over the last ten; None when none did.
        left_s: seconds until none is left at that rate; None while it is not known.
        failures: (simulation, reason, detail) of those that have failed since the last look.
        at: when this was asked, UTC.
    """

    counts: Counts
    runs: tuple[str, ...]
    hosts: tuple[HostAtWork, ...]
    per_minute: float | None
    left_s: float | None
    failures: tuple[tuple[str, str, str], ...]
    at: datetime

    @property
    def going_on(self) -> bool:
        """Whether anybody computes, or has planned to."""
        return bool(self.runs or self.hosts)


def progress(project: Project, since: datetime | None = None) -> Progress:
    """Look at the runs of a project.

    Args:
        project: whose runs.
        since: time of the last look, UTC, for failures; None tells of none.
    """
    at = now()
    counts = project.counts()
    per_minute = project.index.read(lambda connection: _rate(connection, at), None)
    none: list[tuple[str, str, str]] = []
    failures = none
    if since is not None:
        failures = project.index.read(lambda connection: _failures(connection, since), none)
    planned, running = (
        living_marks(folder) for folder in (project.layout.planned, project.layout.running)
    )
    left = counts.pending + counts.running
    elsewhere = project.elsewhere()
    return Progress(
        counts,
        tuple(sorted(set(map(str, [*planned, *elsewhere])))),
        _hosts([(mark.owner, len(mark.sim_ids)) for mark in running]),
        per_minute,
        60.0 * left / per_minute if per_minute and (planned or running or elsewhere) else None,
        tuple(failures),
        at,
    )


def _rate(connection: duckdb.DuckDBPyConnection, at: datetime) -> float | None:
    """Return simulations that ended in a minute, counted from the first that began lately."""
    (found,) = connection.execute(
        "SELECT count(*), min(greatest(started_at, ?)) FROM simulations WHERE finished_at >= ?",
        [at - WINDOW, at - WINDOW],
    ).fetchall()
    number, first = found
    minutes = 0.0 if first is None else (at - first).total_seconds() / 60.0
    return number / minutes if number and minutes > 0 else None


def _failures(connection: duckdb.DuckDBPyConnection, since: datetime) -> list[tuple[str, str, str]]:
    return connection.execute(
        "SELECT sim_id, reason, detail FROM simulations WHERE state = 'failed' "
        "AND finished_at >= ? ORDER BY finished_at, sim_id LIMIT ?",
        [since, _FAILURES_SHOWN],
    ).fetchall()


def _hosts(held: Sequence[tuple[str, int]]) -> tuple[HostAtWork, ...]:
    hosts: dict[str, dict[str, int]] = {}
    for owner, number in held:
        host, pid = host_and_pid(owner)
        of_host = hosts.setdefault(host, {})
        of_host[pid] = of_host.get(pid, 0) + number
    return tuple(
        HostAtWork(host, len(workers), sum(workers.values()))
        for host, workers in sorted(hosts.items())
    )

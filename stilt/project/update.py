"""The index brought up to date: with the inputs of a registration, and with the output files.

One look at what is recorded, one at the folders, and one short transaction that records all
that differs and answers what its caller wants to know then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pandas as pd

from stilt.project import records
from stilt.project.batches import ids_in_batches
from stilt.project.changed_weather import changed_weather, weather_pairs
from stilt.project.found import Outputs
from stilt.project.keys import Expectation
from stilt.project.layout import ProjectLayout, receipt_files
from stilt.project.present import show_present
from stilt.project.rebuild import (
    footprints_json,
    keys_text,
    known_from,
    stamps_row,
)
from stilt.project.receipts import write_registration
from stilt.project.records import FOOTPRINTS_AS_JSON
from stilt.project.scan import scan
from stilt.project.schema import REGISTRATION_COLUMNS
from stilt.project.waiting import show_waiting, waiting_receipts

if TYPE_CHECKING:
    import duckdb

    from stilt.project.remote import RemoteOutputs

T = TypeVar("T")
Pairs = Sequence[tuple[str, str]]


class Updated(Protocol):
    """What is brought up to date: :class:`stilt.project.index.Index`."""

    layout: ProjectLayout
    remote: RemoteOutputs | None
    cache_dir: Path
    max_rows: int | None

    def fold(self) -> int:
        """Record all receipts that wait."""

    def read(self, work: Callable[[duckdb.DuckDBPyConnection], T], default: T) -> T:
        """Run queries."""

    def write(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run one short transaction."""


@dataclass(frozen=True)
class Registration:
    """Simulations to be registered.

    Attributes:
        token: what stands for these inputs; an index that holds it knows all of them.
        rows: makes a table with the columns sim_id, met, location_id, time, receptor (JSON) and
            targets, in the order that :meth:`stilt.project.index.Index.registered` gives back.
        scene_id: scene of all of them; None keeps the scene that each has.
        always: register whatever token the index holds.
    """

    token: str
    rows: Callable[[], pd.DataFrame]
    scene_id: str | None = None
    always: bool = False

    def table(self) -> pd.DataFrame:
        """Return the rows as they are registered."""
        rows = self.rows()
        rows = rows.assign(scene_id=self.scene_id, ordinal=range(len(rows)))
        return rows[list(REGISTRATION_COLUMNS)]


@dataclass(frozen=True)
class _Recorded:
    """What the index holds that is compared with inputs and files.

    Attributes:
        token: of the last registration.
        outputs: rows of simulations that have, or had, outputs.
        weather: distinct pairs of weather files (JSON) and what they held.
    """

    token: str = ""
    outputs: pd.DataFrame = field(default_factory=pd.DataFrame)
    weather: Pairs = ()


def update_index(
    index: Updated,
    expected: Mapping[str, Expectation] | None,
    ask: Callable[[duckdb.DuckDBPyConnection], T],
    *,
    registration: Registration | None = None,
    looks: bool = True,
    verify: bool | None = None,
) -> tuple[T, list[str]]:
    """Record what inputs and files say where it differs from what the index says.

    Args:
        index: the index.
        expected: outputs of a complete simulation, with which recorded states are made to agree;
            None leaves the states alone.
        ask: called with the connection when all is recorded; sees the view of
            :func:`stilt.project.present.show_present`.
        registration: simulations to be registered, unless the index knows them.
        looks: look at the output files.
        verify: compare file sizes and open files; see :func:`stilt.project.scan.scan`.

    Returns:
        The answer, and the simulations whose files were not as recorded.
    """
    index.fold()
    recorded = index.read(partial(_recorded, outputs=looks), _Recorded())
    rows = None
    if registration and (registration.always or registration.token != recorded.token):
        rows = registration.table()
    nothing = pd.DataFrame(columns=list(_OBSERVED))
    observed, moved = _observed(index, recorded.outputs, verify) if looks else (nothing, nothing)
    seen = set(zip(observed["met_files"], observed["weather"], strict=True))
    outdated = changed_weather({*recorded.weather, *seen}, index.cache_dir) if expected else []
    waiting = waiting_receipts(receipt_files(index.layout.receipts))
    busy = sorted(ids_in_batches(index.layout.running))

    def work(connection: duckdb.DuckDBPyConnection) -> tuple[T, list[str]]:
        if registration is not None and rows is not None:
            _register(index, connection, rows, registration.token)
        changed = _apply_observed(connection, observed)
        if len(moved):
            records.record_stamps(connection, moved)
        if expected is not None:
            records.reconcile(connection, expected, outdated)
        if index.max_rows is not None:
            records.cap(connection, index.max_rows)
        if waiting is not None:
            show_waiting(connection, waiting)
        show_present(connection, outdated=outdated, busy=busy)
        return ask(connection), changed

    return index.write(work)


def _recorded(connection: duckdb.DuckDBPyConnection, *, outputs: bool) -> _Recorded:
    found = connection.execute("SELECT value FROM meta WHERE key = 'token'").fetchall()
    return _Recorded(
        found[0][0] if found else "",
        connection.execute(_LOOKED_AT).df() if outputs else pd.DataFrame(),
        weather_pairs(connection),
    )


_LOOKED_AT = f"""
    SELECT s.*, coalesce(f.footprints, '') AS footprints
    FROM simulations s LEFT JOIN ({FOOTPRINTS_AS_JSON}) f USING (sim_id)
    WHERE transport_key IS NOT NULL OR error_key IS NOT NULL OR footprint_keys <> ''
       OR state <> 'pending' OR finished_at IS NOT NULL"""


def _register(
    index: Updated, connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame, token: str
) -> None:
    """Write registration rows; the file from which they can be rebuilt is there before them."""
    changed = records.changed_definitions(connection, rows)
    if len(changed):
        write_registration(index.layout.registrations, changed)
    records.upsert_definitions(connection, rows, token)


_OBSERVED = (
    "sim_id", "receptor", "transport_key", "error_key", "trajectory_bytes", "trajectory_mtime_us",
    "error_bytes", "error_mtime_us", "footprint_keys", "footprints", "met_files", "weather",
    "device", "jax", "version", "trajectory_shard", "error_shard", "finished_at",
)  # fmt: skip


def _observed(
    index: Updated, recorded: pd.DataFrame, verify: bool | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Look at the folders and return a row for each simulation whose files are not as recorded.

    And one for each whose files were only copied or touched: as long as that is not recorded, all
    of them are opened each time.
    """
    finished: dict[str, Any] = {}
    if len(recorded):
        finished = dict(zip(recorded["sim_id"], recorded["finished_at"], strict=True))
    known = known_from(recorded)
    found = scan(index.layout, known, verify=verify, remote=index.remote)
    nothing = Outputs()
    changed, moved = [], []
    for sim_id in sorted(known.keys() | found.keys()):
        now, before = found.get(sim_id, nothing), known.get(sim_id, nothing)
        if not now.same_as(before):
            changed.append(_observed_row(sim_id, now))
        elif now.stamps != before.stamps:
            moved.append(_observed_row(sim_id, now))
    table = pd.DataFrame(changed, columns=list(_OBSERVED))
    table["finished_at"] = pd.to_datetime(table["sim_id"].map(finished))
    return table, pd.DataFrame(moved, columns=list(_OBSERVED))


def _observed_row(sim_id: str, outputs: Outputs) -> dict[str, Any]:
    return {
        "sim_id": sim_id,
        "receptor": outputs.receptor,
        "transport_key": outputs.transport,
        "error_key": outputs.error,
        **stamps_row(outputs),
        "footprint_keys": keys_text(outputs),
        "footprints": footprints_json(outputs),
        "met_files": outputs.met_files,
        "weather": outputs.weather,
        "device": outputs.device,
        "jax": outputs.jax,
        "version": outputs.version,
        "trajectory_shard": outputs.trajectory_shard,
        "error_shard": outputs.error_shard,
    }


def _apply_observed(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> list[str]:
    """Write what was found over what was recorded; states follow when they are reconciled.

    What a running batch has reported since the files were looked at stays.

    Returns:
        The simulations concerned: those of which neither index nor files know the receptor are
        left out.
    """
    if frame.empty:
        return []
    told = frame[frame["receptor"] != ""]
    if len(told):
        records.insert_unknown(connection, told)
    known = {
        row["sim_id"] for row in records.rows_of(frame["sim_id"].tolist(), ["sim_id"], connection)
    }
    connection.register("receipts", frame)
    same = connection.execute(
        "SELECT sim_id FROM receipts f JOIN simulations s USING (sim_id) "
        "WHERE s.finished_at IS NOT DISTINCT FROM f.finished_at::TIMESTAMP"
    ).fetchall()
    unchanged = frame[frame["sim_id"].isin({sim_id for (sim_id,) in same})]
    connection.register("receipts", unchanged)
    connection.execute(
        """
        UPDATE simulations SET transport_key = f.transport_key, error_key = f.error_key,
            trajectory_bytes = f.trajectory_bytes, trajectory_mtime_us = f.trajectory_mtime_us,
            error_bytes = f.error_bytes, error_mtime_us = f.error_mtime_us,
            footprint_keys = f.footprint_keys, met_files = f.met_files, weather = f.weather,
            device = f.device, jax = f.jax, version = f.version,
            trajectory_shard = f.trajectory_shard, error_shard = f.error_shard,
            state = CASE WHEN state = 'complete' THEN 'pending' ELSE state END
        FROM receipts f WHERE simulations.sim_id = f.sim_id"""
    )
    records.replace_footprints(connection, unchanged)
    return [sim_id for sim_id in frame["sim_id"] if sim_id in known]

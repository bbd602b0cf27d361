"""Outputs as pieces for the store: rows, and what made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stilt.project.artifacts import Made
from stilt.project.kinds import ERROR_PARTICLES, FOOTPRINTS, PARTICLES
from stilt.project.registration import receptor_json
from stilt.store import Stored

if TYPE_CHECKING:
    import pyarrow as pa

    from stilt.footprint import Footprint
    from stilt.trajectories import Trajectories


@dataclass(frozen=True)
class Piece:
    """An output of one simulation, to be put into a shard.

    Attributes:
        kind, name, settings: see :class:`stilt.store.header.Header`.
        stored: whose it is, and what made it.
        table: its rows.
        key: its content key.
    """

    kind: str
    name: str
    settings: Mapping[str, Any]
    stored: Stored
    table: pa.Table
    key: str


def particle_piece(
    sim_id: str, stored: Trajectories, made: Made, key: str, *, kind: str = ""
) -> Piece:
    """Return particles, or as `kind` says their ends, as a piece."""
    from stilt.store.particle_rows import rows_of, settings_of

    table = rows_of(stored)
    return Piece(
        kind or (ERROR_PARTICLES if stored.is_error else PARTICLES),
        "",
        settings_of(table.column_names),
        Stored(
            sim_id,
            receptor_json(stored.receptor),
            made.hash,
            len(table),
            shared={**_shared(made), "params": stored.params},
        ),
        table,
        key,
    )


def footprint_piece(sim_id: str, footprint: Footprint, made: Made, key: str) -> Piece:
    """Return a footprint as a piece."""
    from stilt.store.footprint_rows import hours_of, rows_of, settings_of

    table, counts = rows_of(footprint)
    return Piece(
        FOOTPRINTS,
        footprint.name,
        settings_of(footprint),
        Stored(
            sim_id,
            receptor_json(footprint.receptor),
            made.hash,
            len(table),
            made.total,
            footprint.empty_reason,
            hours_of(footprint),
            counts,
            _shared(made),
        ),
        table,
        key,
    )


def _shared(made: Made) -> dict[str, Any]:
    return {
        "met_files": list(made.met_files),
        "device": made.device,
        "jax": made.jax,
        "version": made.version,
    }

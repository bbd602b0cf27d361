"""Particles as rows of a shard, with the columns that a trajectory file has."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from stilt.receptors import Receptor
from stilt.store.shards import ShardReader
from stilt.trajectories import DATETIME, Trajectories, particle_times


def rows_of(stored: Trajectories) -> pa.Table:
    """Return the rows of a particle table as they are, in its order.

    Nothing is rounded: the transport's numbers are float32 already, but for the minutes, and
    footprints made of stored particles are those made of fresh ones.
    """
    names = [str(name) for name in stored.particles.columns if name != DATETIME]
    return pa.table({name: pa.array(stored.particles[name].to_numpy()) for name in names})


def settings_of(columns: list[str]) -> dict[str, Any]:
    """Return what particles of a shard have in common, as plain values."""
    return {"columns": columns, "time": "minutes since release, negative backward"}


def particles_of(
    reader: ShardReader, sim_id: str, columns: list[str] | None = None
) -> Trajectories:
    """Read the particles of a simulation, with ``datetime`` as from a file.

    Args:
        reader: the shard.
        sim_id: the simulation.
        columns: which to read; None reads all.

    Raises:
        KeyError: it is not in this shard.
        DamagedShardError: its rows cannot be read.
    """
    said = reader.stored(sim_id)
    wanted = reader.columns if columns is None else [c for c in columns if c != DATETIME]
    if columns is not None and DATETIME in columns and "time" not in wanted:
        wanted = ["time", *wanted]
    particles = reader.rows(sim_id, wanted).to_pandas()
    receptor = Receptor.from_dict(json.loads(said.receptor))
    if columns is None or DATETIME in columns:
        particles[DATETIME] = particle_times(particles, receptor)
    if columns is not None:
        particles = particles[list(columns)]
    shared = said.shared
    return Trajectories(
        particles,
        receptor,
        params=shared.get("params", {}),
        met_files=shared.get("met_files", ()),
        is_error=reader.header.kind == "error_particles",
        extra={"hash": said.hash, **{n: shared.get(n, "") for n in ("device", "jax", "version")}},
    )

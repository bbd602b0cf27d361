"""State of the particles of a sweep at their release."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from stilt.meteorology.grids import MetGrid
from stilt.transport.interpolation import Geometry
from stilt.transport.particles import Particles
from stilt.transport.release import Release
from stilt.transport.transport_errors import TransportErrorSettings, initial_errors


def initial_particles(
    releases: Sequence[Release],
    starts: Sequence[int],
    grid: MetGrid,
    geometry: Geometry,
    terrain: np.ndarray,
    numpar: int,
    duration_minutes: int,
    errors: TransportErrorSettings | None,
) -> Particles:
    """Return all particles at release, NumPy leaves of (releases * numpar,) or more axes."""
    parts = []
    for release, start in zip(releases, starts, strict=True):
        lon, lat, height = release.assign(numpar)
        x, y = grid.to_xy(lon, lat)
        cell_x, cell_y = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        ground = grid.interpolate(terrain, x, y)
        if release.heights_msl:
            height = np.maximum(height - ground, 0.0)
        top = geometry.levels.model_top_m
        following_m = np.clip(height * top / (top - ground), 0.0, geometry.levels.heights_m[-1])
        zeros = np.zeros(numpar, np.float32)
        rng = np.random.Generator(np.random.Philox(key=[release.key, 1]))
        parts.append(
            Particles(
                x=(x - cell_x).astype(np.float32),
                y=(y - cell_y).astype(np.float32),
                z=following_m.astype(np.float32),
                u=zeros,
                v=zeros,
                q=rng.standard_normal(numpar, dtype=np.float32),
                draws=np.zeros(numpar, np.uint32),
                alive=np.ones(numpar, bool),
                cell_x=cell_x,
                cell_y=cell_y,
                key0=np.full(numpar, release.key & 0xFFFFFFFF, np.uint32),
                key1=np.full(numpar, release.key >> 32, np.uint32),
                number=np.arange(numpar, dtype=np.uint32),
                start=np.full(numpar, start, np.int32),
                stop=np.full(numpar, start + duration_minutes, np.int32),
                errors=errors and initial_errors(errors, geometry.levels, release.key, numpar),
            )
        )
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)

"""Mean motion over one minute: the two-pass scheme of Draxler and Hess (1998)."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from stilt.meteorology.levels import InternalLevels
from stilt.transport.interpolation import (
    BracketingAnalyses,
    Geometry,
    Nodes,
    Profiles,
    level_height,
    level_index,
    load_profiles,
    nodes_at,
    own_levels,
    pick,
)

_MOTION_FIELDS = ("vertical", "wind_x", "wind_y")


class MeanMotion(NamedTuple):
    """Result of one mean step.

    Attributes:
        x, y: new offsets from the release cell, cells.
        terrain_following_m: new terrain-following height.
        vertical_m_min: mean vertical motion of both passes, terrain-following m min-1, upward.
        nodes: nodes around the start, and around the end of the first pass.
        profiles: fields read there, at the start and at the end of the minute.
    """

    x: Array
    y: Array
    terrain_following_m: Array
    vertical_m_min: Array
    nodes: tuple[Nodes, Nodes]
    profiles: tuple[Profiles, Profiles]


def wind_at(
    levels: InternalLevels, profiles: Profiles, terrain_following_m: Array
) -> tuple[Array, Array, Array]:
    """Interpolate vertical motion (m/min) and wind (cells/min) to terrain-following heights.

    Linear in level number between levels; below the lowest level linear in height to zero at the
    ground.
    """
    base, fraction, near_ground = _between_levels(levels, terrain_following_m)
    offset = base - profiles.base
    lower = pick(profiles.of(*_MOTION_FIELDS), offset)
    upper = pick(profiles.of(*_MOTION_FIELDS), offset + 1)
    w, u, v = (lower + fraction * (upper - lower)) * near_ground
    return w, u, v


def _between_levels(
    levels: InternalLevels, terrain_following_m: Array
) -> tuple[Array, Array, Array]:
    """Return the level below each height, the next one's weight, and the factor near the ground."""
    index = jnp.clip(level_index(levels, terrain_following_m), 0.0, levels.count - 1.0)
    base = jnp.clip(jnp.floor(index).astype(jnp.int32), 0, levels.count - 2)
    lowest = level_height(levels, jnp.zeros_like(base))
    near_ground = jnp.clip(terrain_following_m / lowest, 0.0, 1.0)
    return base, index - base.astype(jnp.float32), near_ground


def wind_error_at(geometry: Geometry, profiles: Array, terrain_following_m: Array) -> Array:
    """Interpolate each particle's own error profile (particles * levels, 2) to its height: (2, n).

    Between levels and near the ground it is treated as :func:`wind_at` treats the wind.
    """
    base, fraction, near_ground = _between_levels(geometry.levels, terrain_following_m)
    values = own_levels(profiles, base, geometry=geometry, count=2)
    return (values[0] + fraction * (values[1] - values[0])) * near_ground


def mean_step(
    analyses: BracketingAnalyses,
    geometry: Geometry,
    cell: tuple[Array, Array],
    position: tuple[Array, Array],
    terrain_following_m: Array,
    weights: tuple[Array, Array],
    direction: int,
) -> MeanMotion:
    """Move positions by the mean wind over one minute, forward (+1) or backward (-1).

    Args:
        analyses, geometry: the met fields.
        cell, position: release cell (int32) and offset from it (cells), each (particles,).
        terrain_following_m: terrain-following height.
        weights: time weights of the second analysis at the start and the end of the minute.
        direction: sign of time.
    """
    levels = geometry.levels
    top = level_height(levels, jnp.full_like(cell[0], geometry.level_count - 1))
    x, y = position
    here = nodes_at(geometry, *cell, x, y)
    at_start = load_profiles(analyses, geometry, here, weights[0], terrain_following_m)
    w0, u0, v0 = wind_at(levels, at_start, terrain_following_m)
    x1, y1 = x + direction * u0, y + direction * v0
    z1 = jnp.clip(terrain_following_m + direction * w0, 0.0, top)
    there = nodes_at(geometry, *cell, x1, y1)
    at_end = load_profiles(analyses, geometry, there, weights[1], z1)
    w1, u1, v1 = wind_at(levels, at_end, z1)
    rise = _rise_in_sigma(levels, terrain_following_m, direction * w0, direction * w1)
    return MeanMotion(
        x + 0.5 * direction * (u0 + u1),
        y + 0.5 * direction * (v0 + v1),
        jnp.clip(terrain_following_m + rise, 0.0, top),
        0.5 * (w0 + w1),
        (here, there),
        (at_start, at_end),
    )


def _rise_in_sigma(levels: InternalLevels, z: Array, first: Array, second: Array) -> Array:
    """Average two vertical motions, m, in whole steps of a single-precision sigma.

    HYSPLIT adds both passes to sigma = 1 - z / Zm in single precision, and the sum of two sigmas
    is rounded twice as coarsely as one sigma: with a model top of 25 km a motion under 1.49 mm a
    minute is lost. Near the ground, where wind grows with height, these millimetres add up to a
    per cent of a day's path. The order of the additions matters; the height itself is not rounded.
    """
    top = jnp.float32(levels.model_top_m)
    sigma = 1.0 - z / top
    moved = 0.5 * (((sigma - first / top) + sigma) - second / top)
    return (sigma - moved) * top

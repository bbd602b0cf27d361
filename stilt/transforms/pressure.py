"""Pressure weighting: each release level counts with the mass of air it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stilt.receptors import ColumnReceptor
from stilt.transforms.release import (
    Floats,
    first_rows,
    pressure_profile,
    release_height_agl_m,
)
from stilt.transforms.vertical import BEFORE_WEIGHT

if TYPE_CHECKING:
    from stilt.receptors import Receptor
    from stilt.transforms.protocol import TransformContext


def pressure_weights(
    particles: pd.DataFrame, receptor: Receptor | None = None, *, heights_msl: bool | None = None
) -> pd.Series:
    """Share of the column's air that each particle stands for, indexed by ``indx``.

    Pressures come from :func:`stilt.transforms.release.pressure_profile`. Each level stands for a
    slab of height, and slabs of neighbouring levels meet midway. Those of a column end at its
    bottom and its top, so that the sum is (pressure at the bottom − pressure at the top) / surface
    pressure, and two columns above each other sum to the whole. Of other releases the lowest slab
    is as thick below its level as above, down to the ground at most, and the highest as thick above
    as below; a single level stands for the air from the ground to twice its height. A level's
    share, the pressure across its slab over the surface pressure, is split evenly among its
    particles. ``heights_msl`` overrides the receptor's ``altitude_ref``, as kmsl does.

    Raises:
        ValueError: ``pres``, ``zagl`` or the release height is missing.
    """
    profile = pressure_profile(particles)
    heights = release_height_agl_m(particles, receptor, heights_msl=heights_msl)
    height = first_rows(particles.assign(_release=heights))["_release"]
    levels, level, count = np.unique(height.to_numpy(), return_inverse=True, return_counts=True)
    if isinstance(receptor, ColumnReceptor):
        ends = _ends_of_column(particles, receptor, heights)
    else:
        ends = _ends_around(levels)
    between = 0.5 * (levels[:-1] + levels[1:])
    edges = profile.at(np.concatenate((ends[:1], between, ends[1:])))
    share = (edges[:-1] - edges[1:]) / profile.surface_hpa / count
    return pd.Series(share[level], index=height.index, name="pressure_weight")


def _ends_of_column(
    particles: pd.DataFrame, receptor: ColumnReceptor, heights_agl_m: Floats
) -> Floats:
    """Return bottom and top of a column in m above ground, shape (2,)."""
    ground_m = 0.0
    if "xhgt" in particles.columns:
        # The terrain that was taken off heights above sea level; the highest are above it.
        given = particles["xhgt"].to_numpy(np.float64)
        highest = given >= given.max()
        ground_m = float(np.mean(given[highest] - heights_agl_m[highest]))
    return np.maximum(np.array([receptor.bottom, receptor.top]) - ground_m, 0.0)


def _ends_around(levels: Floats) -> Floats:
    """Return the lower end of the lowest slab and the upper end of the highest, in m, shape (2,).

    Args:
        levels: heights above ground in m, ascending, shape (levels,).
    """
    if levels.size < 2:
        return np.array([0.0, 2.0 * levels[0]])
    below = levels[0] - 0.5 * (levels[1] - levels[0])
    above = levels[-1] + 0.5 * (levels[-1] - levels[-2])
    return np.array([max(below, 0.0), above])


def apply_pressure_weighting(particles: pd.DataFrame, context: TransformContext) -> pd.DataFrame:
    """Multiply ``foot`` by each particle's share of air and by the number of particles.

    The footprint of a column is then its pressure-weighted mean.

    Raises:
        ValueError: ``pres``, ``zagl`` or the release height is missing.
    """
    if particles.empty:
        return particles.copy()
    weights = pressure_weights(particles, context.receptor, heights_msl=context.heights_msl)
    factor = particles["indx"].map(weights).to_numpy() * len(weights)
    return particles.assign(
        **{BEFORE_WEIGHT: particles["foot"]}, foot=particles["foot"].to_numpy() * factor
    )

"""Pressure weighting: each release level counts with the mass of air it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stilt.transforms.release import first_rows, fit_pressure, release_height_agl_m
from stilt.transforms.vertical import BEFORE_WEIGHT

if TYPE_CHECKING:
    from stilt.receptors import Receptor
    from stilt.transforms.protocol import TransformContext


def pressure_weights(
    particles: pd.DataFrame, receptor: Receptor | None = None, *, heights_msl: bool | None = None
) -> pd.Series:
    """Share of the column's air that each particle stands for, indexed by ``indx``.

    Release pressures come from a fit of ln p to the first rows. The slabs of neighbouring release
    levels meet midway in pressure; the ground closes the lowest and the highest is as thick above
    its level as below. A level's share, its slab over the surface pressure, is split evenly among
    its particles, so that the sum is (p_surface - p_top) / p_surface. ``heights_msl`` overrules the
    receptor's ``altitude_ref``, as kmsl does.

    Raises:
        ValueError: ``pres``, ``zagl`` or the release height is missing.
    """
    slope, ground_hpa = fit_pressure(particles)
    heights = release_height_agl_m(particles, receptor, heights_msl=heights_msl)
    height = first_rows(particles.assign(_release=heights))["_release"]
    levels, level, count = np.unique(height.to_numpy(), return_inverse=True, return_counts=True)
    pressure = ground_hpa * np.exp(slope * levels)
    between = 0.5 * (pressure[:-1] + pressure[1:])
    lower = np.concatenate(([ground_hpa], between))
    upper = np.concatenate((between, [2.0 * pressure[-1] - lower[-1]]))
    share = (lower - upper) / ground_hpa / count
    return pd.Series(share[level], index=height.index, name="pressure_weight")


@dataclass(frozen=True)
class PressureWeighting:
    """Transform that turns a column's footprint into its pressure-weighted mean."""

    def apply(self, particles: pd.DataFrame, *, context: TransformContext) -> pd.DataFrame:
        """Multiply ``foot`` by each particle's share of air and by the number of particles."""
        if particles.empty:
            return particles.copy()
        weights = pressure_weights(particles, context.receptor, heights_msl=context.heights_msl)
        factor = particles["indx"].map(weights).to_numpy() * len(weights)
        return particles.assign(
            **{BEFORE_WEIGHT: particles["foot"]}, foot=particles["foot"].to_numpy() * factor
        )

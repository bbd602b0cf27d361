"""Choosing observations: by their attributes, or thinned out in space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stilt.config import Bounds
from stilt.errors import UsageError
from stilt.observations.geodesy import nearest, wrapped
from stilt.observations.observation import Observation
from stilt.receptors import TimeLike, time_window


@dataclass(frozen=True)
class Lattice:
    """Evenly spaced points in a rectangle: the centres of ``nx`` times ``ny`` cells.

    Attributes:
        bounds: the rectangle.
        nx: cells from west to east.
        ny: cells from south to north.

    Raises:
        UsageError: nx or ny is below 1.
    """

    bounds: Bounds
    nx: int
    ny: int

    def __post_init__(self) -> None:
        if self.nx < 1 or self.ny < 1:
            raise UsageError(f"a lattice needs at least one cell, got {self.nx} x {self.ny}")

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return longitudes and latitudes in degrees, each of shape (nx * ny,)."""
        area = self.bounds
        lon = area.xmin + (np.arange(self.nx) + 0.5) / self.nx * area.width_deg
        lat = area.ymin + (np.arange(self.ny) + 0.5) / self.ny * (area.ymax - area.ymin)
        x, y = np.meshgrid(wrapped(lon), lat)
        return x.ravel(), y.ravel()


def filter_observations(
    observations: Iterable[Observation],
    *,
    sensor: str | None = None,
    species: str | None = None,
    time_range: tuple[TimeLike, TimeLike] | None = None,
    bounds: Bounds | None = None,
    where: Callable[[Observation], bool] | None = None,
) -> list[Observation]:
    """Return the observations that pass every filter given, in their order.

    Args:
        observations: to choose from.
        sensor: name of the instrument.
        species: what was measured.
        time_range: start and end, both included.
        bounds: area in degrees, edges included.
        where: any further test.
    """
    span = None if time_range is None else time_window(time_range)
    return [
        item
        for item in observations
        if (sensor is None or item.sensor == sensor)
        and (species is None or item.species == species)
        and (span is None or span[0] <= pd.Timestamp(item.time) <= span[1])
        and (bounds is None or _within(bounds, item))
        and (where is None or where(item))
    ]


def select_observations_spatial(
    observations: Sequence[Observation], *, near_field: Lattice, background: Lattice
) -> list[Observation]:
    """Return the observations nearest to the points of two lattices.

    A dense lattice near the source and a coarse one around it thin out a swath while keeping
    detail where it matters. Each observation appears once; the result is sorted by latitude.
    """
    if not observations:
        return []
    lon = np.array([item.longitude for item in observations])
    lat = np.array([item.latitude for item in observations])
    chosen: set[int] = set()
    for lattice in (near_field, background):
        chosen.update(nearest(lon, lat, *lattice.points()).tolist())
    return [observations[index] for index in sorted(chosen, key=lambda index: (lat[index], index))]


def _within(bounds: Bounds, observation: Observation) -> bool:
    east = (observation.longitude - bounds.xmin) % 360.0
    return east <= bounds.width_deg and bounds.ymin <= observation.latitude <= bounds.ymax

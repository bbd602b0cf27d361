"""The area that a receptor's particles can reach: on large grids only this part is prepared.

The reach is a distance in all directions, the length of the run times the fastest mean wind that
is to be expected (``fastest_wind``) and :data:`MARGIN_KM` beyond that. Its bounds are rounded
outward to :data:`LATTICE_DEG`, so that neighbouring receptors share what is prepared, and depend on
nothing but the receptor and the configuration, so that results do not depend on what else is run.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from stilt.config import MetConfig
from stilt.errors import MeteorologyError
from stilt.meteorology.grids import EARTH_RADIUS_M, MetGrid, wrap_longitude
from stilt.meteorology.records import AnalysisRef
from stilt.meteorology.subgrid import cropped_to

Area = tuple[float, float, float, float]
"""West, south, east and north in degrees."""

Reach = tuple[Area | None, ...]
"""Area that is needed of each of the grids nested in one another, the finest first; None for all
of a grid."""

LARGE_NODES = 12_000_000
"""Nodes times levels above which a grid is large: more than any regional product but HRRR has."""

MARGIN_KM = 500.0
LATTICE_DEG = 10.0

_NEAR_POLE_DEG = 88.0
_WIDEST_DEG = 340.0


def is_large(grid: MetGrid) -> bool:
    """Whether an analysis on a grid is cropped to where particles go, and prepared in blocks."""
    return grid.nx * grid.ny * max(grid.n_levels, 1) > LARGE_NODES


def reach_of(lon: ArrayLike, lat: ArrayLike, n_hours: float, met: MetConfig) -> Area | None:
    """Return the area that particles released at some points can reach.

    Args:
        lon, lat: degrees.
        n_hours: length of the run.
        met: the meteorology.

    Returns:
        The area; None where it is not cropped: it holds a pole or nearly all longitudes, or the
        files are ARL files or are cropped by ``subgrid_bounds``.
    """
    if met.format == "arl" or met.fastest_wind is None or met.subgrid_enable:
        return None
    distance_km = MARGIN_KM + 3.6 * met.fastest_wind * abs(n_hours)
    radius = math.degrees(1000.0 * distance_km / EARTH_RADIUS_M)
    lat = np.atleast_1d(np.asarray(lat, float))
    lon = np.atleast_1d(np.asarray(lon, float))
    farthest = float(np.abs(lat).max())
    if farthest + radius > _NEAR_POLE_DEG:
        return None
    # The meridian that is tangent to a circle on the sphere.
    aside = math.degrees(
        math.asin(math.sin(math.radians(radius)) / math.cos(math.radians(farthest)))
    )
    around = lon[0] + wrap_longitude(lon - lon[0])
    west, east = _outward(around.min() - aside, around.max() + aside)
    south, north = _outward(lat.min() - radius, lat.max() + radius)
    if east - west > _WIDEST_DEG:
        return None
    return west, max(south, -90.0), east, min(north, 90.0)


def within_reach(ref: AnalysisRef, area: Area | None) -> AnalysisRef | None:
    """Return the part of an analysis within an area, if its grid is large; else the analysis.

    Of a large grid without a node there it is None.
    """
    if area is None or ref.format == "arl" or not is_large(ref.grid):
        return ref
    try:
        return cropped_to(ref, area)
    except MeteorologyError:
        return None


def _outward(low: float, high: float) -> tuple[float, float]:
    return (
        LATTICE_DEG * math.floor(low / LATTICE_DEG),
        LATTICE_DEG * math.ceil(high / LATTICE_DEG),
    )

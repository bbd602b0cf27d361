"""The demo's invented landscape: a grid over a basin between ranges, and its terrain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stilt.errors import UsageError
from stilt.meteorology.grids import MetGrid

FloatArray = NDArray[np.float64]

TOWER_LON, TOWER_LAT = -111.85, 40.77
SIGMA_LEVELS = (
    0.998, 0.994, 0.987, 0.977, 0.964, 0.948, 0.929, 0.907, 0.882, 0.854, 0.823, 0.789, 0.752,
    0.700, 0.640, 0.580, 0.520, 0.460, 0.400, 0.340, 0.280, 0.210, 0.140, 0.070,
)  # fmt: skip

SPACING_KM = 12.0
COARSEST_KM, FINEST_KM = 30.0, 4.0

_BASIN_FLOOR_M = 1300.0
_WEST_KM, _EAST_KM, _SOUTH_KM, _NORTH_KM = 468.0, 240.0, 288.0, 300.0


def demo_grid(spacing_km: float = SPACING_KM) -> MetGrid:
    """Return the Lambert grid about the demo's tower, with 24 sigma levels; 60 x 50 nodes at 12 km.

    The tower stands on a node east of the middle, so that westerly winds bring air from far upwind
    within the grid.

    Args:
        spacing_km: distance between nodes at the tower, km.

    Raises:
        UsageError: it is too wide for the hills, or too narrow for the files to stay small.
    """
    if not FINEST_KM <= spacing_km <= COARSEST_KM:
        raise UsageError(
            f"The demo's weather has nodes {FINEST_KM:g} to {COARSEST_KM:g} km apart, not "
            f"{spacing_km:g}."
        )
    west, east, south, north = (
        int(reach // spacing_km) for reach in (_WEST_KM, _EAST_KM, _SOUTH_KM, _NORTH_KM)
    )
    return MetGrid(
        nx=west + 1 + east,
        ny=south + 1 + north,
        kind="conformal",
        levels=SIGMA_LEVELS,
        vertical_flag=1,
        pressure_offset_hpa=0.0,
        source="DEMO",
        pole_lat=90.0,
        pole_lon=0.0,
        ref_lat=TOWER_LAT,
        ref_lon=TOWER_LON,
        size_km=spacing_km,
        orientation_deg=0.0,
        cone_lat=TOWER_LAT,
        sync_x=west + 1.0,
        sync_y=south + 1.0,
        sync_lat=TOWER_LAT,
        sync_lon=TOWER_LON,
    )


def node_distances_km(grid: MetGrid) -> tuple[FloatArray, FloatArray]:
    """Distances of the nodes east and north of the tower in km, each of shape (ny, nx)."""
    east, north = np.meshgrid(
        (np.arange(grid.nx) + 1 - grid.sync_x) * grid.size_km,
        (np.arange(grid.ny) + 1 - grid.sync_y) * grid.size_km,
    )
    return east, north


def terrain_m(grid: MetGrid) -> FloatArray:
    """Terrain height in metres above sea level, shape (ny, nx).

    A basin floor at 1300 m, a range to the east and lower ones to the west, each with a winding
    crest and passes, and a plateau in the south.
    """
    east, north = node_distances_km(grid)
    eastern = _ridge(east - 75.0 - 20.0 * np.sin(north / 70.0), 32.0)
    western = _ridge(east + 130.0 + 15.0 * np.cos(north / 55.0), 28.0)
    farthest = _ridge(east + 310.0 - 20.0 * np.sin(north / 90.0), 35.0)
    passes = 0.75 + 0.25 * np.cos(north / 40.0)
    ranges = 1150.0 * eastern + 700.0 * western + 550.0 * farthest
    plateau = 0.5 * (1.0 - np.tanh((north + 190.0) / 45.0))
    return _BASIN_FLOOR_M + passes * ranges + 450.0 * plateau


def _ridge(distance_km: FloatArray, half_width_km: float) -> FloatArray:
    """A bell-shaped cross-section with crest 1."""
    return np.asarray(np.exp(-0.5 * (distance_km / half_width_km) ** 2))

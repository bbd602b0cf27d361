"""The error of a receptor that lies outside the grid of its weather."""

from __future__ import annotations

import numpy as np

from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.grids import MetGrid, wrap_longitude


def outside_grid(
    longitude: float, latitude: float, grid: MetGrid, sim_id: str = ""
) -> MeteorologyError:
    """Return the error of a release point that cannot be computed, with the grid's extent."""
    return MeteorologyError(
        f"The receptor at {longitude:g}, {latitude:g} (longitude, latitude) lies outside the "
        f"weather's grid, {extent_text(grid)}, or within two nodes of its edge; use weather that "
        "surrounds it.",
        reason=Reason.RECEPTOR_OUTSIDE_GRID,
        sim_id=sim_id,
    )


def extent_text(grid: MetGrid) -> str:
    """Return the extent of the grid in longitude and latitude as text."""
    x = np.linspace(0.0, grid.nx - 1.0, 50)
    y = np.linspace(0.0, grid.ny - 1.0, 50)
    edge_x = np.concatenate([x, x, np.zeros(50), np.full(50, grid.nx - 1.0)])
    edge_y = np.concatenate([np.zeros(50), np.full(50, grid.ny - 1.0), y, y])
    lon, lat = grid.to_lonlat(edge_x, edge_y)
    middle, _ = grid.to_lonlat(0.5 * (grid.nx - 1), 0.5 * (grid.ny - 1))
    around = wrap_longitude(lon - middle)
    west, east = wrap_longitude(middle + np.array([around.min(), around.max()]))
    return f"longitudes {west:.4g} to {east:.4g} and latitudes {lat.min():.4g} to {lat.max():.4g}"

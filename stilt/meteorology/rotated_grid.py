"""Grids of evenly spaced longitudes and latitudes about a pole of their own (COSMO, CCLM, HIRLAM).

The coordinates of such a grid are those of a sphere turned so that the grid's equator passes near
its middle. Winds are along its axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stilt.meteorology.grids import FloatArray, MetGrid


@dataclass(frozen=True)
class RotatedGrid(MetGrid):
    """A latitude-longitude grid about a rotated pole; ``kind`` is ``"rotated"``.

    The fields of :class:`MetGrid` are those of a latitude-longitude grid in the grid's own
    coordinates. The others are CF's attributes of ``rotated_latitude_longitude``.

    Attributes:
        grid_north_pole_lat: latitude of the grid's pole, deg.
        grid_north_pole_lon: longitude of the grid's pole, deg.
        north_pole_grid_lon: longitude of the north pole in the grid's own coordinates, deg.
    """

    grid_north_pole_lat: float
    grid_north_pole_lon: float
    north_pole_grid_lon: float

    def to_xy(self, lon: ArrayLike, lat: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return zero-based fractional indices of points; any longitude convention is accepted."""
        lon, lat = np.broadcast_arrays(np.asarray(lon, float), np.asarray(lat, float))
        own = about_other_pole(
            lon, lat, self.grid_north_pole_lat, self.grid_north_pole_lon, self.north_pole_grid_lon
        )
        return self._latlon_to_xy(*own)

    def unwrapped_lonlat(self, x: Any, y: Any, xp: Any = np) -> tuple[Any, Any]:
        """Return longitudes, which may be off by whole turns, and latitudes."""
        lon, lat = self.own_lonlat(x, y)
        return about_other_pole(
            lon, lat, self.grid_north_pole_lat, self.north_pole_grid_lon, self.grid_north_pole_lon,
            xp,
        )  # fmt: skip

    def wind_rotation_rad(self, lon: ArrayLike, lat: ArrayLike) -> FloatArray:
        """Return the angle from the grid's +y axis to true north, counter-clockwise, in radians.

        It is the bearing of the north pole in the grid's own coordinates.
        """
        lon, lat = np.broadcast_arrays(np.asarray(lon, float), np.asarray(lat, float))
        own_lon, own_lat = about_other_pole(
            lon, lat, self.grid_north_pole_lat, self.grid_north_pole_lon, self.north_pole_grid_lon
        )
        away, height = np.radians(own_lon - self.north_pole_grid_lon), np.radians(own_lat)
        pole = np.radians(self.grid_north_pole_lat)
        along_y = np.cos(height) * np.sin(pole) - np.sin(height) * np.cos(pole) * np.cos(away)
        return np.asarray(np.arctan2(np.sin(away) * np.cos(pole), along_y))


def about_other_pole(
    lon: Any, lat: Any, pole_lat: float, pole_lon: float, old_pole_lon: float, xp: Any = np
) -> tuple[Any, Any]:
    """Return longitudes and latitudes of points in the coordinates about another pole, degrees.

    The rotation of a sphere; that back exchanges ``pole_lon`` and ``old_pole_lon``.

    Args:
        lon, lat: of the points, arrays of ``xp``.
        pole_lat, pole_lon: of the other pole, in the coordinates of the points.
        old_pole_lon: longitude of the coordinates' own pole, in those about the other one.
        xp: NumPy, or a module that has its functions.
    """
    away, height, pole = xp.radians(lon - pole_lon), xp.radians(lat), np.radians(pole_lat)
    along = xp.cos(height) * xp.cos(away)
    x = xp.sin(height) * np.cos(pole) - along * np.sin(pole)
    y = -xp.cos(height) * xp.sin(away)
    z = xp.sin(height) * np.sin(pole) + along * np.cos(pole)
    return old_pole_lon + xp.degrees(xp.arctan2(y, x)), xp.degrees(xp.arctan2(z, xp.hypot(x, y)))


def rotated_grid(
    flat: MetGrid, *, pole_lat: float, pole_lon: float, north_pole_grid_lon: float = 0.0
) -> RotatedGrid:
    """Return a latitude-longitude grid as one about another pole.

    Args:
        flat: in coordinates about that pole.
        pole_lat, pole_lon, north_pole_grid_lon: see :class:`RotatedGrid`.
    """
    values = {name: getattr(flat, name) for name in flat.__dataclass_fields__}
    return RotatedGrid(
        **{**values, "kind": "rotated"},
        grid_north_pole_lat=pole_lat,
        grid_north_pole_lon=pole_lon,
        north_pole_grid_lon=north_pole_grid_lon,
    )


def grid_from(values: Mapping[str, Any]) -> MetGrid:
    """Return a grid of its attributes by name."""
    return (RotatedGrid if values["kind"] == "rotated" else MetGrid)(**values)

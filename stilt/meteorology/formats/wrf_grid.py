"""Horizontal grids of WRF: the map projections of its files, checked against their coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stilt.meteorology.formats.axes import AxisError, Horizontal, latlon_axes
from stilt.meteorology.formats.map_fit import rotated_map
from stilt.meteorology.grids import EARTH_RADIUS_M, MetGrid, conformal_grid

WRF_RADIUS_M = 6_370_000.0
"""Radius of WRF's Earth, on which its grid spacing is measured."""

_LAMBERT, _POLAR, _MERCATOR, _LATLON = 1, 2, 3, 6
_TOLERANCE_CELLS = 0.01
_SINGLE_PRECISION_M = 2.0
"""The largest displacement of a node by rounding to single precision."""


def wrf_horizontal(
    attributes: Mapping[str, Any], lon: NDArray[np.float32], lat: NDArray[np.float32], source: str
) -> Horizontal:
    """Return the grid of a file's mass points.

    Args:
        attributes: the file's global attributes.
        lon, lat: XLONG and XLAT, degrees, (ny, nx).
        source: four-character model id.

    Raises:
        AxisError: transport does not have the projection, or the nodes are not where it puts them.
    """
    projection = int(attributes.get("MAP_PROJ", 0))
    if min(lat.shape) < 2:
        raise AxisError("it has fewer than two rows or columns")
    if projection == _LATLON:
        return _latlon(lon, lat, source)
    grid = _conformal(projection, attributes, lon, lat, source)
    ny, nx = lat.shape
    x, y = grid.to_xy(lon, lat)
    columns, rows = np.arange(nx), np.arange(ny)
    error = max(np.abs(x - columns).max(), np.abs(y - rows[:, None]).max())
    if not error < _TOLERANCE_CELLS + _SINGLE_PRECISION_M / (1000.0 * grid.size_km):
        raise AxisError(
            f"its XLAT and XLONG are up to {error:.2g} cells away from where its map projection "
            f"(MAP_PROJ {projection}, TRUELAT1, TRUELAT2, STAND_LON, DX) puts them"
        )
    return Horizontal(grid, columns, rows)


def _conformal(
    projection: int,
    attributes: Mapping[str, Any],
    lon: NDArray[np.float32],
    lat: NDArray[np.float32],
    source: str,
) -> MetGrid:
    """Return the grid of a conformal projection, placed by the node in its middle."""
    ny, nx = lat.shape
    row, column = ny // 2, nx // 2
    middle_lon, middle_lat = float(lon[row, column]), float(lat[row, column])
    first = float(attributes.get("TRUELAT1", 0.0))
    meridian = float(attributes.get("STAND_LON", middle_lon))
    if projection == _LAMBERT:
        cone = cone_latitude(first, float(attributes.get("TRUELAT2", first)))
    elif projection == _POLAR:
        cone = 90.0 if first >= 0.0 else -90.0
    elif projection == _MERCATOR:
        cone, meridian = 0.0, middle_lon
    else:
        raise AxisError(
            f"its map projection (MAP_PROJ {projection}) is none of Lambert (1), polar (2), "
            "Mercator (3) and latitude-longitude (6)"
        )
    spacing = float(attributes["DX"])
    if abs(spacing - float(attributes["DY"])) > 1e-3 * spacing:
        raise AxisError("its DX and DY differ, which no conformal grid has")
    grid = conformal_grid(
        middle_lon, middle_lat, spacing / 1000.0 * EARTH_RADIUS_M / WRF_RADIUS_M, nx, ny,
        cone_lat=cone, levels=(), vertical_flag=0, ref_lat=first, ref_lon=meridian, source=source,
    )  # fmt: skip
    return replace(grid, sync_x=column + 1.0, sync_y=row + 1.0)


def cone_latitude(first: float, second: float) -> float:
    """Return the tangent latitude of the cone with two standard parallels, degrees."""
    if abs(first - second) < 1e-6:
        return first
    one, other = np.radians([first, second])
    ratio = np.tan(np.pi / 4 - abs(one) / 2) / np.tan(np.pi / 4 - abs(other) / 2)
    cone = np.log(np.cos(one) / np.cos(other)) / np.log(ratio)
    return float(np.degrees(np.arcsin(cone)) * np.sign(first))


def _latlon(lon: NDArray[np.float32], lat: NDArray[np.float32], source: str) -> Horizontal:
    """Return the grid of a latitude-longitude domain, whose pole may be rotated."""
    ny, nx = lat.shape
    if np.ptp(lat, axis=1).max() > 1e-3:
        return Horizontal(rotated_map(lon, lat, source), np.arange(nx), np.arange(ny))
    across = np.rad2deg(np.unwrap(np.deg2rad(lon[0].astype(float))))
    axes = latlon_axes(across, lat[:, 0], source)
    if not (np.diff(axes.columns) == 1).all() or not (np.diff(axes.rows) == 1).all():
        raise AxisError("its longitudes and latitudes do not run from west to east and northward")
    return axes

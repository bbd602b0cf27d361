"""Horizontal grids of GRIB messages as weather grids: latitude-longitude and conformal maps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stilt.meteorology.formats.axes import AxisError, Horizontal, latlon_axes
from stilt.meteorology.formats.grib_messages import GribError, eccodes
from stilt.meteorology.grids import EARTH_RADIUS_M, MetGrid, wrap_longitude

_LARGEST_ERROR_CELLS = 0.01
_ALONG_GRID = 8
"""Bit of GRIB's resolution and component flags (code table 7, flag table 3.3)."""
_REGULAR = "regular_ll"
_CONFORMAL = ("lambert", "polar_stereographic", "mercator")


@dataclass(frozen=True)
class GribGrid:
    """The nodes of a GRIB message.

    Attributes:
        nodes: the grid, and where its nodes are in the field of :meth:`shaped`.
        shape: rows and columns of the field as the message has it.
        by_column: whether values run along y first.
        turns_back: whether every second row or column is written backward.
        winds_along_grid: whether winds are along the grid's axes, not towards east and north.
    """

    nodes: Horizontal
    shape: tuple[int, int]
    by_column: bool
    turns_back: bool
    winds_along_grid: bool

    def shaped(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values of a message as rows and columns."""
        return _shaped(values, self.shape, self.by_column, self.turns_back)


def grid_of(handle: Any, source: str, *, checked: bool = True) -> GribGrid:
    """Return the nodes of a message.

    A map on a sphere of another radius has the same nodes on this package's sphere once the size
    of its cells is scaled with the radius.

    Args:
        handle: ecCodes' message.
        source: four-character model id.
        checked: whether to compare all nodes of a map with ecCodes' longitudes and latitudes.

    Raises:
        GribError: the grid is of a kind that transport cannot use.
    """
    get = eccodes().codes_get
    kind = str(get(handle, "gridType"))
    if kind != _REGULAR and kind not in _CONFORMAL:
        raise GribError(
            f"its fields are on a grid of type {kind}, and transport needs latitudes and "
            "longitudes at even distances or a Lambert, polar stereographic or Mercator map; "
            "request such a grid (for ERA5 grid: 0.25/0.25)"
        )
    across, along = ("Ni", "Nj") if kind in (_REGULAR, "mercator") else ("Nx", "Ny")
    nx, ny = int(get(handle, across)), int(get(handle, along))
    by_column = bool(get(handle, "jPointsAreConsecutive"))
    turns_back = bool(get(handle, "alternativeRowScanning"))
    if kind == _REGULAR:
        nodes = _latlon(handle, nx, ny, source)
        along_grid = True
    else:
        nodes = _conformal(handle, kind, nx, ny, source)
        along_grid = bool(get(handle, "resolutionAndComponentFlags") & _ALONG_GRID)
    grid = GribGrid(nodes, (ny, nx), by_column, turns_back, along_grid)
    if checked and kind != _REGULAR:
        _check_nodes(handle, grid)
    return grid


def _shaped(
    values: NDArray[Any], shape: tuple[int, int], by_column: bool, turns_back: bool
) -> NDArray[Any]:
    if len(values) != shape[0] * shape[1]:
        raise GribError(f"a field has {len(values)} values for a grid of {shape[1]} x {shape[0]}")
    field = values.reshape(shape[::-1] if by_column else shape)
    if turns_back:
        field = field.copy()
        field[1::2] = field[1::2, ::-1]
    return field.T if by_column else field


def _latlon(handle: Any, nx: int, ny: int, source: str) -> Horizontal:
    get = eccodes().codes_get
    lon_first, lon_last, lat_first, lat_last = (
        float(get(handle, f"{axis}Of{which}GridPointInDegrees"))
        for axis in ("longitude", "latitude")
        for which in ("First", "Last")
    )
    if get(handle, "iScansNegatively"):
        lon_last -= 360.0 * math.ceil((lon_last - lon_first) / 360.0)
    else:
        lon_last += 360.0 * math.ceil((lon_first - lon_last) / 360.0)
    try:
        return latlon_axes(
            np.round(np.linspace(lon_first, lon_last, nx), 9),
            np.round(np.linspace(lat_first, lat_last, ny), 9),
            source,
        )
    except AxisError as problem:
        raise GribError(str(problem)) from problem


def _conformal(handle: Any, kind: str, nx: int, ny: int, source: str) -> Horizontal:
    """Return the grid of a map's parameters, placed by the first node in scanning order."""
    get = eccodes().codes_get
    if get(handle, "earthIsOblate"):
        raise GribError("its map is of an ellipsoid, and transport needs one of a sphere")
    radius_m = float(get(handle, "radius"))
    ref_lat, cone_lat, meridian, size_m = _cone(handle, kind)
    leftward, upward = bool(get(handle, "iScansNegatively")), bool(get(handle, "jScansPositively"))
    grid = MetGrid(
        nx=nx,
        ny=ny,
        kind="conformal",
        levels=(),
        vertical_flag=0,
        pressure_offset_hpa=0.0,
        source=source,
        pole_lat=-90.0 if cone_lat < 0.0 else 90.0,
        pole_lon=0.0,
        ref_lat=ref_lat,
        ref_lon=meridian,
        size_km=size_m / 1000.0 * (EARTH_RADIUS_M / radius_m),
        orientation_deg=0.0,
        cone_lat=cone_lat,
        sync_x=float(nx) if leftward else 1.0,
        sync_y=1.0 if upward else float(ny),
        sync_lat=float(get(handle, "latitudeOfFirstGridPointInDegrees")),
        sync_lon=float(wrap_longitude(get(handle, "longitudeOfFirstGridPointInDegrees"))),
    )
    columns, rows = np.arange(nx), np.arange(ny)
    return Horizontal(grid, columns[::-1] if leftward else columns, rows if upward else rows[::-1])


def _cone(handle: Any, kind: str) -> tuple[float, float, float, float]:
    """Return latitude of true scale, cone latitude, meridian along +y, and cell size (m)."""
    get = eccodes().codes_get
    if kind == "mercator":
        size_m, other_m = (float(get(handle, f"D{axis}InMetres")) for axis in "ij")
        meridian = float(get(handle, "longitudeOfFirstGridPointInDegrees"))
        ref_lat, cone_lat = float(get(handle, "LaDInDegrees")), 0.0
    else:
        size_m, other_m = (float(get(handle, f"D{axis}InMetres")) for axis in "xy")
        if kind == "lambert":
            meridian = float(get(handle, "LoVInDegrees"))
            ref_lat = float(get(handle, "Latin1InDegrees"))
            cone_lat = cone_latitude(ref_lat, float(get(handle, "Latin2InDegrees")))
        else:
            meridian = float(get(handle, "orientationOfTheGridInDegrees"))
            ref_lat = float(get(handle, "LaDInDegrees"))
            cone_lat = -90.0 if get(handle, "projectionCentreFlag") & 128 else 90.0
    if abs(size_m - other_m) > 1e-3 * size_m:
        raise GribError(f"its cells are {size_m:g} m by {other_m:g} m, and transport needs squares")
    return ref_lat, cone_lat, float(wrap_longitude(meridian)), size_m


def cone_latitude(first_lat: float, second_lat: float) -> float:
    """Return the tangent latitude of the cone with two standard parallels, degrees."""
    if abs(first_lat - second_lat) < 1e-6:
        return first_lat
    first, second = math.radians(first_lat), math.radians(second_lat)
    steepness = math.log(math.cos(first) / math.cos(second)) / math.log(
        math.tan(math.pi / 4.0 + second / 2.0) / math.tan(math.pi / 4.0 + first / 2.0)
    )
    return math.degrees(math.asin(steepness))


def _check_nodes(handle: Any, grid: GribGrid) -> None:
    """Compare every node with the longitude and latitude that ecCodes gives it."""
    array = eccodes().codes_get_array
    lon, lat = (grid.shaped(array(handle, name)) for name in ("longitudes", "latitudes"))
    nodes = np.ix_(grid.nodes.rows, grid.nodes.columns)
    x, y = grid.nodes.grid.to_xy(lon[nodes], lat[nodes])
    wrong_x, wrong_y = np.abs(x - np.arange(x.shape[1])), np.abs(y - np.arange(y.shape[0])[:, None])
    error = float(max(wrong_x.max(), wrong_y.max()))
    if not error < _LARGEST_ERROR_CELLS:
        raise GribError(
            f"its map and its nodes differ by {error:.3g} cells, so its positions cannot be "
            "trusted; please report it with the file's name"
        )

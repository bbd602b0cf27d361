"""Find the map of a grid from the longitudes and latitudes of its nodes.

With W = longitude + i isometric latitude, in radians, the nodes x + i y of a Lambert, polar
stereographic or Mercator map are A (exp(i g W) - 1) / (i g) + B, where g is the sine of the cone's
latitude and A and B are complex constants (Taylor's form of conformal maps, which ARL headers use).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stilt.meteorology.formats.axes import AxisError
from stilt.meteorology.grids import (
    EARTH_RADIUS_M,
    MetGrid,
    conformal_grid,
    isometric_latitude,
    latlon_grid,
    wrap_longitude,
)
from stilt.meteorology.rotated_grid import RotatedGrid, about_other_pole, rotated_grid

_LARGEST_ERROR_CELLS = 0.01
_SINGLE_PRECISION_M = 2.0
"""The largest displacement of a node by rounding to single precision."""
_FITTED_ALONG = 48
_ITERATIONS = 12
_LEAST_CONE_SINE = 1e-4
_DIGITS = 6

_Floats = NDArray[np.float64]
_Complex = NDArray[np.complex128]


def conformal_map(
    lon: _Floats, lat: _Floats, source: str, true_lat: float | None = None
) -> MetGrid:
    """Return the conformal grid that has its nodes at some longitudes and latitudes.

    Args:
        lon, lat: of the nodes, degrees, (ny, nx); columns run to the right of rows.
        source: four-character model id.
        true_lat: latitude at which the size of cells is stated; that of the cone when None.

    Raises:
        AxisError: no Lambert, polar stereographic or Mercator map with square cells has them, or
            some are not known.
    """
    ny, nx = lat.shape
    _require_places(lon, lat)
    some = np.ix_(_spread(ny), _spread(nx))
    x, y = np.meshgrid(_spread(nx), _spread(ny))
    nodes, lon_some, lat_some = x + 1j * y, lon[some].astype(float), lat[some].astype(float)
    pole = float(np.copysign(90.0, lat_some.mean()))
    made = [
        _grid(cone, lon, lat, nodes, (lon_some, lat_some), source, true_lat)
        for cone in dict.fromkeys((pole, 0.0, _cone_latitude(nodes, lon_some, lat_some)))
    ]
    # A polar stereographic or Mercator map is preferred to a cone that is as good.
    errors = np.array([misplaced_cells(grid, lon_some, lat_some, x, y) for grid in made])
    weights = [0.5 if abs(grid.cone_lat) in (0.0, 90.0) else 1.0 for grid in made]
    best = made[int(np.argmin(np.nan_to_num(errors, nan=np.inf) * weights))]
    error = misplaced_cells(best, lon, lat, *np.meshgrid(np.arange(nx), np.arange(ny)))
    if not error < _LARGEST_ERROR_CELLS + _SINGLE_PRECISION_M / (1000.0 * best.size_km):
        raise AxisError(
            "no Lambert, polar stereographic or Mercator map of a sphere with square cells has "
            f"its nodes (the best one is {error:.2g} cells off); interpolate its fields to such a "
            "map or to evenly spaced longitudes and latitudes"
        )
    return best


def grid_of_nodes(lon: NDArray[Any], lat: NDArray[Any], source: str) -> MetGrid:
    """Return the grid that has its nodes at some places, on a map or about a rotated pole.

    Args:
        lon, lat, source: as :func:`conformal_map` takes them.

    Raises:
        AxisError: there is no such grid, or some places are not known.
    """
    _require_places(lon, lat)
    try:
        return conformal_map(lon, lat, source)
    except AxisError:
        return rotated_map(lon, lat, source)


def _require_places(lon: NDArray[Any], lat: NDArray[Any]) -> None:
    if min(lat.shape) < 2:
        raise AxisError("it has fewer than two rows or columns; use a larger area")
    if not known_places(lon, lat).all():
        raise AxisError(
            "some of its longitudes or latitudes are missing values; fetch or copy the file again"
        )


def known_places(lon: NDArray[Any], lat: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which longitudes and latitudes are such, not missing values of any kind."""
    return (np.abs(lon) <= 720.0) & (np.abs(lat) <= 90.0)


def rotated_map(lon: NDArray[Any], lat: NDArray[Any], source: str) -> RotatedGrid:
    """Return the latitude-longitude grid about a rotated pole that has its nodes at some places.

    Along a row the distance from the pole is the same, so that the pole is the direction across
    which neighbours in a row differ least.

    Args:
        lon, lat, source: as :func:`conformal_map` takes them.

    Raises:
        AxisError: there is no such grid.
    """
    ny, nx = lat.shape
    lon, lat = lon.astype(float), lat.astype(float)
    across, up = np.radians(lon), np.radians(lat)
    place = np.stack([np.cos(up) * np.cos(across), np.cos(up) * np.sin(across), np.sin(up)], -1)
    steps = np.diff(place, axis=1).reshape(-1, 3)
    pole = np.linalg.eigh(steps.T @ steps)[1][:, 0]
    pole = pole * np.sign(((place[-1] - place[0]) @ pole).mean())
    pole_lat = _rounded(float(np.degrees(np.arctan2(pole[2], np.hypot(*pole[:2])))))
    pole_lon = _rounded(float(np.degrees(np.arctan2(pole[1], pole[0]))))
    own_lon, own_lat = about_other_pole(
        lon.astype(float), lat.astype(float), pole_lat, pole_lon, 0.0
    )
    own_lon = np.unwrap(np.unwrap(own_lon, axis=1, period=360.0), axis=0, period=360.0)
    dlon, west = np.polyfit(np.arange(nx), own_lon.mean(axis=0), 1)
    dlat, south = np.polyfit(np.arange(ny), own_lat.mean(axis=1), 1)
    west, south, dlon, dlat = (round(float(value), 9) for value in (west, south, dlon, dlat))
    flat = latlon_grid(west, south, dlon, dlat, nx, ny, levels=(), vertical_flag=0, source=source)
    grid = rotated_grid(flat, pole_lat=pole_lat, pole_lon=pole_lon)
    error = misplaced_cells(grid, lon, lat, *np.meshgrid(np.arange(nx), np.arange(ny)))
    cell_m = EARTH_RADIUS_M * np.radians(dlat)
    if not error < _LARGEST_ERROR_CELLS + _SINGLE_PRECISION_M / cell_m:
        raise AxisError(
            "its nodes are neither at even longitudes and latitudes about a rotated pole (the best "
            f"are {error:.2g} cells off) nor those of a Lambert, polar stereographic or Mercator "
            "map of a sphere with square cells; interpolate its fields to evenly spaced longitudes "
            "and latitudes"
        )
    return grid


def misplaced_cells(
    grid: MetGrid, lon: _Floats, lat: _Floats, x: NDArray[np.intp], y: NDArray[np.intp]
) -> float:
    """Return the largest distance of nodes from where a grid has them, in cells."""
    at_x, at_y = grid.to_xy(lon, lat)
    return float(max(np.abs(at_x - x).max(), np.abs(at_y - y).max()))


def _rounded(degrees: float) -> float:
    """Return degrees without the noise of the fit, and zero without a sign."""
    return round(degrees, _DIGITS) + 0.0


def _spread(count: int) -> NDArray[np.intp]:
    """Return at most so many indices with the first and the last one among them."""
    return np.unique(np.linspace(0, count - 1, min(count, _FITTED_ALONG)).round().astype(np.intp))


def _complex_position(lon: _Floats, lat: _Floats) -> tuple[_Complex, complex]:
    """Return W of nodes, less that of a place among them, and that place's W."""
    turned = np.unwrap(np.unwrap(np.radians(lon), axis=1), axis=0)
    position = turned + 1j * isometric_latitude(lat)
    middle = turned[turned.shape[0] // 2, turned.shape[1] // 2]
    centre = complex(middle, np.median(position.imag))
    return position - centre, centre


def _basis(cone_sine: float, position: _Complex) -> _Complex:
    if abs(cone_sine) < _LEAST_CONE_SINE:
        return position
    return np.asarray(np.expm1(1j * cone_sine * position) / (1j * cone_sine))


def _cone_latitude(nodes: _Complex, lon: _Floats, lat: _Floats) -> float:
    """Return the cone's latitude that fits best, degrees, by Gauss-Newton iterations."""
    position, _ = _complex_position(lon, lat)
    # d(log(dW/dn))/dW is -i g everywhere.
    slope = np.gradient(position, axis=1) / np.gradient(nodes.real, axis=1)
    if not slope.all():
        raise AxisError("several of its nodes are at one place; use a part of it")
    bend = np.log(slope / slope[slope.shape[0] // 2, slope.shape[1] // 2])
    away, bend = position - position.mean(), bend - bend.mean()
    cone_sine = float((1j * np.vdot(away, bend) / np.vdot(away, away)).real)
    one = np.ones(nodes.size)
    for _ in range(_ITERATIONS):
        cone_sine = float(np.clip(cone_sine, -1.0, 1.0))
        basis = _basis(cone_sine, position)
        if abs(cone_sine) < _LEAST_CONE_SINE:
            change = 0.5j * position**2
        else:
            change = (position * np.exp(1j * cone_sine * position) - basis) / cone_sine
        scale = _linear(basis, nodes)[0]
        terms = [basis.ravel(), 1j * basis.ravel(), one, 1j * one, scale * change.ravel()]
        step = _least_squares(np.stack(terms, axis=1), nodes.ravel())[4]
        cone_sine += float(step)
    return _rounded(float(np.degrees(np.arcsin(np.clip(cone_sine, -1.0, 1.0)))))


def _linear(basis: _Complex, nodes: _Complex) -> tuple[complex, complex]:
    """Return A and B of nodes = A basis + B."""
    columns = np.stack([basis.ravel(), np.ones(basis.size)], axis=1)
    found = np.linalg.lstsq(columns, nodes.ravel(), rcond=None)[0]
    return complex(found[0]), complex(found[1])


def _least_squares(columns: _Complex, wanted: _Complex) -> _Floats:
    """Return real coefficients of complex columns."""
    both = np.concatenate([columns.real, columns.imag])
    return np.asarray(
        np.linalg.lstsq(both, np.concatenate([wanted.real, wanted.imag]), rcond=None)[0]
    )


def _grid(
    cone_lat: float,
    lon: _Floats,
    lat: _Floats,
    nodes: _Complex,
    some: tuple[_Floats, _Floats],
    source: str,
    true_lat: float | None,
) -> MetGrid:
    """Return the grid on the map with a cone, placed by the node in its middle."""
    position, centre = _complex_position(*some)
    cone_sine = float(np.sin(np.radians(cone_lat)))
    turn = float(np.angle(_linear(_basis(cone_sine, position), nodes)[0]))
    meridian, orientation = float(np.degrees(centre.real)), float(np.degrees(turn))
    # Where a meridian runs along y, it is the reference; else y is oriented to that of the middle.
    if abs(cone_sine) >= _LEAST_CONE_SINE and abs(orientation / cone_sine) < 180.0:
        meridian, orientation = meridian - orientation / cone_sine, 0.0
    ny, nx = lat.shape
    row, column = ny // 2, nx // 2
    grid = conformal_grid(
        float(lon[row, column]), float(lat[row, column]), 1.0, nx, ny,
        cone_lat=cone_lat, levels=(), vertical_flag=0, ref_lat=true_lat,
        ref_lon=_rounded(float(wrap_longitude(meridian))), source=source,
    )  # fmt: skip
    grid = replace(
        grid, sync_x=column + 1.0, sync_y=row + 1.0, orientation_deg=_rounded(orientation)
    )
    # Cells of 1 km put the nodes further apart than one by the size that they have.
    x, y = grid.to_xy(*some)
    size_km = np.hypot(np.ptp(x), np.ptp(y)) / np.hypot(np.ptp(nodes.real), np.ptp(nodes.imag))
    return replace(grid, size_km=round(float(size_km), 9))

"""Horizontal axes of CF datasets on a map: projection coordinates, or longitudes and latitudes of
each node, and the grid that they are of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stilt.meteorology.formats.axes import AxisError, Horizontal, even_step, latlon_axes
from stilt.meteorology.formats.cf_attributes import UnsuitableFileError, conversion, standard_name
from stilt.meteorology.formats.map_fit import (
    conformal_map,
    grid_of_nodes,
    known_places,
    misplaced_cells,
)
from stilt.meteorology.grid_mapping import crs_of, states_figure
from stilt.meteorology.grids import MetGrid, isometric_latitude, wrap_longitude
from stilt.meteorology.rotated_grid import rotated_grid

MAP_Y, MAP_X = "map_y", "map_x"
"""Dimensions of rows and columns on a map, as :func:`with_map_axes` names them."""

_AXES = {
    "m": ("projection_y_coordinate", "projection_x_coordinate"),
    "degrees": ("grid_latitude", "grid_longitude"),
}
"""Standard names of the coordinates of rows and columns, by their unit."""
_UNLIKE_CELLS = 0.1
_UNEQUAL = 1e-3
_EVEN_DEGREES = 1e-4

_Floats = NDArray[np.float64]


def with_map_axes(data: xr.Dataset) -> xr.Dataset:
    """Return a dataset whose dimensions on a map are :data:`MAP_Y` and :data:`MAP_X`.

    Projection coordinates are in metres afterwards, those about a rotated pole in degrees. Without
    them, the dimensions are those of two-dimensional longitudes and latitudes. A dataset that has
    neither is returned as it is.

    Raises:
        UnsuitableFileError: projection coordinates have no unit of length, or of angle.
    """
    for unit, names in _AXES.items():
        axes = [_along(data, name) for name in names]
        if unit == "m" and not all(axes):
            axes = [_in_metres(data, letter) for letter in "YX"]
        if not all(axes):
            continue
        for axis, name in zip(axes, (MAP_Y, MAP_X), strict=True):
            values = conversion(data[axis], unit)[0] * data[axis].to_numpy().astype(float)
            (dim,) = data[axis].dims
            data = data.rename({dim: name} if dim == axis else {dim: name, axis: f"{name}_given"})
            data = data.assign_coords({name: (name, values, {"units": unit})})
        return data
    if all(_along(data, name) for name in ("latitude", "longitude")):
        return data
    pair = next(_places_of_nodes(data), None)
    if pair is None:
        return data
    first, second = map(str, pair[0].dims)
    if _runs_along_x(data, first):
        first, second = second, first
    return data.rename({first: MAP_Y, second: MAP_X})


def map_axes(data: xr.Dataset, variable: xr.DataArray, source: str) -> Horizontal:
    """Return the grid of a field on a map, and the order of its nodes.

    Args:
        data: of :func:`with_map_axes`.
        variable: one of its fields.
        source: four-character model id.

    Raises:
        AxisError: the map is not known, or transport does not have it.
    """
    pair = next((each for each in _places_of_nodes(data) if MAP_Y in each[0].dims), None)
    mapping = _grid_mapping(data, variable)
    unit = data[MAP_Y].attrs.get("units", "") if MAP_Y in data.coords else ""
    if mapping and unit == "degrees":
        return _about_rotated_pole(data, mapping, source, pair)
    if mapping and unit == "m" and (states_figure(mapping) or pair is None):
        return _of_mapping(data, mapping, source, pair)
    if pair is None:
        raise AxisError(
            "its fields are on a map of which it says nothing; add a grid_mapping variable (that "
            "of pyproj's CRS.to_cf), or the longitude and latitude of each node"
        )
    lat, lon = (each.transpose(MAP_Y, MAP_X).to_numpy().astype(float) for each in pair)
    if _is_even(lat.T) and _is_even(np.unwrap(lon, axis=1, period=360.0)):
        return latlon_axes(lon[0], lat[:, 0], source)
    # Winds along the grid are towards increasing coordinates.
    columns = np.argsort(data[MAP_X].to_numpy()) if unit else np.arange(lat.shape[1])
    rows = np.arange(lat.shape[0])
    rows = rows if _is_right_handed(lon[:, columns], lat[:, columns]) else rows[::-1]
    nodes = np.ix_(rows, columns)
    return Horizontal(grid_of_nodes(lon[nodes], lat[nodes], source), columns, rows)


def _about_rotated_pole(
    data: xr.Dataset,
    mapping: dict[str, Any],
    source: str,
    pair: tuple[xr.DataArray, xr.DataArray] | None,
) -> Horizontal:
    """Return the grid of longitudes and latitudes about a rotated pole.

    Raises:
        AxisError: they are not evenly spaced, the pole is not named, or given longitudes and
            latitudes contradict it.
    """
    axes = latlon_axes(data[MAP_X].to_numpy(), data[MAP_Y].to_numpy(), source)
    try:
        pole_lat, pole_lon = (
            float(mapping[f"grid_north_pole_{axis}"]) for axis in ("latitude", "longitude")
        )
    except KeyError as problem:
        raise AxisError(
            f"its grid_mapping has no {problem}, and its fields are on grid_latitude and "
            "grid_longitude; write the rotated pole into it"
        ) from problem
    turn = float(mapping.get("north_pole_grid_longitude", 0.0))
    grid = rotated_grid(axes.grid, pole_lat=pole_lat, pole_lon=pole_lon, north_pole_grid_lon=turn)
    if pair is not None:
        _check(grid, pair, axes.rows, axes.columns)
    return replace(axes, grid=grid)


def _of_mapping(
    data: xr.Dataset,
    mapping: dict[str, Any],
    source: str,
    pair: tuple[xr.DataArray, xr.DataArray] | None,
) -> Horizontal:
    """Return the grid of projection coordinates (m) and their map.

    Raises:
        AxisError: transport does not have the map, or given longitudes and latitudes contradict it.
    """
    x, y = (data[name].to_numpy().astype(float) for name in (MAP_X, MAP_Y))
    columns, rows = np.argsort(x, kind="stable"), np.argsort(y, kind="stable")
    size = even_step(x[columns], "columns"), even_step(y[rows], "rows")
    if abs(size[0] - size[1]) > _UNEQUAL * size[0]:
        raise AxisError(
            f"its cells are {size[0]:g} m by {size[1]:g} m, and transport needs squares; "
            "interpolate its fields to such a grid"
        )
    lon, lat = _places(mapping, *np.meshgrid(x[columns], y[rows]))
    parallel = np.atleast_1d(np.asarray(mapping.get("standard_parallel", np.nan), float))[0]
    true_lat = float(parallel) if np.isfinite(parallel) else None
    grid = conformal_map(lon, lat, source, true_lat)
    if pair is not None:
        _check(grid, pair, rows, columns)
    return Horizontal(grid, columns, rows)


def _places(mapping: dict[str, Any], x: _Floats, y: _Floats) -> tuple[_Floats, _Floats]:
    """Return longitudes and latitudes of places on a map, on the map's own sphere.

    A map that does not state its sphere has this package's.

    Raises:
        AxisError: the map is not understood, or is one of an ellipsoid.
    """
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    kind = mapping.get("grid_mapping_name", "without grid_mapping_name")
    try:
        crs = crs_of(mapping)
        to_degrees = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    except (ProjError, KeyError, ValueError, TypeError) as problem:
        raise AxisError(
            f"its grid_mapping ({kind}) is not understood ({' '.join(str(problem).split())}); "
            "correct its attributes"
        ) from problem
    if crs.ellipsoid is not None and crs.ellipsoid.inverse_flattening:
        raise AxisError(
            f"its map ({kind}) is of an ellipsoid ({crs.ellipsoid.name}), and transport needs one "
            "of a sphere; interpolate its fields to such a map or to evenly spaced longitudes and "
            "latitudes"
        )
    per_unit = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 1.0
    lon, lat = to_degrees.transform(x / per_unit, y / per_unit)
    return np.asarray(lon), np.asarray(lat)


def _check(
    grid: MetGrid,
    pair: tuple[xr.DataArray, xr.DataArray],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> None:
    """Compare the corners of a grid with the longitudes and latitudes that a file gives them."""
    corners = {MAP_Y: rows[[0, -1]], MAP_X: columns[[0, -1]]}
    lat, lon = (each.isel(corners).transpose(MAP_Y, MAP_X).to_numpy() for each in pair)
    x, y = np.meshgrid([0, grid.nx - 1], [0, grid.ny - 1])
    known = known_places(lon, lat)
    if not known.any():
        return
    error = misplaced_cells(grid, lon[known], lat[known], x[known], y[known])
    if not error < _UNLIKE_CELLS:
        raise AxisError(
            f"its grid_mapping and its longitudes and latitudes differ by {error:.2g} cells; "
            "remove those that are wrong"
        )


def _grid_mapping(data: xr.Dataset, variable: xr.DataArray) -> dict[str, Any]:
    """Return the attributes of a field's grid mapping; those of the only one if it names none."""
    named = variable.attrs.get("grid_mapping", variable.encoding.get("grid_mapping", ""))
    name = (str(named).replace(":", " ").split() or [""])[0]
    if name in data.variables:
        return dict(data[name].attrs)
    found = [each for each in data.variables.values() if "grid_mapping_name" in each.attrs]
    return dict(found[0].attrs) if len(found) == 1 else {}


def _along(data: xr.Dataset, name: str) -> str:
    """Return the one-dimensional variable with a standard name; "" if there is none."""
    names = (str(each) for each in data.variables)
    return next(
        (each for each in names if data[each].ndim == 1 and standard_name(data[each]) == name), ""
    )


def _in_metres(data: xr.Dataset, letter: str) -> str:
    """Return the coordinate in a unit of length that has a letter as axis attribute or name."""
    for name in map(str, data.dims):
        if name in data.coords and letter in (data[name].attrs.get("axis"), name.upper()):
            try:
                conversion(data[name], "m")
            except UnsuitableFileError:
                continue
            return name
    return ""


def _places_of_nodes(data: xr.Dataset) -> Iterator[tuple[xr.DataArray, xr.DataArray]]:
    """Yield two-dimensional latitudes and longitudes; first those that most fields have."""
    found = []
    for name in map(str, data.variables):
        lat = data[name]
        if lat.ndim != 2 or not _is_angle(lat, "latitude", "degrees_north"):
            continue
        for other in map(str, data.variables):
            lon = data[other]
            if set(lon.dims) == set(lat.dims) and _is_angle(lon, "longitude", "degrees_east"):
                found.append((lat, lon))
    fields = [set(each.dims) for each in data.data_vars.values()]
    found.sort(key=lambda pair: -sum(set(pair[0].dims) <= dims for dims in fields))
    yield from found


def _is_angle(variable: xr.DataArray, name: str, unit: str) -> bool:
    own = standard_name(variable)
    return own == name or (not own and str(variable.attrs.get("units", "")) == unit)


def _runs_along_x(data: xr.Dataset, dim: str) -> bool:
    """Return whether a dimension is that of columns, by its axis attribute or its name."""
    axis = data[dim].attrs.get("axis", "") if dim in data.variables else ""
    return str(axis or dim[:1]).upper() == "X"


def _is_even(values: _Floats) -> bool:
    """Return whether all rows of a field are the same evenly spaced values."""
    even = np.linspace(values[0, 0], values[0, -1], values.shape[1])
    return bool((np.abs(wrap_longitude(values - even)) < _EVEN_DEGREES).all())


def _is_right_handed(lon: _Floats, lat: _Floats) -> bool:
    """Return whether columns run to the right of rows, in the middle of a grid."""
    middle = np.ix_(*(min(size // 2, size - 2) + np.arange(2) for size in lat.shape))
    turned = np.radians(
        np.unwrap(np.unwrap(lon[middle], axis=1, period=360.0), axis=0, period=360.0)
    )
    place = turned + 1j * isometric_latitude(lat[middle])
    along_x, along_y = place[0, 1] - place[0, 0], place[1, 0] - place[0, 0]
    return bool((np.conj(along_x) * along_y).imag > 0.0)

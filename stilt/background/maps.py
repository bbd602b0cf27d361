"""Fields on a map, about a rotated pole, or with a longitude and a latitude for each node."""

from __future__ import annotations

from itertools import product

import numpy as np
import xarray as xr

from stilt.background.nodes import CurvilinearNodes, Floats, Nodes
from stilt.background.scattered import ScatteredNodes
from stilt.errors import UsageError
from stilt.footprint.map_projection import named_mappings
from stilt.meteorology.grid_mapping import crs_of

_LATITUDES = ("latitude", "lat", "xlat", "nav_lat", "lat2d", "clat", "latcell")
_LONGITUDES = ("longitude", "lon", "xlong", "nav_lon", "lon2d", "clon", "loncell")
_ALONG = {
    "Y": ("projection_y_coordinate", "grid_latitude"),
    "X": ("projection_x_coordinate", "grid_longitude"),
}
_NAMES = {"Y": ("y", "rlat", "yc"), "X": ("x", "rlon", "xc")}


def rows_and_columns(dataset: xr.Dataset, array: xr.DataArray) -> tuple[str | None, str] | None:
    """Return the dimensions of a variable's rows and columns on a map, if it has such.

    Nodes in one dimension, as triangles are, have no rows.

    Args:
        dataset: of the field.
        array: the field.
    """
    along = _axis(dataset, array, "Y"), _axis(dataset, array, "X")
    if along[0] is not None and along[1] is not None and _mapping(dataset, array):
        return str(dataset[along[0]].dims[0]), str(dataset[along[1]].dims[0])
    pair = _of_each_node(dataset, array)
    if pair is None:
        return None
    rows = str(pair[0].dims[0]) if pair[0].ndim == 2 else None
    return rows, str(pair[0].dims[-1])


def nodes_of(dataset: xr.Dataset, array: xr.DataArray) -> Nodes:
    """Return the nodes of a field for which :func:`rows_and_columns` has found dimensions.

    Given longitudes and latitudes count; without them, places on the map of the grid mapping are
    computed.

    Raises:
        UsageError: some nodes have no place, there is a single row or column, or the grid mapping
            is not understood.
    """
    dims = rows_and_columns(dataset, array)
    pair = _of_each_node(dataset, array)
    if pair is not None and dims is not None:
        known = [dim for dim in dims if dim is not None]
        lat, lon = (_degrees(each.transpose(*known)) for each in pair)
    else:
        lon, lat = _on_map(dataset, array)
    if lon.ndim == 1 and lon.size < 3:
        raise UsageError(
            f"The field {array.name} has {lon.size} nodes: a field needs three to lie between them."
        )
    if lon.ndim == 2 and min(lon.shape) < 2:
        raise UsageError(
            f"The field {array.name} has {lon.shape[0]} rows and {lon.shape[1]} columns: a field "
            "on a map needs two of each."
        )
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        missing = int((~(np.isfinite(lon) & np.isfinite(lat))).sum())
        raise UsageError(
            f"{missing} of {lon.size} nodes of the field {array.name} have no longitude or "
            "latitude: give each node its place, also where it has no value."
        )
    return CurvilinearNodes(lon, lat) if lon.ndim == 2 else ScatteredNodes(lon, lat)


def _degrees(places: xr.DataArray) -> Floats:
    """Return longitudes or latitudes in degrees; ICON writes them in radians."""
    values = places.values.astype(np.float64)
    return np.degrees(values) if str(places.attrs.get("units", "")).startswith("rad") else values


def _of_each_node(
    dataset: xr.Dataset, array: xr.DataArray
) -> tuple[xr.DataArray, xr.DataArray] | None:
    """Return latitudes and longitudes along the field's rows and columns, or along its nodes."""
    if "featureType" in dataset.attrs:
        return None  # stations, profiles or tracks: between them there is no field
    dated = {dim for dim in array.dims if dim in dataset.coords and dataset[dim].dtype.kind in "MO"}
    horizontal = set(array.dims) - dated
    found: list[list[xr.DataArray]] = []
    for standard, names in (("latitude", _LATITUDES), ("longitude", _LONGITUDES)):
        candidates = [
            _unchanging(variable)
            for name, variable in {**dataset.coords, **dataset.data_vars}.items()
            if str(variable.attrs.get("standard_name", "")) == standard
            or str(name).lower() in names
        ]
        found.append([each for each in candidates if set(each.dims) <= horizontal])
    for count in (2, 1):
        for lat, lon in product(*found):
            if lat.ndim == lon.ndim == count and set(lat.dims) == set(lon.dims):
                return lat, lon.transpose(*lat.dims)
    return None


def _unchanging(variable: xr.DataArray) -> xr.DataArray:
    """Return places that are written for every time, as WRF's are, for the first one.

    Raises:
        UsageError: they change.
    """
    if variable.ndim != 3:
        return variable
    first = variable.isel({variable.dims[0]: 0}, drop=True)
    if bool((abs(variable - first) > 1e-4).any()):
        raise UsageError(
            f"{variable.name} of the field changes along {variable.dims[0]}: a grid that moves is "
            "not read; give each position a file, or interpolate to latitudes and longitudes."
        )
    return first


def _axis(dataset: xr.Dataset, array: xr.DataArray, letter: str) -> str | None:
    """Return the coordinate along rows or columns."""
    for name, variable in dataset.variables.items():
        if variable.ndim != 1 or variable.dims[0] not in array.dims:
            continue
        standard = str(variable.attrs.get("standard_name", ""))
        if standard in _ALONG[letter] or (not standard and str(name).lower() in _NAMES[letter]):
            return str(name)
    return None


def _mapping(dataset: xr.Dataset, array: xr.DataArray) -> dict[str, object]:
    """Return the attributes of a variable's grid mapping."""
    named = next(iter(named_mappings(array)), None)
    if named is not None and named in dataset.variables:
        return dict(dataset[named].attrs)
    found = [
        dict(variable.attrs)
        for variable in dataset.variables.values()
        if "grid_mapping_name" in variable.attrs
    ]
    return found[0] if len(found) == 1 else {}


def _on_map(dataset: xr.Dataset, array: xr.DataArray) -> tuple[Floats, Floats]:
    """Return longitudes and latitudes of a grid mapping's nodes, by PROJ."""
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    mapping = _mapping(dataset, array)
    x, y = (_coordinate(dataset, array, letter) for letter in "XY")
    try:
        crs = crs_of(mapping)
        to_degrees = Transformer.from_crs(crs, crs.source_crs or crs.geodetic_crs, always_xy=True)
        lon, lat = to_degrees.transform(*np.meshgrid(x, y))
    except (ProjError, KeyError, ValueError, TypeError) as problem:
        raise UsageError(
            f"The grid mapping of the field {array.name} "
            f"({mapping.get('grid_mapping_name', 'without grid_mapping_name')}) is not understood "
            f"({' '.join(str(problem).split())}): correct it, or give each node its longitude and "
            "latitude."
        ) from problem
    return np.asarray(lon), np.asarray(lat)


def _coordinate(dataset: xr.Dataset, array: xr.DataArray, letter: str) -> Floats:
    """Return coordinates along rows or columns, lengths in m, angles in degrees."""
    name = _axis(dataset, array, letter)
    assert name is not None  # as rows_and_columns found it
    values = dataset[name].values.astype(np.float64)
    units = str(dataset[name].attrs.get("units", "")).lower()
    return values * 1000.0 if units in ("km", "kilometre", "kilometer", "kilometers") else values

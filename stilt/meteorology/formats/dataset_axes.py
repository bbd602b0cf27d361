"""Axes of datasets that xarray opens: levels, longitudes and latitudes, by usual names."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stilt.meteorology.formats.axes import (
    AxisError,
    Horizontal,
    Vertical,
    hybrid_levels,
    latlon_axes,
    pressure_levels,
)
from stilt.meteorology.formats.cf_attributes import (
    UnsuitableFileError,
    conversion,
    has_known_unit,
    is_convertible,
)
from stilt.meteorology.formats.cf_maps import MAP_X, MAP_Y, map_axes
from stilt.meteorology.formats.dataset_times import TIMES
from stilt.meteorology.formats.fields import Product
from stilt.meteorology.formats.hybrid import full_levels

ROWS, COLUMNS = ("latitude", "lat", MAP_Y), ("longitude", "lon", MAP_X)
"""Names of the dimensions of rows and of columns."""
PRESSURE_NAMES = {
    "isobaricinhpa", "isobaricinpa", "pressure_level", "plev", "pressure", "level", "lev",
}  # fmt: skip
HYBRID_NAMES = {"hybrid", "model_level", "hybridn", "level", "lev"}
LEVEL_A_HPA, LEVEL_B = "level_a_hpa", "level_b"
"""Attributes of levels that carry hybrid coefficients: one value for each level."""


def axis_of(variable: xr.DataArray, names: tuple[str, ...], required: bool = True) -> str:
    """Return the dimension of a field that has one of some names; "" if it need not have one.

    Raises:
        ValueError: it has none, and is required to.
    """
    found = next((str(dim) for dim in variable.dims if str(dim).lower() in names), "")
    if required and not found:
        raise ValueError(f"its field {variable.name} has no {names[0]}")
    return found


def horizontal_of(data: xr.Dataset, variable: xr.DataArray, product: Product) -> Horizontal:
    """Return the horizontal grid of a field.

    Raises:
        UnsuitableFileError: its longitudes and latitudes, or its map, cannot be used.
    """
    y, x = axis_of(variable, ROWS), axis_of(variable, COLUMNS)
    try:
        if y == MAP_Y:
            return map_axes(data, variable, product.source)
        return latlon_axes(data[x].to_numpy(), data[y].to_numpy(), product.source)
    except AxisError as problem:
        raise UnsuitableFileError(str(problem)) from problem


def vertical_of(data: xr.Dataset, level: str) -> Vertical:
    """Return the vertical axis of a dimension of levels: pressures, or hybrid levels.

    Raises:
        UnsuitableFileError: its values are not known, or are none of levels.
    """
    if level not in data.variables:
        raise UnsuitableFileError(
            f"its levels ({level}) have no values; write their pressures into it, with units"
        )
    levels = data[level]
    values = np.asarray(levels.to_numpy(), float)
    try:
        if LEVEL_A_HPA in levels.attrs:
            return hybrid_levels(levels.attrs[LEVEL_A_HPA], levels.attrs[LEVEL_B])
        if not _is_hybrid(levels):
            return pressure_levels(values * _hpa_per_unit(levels, values))
        if not np.isfinite(values).all():
            raise AxisError(f"some numbers of its levels ({level}) are missing; write them into it")
        numbers = np.rint(values).astype(int)
        if len(numbers) == 1:
            return Vertical((float(numbers[0]),), 4, np.zeros(1, np.intp))
        return hybrid_levels(*full_levels(numbers, levels.attrs))
    except AxisError as problem:
        raise UnsuitableFileError(str(problem)) from problem


def _is_hybrid(levels: xr.DataArray) -> bool:
    """Return whether levels are numbers of model levels, by their name or their description."""
    name, described = str(levels.name).lower(), str(levels.attrs.get("long_name", "")).lower()
    if name in HYBRID_NAMES - PRESSURE_NAMES or "model" in described or "hybrid" in described:
        return True
    return name not in PRESSURE_NAMES and not _is_pressure(levels)


def _is_pressure(levels: xr.DataArray) -> bool:
    return _has_unit(levels) and is_convertible(levels, "hPa")


def _has_unit(levels: xr.DataArray) -> bool:
    return "units" in levels.attrs and has_known_unit(levels)


def _hpa_per_unit(levels: xr.DataArray, values: NDArray[np.float64]) -> float:
    """Return the factor that makes hPa of pressures; without a unit, name and size tell.

    Raises:
        AxisError: they are no pressures.
    """
    advice = "write their pressures into it, with units"
    if _has_unit(levels):
        if not _is_pressure(levels):
            raise AxisError(
                f"its levels ({levels.name}) have the units {levels.attrs['units']}, which are "
                f"none of pressure; {advice}"
            )
        return conversion(levels, "hPa")[0]
    if len(values) > 2 and (np.abs(np.diff(values)) == 1.0).all():
        raise AxisError(f"its levels ({levels.name}) are numbered and have no units; {advice}")
    return 0.01 if str(levels.name).lower().endswith("inpa") or values.max() > 2000.0 else 1.0


def check_dimensions(variable: xr.DataArray, level: str) -> None:
    """Refuse several values at one time, level and place, such as members of an ensemble.

    Raises:
        UnsuitableFileError: there are.
    """
    dims = list(map(str, variable.dims))
    times = [dim for dim in dims if dim in TIMES]
    known = {level, *times, axis_of(variable, ROWS), axis_of(variable, COLUMNS)}
    others = [dim for dim in dims if dim not in known]
    for dim in (*others, *times[1:]):
        if variable.sizes[dim] > 1:
            raise UnsuitableFileError(
                f"its field {variable.name} has the dimension {dim} with {variable.sizes[dim]} "
                "values beside time, level and place; select one of them, or put each valid time "
                "on one axis"
            )


def one_expver(data: xr.Dataset) -> xr.Dataset:
    """Merge ERA5 and its first release ERA5T (``expver``), each used where it has values."""
    if "expver" not in data.dims:
        return data
    final = data.isel(expver=0, drop=True)
    for number in range(1, data.sizes["expver"]):
        final = final.fillna(data.isel(expver=number, drop=True))
    return final

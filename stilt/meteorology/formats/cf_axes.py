"""Axes of CF datasets by ``standard_name``, ``axis`` and units, under the names of their kinds.

Levels are pressures, or hybrid or sigma levels whose ``formula_terms`` name their coefficients.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stilt.meteorology.formats.cf_attributes import UnsuitableFileError, conversion, standard_name
from stilt.meteorology.formats.cf_maps import MAP_Y, with_map_axes
from stilt.meteorology.formats.dataset_axes import LEVEL_A_HPA, LEVEL_B
from stilt.meteorology.formats.dataset_times import FORECAST_BEGAN, with_time_axis

HEIGHT_M = "stilt_height_m"
"""Attribute of a field that was on an axis of one height."""

_PLACES = {"latitude": "Y", "longitude": "X"}
_VALID_TIME = "valid_time"
_SIGMA = "atmosphere_sigma_coordinate"
_HYBRID = "atmosphere_hybrid_sigma_pressure_coordinate"


def with_known_axes(data: xr.Dataset) -> xr.Dataset:
    """Return a dataset whose axes are renamed as :class:`DatasetFormat` expects.

    Raises:
        ValueError: levels are of a kind that transport cannot use.
    """
    data = with_map_axes(data)
    for name, axis in _PLACES.items() if MAP_Y not in data.dims else ():
        found = next(_coordinates(data, name, axis), None)
        if found is not None:
            data = _renamed(data, found, name)
    times = list(_coordinates(data, "time", "T"))
    if times:
        # cfgrib also has the time at which the forecast began, with the standard name of time.
        best = max(times, key=lambda name: (name == _VALID_TIME, data[name].ndim))
        data = _renamed(data, best, best if best == _VALID_TIME else "time")
    else:
        data = with_time_axis(data)
    return _with_known_levels(data).assign_attrs(_forecast(data))


def _forecast(data: xr.Dataset) -> dict[str, np.datetime64]:
    """Return when the forecast of a dataset began, as its attribute; empty if it does not say."""
    for name in map(str, data.variables):
        variable = data[name]
        is_reference = standard_name(variable) == "forecast_reference_time" or (
            name == "time" and _VALID_TIME in data.variables
        )
        if is_reference and variable.size == 1 and np.issubdtype(variable.dtype, np.datetime64):
            return {FORECAST_BEGAN: variable.to_numpy().ravel()[0].astype("datetime64[m]")}
    return {}


def _with_known_levels(data: xr.Dataset) -> xr.Dataset:
    """Return a dataset with at most one axis of pressures and one of hybrid or sigma levels.

    A single height, such as that of 2 m, becomes an attribute of its fields. Fields on shorter axes
    of the same kind, and on several heights beside levels, are left out.

    Raises:
        ValueError: levels are of a kind that transport cannot use.
    """
    axes = sorted(_coordinates(data, "", "Z"), key=lambda name: -data.sizes[data[name].dims[0]])
    others = [name for name in axes if not _is_understood(data[name])]
    for name in others:
        dim = str(data[name].dims[0])
        if data.sizes[dim] == 1:
            data = _at_one_height(data, name, dim)
        elif len(others) < len(axes):
            data = data.drop_dims(dim)
    for name in axes:
        if name in data.variables and data[name].ndim:
            data = _with_levels(data, name)
    return data


def _at_one_height(data: xr.Dataset, name: str, dim: str) -> xr.Dataset:
    """Return a dataset without an axis of one height, which its fields have as an attribute."""
    levels = data[name]
    if standard_name(levels) == "height":
        height = float(levels.to_numpy().ravel()[0]) * conversion(levels, "m")[0]
        for field in data.variables.values():
            if dim in field.dims:
                field.attrs[HEIGHT_M] = height
    return data.isel({dim: 0}).drop_vars(name)


def _is_understood(levels: xr.DataArray) -> bool:
    """Return whether levels are pressures, or hybrid or sigma levels."""
    if standard_name(levels) in (_SIGMA, _HYBRID):
        return True
    try:
        conversion(levels, "hPa")
    except UnsuitableFileError:
        return False
    return True


def _coordinates(data: xr.Dataset, wanted: str, axis: str) -> Iterator[str]:
    """Yield the names of the one-dimensional or scalar coordinates of a kind."""
    for name in map(str, data.variables):
        variable = data[name]
        if variable.ndim > 1 or (variable.ndim == 1 and axis == "Z" and _is_data(variable)):
            continue
        own = standard_name(variable)
        is_level = axis == "Z" and (own in (_SIGMA, _HYBRID, "air_pressure") or _is_z(variable))
        if (is_level and variable.ndim == 1) or (
            axis != "Z" and (own == wanted or variable.attrs.get("axis") == axis)
        ):
            yield name


def _is_data(variable: xr.DataArray) -> bool:
    """Return whether a one-dimensional variable is a field along an axis, not an axis itself."""
    others = {standard_name(variable[dim]) for dim in variable.dims if dim in variable.coords}
    return variable.name not in variable.dims and bool(others & {*_PLACES, "time"})


def _is_z(variable: xr.DataArray) -> bool:
    return variable.attrs.get("axis") == "Z" or "positive" in variable.attrs


def _renamed(data: xr.Dataset, coordinate: str, name: str) -> xr.Dataset:
    """Return a dataset with a coordinate, and its dimension, under another name."""
    dims = data[coordinate].dims
    if coordinate != name:
        data = data.rename({coordinate: name})
    if dims and dims[0] not in (coordinate, name):
        data = data.swap_dims({dims[0]: name})
    return data.set_coords(name) if name not in data.coords else data


def _with_levels(data: xr.Dataset, found: str) -> xr.Dataset:
    """Return a dataset whose levels are pressures in hPa, or carry hybrid coefficients."""
    coordinate = data[found]
    kind = standard_name(coordinate)
    name = "hybrid" if kind in (_SIGMA, _HYBRID) else "pressure_level"
    if name in data.dims and coordinate.dims != (name,):
        return data.drop_dims(coordinate.dims)
    if kind in (_SIGMA, _HYBRID):
        a_hpa, b = _coefficients(data, coordinate, kind)
        data = _renamed(data, found, "hybrid")
        numbers = np.arange(1.0, len(b) + 1.0)
        attributes = {LEVEL_A_HPA: a_hpa.tolist(), LEVEL_B: b.tolist()}
        return data.assign_coords(hybrid=("hybrid", numbers, attributes))
    if not _is_understood(coordinate):
        raise UnsuitableFileError(
            f"its levels {found} are neither pressures nor hybrid or sigma levels; interpolate its "
            "fields to pressure levels"
        )
    factor, _ = conversion(coordinate, "hPa")
    values = factor * np.asarray(coordinate.to_numpy(), float)
    data = _renamed(data, found, "pressure_level")
    return data.assign_coords(pressure_level=("pressure_level", values, {"units": "hPa"}))


def _coefficients(
    data: xr.Dataset, coordinate: xr.DataArray, kind: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a (hPa) and b of each level, whose pressure is ``a + b p_s``."""
    words = str(coordinate.attrs.get("formula_terms", "")).replace(":", " ").split()
    terms = dict(zip(words[::2], words[1::2], strict=False))

    def values(term: str, unit: str) -> NDArray[np.float64]:
        name = terms.get(term)
        if name is None or name not in data.variables:
            raise ValueError(
                f"the formula_terms of its levels {coordinate.name} do not name {term}, or name a "
                "variable that is not there"
            )
        variable = data[name]
        factor = conversion(variable, unit)[0] if unit else 1.0
        return factor * np.asarray(variable.to_numpy(), float)

    if kind == _SIGMA:
        sigma = values("sigma", "")
        return (1.0 - sigma) * values("ptop", "hPa"), sigma
    b = values("b", "")
    a = values("ap", "hPa") if "ap" in terms else values("a", "") * values("p0", "hPa")
    return np.broadcast_to(a, b.shape).astype(float), b

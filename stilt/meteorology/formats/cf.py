"""Any dataset that follows the CF conventions: fields by standard name, in whatever unit.

Axes are recognised by ``standard_name``, ``axis`` and units. Levels are pressures, or hybrid or
sigma levels whose ``formula_terms`` name their coefficients.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stilt.meteorology.formats.cf_attributes import UnsuitableFileError, conversion, standard_name
from stilt.meteorology.formats.cf_maps import MAP_X, MAP_Y, with_map_axes
from stilt.meteorology.formats.dataset import DatasetFormat
from stilt.meteorology.formats.dataset_axes import LEVEL_A_HPA, LEVEL_B
from stilt.meteorology.formats.fields import STANDARD_GRAVITY_M_S2, Field, Product

_G = STANDARD_GRAVITY_M_S2
_PER_HOUR_TO_M = 3600.0 / 1000.0

_Table = dict[str, tuple[str, str, float]]
"""By standard name: ARL's name, the unit to convert to, and a factor to apply afterwards."""

_UPPER: _Table = {
    "eastward_wind": ("UWND", "m s-1", 1.0),
    "northward_wind": ("VWND", "m s-1", 1.0),
    "x_wind": ("UWND", "m s-1", 1.0),
    "y_wind": ("VWND", "m s-1", 1.0),
    "lagrangian_tendency_of_air_pressure": ("WWND", "hPa s-1", 1.0),
    "upward_air_velocity": ("DZDT", "m s-1", 1.0),
    "air_temperature": ("TEMP", "K", 1.0),
    "air_potential_temperature": ("THET", "K", 1.0),
    "specific_humidity": ("SPHU", "1", 1.0),
    "relative_humidity": ("RELH", "%", 1.0),
    "geopotential_height": ("HGTS", "m", 1.0),
    "geopotential": ("HGTS", "m2 s-2", 1.0 / _G),
    "air_pressure": ("PRES", "hPa", 1.0),
}
_SURFACE: _Table = {
    "surface_air_pressure": ("PRSS", "hPa", 1.0),
    "surface_altitude": ("SHGT", "m", 1.0),
    "surface_geopotential": ("SHGT", "m2 s-2", 1.0 / _G),
    "air_temperature": ("T02M", "K", 1.0),
    "eastward_wind": ("U10M", "m s-1", 1.0),
    "northward_wind": ("V10M", "m s-1", 1.0),
    "x_wind": ("U10M", "m s-1", 1.0),
    "y_wind": ("V10M", "m s-1", 1.0),
    "atmosphere_boundary_layer_thickness": ("PBLH", "m", 1.0),
    "surface_roughness_length": ("RGHS", "m", 1.0),
    "friction_velocity": ("USTR", "m s-1", 1.0),
    "surface_downward_eastward_stress": ("UMOF", "Pa", 1.0),
    "surface_downward_northward_stress": ("VMOF", "Pa", 1.0),
    "surface_downward_x_stress": ("UMOF", "Pa", 1.0),
    "surface_downward_y_stress": ("VMOF", "Pa", 1.0),
    "surface_upward_sensible_heat_flux": ("SHTF", "W m-2", 1.0),
    "surface_downward_sensible_heat_flux": ("SHTF", "W m-2", -1.0),
    "surface_upward_latent_heat_flux": ("LHTF", "W m-2", 1.0),
    "surface_downward_latent_heat_flux": ("LHTF", "W m-2", -1.0),
    "surface_downwelling_shortwave_flux_in_air": ("DSWF", "W m-2", 1.0),
    "cloud_area_fraction": ("TCLD", "%", 1.0),
    "low_type_cloud_area_fraction": ("LCLD", "%", 1.0),
    "precipitation_flux": ("TPP1", "kg m-2 s-1", _PER_HOUR_TO_M),
    "convective_precipitation_flux": ("CPP1", "kg m-2 s-1", _PER_HOUR_TO_M),
}
_AXES = {"latitude": "Y", "longitude": "X", "time": "T"}
_PLACE_AND_TIME = {*_AXES, "lat", "lon", "valid_time", MAP_Y, MAP_X}
_SIGMA = "atmosphere_sigma_coordinate"
_HYBRID = "atmosphere_hybrid_sigma_pressure_coordinate"
_HIGHEST_OF_TWO_METRE_M = 3.0


class CFFormat(DatasetFormat):
    """Datasets with CF standard names and units, in NetCDF files and Zarr stores."""

    product = Product("cf", "CF  ", {}, {})

    def open(self, path: str) -> list[xr.Dataset]:
        """Open a file, its axes renamed as :class:`DatasetFormat` expects."""
        return [with_known_axes(data) for data in super().open(path)]

    def product_of(self, data: xr.Dataset) -> Product:
        """Return the fields that the variables of a file hold, by their standard names and units.

        Raises:
            ValueError: a unit is missing or cannot be converted, or levels are not understood.
        """
        surface: dict[str, Field] = {}
        upper: dict[str, Field] = {}
        for name in map(str, data.data_vars):
            variable = data[name]
            is_upper = {"pressure_level", "hybrid"} & set(map(str, variable.dims))
            own = standard_name(variable)
            if own in _UPPER and not is_upper:
                _refuse_other_dimensions(variable)
            known = (_UPPER if is_upper else _SURFACE).get(own)
            if known is None or not (is_upper or _is_near_surface(variable, known[0])):
                continue
            arl, unit, after = known
            factor, offset = conversion(variable, unit)
            is_earthward = _is_earthward(variable)
            field = Field(
                arl, factor * after, int(is_earthward), False, offset * after, is_earthward
            )
            (upper if is_upper else surface)[name.lower()] = field
        return Product(self.product.name, self.product.source, surface, upper)


def _is_earthward(variable: xr.DataArray) -> bool:
    """Return whether a field is a component towards east or north.

    cfgrib names all winds of GRIB files so, also those along the grid.
    """
    own = standard_name(variable)
    along_grid = variable.attrs.get("GRIB_uvRelativeToGrid") == 1
    return ("eastward" in own or "northward" in own) and not along_grid


def _refuse_other_dimensions(variable: xr.DataArray) -> None:
    """Refuse a field on an axis that is neither time, place nor one of levels.

    Raises:
        UnsuitableFileError: it is on such an axis.
    """
    others = [dim for dim in variable.dims if str(dim).lower() not in _PLACE_AND_TIME]
    if len(others) > variable.ndim - 2:
        return
    for dim in others:
        if variable.sizes[dim] > 1:
            raise UnsuitableFileError(
                f"its field {variable.name} is on the axis {dim}, which is not understood; levels "
                "need a standard_name, such as air_pressure, and units"
            )


def with_known_axes(data: xr.Dataset) -> xr.Dataset:
    """Return a dataset whose axes are renamed as :class:`DatasetFormat` expects.

    Raises:
        ValueError: levels are of a kind that transport cannot use.
    """
    data = with_map_axes(data)
    for name, axis in _AXES.items():
        if axis != "T" and MAP_Y in data.dims:
            continue
        found = next(_coordinates(data, name, axis), None)
        if found is not None:
            data = _renamed(data, found, name)
    for found in list(_coordinates(data, "", "Z")):
        data = _with_levels(data, found)
    return data


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
    return variable.name not in variable.dims and bool(others & set(_AXES))


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
    if kind in (_SIGMA, _HYBRID):
        a_hpa, b = _coefficients(data, coordinate, kind)
        data = _renamed(data, found, "hybrid")
        numbers = np.arange(1.0, len(b) + 1.0)
        attributes = {LEVEL_A_HPA: a_hpa.tolist(), LEVEL_B: b.tolist()}
        return data.assign_coords(hybrid=("hybrid", numbers, attributes))
    try:
        factor, _ = conversion(coordinate, "hPa")
    except ValueError as problem:
        raise ValueError(
            f"its levels {found} are neither pressures nor hybrid or sigma levels"
        ) from problem
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


def _is_near_surface(variable: xr.DataArray, name: str) -> bool:
    """Return whether a field without levels is at the height of its ARL field, if it has one."""
    if name not in ("T02M", "U10M", "V10M"):
        return True
    for coordinate in variable.coords.values():
        if standard_name(coordinate) == "height" and coordinate.ndim == 0:
            low = float(coordinate) <= _HIGHEST_OF_TWO_METRE_M
            return low if name == "T02M" else not low
    return True

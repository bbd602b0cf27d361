"""Any dataset that follows the CF conventions: fields by standard name, in whatever unit.

Axes are recognised by ``standard_name``, ``axis`` and units. Levels are pressures, or hybrid or
sigma levels whose ``formula_terms`` name their coefficients.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from stilt.meteorology.formats.cf_attributes import (
    UnsuitableFileError,
    conversion,
    is_mean_over_time,
    standard_name,
)
from stilt.meteorology.formats.cf_axes import HEIGHT_M, with_known_axes
from stilt.meteorology.formats.cf_maps import MAP_X, MAP_Y
from stilt.meteorology.formats.dataset import DatasetFormat
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
    "grid_eastward_wind": ("UWND", "m s-1", 1.0),
    "grid_northward_wind": ("VWND", "m s-1", 1.0),
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
    "grid_eastward_wind": ("U10M", "m s-1", 1.0),
    "grid_northward_wind": ("V10M", "m s-1", 1.0),
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
_PLACE_AND_TIME = {"latitude", "longitude", "time", "lat", "lon", "valid_time", MAP_Y, MAP_X}
_HEIGHTS_M = {"T02M": (1.0, 3.0), "U10M": (5.0, 15.0), "V10M": (5.0, 15.0)}
"""Heights above the ground at which fields near it may be."""


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
        seen: dict[tuple[str, frozenset[object]], str] = {}
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
            if is_upper and not is_mean_over_time(variable):
                twin = seen.setdefault((own, frozenset(variable.dims)), name)
                if twin != name:
                    raise UnsuitableFileError(
                        f"its fields {twin} and {name} are both {own}; leave out the one that is "
                        "not to be used"
                    )
            factor, offset = conversion(variable, unit)
            is_earthward = _is_earthward(variable)
            field = Field(
                arl, factor * after, int(is_earthward), False, offset * after, is_earthward
            )
            (upper if is_upper else surface)[name.lower()] = field
        return Product(self.product.name, self.product.source, surface, upper)


def _is_earthward(variable: xr.DataArray) -> bool:
    """Return whether a field is a component towards east or north.

    cfgrib names all winds of GRIB files so, also those along the grid; ``grid_eastward_wind`` is
    the former name of ``x_wind``.
    """
    own = standard_name(variable)
    along_grid = own.startswith("grid_") or variable.attrs.get("GRIB_uvRelativeToGrid") == 1
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


def _is_near_surface(variable: xr.DataArray, name: str) -> bool:
    """Return whether a field without levels is at the height of its ARL field, if it has one."""
    lowest, highest = _HEIGHTS_M.get(name, (-np.inf, np.inf))
    if HEIGHT_M in variable.attrs:
        return bool(lowest <= variable.attrs[HEIGHT_M] <= highest)
    # xarray gives a field all scalar coordinates of its dataset.
    named = str(variable.encoding.get("coordinates", "")).split() or list(map(str, variable.coords))
    heights = [
        float(coordinate) * conversion(coordinate, "m")[0]
        for name, coordinate in variable.coords.items()
        if name in named and coordinate.ndim == 0 and standard_name(coordinate) == "height"
    ]
    return not heights or any(lowest <= height <= highest for height in heights)

"""ERA5 on pressure or model levels: NetCDF and GRIB of the Climate Data Store, Zarr stores.

Names, units and signs are those of ECMWF's parameter database; variables in other units are
converted by their attributes. The sign of fluxes that ECMWF counts positive downward is reversed;
J m-2 are accumulated over the hour that ends at the valid time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import xarray as xr

from stilt.meteorology.formats.cf import CFFormat
from stilt.meteorology.formats.cf_attributes import (
    conversion,
    has_known_unit,
    is_convertible,
)
from stilt.meteorology.formats.dataset import DatasetFormat
from stilt.meteorology.formats.era5_grib import era5_grib
from stilt.meteorology.formats.fields import STANDARD_GRAVITY_M_S2, Field, Product
from stilt.meteorology.formats.grib_messages import is_grib
from stilt.meteorology.records import AnalysisRef, FieldNames, FileIndex, RawAnalysis, Window

_PER_GRAVITY = 1.0 / STANDARD_GRAVITY_M_S2
_PER_HOUR = 1.0 / 3600.0

_SURFACE: dict[tuple[str, ...], Field] = {
    ("sp", "surface_pressure"): Field("PRSS", 0.01),
    ("lnsp", "logarithm_of_surface_pressure"): Field("PRSS", 0.01, rank=1, is_logarithm=True),
    ("z", "geopotential_at_surface"): Field("SHGT", _PER_GRAVITY),
    ("t2m", "2t", "2m_temperature"): Field("T02M"),
    ("u10", "10u", "10m_u_component_of_wind"): Field("U10M"),
    ("v10", "10v", "10m_v_component_of_wind"): Field("V10M"),
    ("blh", "boundary_layer_height"): Field("PBLH"),
    ("fsr", "forecast_surface_roughness"): Field("RGHS"),
    ("zust", "friction_velocity"): Field("USTR"),
    ("iews", "instantaneous_eastward_turbulent_surface_stress"): Field("UMOF"),
    ("inss", "instantaneous_northward_turbulent_surface_stress"): Field("VMOF"),
    ("ishf", "instantaneous_surface_sensible_heat_flux"): Field("SHTF", -1.0),
    ("sshf", "surface_sensible_heat_flux"): Field("SHTF", -_PER_HOUR, rank=1),
    ("slhf", "surface_latent_heat_flux"): Field("LHTF", -_PER_HOUR),
    ("ssrd", "surface_solar_radiation_downwards"): Field("DSWF", _PER_HOUR),
    ("tp", "total_precipitation"): Field("TPP1"),
    ("cp", "convective_precipitation"): Field("CPP1"),
    ("tcc", "total_cloud_cover"): Field("TCLD", 100.0),
    ("lcc", "low_cloud_cover"): Field("LCLD", 100.0),
}
_UPPER: dict[tuple[str, ...], Field] = {
    ("u", "u_component_of_wind"): Field("UWND"),
    ("v", "v_component_of_wind"): Field("VWND"),
    ("w", "vertical_velocity"): Field("WWND", 0.01),
    ("t", "temperature"): Field("TEMP"),
    ("q", "specific_humidity"): Field("SPHU"),
    ("r", "relative_humidity"): Field("RELH", rank=1),
    ("z", "geopotential"): Field("HGTS", _PER_GRAVITY),
}


_WIND = "m s-1"
_UNITS = {
    "PRSS": "Pa", "SHGT": "m2 s-2", "HGTS": "m2 s-2", "T02M": "K", "TEMP": "K", "U10M": _WIND,
    "V10M": _WIND, "UWND": _WIND, "VWND": _WIND, "USTR": _WIND, "WWND": "Pa s-1", "PBLH": "m",
    "RGHS": "m", "UMOF": "Pa", "VMOF": "Pa", "SHTF": "W m-2", "LHTF": "W m-2", "DSWF": "W m-2",
    "TPP1": "m", "CPP1": "m", "TCLD": "1", "LCLD": "1", "SPHU": "1", "RELH": "%",
}  # fmt: skip
"""ECMWF's units by ARL's names, for fluxes those of a mean."""

_COLLECTED = "J m-2"


def by_name(table: Mapping[tuple[str, ...], Field]) -> dict[str, Field]:
    """Return fields by each of their names."""
    return {name: field for names, field in table.items() for name in names}


ERA5 = Product("era5", "ERA5", by_name(_SURFACE), by_name(_UPPER))


class Era5Format(DatasetFormat):
    """ERA5 in NetCDF or GRIB files, or in Zarr stores."""

    product = ERA5

    def __init__(self) -> None:
        self._grib = era5_grib(ERA5)

    def recognises(self, path: str) -> bool:
        """Return whether a file is ECMWF's GRIB, or has fields with names of ERA5.

        ERA5's names of winds in capitals are also those of other products: with standard names
        such a file is a CF dataset.
        """
        if is_grib(path):
            return self._grib.recognises(path)
        if not super().recognises(path):
            return False
        try:
            if any(name.islower() for name in self.known_variables(path)):
                return True
        except (OSError, ValueError):
            return True
        return not CFFormat().recognises(path)

    def product_of(self, data: xr.Dataset) -> Product:
        """Return the fields of a dataset, converted where variables are in other units.

        Raises:
            UnsuitableFileError: a unit is of another kind.
        """
        told = {
            str(name).lower(): variable
            for name, variable in data.data_vars.items()
            if "units" in variable.attrs and has_known_unit(variable)
        }

        def converted(table: Mapping[str, Field]) -> dict[str, Field]:
            return {
                name: _converted(field, told[name]) if name in told else field
                for name, field in table.items()
            }

        return replace(
            self.product,
            surface=converted(self.product.surface),
            upper=converted(self.product.upper),
        )

    def scan(self, path: str, window: Window | None = None) -> FileIndex:
        """List what a file or a store holds."""
        return self._grib.scan(path) if is_grib(path) else super().scan(path, window)

    def read(self, ref: AnalysisRef, variables: Collection[str] | None = None) -> RawAnalysis:
        """Read what a file holds of one analysis."""
        return self._grib.read(ref, variables) if ref.messages else super().read(ref, variables)

    def fields(self, ref: AnalysisRef) -> FieldNames:
        """Return the names of what :meth:`read` would give."""
        return self._grib.fields(ref) if ref.messages else super().fields(ref)


def _converted(field: Field, variable: xr.DataArray) -> Field:
    """Return a field whose variable is converted to ECMWF's unit, or height to geopotential."""
    if field.is_logarithm:
        return field
    unit, factor = _UNITS[field.name], field.factor
    if abs(factor) == _PER_HOUR and not is_convertible(variable, unit):
        unit = _COLLECTED
    elif abs(factor) == _PER_HOUR:
        factor *= 3600.0
    elif unit == "m2 s-2" and is_convertible(variable, "m"):
        unit, factor = "m", 1.0
    scale, offset = conversion(variable, unit)
    return replace(field, factor=factor * scale, offset=factor * offset)

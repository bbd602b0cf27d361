"""Datasets with CF standard names, in units and axes that are not those of weather files here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from stilt.meteorology.records import RawAnalysis

UPPER = {
    "UWND": ("eastward_wind", "km h-1", 3.6, 0.0),
    "VWND": ("northward_wind", "m s-1", 1.0, 0.0),
    "WWND": ("lagrangian_tendency_of_air_pressure", "Pa s-1", 100.0, 0.0),
    "TEMP": ("air_temperature", "degC", 1.0, -273.15),
    "SPHU": ("specific_humidity", "g kg-1", 1000.0, 0.0),
    "HGTS": ("geopotential_height", "km", 0.001, 0.0),
}
"""ARL's name: standard name, unit, and what makes it of ARL's unit: factor and offset."""

SURFACE = {
    "PRSS": ("surface_air_pressure", "Pa", 100.0, 0.0),
    "SHGT": ("surface_altitude", "m", 1.0, 0.0),
    "T02M": ("air_temperature", "K", 1.0, 0.0),
    "U10M": ("eastward_wind", "m s-1", 1.0, 0.0),
    "V10M": ("northward_wind", "m s-1", 1.0, 0.0),
    "PBLH": ("atmosphere_boundary_layer_thickness", "m", 1.0, 0.0),
    "USTR": ("friction_velocity", "cm s-1", 100.0, 0.0),
    "SHTF": ("surface_downward_sensible_heat_flux", "W m-2", -1.0, 0.0),
    "LHTF": ("surface_upward_latent_heat_flux", "W m-2", 1.0, 0.0),
    "DSWF": ("surface_downwelling_shortwave_flux_in_air", "W m-2", 1.0, 0.0),
}


def cf_dataset(analyses: Sequence[RawAnalysis]) -> xr.Dataset:
    """Return analyses on pressure levels, all fields in one dataset with names of no meaning."""
    grid = analyses[0].grid
    lon, lat = grid.to_lonlat(np.arange(grid.nx), 0)[0], grid.to_lonlat(0, np.arange(grid.ny))[1]
    variables = {}
    for place, table, dims in (("upper", UPPER, "tzyx"), ("surface", SURFACE, "tyx")):
        for name, (standard, unit, factor, offset) in table.items():
            if name in getattr(analyses[0], place):
                values = np.stack([getattr(raw, place)[name] for raw in analyses])
                values = (values.astype(float) * factor + offset).astype(np.float32)
                attributes = {"standard_name": standard, "units": unit}
                variables[f"{place}{len(variables)}"] = (list(dims), values, attributes)
    pressures = 100.0 * np.asarray(grid.levels)
    return xr.Dataset(
        variables,
        {
            "when": ("t", np.array([raw.time for raw in analyses], "datetime64[ns]"),
                     {"standard_name": "time"}),
            "z": ("z", pressures, {"standard_name": "air_pressure", "units": "Pa"}),
            "y": ("y", lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "x": ("x", lon, {"standard_name": "longitude", "units": "degrees_east"}),
        },
    )  # fmt: skip

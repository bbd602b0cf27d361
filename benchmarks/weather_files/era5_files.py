"""Files as the Climate Data Store gives ERA5, written from analyses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from stilt.meteorology.formats.fields import STANDARD_GRAVITY_M_S2
from stilt.meteorology.records import RawAnalysis

UPPER = {
    "u": ("UWND", 1.0), "v": ("VWND", 1.0), "w": ("WWND", 100.0), "t": ("TEMP", 1.0),
    "q": ("SPHU", 1.0), "z": ("HGTS", STANDARD_GRAVITY_M_S2),
}  # fmt: skip
"""ECMWF's name: ARL's, and the factor from its unit to ECMWF's."""

SURFACE = {
    "sp": ("PRSS", 100.0), "z": ("SHGT", STANDARD_GRAVITY_M_S2), "t2m": ("T02M", 1.0),
    "u10": ("U10M", 1.0), "v10": ("V10M", 1.0), "blh": ("PBLH", 1.0), "zust": ("USTR", 1.0),
    "ishf": ("SHTF", -1.0), "slhf": ("LHTF", -3600.0), "ssrd": ("DSWF", 3600.0),
}  # fmt: skip


def surface_dataset(analyses: Sequence[RawAnalysis]) -> xr.Dataset:
    """Return the surface fields as the store gives them: from north to south, in ECMWF's units."""
    return _dataset(analyses, SURFACE, "surface", {})


def level_dataset(analyses: Sequence[RawAnalysis], name: str = "pressure_level") -> xr.Dataset:
    """Return the fields on pressure levels as the store gives them."""
    levels = (name, list(analyses[0].grid.levels), {"units": "hPa"})
    return _dataset(analyses, UPPER, "upper", {name: levels})


def _dataset(analyses, table, place, level) -> xr.Dataset:
    grid = analyses[0].grid
    lon, lat = grid.to_lonlat(np.arange(grid.nx), 0)[0], grid.to_lonlat(0, np.arange(grid.ny))[1]
    dims = ("valid_time", *level, "latitude", "longitude")
    variables = {
        name: (dims, np.stack([getattr(raw, place)[arl] * np.float32(factor) for raw in analyses]))
        for name, (arl, factor) in table.items()
        if arl in getattr(analyses[0], place)
    }
    data = xr.Dataset(
        variables,
        {
            "valid_time": np.array([raw.time for raw in analyses]).astype("datetime64[ns]"),
            "latitude": lat,
            "longitude": lon,
            **level,
        },
    )
    return data.isel(latitude=slice(None, None, -1))


def write_era5(folder: Path, analyses: Sequence[RawAnalysis]) -> None:
    """Write two files, as the store does: one of pressure levels, one of the surface."""
    folder.mkdir(parents=True, exist_ok=True)
    level_dataset(analyses).to_netcdf(folder / "pressure-levels.nc")
    surface_dataset(analyses).to_netcdf(folder / "single-levels.nc")

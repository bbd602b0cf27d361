"""Datasets with CF standard names, in units and axes that are not those of weather files here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from stilt.meteorology.grids import EARTH_RADIUS_M, MetGrid
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.rotated_grid import RotatedGrid

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


MAP_RADIUS_M = 6_371_229.0
"""Of the sphere of the maps that are written: NCEP's."""


def mapping_of(grid: MetGrid) -> dict[str, object]:
    """Return the attributes of the CF grid mapping of a grid without orientation."""
    if isinstance(grid, RotatedGrid):
        return {
            "grid_mapping_name": "rotated_latitude_longitude",
            "grid_north_pole_latitude": grid.grid_north_pole_lat,
            "grid_north_pole_longitude": grid.grid_north_pole_lon,
            "north_pole_grid_longitude": grid.north_pole_grid_lon, "earth_radius": MAP_RADIUS_M,
        }  # fmt: skip
    common = {"earth_radius": MAP_RADIUS_M, "false_easting": 0.0, "false_northing": 0.0}
    if abs(grid.cone_lat) == 90.0:
        return {
            "grid_mapping_name": "polar_stereographic", "standard_parallel": grid.ref_lat,
            "straight_vertical_longitude_from_pole": grid.ref_lon,
            "latitude_of_projection_origin": grid.cone_lat, **common,
        }  # fmt: skip
    if grid.cone_lat == 0.0:
        return {
            "grid_mapping_name": "mercator", "standard_parallel": grid.ref_lat,
            "longitude_of_projection_origin": grid.ref_lon, **common,
        }  # fmt: skip
    if grid.cone_lat != grid.ref_lat:
        raise ValueError("the cells of a Lambert grid must have their size at the cone's latitude")
    return {
        "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": grid.ref_lat,
        "longitude_of_central_meridian": grid.ref_lon,
        "latitude_of_projection_origin": grid.ref_lat, **common,
    }  # fmt: skip


def cf_on_map(
    analyses: Sequence[RawAnalysis],
    *,
    earthward: bool = False,
    mapping: bool = True,
    nodes: bool = False,
    unit: str = "m",
) -> xr.Dataset:
    """Return analyses on a conformal grid or about a rotated pole, rows from north to south.

    Args:
        analyses: on pressure levels, winds along the grid.
        earthward: whether winds are written towards east and north.
        mapping: whether projection coordinates and their grid mapping are written.
        nodes: whether longitude and latitude of each node are written.
        unit: of projection coordinates.
    """
    grid = analyses[0].grid
    lon, lat = grid.to_lonlat(*np.meshgrid(np.arange(grid.nx), np.arange(grid.ny)))
    if earthward:
        analyses = [_towards_east_and_north(raw, lon, lat) for raw in analyses]
    data = cf_dataset(analyses).drop_vars(["x", "y"])
    for field in data.values():
        if not earthward:
            name = str(field.attrs["standard_name"])
            name = name.replace("eastward_wind", "x_wind").replace("northward_wind", "y_wind")
            field.attrs["standard_name"] = name
    if mapping:
        along_x, along_y = _own_lonlat(grid) if grid.kind == "rotated" else _on_map(grid, unit)
        data = data.assign_coords(
            {"x": along_x.assign_attrs(axis="X"), "y": along_y.assign_attrs(axis="Y")}
        )
        data["crs"] = ((), 0, mapping_of(grid))
        for name in data:
            if {"x", "y"} <= set(data[name].dims):
                data[name].attrs["grid_mapping"] = "crs"
    if nodes:
        data["nav_lat"] = (("y", "x"), lat.astype(np.float32), {"standard_name": "latitude"})
        data["nav_lon"] = (("y", "x"), lon.astype(np.float32), {"standard_name": "longitude"})
    return data.isel(y=slice(None, None, -1))


def _on_map(grid: MetGrid, unit: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the projection coordinates of columns and rows, as pyproj has them."""
    crs = CRS.from_cf(mapping_of(grid))
    to_map = Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
    first = to_map.transform(*(float(each) for each in grid.to_lonlat(0.0, 0.0)))
    step = 1000.0 * grid.size_km * MAP_RADIUS_M / EARTH_RADIUS_M
    share = {"m": 1.0, "km": 0.001}[unit]
    x, y = (
        xr.DataArray(
            share * (start + step * np.arange(count)), dims=axis,
            attrs={"standard_name": f"projection_{axis}_coordinate", "units": unit},
        )
        for axis, start, count in zip("xy", first, (grid.nx, grid.ny), strict=True)
    )  # fmt: skip
    return x, y


def _own_lonlat(grid: MetGrid) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the longitudes of columns and the latitudes of rows about the grid's own pole."""
    lon, lat = grid.own_lonlat(np.arange(grid.nx), np.arange(grid.ny))
    x, y = (
        xr.DataArray(values, dims=axis, attrs={"standard_name": f"grid_{name}", "units": "degrees"})
        for axis, name, values in (("x", "longitude", lon), ("y", "latitude", lat))
    )
    return x, y


def _towards_east_and_north(
    raw: RawAnalysis, lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> RawAnalysis:
    turn = raw.grid.wind_rotation_rad(lon, lat)
    surface, upper = dict(raw.surface), dict(raw.upper)
    for fields, u, v in ((surface, "U10M", "V10M"), (upper, "UWND", "VWND")):
        along_x, along_y = fields[u].astype(float), fields[v].astype(float)
        fields[u] = (along_x * np.cos(turn) + along_y * np.sin(turn)).astype(np.float32)
        fields[v] = (along_y * np.cos(turn) - along_x * np.sin(turn)).astype(np.float32)
    return replace(raw, surface=surface, upper=upper)

"""Files as WRF writes them, small, from analyses: staggered, perturbed and mass-coupled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stilt.meteorology.formats.wrf_grid import WRF_RADIUS_M
from stilt.meteorology.formats.wrf_physics import GRAVITY_M_S2, MODEL_TOP_M
from stilt.meteorology.grids import EARTH_RADIUS_M, MetGrid
from stilt.meteorology.records import RawAnalysis

P_TOP_PA = 1000.0
_MASS = ("Time", "bottom_top", "south_north", "west_east")
_FLAT = ("Time", "south_north", "west_east")
_U = ("Time", "bottom_top", "south_north", "west_east_stag")
_V = ("Time", "bottom_top", "south_north_stag", "west_east")
_W = ("Time", "bottom_top_stag", "south_north", "west_east")
_SURFACE = {
    "PSFC": ("PRSS", 100.0), "HGT": ("SHGT", 1.0), "T2": ("T02M", 1.0), "U10": ("U10M", 1.0),
    "V10": ("V10M", 1.0), "PBLH": ("PBLH", 1.0), "UST": ("USTR", 1.0), "HFX": ("SHTF", 1.0),
    "LH": ("LHTF", 1.0), "SWDOWN": ("DSWF", 1.0), "ZNT": ("RGHS", 1.0),
}  # fmt: skip
C1, C2_PA = 0.7, 4000.0
"""Coefficients of an invented hybrid coordinate, the same on all levels."""


def mean(field: NDArray, axis: int) -> NDArray:
    """Return the mean of neighbours along an axis."""
    lower = np.take(field, range(field.shape[axis] - 1), axis)
    return 0.5 * (lower + np.take(field, range(1, field.shape[axis]), axis))


def faces_whose_mean_is(field: NDArray, axis: int, first: NDArray | float = 0.0) -> NDArray:
    """Return values on faces, from one at the first, whose means are a field."""
    field = np.moveaxis(np.asarray(field, float), axis, 0)
    out = np.zeros((len(field) + 1, *field.shape[1:]))
    out[0] = first
    for number, value in enumerate(field):
        out[number + 1] = 2.0 * value - out[number]
    return np.moveaxis(out, 0, axis)


def on_faces(raw: RawAnalysis) -> RawAnalysis:
    """Return an analysis with winds where arw2arl writes WRF's, under its model id.

    They are on the western, southern and lower faces of cells: the means of the cells on either
    side, at the edges the value of one; nothing passes the ground.
    """

    def lower_faces(name: str, axis: int, first: NDArray) -> NDArray:
        field = raw.upper[name]
        return np.concatenate([first, mean(field, axis)], axis).astype(np.float32)

    u, v, w = (raw.upper[name] for name in ("UWND", "VWND", "WWND"))
    upper = {
        **raw.upper,
        "UWND": lower_faces("UWND", 2, u[:, :, :1]),
        "VWND": lower_faces("VWND", 1, v[:, :1]),
        "WWND": lower_faces("WWND", 0, 0.0 * w[:1]),
    }
    return replace(raw, grid=replace(raw.grid, source="AWRF"), upper=upper)


def true_vertical_motion(raw: RawAnalysis) -> NDArray:
    """Return dz/dt above sea level of air whose motion over the rising ground is DZDT."""
    u, v, terrain = raw.upper["UWND"], raw.upper["VWND"], raw.surface["SHGT"].astype(float)
    dx, dy = raw.grid.spacing_m()
    shrink = EARTH_RADIUS_M / WRF_RADIUS_M
    rise_y, rise_x = np.gradient(terrain)
    follows = 1.0 - (raw.upper["HGTS"] - terrain) / (MODEL_TOP_M - terrain)
    return raw.upper["DZDT"] + (u * rise_x / dx + v * rise_y / dy) * shrink * follows


def wrf_dataset(
    analyses: Sequence[RawAnalysis],
    attributes: dict,
    *,
    start: np.datetime64 | None = None,
    averaged: bool = False,
    rain_mm_h: float = 0.5,
) -> xr.Dataset:
    """Return the dataset of a wrfout file.

    Args:
        analyses: with PRES, HGTS, SPHU and DZDT aloft, on one conformal grid.
        attributes: of the map projection, see :func:`lambert_attributes`.
        start: when WRF's run began; at the first time when None.
        averaged: write mass-coupled averaged winds that say the same, and winds of the time that
            are twice as fast.
        rain_mm_h: rain, a third of it convective, since the run began.
    """
    grid = analyses[0].grid
    start = analyses[0].time if start is None else start
    lon, lat = grid.to_lonlat(*np.meshgrid(np.arange(grid.nx), np.arange(grid.ny)))
    factor = attributes["DX"] / (grid.spacing_m()[0] * WRF_RADIUS_M / EARTH_RADIUS_M)
    fields: dict[str, tuple[tuple[str, ...], list[NDArray]]] = {}

    def add(name: str, dims: tuple[str, ...], value: NDArray) -> None:
        fields.setdefault(name, (dims, []))[1].append(np.asarray(value, np.float32))

    for raw in analyses:
        for name, (arl, scale) in _SURFACE.items():
            if arl in raw.surface:
                add(name, _FLAT, raw.surface[arl].astype(float) * scale)
        add("XLAT", _FLAT, lat)
        add("XLONG", _FLAT, lon)
        for name in ("MAPFAC_MX", "MAPFAC_MY"):
            add(name, _FLAT, factor)
        _thermodynamics(add, raw)
        _winds(add, raw, factor, averaged)
        hours = float((raw.time - start) / np.timedelta64(1, "h"))
        for name, share in (("RAINC", 1 / 3), ("RAINNC", 2 / 3)):
            add(name, _FLAT, np.full(lat.shape, rain_mm_h * share * hours))
        add("ZNU", ("Time", "bottom_top"), np.array(grid.levels))
        add("P_TOP", ("Time",), np.float32(P_TOP_PA))
        add("XTIME", ("Time",), np.float32(60.0 * hours))
    data = xr.Dataset({name: (dims, np.stack(each)) for name, (dims, each) in fields.items()})
    texts = [str(raw.time.astype("datetime64[s]")).replace("T", "_") for raw in analyses]
    data["Times"] = (("Time",), np.array(texts, "S19"))
    began = str(start.astype("datetime64[s]")).replace("T", "_")
    data.attrs = {
        "TITLE": " OUTPUT FROM WRF V4.4 MODEL", "GRID_ID": 1, "SIMULATION_START_DATE": began,
        "START_DATE": began, **attributes,
    }  # fmt: skip
    return data


def lambert_attributes(grid: MetGrid, first: float, second: float) -> dict:
    """Return a file's attributes of a grid whose cone cuts the sphere at two true latitudes."""
    size = 1000.0 * grid.size_km * WRF_RADIUS_M / EARTH_RADIUS_M
    return {
        "MAP_PROJ": 1, "TRUELAT1": first, "TRUELAT2": second, "STAND_LON": grid.ref_lon,
        "DX": size, "DY": size,
    }  # fmt: skip


def _thermodynamics(add, raw: RawAnalysis) -> None:
    pressure = raw.upper["PRES"].astype(float) * 100.0
    base = pressure.mean(axis=(1, 2), keepdims=True) + 0.0 * pressure
    add("PB", _MASS, base)
    add("P", _MASS, pressure - base)
    theta = raw.upper["TEMP"].astype(float) * (1e5 / pressure) ** (2.0 / 7.0)
    add("T", _MASS, theta - 300.0)
    humidity = raw.upper["SPHU"].astype(float)
    add("QVAPOR", _MASS, humidity / (1.0 - humidity))
    height = faces_whose_mean_is(raw.upper["HGTS"], 0, raw.surface["SHGT"])
    ground = np.broadcast_to(raw.surface["SHGT"].astype(float), height.shape)
    add("PHB", _W, GRAVITY_M_S2 * ground)
    add("PH", _W, GRAVITY_M_S2 * (height - ground))


def _winds(add, raw: RawAnalysis, factor: NDArray, averaged: bool) -> None:
    along_x, along_y = raw.upper["UWND"], raw.upper["VWND"]
    u = faces_whose_mean_is(along_x, 2, along_x[:, :, 0])
    v = faces_whose_mean_is(along_y, 1, along_y[:, 0])
    w = faces_whose_mean_is(true_vertical_motion(raw), 0)
    scale = 2.0 if averaged else 1.0
    add("U", _U, scale * u)
    add("V", _V, scale * v)
    add("W", _W, scale * w)
    if not averaged:
        return
    mass = raw.surface["PRSS"].astype(float) * 100.0 - P_TOP_PA
    add("MUB", _FLAT, 0.9 * mass)
    add("MU", _FLAT, 0.1 * mass)
    levels = len(raw.grid.levels)
    add("C1H", ("Time", "bottom_top"), np.full(levels, C1))
    add("C2H", ("Time", "bottom_top"), np.full(levels, C2_PA))
    for name, wind, axis, dims, map_name in (
        ("RUM", u, -1, _U, "UY"), ("RVM", v, -2, _V, "VX"),
    ):  # fmt: skip
        edge = [(0, 0), (0, 0)]
        edge[axis] = (1, 1)
        of_faces = mean(np.pad(mass, edge, mode="edge"), axis)
        map_factor = mean(np.pad(factor, edge, mode="edge"), axis)
        add(f"MU{name[1]}", ("Time", *dims[2:]), of_faces)
        add(f"MAPFAC_{map_name}", ("Time", *dims[2:]), map_factor)
        add(f"AVGFLX_{name}", dims, wind * (C1 * of_faces + C2_PA) / map_factor)
    add("AVGFLX_WWM", _W, faces_whose_mean_is(_mass_flux(raw, factor), 0))


def _mass_flux(raw: RawAnalysis, factor: NDArray) -> NDArray:
    """Dry mass through the levels, Pa/s downward over the map factor, at mass points."""
    u, v, height = (raw.upper[name].astype(float) for name in ("UWND", "VWND", "HGTS"))
    dx, dy = raw.grid.spacing_m()
    shrink = EARTH_RADIUS_M / WRF_RADIUS_M
    along = (u * np.gradient(height, axis=2) / dx + v * np.gradient(height, axis=1) / dy) * shrink
    through = true_vertical_motion(raw) - along
    humidity = raw.upper["SPHU"].astype(float)
    ratio = humidity / (1.0 - humidity)
    pressure = raw.upper["PRES"].astype(float) * 100.0
    dry_density = pressure / (287.0 * raw.upper["TEMP"] * (1.0 + ratio * 461.6 / 287.0))
    return -through * dry_density * GRAVITY_M_S2 / factor


def write_wrf(folder: Path, data: xr.Dataset, domain: int = 1) -> Path:
    """Write a dataset under the name that WRF gives it."""
    folder.mkdir(parents=True, exist_ok=True)
    first = bytes(data["Times"].values[0]).decode()
    path = folder / f"wrfout_d0{domain}_{first}"
    data.assign_attrs(GRID_ID=domain).to_netcdf(
        path, encoding={"Times": {"char_dim_name": "DateStrLen"}}
    )
    return path

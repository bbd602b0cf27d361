"""One invented atmosphere, the demo's, written as each kind of weather file that ours reads.

All hold the same hours of the same atmosphere, on the grid and levels that the product has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.weather_files import cf_datasets, grib_files, zarr_stores
from benchmarks.weather_files.era5_files import level_dataset, surface_dataset, write_era5
from benchmarks.weather_files.truth import PRESSURES_HPA, on_grid, on_pressures, truth
from benchmarks.weather_files.wrf_files import lambert_attributes, on_faces, wrf_dataset, write_wrf
from stilt.constants import GAS_CONSTANT_DRY_AIR, GRAVITY_M_S2
from stilt.meteorology.formats.ncep import HRRR_FACES
from stilt.meteorology.grids import EARTH_RADIUS_M, conformal_grid, latlon_grid
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.rotated_grid import rotated_grid
from stilt.meteorology.writer import write_arl

FIRST, END = np.datetime64("2023-07-14T12:00", "m"), np.datetime64("2023-07-16T02:00", "m")
"""Time of the first analysis, and when an hour too late begins."""

# Large enough for an index of one record, which the reader beside HYSPLIT asks for.
_LATLON = latlon_grid(-114.5, 39.0, 0.08, 0.08, 63, 44, levels=(), vertical_flag=0)
_MAP_KM = 7.5 * EARTH_RADIUS_M / grib_files.HRRR_RADIUS_M
_MAP = conformal_grid(
    -112.0, 40.7, _MAP_KM, 63, 53, cone_lat=38.5, ref_lon=-97.5, levels=(), vertical_flag=0,
    source="HRRR",
)  # fmt: skip
# The middle of the area is on the grid's equator.
_ROTATED = rotated_grid(
    latlon_grid(-2.0, -1.7, 0.08, 0.08, 51, 44, levels=(), vertical_flag=0),
    pole_lat=49.3, pole_lon=68.0,
)  # fmt: skip
# Half levels, from the top down: hPa, and the share of the surface pressure.
_HALF_SIGMA = np.array(
    [0.03, 0.06, 0.1, 0.14, 0.18, 0.22, 0.27, 0.32, 0.37, 0.42, 0.47, 0.52, 0.57, 0.62, 0.67, 0.72,
     0.77, 0.81, 0.85, 0.885, 0.915, 0.94, 0.96, 0.975, 0.986, 0.994, 1.0]
)  # fmt: skip
_HYBRID_POWER = 1.6
_HALF_B = _HALF_SIGMA**_HYBRID_POWER
_HALF_A_HPA = 1000.0 * (_HALF_SIGMA - _HALF_B)
_HRRR_TOP_HPA = 20.0
_HRRR_LEVELS = 36
_TERRAIN_STEP_M = 8.0


class Kind(NamedTuple):
    """A kind of weather file.

    Attributes:
        form: name of the format in config.yaml.
        analyses: what the files hold.
        write: fills a folder with them.
        has_arl: whether an ARL header can describe the grid.
    """

    form: str
    analyses: Callable[[], Sequence[RawAnalysis]]
    write: Callable[[Path, Sequence[RawAnalysis]], None]
    has_arl: bool = True


@cache
def _atmosphere(on_map: bool = False) -> tuple[RawAnalysis, ...]:
    times = np.arange(FIRST, END, np.timedelta64(1, "h"))
    return tuple(on_grid(truth(time), _MAP if on_map else _LATLON) for time in times)


def _without(raw: RawAnalysis, *names: str) -> RawAnalysis:
    return replace(raw, upper={key: field for key, field in raw.upper.items() if key not in names})


@cache
def _pressure_levels(on_map: bool = False) -> tuple[RawAnalysis, ...]:
    levels = np.array(PRESSURES_HPA, float)
    return tuple(_without(on_pressures(raw, levels), "PRES") for raw in _atmosphere(on_map))


def _on_map() -> tuple[RawAnalysis, ...]:
    return _pressure_levels(on_map=True)


def _about_rotated_pole() -> tuple[RawAnalysis, ...]:
    levels = np.array(PRESSURES_HPA, float)
    times = np.arange(FIRST, END, np.timedelta64(1, "h"))
    return tuple(
        _without(on_pressures(on_grid(truth(time), _ROTATED), levels), "PRES") for time in times
    )


def _hybrid(a_hpa: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[RawAnalysis, ...]:
    """The atmosphere between half levels, which are given from the top down."""
    full_a, full_b = (0.5 * (half[1:] + half[:-1])[::-1] for half in (a_hpa, b))
    made = []
    for raw in _atmosphere():
        pressure = full_a[:, None, None] + full_b[:, None, None] * raw.surface["PRSS"]
        made.append(_without(on_pressures(raw, pressure), "HGTS"))
    return tuple(made)


@cache
def _model_levels() -> tuple[RawAnalysis, ...]:
    return _hybrid(_HALF_A_HPA, _HALF_B)


@cache
def _grib_model_levels() -> tuple[RawAnalysis, ...]:
    return _hybrid(0.01 * grib_files.HALF_A_PA, grib_files.HALF_B)


@cache
def _hrrr_levels() -> tuple[RawAnalysis, ...]:
    """The atmosphere on the lowest of HRRR's own levels."""
    faces = np.array(HRRR_FACES)
    sigma = (0.5 * (faces[:-1] + faces[1:]))[:_HRRR_LEVELS]
    made = []
    for raw in _atmosphere(on_map=True):
        pressure = _HRRR_TOP_HPA + sigma[:, None, None] * (raw.surface["PRSS"] - _HRRR_TOP_HPA)
        on_levels = _without(on_pressures(raw, pressure), "HGTS")
        levels = tuple(round(float(each), 6) for each in sigma)
        grid = replace(on_levels.grid, levels=levels, vertical_flag=1)
        made.append(replace(on_levels, grid=grid))
    return tuple(made)


@cache
def _wrf_levels() -> tuple[RawAnalysis, ...]:
    """The atmosphere on the demo's own grid and levels, with vertical motion in m/s."""
    made = []
    for time in np.arange(FIRST, END, np.timedelta64(1, "h")):
        raw = _with_terrain_that_arl_holds(truth(time))
        density = 100.0 * raw.upper["PRES"] / (GAS_CONSTANT_DRY_AIR * raw.upper["TEMP"])
        motion = (-100.0 * raw.upper["WWND"] / (density * GRAVITY_M_S2)).astype(np.float32)
        raw = _without(raw, "WWND")
        made.append(replace(raw, upper={**raw.upper, "DZDT": motion}))
    return tuple(made)


def _with_terrain_that_arl_holds(raw: RawAnalysis) -> RawAnalysis:
    """The atmosphere over terrain rounded to steps that ARL files pack without error.

    At the receptor aloft the mixed layer ends near an internal level, so that ground which ARL's
    packing moves by metres would decide up to which level particles are mixed.
    """
    terrain = raw.surface["SHGT"]
    rounded = (_TERRAIN_STEP_M * np.round(terrain / _TERRAIN_STEP_M)).astype(np.float32)
    heights = raw.upper["HGTS"] + (rounded - terrain)
    return replace(
        raw, surface={**raw.surface, "SHGT": rounded}, upper={**raw.upper, "HGTS": heights}
    )


def _netcdf_model_levels(folder: Path, analyses: Sequence[RawAnalysis]) -> None:
    """Write NetCDF files of hybrid levels, with their coefficients as GRIB files have them."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.arange(len(_HALF_B) - 1, 0, -1)
    pv = np.concatenate([100.0 * _HALF_A_HPA, _HALF_B])
    levels = level_dataset(analyses, "hybrid")
    levels = levels.assign_coords(hybrid=("hybrid", numbers, {"GRIB_pv": pv}))
    levels.to_netcdf(folder / "model-levels.nc")
    surface_dataset(analyses).to_netcdf(folder / "single-levels.nc")


def _era5_grib(folder: Path, analyses: Sequence[RawAnalysis]) -> None:
    grib_files.era5_levels(folder / "pressure-levels.grib", analyses)
    grib_files.era5_surface(folder / "single-levels.grib", analyses)


def _era5_grib_model_levels(folder: Path, analyses: Sequence[RawAnalysis]) -> None:
    grib_files.era5_model_levels(folder / "model-levels.grib", analyses)
    grib_files.era5_surface(folder / "single-levels.grib", analyses, leave_out=("sp", "z"))


def _arco(folder: Path, analyses: Sequence[RawAnalysis]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    zarr_stores.write_store(zarr_stores.arco_store(analyses), folder / "era5.zarr", time=1)


def _grib2(folder: Path, analyses: Sequence[RawAnalysis]) -> None:
    """Write a GRIB2 file an hour, as NCEP does."""
    for raw in analyses:
        hour = str(raw.time.astype("datetime64[h]")).replace("-", "").replace("T", "")
        grib_files.ncep(folder / f"{hour}.grib2", [raw])


def _cf(folder: Path, analyses: Sequence[RawAnalysis]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cf_datasets.cf_dataset(analyses).to_netcdf(folder / "weather.nc")


def _cf_map(folder: Path, analyses: Sequence[RawAnalysis]) -> None:
    """Write a file on a grid with axes of its own whose winds are towards east and north."""
    folder.mkdir(parents=True, exist_ok=True)
    cf_datasets.cf_on_map(analyses, earthward=True).to_netcdf(folder / "weather.nc")


def _wrfout(folder: Path, analyses: Sequence[RawAnalysis]) -> None:
    """Write a wrfout file an hour."""
    grid = analyses[0].grid
    attributes = lambert_attributes(grid, grid.ref_lat, grid.ref_lat)
    for raw in analyses:
        write_wrf(folder, wrf_dataset([raw], attributes, start=analyses[0].time))


def arl_of_wrf(folder: Path, file_format: str, hours_per_file: int) -> None:
    """Write ARL files as NOAA's arw2arl makes them of WRF's hybrid levels (vertical flag 5)."""
    made: dict[np.datetime64, list[RawAnalysis]] = {}
    for time in np.arange(FIRST, END, np.timedelta64(1, "h")):
        raw = truth(time)
        eta = np.array(raw.grid.levels)[:, None, None]
        share = eta**_HYBRID_POWER
        pressure = 1000.0 * (eta - share) + share * raw.surface["PRSS"]
        grid = replace(raw.grid, vertical_flag=5)
        hybrid = replace(_without(on_pressures(raw, pressure), "HGTS"), grid=grid)
        begin = time - (time - time.astype("datetime64[D]")) % np.timedelta64(hours_per_file, "h")
        made.setdefault(begin, []).append(on_faces(hybrid))
    for begin, analyses in made.items():
        name = begin.astype(object).strftime(file_format)
        write_arl(folder / name, analyses[0].grid, analyses)


KINDS = {
    "era5-pressure": Kind("era5", _pressure_levels, write_era5),
    "era5-model": Kind("era5", _model_levels, _netcdf_model_levels),
    "era5-grib-pressure": Kind("era5", _pressure_levels, _era5_grib),
    "era5-grib-model": Kind("era5", _grib_model_levels, _era5_grib_model_levels),
    "era5-zarr": Kind("era5", _pressure_levels, _arco),
    "hrrr-native": Kind("hrrr", _hrrr_levels, _grib2),
    "hrrr-pressure": Kind("hrrr", _on_map, _grib2),
    "gfs": Kind("gfs", _pressure_levels, _grib2),
    "wrf": Kind("wrf", _wrf_levels, _wrfout),
    "cf": Kind("cf", _pressure_levels, _cf),
    "cf-map": Kind("cf", _on_map, _cf_map),
    "cf-rotated": Kind("cf", _about_rotated_pole, _cf_map, has_arl=False),
}
"""Kinds of weather files that the atmosphere is written as."""

"""ERA5, HRRR and GFS in GRIB as archives give them, written from analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.weather_files.era5_files import SURFACE as ERA5_SURFACE
from benchmarks.weather_files.era5_files import UPPER as ERA5_UPPER
from stilt.meteorology.formats.fields import STANDARD_GRAVITY_M_S2
from stilt.meteorology.formats.grib_messages import eccodes as library
from stilt.meteorology.grids import EARTH_RADIUS_M, MetGrid, conformal_grid
from stilt.meteorology.records import RawAnalysis

eccodes = library()
"""ecCodes, imported after pyproj, as the package does."""

HRRR_RADIUS_M = 6_371_229.0
LAMBERT = conformal_grid(
    -112.0, 40.7, 12.0 * EARTH_RADIUS_M / HRRR_RADIUS_M, 41, 33, cone_lat=38.5, ref_lon=-97.5,
    levels=(), vertical_flag=0, source="HRRR",
)  # fmt: skip
"""Nodes within the demo's area, 12 km apart on HRRR's sphere."""

HALF_A_PA = np.concatenate([[0.0], np.linspace(2000.0, 6000.0, 14), np.linspace(5500.0, 0.0, 16)])
HALF_B = np.concatenate([np.zeros(8), np.linspace(0.01, 1.0, 23) ** 0.8])
"""Invented half levels from the top, 30 full ones between them; pressure is 0 at the top."""

_ERA5_NAMES = {"t2m": "2t", "u10": "10u", "v10": "10v"}
_AMOUNTS = ("slhf", "ssrd")

NCEP_UPPER = {
    "UWND": (0, 2, 2, 1.0), "VWND": (0, 2, 3, 1.0), "WWND": (0, 2, 8, 100.0),
    "TEMP": (0, 0, 0, 1.0), "SPHU": (0, 1, 0, 1.0), "PRES": (0, 3, 0, 100.0),
    "HGTS": (0, 3, 5, 1.0),
}  # fmt: skip
"""ARL's name: discipline, category, number, and the factor from ARL's unit."""

NCEP_SURFACE = {
    "PRSS": (0, 3, 0, 100.0, 1, 0), "SHGT": (0, 3, 5, 1.0, 1, 0), "T02M": (0, 0, 0, 1.0, 103, 2),
    "U10M": (0, 2, 2, 1.0, 103, 10), "V10M": (0, 2, 3, 1.0, 103, 10),
    "PBLH": (0, 3, 196, 1.0, 1, 0), "USTR": (0, 2, 197, 1.0, 1, 0), "SHTF": (0, 0, 11, 1.0, 1, 0),
    "LHTF": (0, 0, 10, 1.0, 1, 0), "DSWF": (0, 4, 192, 1.0, 1, 0),
}  # fmt: skip
"""The same with type and value of the surface."""


def hybrid_pressures_hpa(ground_hpa: np.ndarray) -> np.ndarray:
    """Pressure on the invented model levels, from the ground up."""
    a, b = 0.5 * (HALF_A_PA[:-1] + HALF_A_PA[1:]), 0.5 * (HALF_B[:-1] + HALF_B[1:])
    return (0.01 * a[:, None, None] + b[:, None, None] * ground_hpa)[::-1]


class GribFile:
    """A file that messages are added to.

    Args:
        path: where.
        keys: of every message, in the order in which they are set.
        edition: of GRIB.
    """

    def __init__(self, path: Path, keys: Mapping[str, Any], edition: int = 2) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._base = eccodes.codes_grib_new_from_samples(f"regular_ll_pl_grib{edition}")
        for key, value in keys.items():
            eccodes.codes_set(self._base, key, value)

    def __enter__(self) -> GribFile:
        return self

    def __exit__(self, *_: object) -> None:
        eccodes.codes_release(self._base)
        self._file.close()

    def add(self, values: np.ndarray, keys: Mapping[str, Any]) -> None:
        """Write one message: rows as the file has them."""
        handle = eccodes.codes_clone(self._base)
        for key, value in keys.items():
            if key == "pv":
                eccodes.codes_set(handle, "PVPresent", 1)
                eccodes.codes_set_array(handle, "pv", value)
            else:
                eccodes.codes_set(handle, key, value)
        eccodes.codes_set(handle, "bitsPerValue", 24)
        eccodes.codes_set_values(handle, np.asarray(values, float).ravel())
        eccodes.codes_write(handle, self._file)
        eccodes.codes_release(handle)


def latlon_keys(grid: MetGrid) -> dict[str, Any]:
    """Keys of a regular grid, rows from the north, longitudes from 0 to 360."""
    (west, east), _ = grid.unwrapped_lonlat(np.array([0.0, grid.nx - 1.0]), np.zeros(2))
    south, north = grid.unwrapped_lonlat(np.zeros(2), np.array([0.0, grid.ny - 1.0]))[1]
    return {
        "Ni": grid.nx, "Nj": grid.ny,
        "latitudeOfFirstGridPointInDegrees": north, "latitudeOfLastGridPointInDegrees": south,
        "longitudeOfFirstGridPointInDegrees": west % 360.0,
        "longitudeOfLastGridPointInDegrees": east % 360.0,
        "iDirectionIncrementInDegrees": grid.ref_lon, "jDirectionIncrementInDegrees": grid.ref_lat,
    }  # fmt: skip


def lambert_keys(grid: MetGrid, radius_m: float = HRRR_RADIUS_M) -> dict[str, Any]:
    """Keys of a Lambert map, rows from the south."""
    lon, lat = grid.to_lonlat(0.0, 0.0)
    size_m = 1000.0 * grid.size_km * radius_m / EARTH_RADIUS_M
    return {
        "gridType": "lambert", "shapeOfTheEarth": 1, "scaleFactorOfRadiusOfSphericalEarth": 0,
        "scaledValueOfRadiusOfSphericalEarth": round(radius_m),
        "Nx": grid.nx, "Ny": grid.ny, "LaDInDegrees": grid.ref_lat,
        "LoVInDegrees": grid.ref_lon % 360.0, "DxInMetres": size_m, "DyInMetres": size_m,
        "Latin1InDegrees": grid.ref_lat, "Latin2InDegrees": grid.ref_lat,
        "latitudeOfFirstGridPointInDegrees": float(lat),
        "longitudeOfFirstGridPointInDegrees": float(lon) % 360.0,
        "uvRelativeToGrid": 1, "jScansPositively": 1,
    }  # fmt: skip


def _began(raw: RawAnalysis) -> dict[str, Any]:
    began = raw.time - np.timedelta64(raw.forecast_hour, "h")
    text = str(began.astype("datetime64[m]"))
    return {
        "dataDate": int(text[:10].replace("-", "")),
        "dataTime": int(text[11:].replace(":", "")),
    }


def era5_levels(path: Path, analyses: Sequence[RawAnalysis], edition: int = 1) -> None:
    """Write fields on pressure levels as the Climate Data Store does."""
    keys = {**latlon_keys(analyses[0].grid), "centre": "ecmf"}
    if edition == 1:
        keys |= {"class": "ea", "type": "an"}
    with GribFile(path, keys, edition) as file:
        for raw in analyses:
            for name, (arl, factor) in ERA5_UPPER.items():
                for level, field in zip(raw.grid.levels, raw.upper[arl], strict=True):
                    said = {"typeOfLevel": "isobaricInhPa", "level": round(level)}
                    file.add(field[::-1] * factor, {**_began(raw), **said, "shortName": name})


def era5_model_levels(path: Path, analyses: Sequence[RawAnalysis]) -> None:
    """Write fields on the invented model levels, and the ground's on the first of them."""
    keys = {**latlon_keys(analyses[0].grid), "centre": "ecmf", "typeOfLevel": "hybrid"}
    pv = np.concatenate([HALF_A_PA, HALF_B])
    with GribFile(path, keys) as file:
        for raw in analyses:
            ground = {
                "lnsp": np.log(100.0 * raw.surface["PRSS"].astype(float)),
                "z": STANDARD_GRAVITY_M_S2 * raw.surface["SHGT"],
            }
            for name, field in ground.items():
                said = {"typeOfLevel": "hybrid", "level": 1, "shortName": name, "pv": pv}
                file.add(field[::-1], {**_began(raw), **said})
            count = raw.grid.n_levels
            for name in ("u", "v", "w", "t", "q"):
                arl, factor = ERA5_UPPER[name]
                for k, field in enumerate(raw.upper[arl]):
                    said = {"typeOfLevel": "hybrid", "level": count - k, "shortName": name}
                    file.add(field[::-1] * factor, {**_began(raw), **said, "pv": pv})


def era5_surface(
    path: Path, analyses: Sequence[RawAnalysis], leave_out: Sequence[str] = ()
) -> None:
    """Write surface fields; amounts are of the last hour of a forecast from 06 or 18 UTC."""
    keys = {**latlon_keys(analyses[0].grid), "centre": "ecmf", "class": "ea"}
    with GribFile(path, keys, edition=1) as file:
        for raw in analyses:
            for name, (arl, factor) in ERA5_SURFACE.items():
                if name in leave_out:
                    continue
                said = {**_began(raw), "type": "an", "typeOfLevel": "surface", "level": 0}
                said["shortName"] = _ERA5_NAMES.get(name, name)
                if name in _AMOUNTS:
                    said |= {"type": "fc", "stepType": "accum", **_forecast_step(raw.time)}
                file.add(raw.surface[arl][::-1] * factor, said)


def _forecast_step(time: np.datetime64) -> dict[str, Any]:
    """The hour before a time, in the forecast from 06 or 18 UTC that holds it."""
    six = np.timedelta64(6, "h")
    before = (time - np.timedelta64(1, "h") - six).astype("datetime64[h]")
    half_days = before.astype(np.int64) // 12
    began = np.datetime64(int(half_days) * 12, "h") + six
    step = int((time - began) / np.timedelta64(1, "h"))
    text = str(began)
    return {
        "dataDate": int(text[:10].replace("-", "")), "dataTime": 100 * int(text[11:13]),
        "stepRange": f"{step - 1}-{step}",
    }  # fmt: skip


def _surface_keys(kind: int, value: float) -> dict[str, Any]:
    scaled = round(value, 2)
    scale = 0 if scaled == round(scaled) else 1
    return {
        "typeOfFirstFixedSurface": kind, "scaleFactorOfFirstFixedSurface": scale,
        "scaledValueOfFirstFixedSurface": round(scaled * 10**scale),
    }  # fmt: skip


def _parameter(discipline: int, category: int, number: int) -> dict[str, int]:
    return {
        "discipline": discipline, "parameterCategory": category, "parameterNumber": number,
    }  # fmt: skip


def ncep(
    path: Path,
    analyses: Sequence[RawAnalysis],
    *,
    radius_m: float = HRRR_RADIUS_M,
    along_grid: bool = True,
    means: Mapping[str, Sequence[tuple[int, int, np.ndarray]]] | None = None,
) -> None:
    """Write an analysis as HRRR on native or pressure levels, or GFS, one file for all of them.

    Args:
        path: the file.
        analyses: pressure levels where the grid's are, else native ones counted from the ground.
        radius_m: of the sphere of a map.
        along_grid: what is said of the winds.
        means: fields that are means over hours of the forecast: those, and the values.
    """
    grid = analyses[0].grid
    is_map = grid.kind == "conformal"
    keys = {"centre": "kwbc", **(lambert_keys(grid, radius_m) if is_map else latlon_keys(grid))}
    if is_map:
        keys["uvRelativeToGrid"] = int(along_grid)
    flip = slice(None) if is_map else slice(None, None, -1)
    on_pressures = grid.vertical_flag == 2
    with GribFile(path, keys) as file:
        for raw in analyses:
            said = {**_began(raw), "forecastTime": raw.forecast_hour}
            for name, field in raw.upper.items():
                if name not in NCEP_UPPER or (name == "PRES" and on_pressures):
                    continue
                *parameter, factor = NCEP_UPPER[name]
                for k, (level, values) in enumerate(zip(grid.levels, field, strict=True)):
                    place = _surface_keys(100, 100.0 * level) if on_pressures else (
                        _surface_keys(105, k + 1)
                    )  # fmt: skip
                    file.add(values[flip] * factor, {**said, **_parameter(*parameter), **place})
            for name, (*parameter, factor, kind, height) in NCEP_SURFACE.items():
                place = {**_parameter(*parameter), **_surface_keys(kind, height)}
                if name not in (means or {}):
                    file.add(raw.surface[name][flip] * factor, {**said, **place})
            for name, each in (means or {}).items():
                *parameter, factor, kind, height = NCEP_SURFACE[name]
                place = {**_parameter(*parameter), **_surface_keys(kind, height)}
                for first, last, values in each:
                    range_keys = {
                        "productDefinitionTemplateNumber": 8, "typeOfStatisticalProcessing": 0,
                        "stepRange": f"{first}-{last}",
                    }  # fmt: skip
                    file.add(values[flip] * factor, {**_began(raw), **range_keys, **place})

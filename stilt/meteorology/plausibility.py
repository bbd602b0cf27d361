"""Check an analysis for values that no atmosphere has: wrong units, signs, order of levels.

Limits are wide: what they let through may still be wrong, what they find almost certainly is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stilt.constants import KAPPA
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.levels import STANDARD_SURFACE_HPA, approximate_height_m
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.wrf_staggering import has_mass_fluxes


@dataclass(frozen=True)
class OddField:
    """An implausible field, and what is odd about it, without file and time."""

    field: str
    text: str


@dataclass(frozen=True)
class Limits:
    """Least and greatest value of a field, its unit, and what is wrong most often beyond them."""

    least: float
    greatest: float
    unit: str
    hint: str = ""


_CELSIUS = "degrees Celsius instead of K?"
_PASCAL = "Pa instead of hPa?"
_COLLECTED = "J m-2 collected over hours instead of W m-2?"
_GEOPOTENTIAL = "geopotential (m2 s-2) instead of m?"
_MILLIMETRES = "mm instead of m?"

_FLUX = Limits(-1500.0, 2000.0, "W m-2", _COLLECTED)
_HUMIDITY = Limits(-10.0, 150.0, "%")
_TERRAIN = Limits(-500.0, 9000.0, "m", _GEOPOTENTIAL)
_MIXED_LAYER = Limits(-10.0, 15_000.0, "m")
_STRESS = Limits(-50.0, 50.0, "N m-2")

SURFACE_LIMITS = {
    "PRSS": Limits(250.0, 1150.0, "hPa", _PASCAL),
    "MSLP": Limits(800.0, 1150.0, "hPa", _PASCAL),
    "SHGT": _TERRAIN,
    "HGTS": _TERRAIN,
    "TERR": _TERRAIN,
    "T02M": Limits(170.0, 350.0, "K", _CELSIUS),
    "TMPS": Limits(170.0, 370.0, "K", _CELSIUS),
    "RH2M": _HUMIDITY,
    "U10M": Limits(-100.0, 100.0, "m s-1"),
    "V10M": Limits(-100.0, 100.0, "m s-1"),
    "USTR": Limits(-0.1, 10.0, "m s-1"),
    "TSTR": Limits(-30.0, 30.0, "K"),
    "UMOF": _STRESS,
    "VMOF": _STRESS,
    "SHTF": _FLUX,
    "HFLX": _FLUX,
    "LHTF": _FLUX,
    "WFLX": _FLUX,
    "DSWF": Limits(-20.0, 1600.0, "W m-2", _COLLECTED),
    "RGHS": Limits(-0.01, 20.0, "m", "cm instead of m?"),
    "PBLH": _MIXED_LAYER,
    "HPBL": _MIXED_LAYER,
    "MXHT": _MIXED_LAYER,
    "TCLD": Limits(-10.0, 150.0, "%"),
}

LEVEL_LIMITS = {
    "TEMP": Limits(130.0, 350.0, "K", _CELSIUS),
    "THET": Limits(170.0, 10_000.0, "K", _CELSIUS),
    "RELH": _HUMIDITY,
    "SPHU": Limits(-0.01, 0.1, "kg/kg", "g/kg instead of kg/kg?"),
    "PRES": Limits(0.0, 1150.0, "hPa", _PASCAL),
    "HGTS": Limits(-1500.0, 90_000.0, "m", _GEOPOTENTIAL),
    "WWND": Limits(-10.0, 10.0, "hPa/s", "Pa/s instead of hPa/s?"),
    "DZDT": Limits(-80.0, 80.0, "m s-1"),
    "TKEN": Limits(-1.0, 1000.0, "m2 s-2"),
}

PRECIPITATION_LIMITS = Limits(-0.01, 2.0, "m", _MILLIMETRES)

FASTEST_WIND_M_S = 150.0
_PACKING_HPA = 5.0
_ROUNDING_HPA = 10.0
_PACKING_M = 20.0
_SUNNY_W_M2 = 200.0
_USUAL_SUN_W_M2 = 600.0
_TAKEN_UP = 0.2
_LEAST_TAKEN_UP_W_M2 = -50.0
_GIVEN_OFF = 0.25
_DARK_W_M2 = 50.0
_FELT_W_M2 = 5.0
_INVERSION_K = 1.0
_MOST, _SOME, _FEWEST_NODES = 0.9, 0.05, 20
_BELOW_HORIZON = np.sin(np.radians(-6.0))
_LONGEST_MEAN_H = 6
_NODES_A_SIDE = 30


def implausible(raw: RawAnalysis) -> list[OddField]:
    """Return what is implausible in an analysis, at most one finding for each field."""
    findings = [
        *_out_of_limits(raw),
        *_too_fast(raw),
        *_wrong_order(raw),
        *_odd_heights(raw),
        *_fraction_for_percent(raw),
        *_against_the_sun(raw),
    ]
    first: dict[str, OddField] = {}
    for finding in findings:
        first.setdefault(finding.field, finding)
    return list(first.values())


def _out_of_limits(raw: RawAnalysis) -> list[OddField]:
    found = []
    for name, field in raw.surface.items():
        limits = SURFACE_LIMITS.get(name)
        if name[:3] in ("TPP", "CPP"):
            limits = PRECIPITATION_LIMITS
        if limits is not None:
            found += _beyond(name, field, limits)
    for name, field in raw.upper.items():
        if (limits := LEVEL_LIMITS.get(name)) is not None:
            found += _beyond(name, field, limits)
    return found


def _beyond(name: str, field: NDArray[np.float32], limits: Limits) -> list[OddField]:
    least, greatest = _extremes(field)
    low = limits.least - least
    high = greatest - limits.greatest
    if not (low > 0.0 or high > 0.0):
        return []
    hint = f" ({limits.hint})" if limits.hint else ""
    value, word = (least, "falls to") if low > high else (greatest, "reaches")
    bound = f"below {limits.least:g}" if low > high else f"above {limits.greatest:g}"
    return [OddField(name, f"{name} {word} {value:.4g} {limits.unit}, {bound}{hint}")]


def _extremes(field: NDArray[np.float32]) -> tuple[float, float]:
    """Return least and greatest value, without missing ones; NaN where all are missing."""
    return float(np.fmin.reduce(field, axis=None)), float(np.fmax.reduce(field, axis=None))


def _too_fast(raw: RawAnalysis) -> list[OddField]:
    u, v = raw.upper.get("UWND"), raw.upper.get("VWND")
    if u is None or v is None or has_mass_fluxes(raw):
        return []
    if not any(abs(extreme) >= 100.0 for extreme in (*_extremes(u), *_extremes(v))):
        return []
    speed = float(np.sqrt(np.nanmax(u * u + v * v)))
    if speed <= FASTEST_WIND_M_S:
        return []
    return [OddField("UWND", f"the wind (UWND, VWND) reaches {speed:.4g} m s-1")]


def _wrong_order(raw: RawAnalysis) -> list[OddField]:
    """Report pressure that rises with height, heights that fall, or levels in reverse order."""
    pressure, heights = raw.upper.get("PRES"), raw.upper.get("HGTS")
    values = np.asarray(raw.grid.levels)
    if pressure is not None:
        rise = _largest_step(pressure)
        if "PRSS" in raw.surface and not np.isnan(pressure[0, 0, 0]):
            rise = max(rise, float((pressure[0] - raw.surface["PRSS"]).max()))
        if rise > _PACKING_HPA:
            return [OddField("PRES", f"PRES rises with height, by up to {rise:.4g} hPa")]
    elif raw.grid.vertical_flag == 3:
        if (np.diff(values) <= 0.0).any():
            return [OddField("levels", "the heights of its levels do not rise")]
    elif (step := _largest_step(_level_pressure_hpa(raw)[:, None])) > (
        _ROUNDING_HPA if raw.grid.vertical_flag == 4 else 0.0
    ):
        return [OddField("levels", f"the pressure of its levels rises by up to {step:.4g} hPa")]
    if heights is not None and (fall := _largest_step(-heights)) > _PACKING_M:
        return [OddField("HGTS", f"HGTS falls from one level to the next by up to {fall:.4g} m")]
    return []


def _level_pressure_hpa(raw: RawAnalysis) -> NDArray[np.float64]:
    """Return pressure of the levels over the highest ground, where hybrid levels are closest."""
    values, flag = np.asarray(raw.grid.levels), raw.grid.vertical_flag
    lowest = float(np.min(raw.surface.get("PRSS", STANDARD_SURFACE_HPA)))
    if flag in (1, 5):
        return values * lowest
    if flag == 4:
        return np.floor(values) + (values - np.floor(values)) * lowest
    return values


def _largest_step(field: NDArray[np.floating]) -> float:
    """Return the largest rise from one level to the next that has the variable."""
    flat = field.reshape(len(field), -1)
    flat = flat[~np.isnan(flat[:, 0])]
    if len(flat) < 2:
        return 0.0
    return max(float((high - low).max()) for low, high in pairwise(flat))


def _odd_heights(raw: RawAnalysis) -> list[OddField]:
    """Report heights of pressure levels far from those of the standard atmosphere."""
    heights = raw.upper.get("HGTS")
    if heights is None or raw.grid.vertical_flag != 2:
        return []
    for value, field in zip(raw.grid.levels, heights, strict=True):
        usual, mean = approximate_height_m(value, 2), float(field.mean())
        if 10.0 <= value <= 700.0 and not 0.6 <= mean / usual <= 1.5 and not np.isnan(mean):
            return [
                OddField(
                    "HGTS", f"HGTS at {value:g} hPa is {mean:.4g} m, where {usual:.2g} m is usual"
                )
            ]
    return []


def _fraction_for_percent(raw: RawAnalysis) -> list[OddField]:
    """Report humidity that nowhere exceeds 2 %: a fraction instead."""
    field = raw.upper.get("RELH")
    if field is None:
        return []
    greatest = _extremes(field)[1]
    if not 0.0 < greatest <= 2.0:
        return []
    text = f"RELH is nowhere above {greatest:.3g} % (a fraction instead of %?)"
    return [OddField("RELH", text)]


def _against_the_sun(raw: RawAnalysis) -> list[OddField]:
    """Report heat that flows into sunny ground, and sunshine at night."""
    lon, lat, nodes = _some_nodes(raw.grid)
    measured = raw.surface.get("DSWF")
    highest = sine_of_highest_sun(raw.time, lon, lat)
    found = []
    if measured is None:
        elevation = sine_of_sun_elevation(raw.time, lon, lat)
        sunshine = _USUAL_SUN_W_M2 * np.maximum(elevation, 0.0)
    else:
        sunshine = measured[nodes]
        at_night = sunshine[highest < _BELOW_HORIZON]
        if at_night.size and (mean := float(at_night.mean())) > _DARK_W_M2:
            text = f"DSWF is {mean:.3g} W m-2 where it has been night for hours (local time?)"
            found.append(OddField("DSWF", text))
    name = next((name for name in ("SHTF", "HFLX") if name in raw.surface), None)
    # ETA files have it positive downward, and are read so.
    if name is not None and raw.grid.source != " ETA":
        heat = raw.surface[name][nodes]
        found += _heat_against_sunshine(name, heat, sunshine)
        found += _heat_into_warmer_air(name, heat[highest < 0.0], raw, nodes, highest < 0.0)
    return found


def _heat_against_sunshine(
    name: str, heat: NDArray[np.floating], sunshine: NDArray[np.floating]
) -> list[OddField]:
    """Say that sunny ground takes up heat: over cold water, ice and snow it does, but a little."""
    sunny = sunshine > _SUNNY_W_M2
    if not sunny.any():
        return []
    sun = float(np.median(sunshine[sunny]))
    low, high = (float(value) for value in np.percentile(heat[sunny], [5.0, 95.0]))
    if low > min(-_TAKEN_UP * sun, _LEAST_TAKEN_UP_W_M2) or high > -_GIVEN_OFF * low:
        return []
    text = (
        f"{name} is {low:.3g} to {high:.3g} W m-2 (5 to 95 % of the nodes) in sunshine of "
        f"{sun:.3g} W m-2 (positive downward instead of upward?)"
    )
    return [OddField(name, text)]


def _heat_into_warmer_air(
    name: str,
    heat: NDArray[np.floating],
    raw: RawAnalysis,
    nodes: tuple[Any, ...],
    dark: NDArray[np.bool_],
) -> list[OddField]:
    """Say that heat flows up, at night, where the air above is the warmer.

    Models compute the temperature at 2 m and the flux from each other, so that few nodes disagree.
    Levels of pressure do not tell: the lowest is under the ground or far above it.

    Args:
        name: of the heat flux.
        heat: at the dark nodes.
        raw: the analysis.
        nodes: indices of the nodes that are looked at.
        dark: which of them have had no sun since any mean began.
    """
    rise = _rise_above_two_metres_k(raw)
    if rise is None or not dark.any():
        return []
    rise = rise[nodes][dark]
    stable = (rise > _INVERSION_K) & (np.abs(heat) > _FELT_W_M2)
    upward = stable & (heat > 0.0)
    share = upward.sum() / max(int(stable.sum()), 1)
    if stable.sum() < max(_FEWEST_NODES, _SOME * heat.size) or share < _MOST:
        return []
    flux, warmer = (float(np.median(field[stable])) for field in (heat, rise))
    text = (
        f"{name} is {flux:.3g} W m-2 at night where the air on the lowest level is {warmer:.2g} K "
        "warmer than at 2 m (positive downward instead of upward?)"
    )
    return [OddField(name, text)]


def _rise_above_two_metres_k(raw: RawAnalysis) -> NDArray[np.floating] | None:
    """Return how much potential temperature rises from 2 m to the lowest level; None if unknown."""
    ground, air = raw.surface.get("T02M"), raw.upper.get("TEMP")
    below, level = raw.surface.get("PRSS"), raw.grid.levels[0]
    if ground is None or air is None or below is None or raw.grid.vertical_flag == 2:
        return None
    pressure: Any = raw.upper["PRES"][0] if "PRES" in raw.upper else None
    if pressure is None and raw.grid.vertical_flag in (1, 5) and not raw.grid.pressure_offset_hpa:
        pressure = level * below
    elif pressure is None and raw.grid.vertical_flag == 4:
        pressure = np.floor(level) + (level - np.floor(level)) * below
    if pressure is None:
        return None
    return np.asarray(air[0] * (below / pressure) ** KAPPA - ground)


def _some_nodes(grid: MetGrid) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[Any, ...]]:
    """Return longitudes, latitudes and indices of a sample of nodes spread over a grid."""
    x = np.unique(np.linspace(0, grid.nx - 1, min(grid.nx, _NODES_A_SIDE)).astype(int))
    y = np.unique(np.linspace(0, grid.ny - 1, min(grid.ny, _NODES_A_SIDE)).astype(int))
    columns, rows = np.meshgrid(x, y)
    lon, lat = grid.to_lonlat(columns, rows)
    return lon, lat, (rows, columns)


def sine_of_highest_sun(
    time: np.datetime64, lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the greatest sine of the sun's elevation in the hours over which a mean may be taken.

    Args:
        time: UTC, the end of these hours.
        lon, lat: degrees.
    """
    hours = np.arange(-_LONGEST_MEAN_H, 1) * np.timedelta64(1, "h")
    return np.max([sine_of_sun_elevation(time + each, lon, lat) for each in hours], axis=0)


def sine_of_sun_elevation(
    time: np.datetime64, lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sine of the sun's elevation, right to a degree or two.

    Declination and equation of time after Spencer (1971), Search 2, 172.

    Args:
        time: UTC.
        lon, lat: degrees.
    """
    day_start = time.astype("datetime64[D]")
    day = (day_start - day_start.astype("datetime64[Y]")) / np.timedelta64(1, "D")
    hour = (time - day_start) / np.timedelta64(1, "h")
    angle = 2.0 * np.pi * (day + hour / 24.0) / 365.25
    declination = (
        0.006918
        - 0.399912 * np.cos(angle)
        + 0.070257 * np.sin(angle)
        - 0.006758 * np.cos(2.0 * angle)
        + 0.000907 * np.sin(2.0 * angle)
    )
    equation_h = (24.0 / (2.0 * np.pi)) * (
        0.000075
        + 0.001868 * np.cos(angle)
        - 0.032077 * np.sin(angle)
        - 0.014615 * np.cos(2.0 * angle)
        - 0.040849 * np.sin(2.0 * angle)
    )
    hour_angle = np.radians(15.0 * (hour + equation_h - 12.0) + lon)
    latitude = np.radians(lat)
    return np.asarray(
        np.sin(latitude) * np.sin(declination)
        + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    )

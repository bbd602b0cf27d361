"""Columns of met fields, put on the transport's internal levels.

Each column of the file, with the ground as its lowest point, is interpolated to the internal
levels (see :mod:`stilt.meteorology.levels`): temperature, humidity and wind linearly in height,
pressure linearly in its logarithm. Values of the two-metre and ten-metre level stand at the
ground itself, as HYSPLIT puts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stilt.constants import (
    GAS_CONSTANT_DRY_AIR,
    GRAVITY_M_S2,
    KAPPA,
    ROUGHNESS_LENGTH_DEFAULT_M,
)
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology import thermodynamics as thermo
from stilt.meteorology.levels import InternalLevels
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.wrf_staggering import (
    at_mass_points,
    between_faces,
    is_staggered,
    lower_face_heights_m,
    shifted_down,
)

VELOCITY_VARIANCES = ("UVAR", "VVAR", "WVAR")
"""A file's names of :class:`VelocityVariances`."""

TERRAIN_FIELDS = ("SHGT", "HGTS", "TERR")
"""Names of the height of the ground, the first of which that a file has is taken."""

_TERRAIN_MODEL_TOP_M = 20_000.0
_SURFACE_TEMPERATURES = ("TMPS", "T02M")
_SUPPORTED_FLAGS = (1, 2, 3, 4, 5)


class VelocityVariances(NamedTuple):
    """Variances of the wind along the grid's axes and upward, m2 s-2, (levels, ny, nx) each."""

    along_x: np.ndarray
    along_y: np.ndarray
    upward: np.ndarray


@dataclass(frozen=True)
class Columns:
    """One analysis on internal levels; every 3-D array is (levels, ny, nx).

    Attributes:
        heights_m: height above ground of the internal levels.
        temperature_k, humidity_fraction, pressure_hpa: state of the air.
        wind_x_m_s, wind_y_m_s: wind along the grid's axes.
        sigma_rate_per_minute: dsigma/dt, positive downward.
        moist_density, dry_density: kg m-3.
        potential_temperature_k: dry potential temperature.
        terrain_m: (ny, nx) height of the ground above sea level.
        roughness_m: (ny, nx) roughness length.
        first_real_level: zero-based index of the lowest internal level not extrapolated.
        turbulent_kinetic_energy: m2 s-2, or None where the file has none.
        velocity_variances: of the wind, or None where the file does not have all three.
    """

    heights_m: np.ndarray
    temperature_k: np.ndarray
    humidity_fraction: np.ndarray
    pressure_hpa: np.ndarray
    wind_x_m_s: np.ndarray
    wind_y_m_s: np.ndarray
    sigma_rate_per_minute: np.ndarray
    moist_density: np.ndarray
    dry_density: np.ndarray
    potential_temperature_k: np.ndarray
    terrain_m: np.ndarray
    roughness_m: np.ndarray
    first_real_level: np.ndarray
    turbulent_kinetic_energy: np.ndarray | None
    velocity_variances: VelocityVariances | None


@dataclass(frozen=True)
class _InputColumns:
    """Input levels without the ground, and the ground's own values."""

    height_agl_m: np.ndarray
    pressure_hpa: np.ndarray
    temperature_k: np.ndarray
    humidity_fraction: np.ndarray
    wind_x: np.ndarray
    wind_y: np.ndarray
    vertical: np.ndarray
    ground_pressure_hpa: np.ndarray
    ground_temperature_k: np.ndarray
    ground_wind_x: np.ndarray
    ground_wind_y: np.ndarray
    ground_is_measured: bool


def remap(raw: RawAnalysis, levels: InternalLevels, *, use_ten_metre: bool = True) -> Columns:
    """Put one analysis on internal levels.

    Args:
        raw: decoded fields of one valid time.
        levels: target levels.
        use_ten_metre: take U10M, V10M and the near-surface temperature as the values at the
            ground (K10M = 1); without, the lowest level is extrapolated down.

    Raises:
        MeteorologyError: a field that transport cannot do without is missing, or the levels are
            of a kind that it does not know.
    """
    if raw.grid.vertical_flag not in _SUPPORTED_FLAGS:
        raise MeteorologyError(
            f"The weather at {raw.time} has vertical coordinate {raw.grid.vertical_flag}, which is "
            "none that transport knows (1 to 5); convert it to sigma or pressure levels.",
            reason=Reason.DAMAGED_MET_FILE,
        )
    raw = at_mass_points(raw)
    pressure, terrain, ground_pressure = _pressure_and_terrain(raw)
    temperature = _temperature(raw, pressure)
    humidity = _humidity(raw, temperature, pressure)
    roughness = raw.surface.get("RGHS")
    roughness = (
        np.full(terrain.shape, ROUGHNESS_LENGTH_DEFAULT_M)
        if roughness is None
        else np.maximum(roughness.astype(np.float64), 1e-4)
    )
    ground_temperature = _ground_temperature(
        raw, temperature, pressure, ground_pressure, use_ten_metre
    )
    height = _input_heights(
        raw, terrain, pressure, temperature, humidity, ground_pressure, ground_temperature
    )
    wind_x = _required(raw, "UWND")
    wind_y = _required(raw, "VWND")
    scale = (levels.model_top_m - terrain) / levels.model_top_m
    target = levels.heights_m[:, None, None] * scale
    ground_x, ground_y = _ground_wind(raw, wind_x, wind_y, height, target, roughness, use_ten_metre)
    source = _InputColumns(
        height,
        pressure,
        temperature,
        humidity,
        wind_x,
        wind_y,
        _vertical_field(raw),
        ground_pressure,
        ground_temperature,
        ground_x,
        ground_y,
        use_ten_metre and _surface_temperature(raw) is not None,
    )
    return _interpolate(raw, source, levels, target, terrain, roughness)


def terrain_m(raw: RawAnalysis) -> np.ndarray:
    """Return the height of the ground above sea level, (ny, nx), that transport takes.

    Raises:
        MeteorologyError: a field that it is made from is missing.
    """
    known = _optional_surface(raw, *TERRAIN_FIELDS)
    return _pressure_and_terrain(raw)[1] if known is None else known


def top_level_agl_m(raw: RawAnalysis, *, use_ten_metre: bool = True) -> np.ndarray:
    """Return the height above ground of the highest input level, (ny, nx), as :func:`remap` has it.

    Raises:
        MeteorologyError: a field that it is made from is missing.
    """
    pressure, terrain, ground_pressure = _pressure_and_terrain(raw)
    temperature = _temperature(raw, pressure)
    humidity = _humidity(raw, temperature, pressure)
    ground_temperature = _ground_temperature(
        raw, temperature, pressure, ground_pressure, use_ten_metre
    )
    return _input_heights(
        raw, terrain, pressure, temperature, humidity, ground_pressure, ground_temperature
    )[-1]


def _required(raw: RawAnalysis, name: str) -> np.ndarray:
    field = raw.upper.get(name)
    if field is None:
        raise MeteorologyError(
            f"The weather at {raw.time} has no {name} on its levels; transport needs it, so use "
            "files that carry it.",
            reason=Reason.DAMAGED_MET_FILE,
        )
    return _fill_upward(field.astype(np.float64))


def _fill_upward(field: np.ndarray) -> np.ndarray:
    """Replace levels that lack the variable by the nearest level that has it."""
    if not np.isnan(field).any():
        return field
    present = ~np.isnan(field).all(axis=(1, 2))
    known = np.flatnonzero(present)
    source = known[np.abs(np.arange(len(field))[:, None] - known[None, :]).argmin(axis=1)]
    return field[source]


def _pressure_and_terrain(raw: RawAnalysis) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pressure of the input levels, terrain height and surface pressure (hPa, m, hPa)."""
    grid = raw.grid
    values = np.asarray(grid.levels, dtype=np.float64)[:, None, None]
    flag = grid.vertical_flag
    ground_pressure = _optional_surface(raw, "PRSS")
    terrain = _optional_surface(raw, *TERRAIN_FIELDS)
    shape = (grid.ny, grid.nx)
    if flag == 2:
        pressure = np.broadcast_to(values, (len(values), *shape)).copy()
        if terrain is None:
            terrain = _terrain_from_heights(_required(raw, "HGTS"), pressure, ground_pressure, raw)
    elif terrain is None:
        raise MeteorologyError(
            f"The weather at {raw.time} has no terrain height (SHGT), which levels that follow "
            "the terrain need; use files that carry it.",
            reason=Reason.DAMAGED_MET_FILE,
        )
    if ground_pressure is None:
        # On pressure levels HYSPLIT goes from the first level to the ground, else from sea level.
        first = _required(raw, "TEMP" if "TEMP" in raw.upper else "THET")[0]
        known_m, known_hpa = 0.0, 1013.0
        if flag == 2:
            known_m, known_hpa = _required(raw, "HGTS")[0], values[0]
        scale_m = GAS_CONSTANT_DRY_AIR * first / GRAVITY_M_S2
        ground_pressure = known_hpa * np.exp(-(terrain - known_m) / scale_m)
    if flag != 2:
        pressure = _terrain_following_pressure(raw, values, ground_pressure)
    return pressure, np.asarray(terrain, dtype=np.float64), ground_pressure


def _terrain_following_pressure(
    raw: RawAnalysis, values: np.ndarray, ground_pressure: np.ndarray
) -> np.ndarray:
    if "PRES" in raw.upper:
        return _required(raw, "PRES")
    if raw.grid.vertical_flag in (3, 5):
        return _required(raw, "PRES")
    if raw.grid.vertical_flag == 1:
        offset = raw.grid.pressure_offset_hpa
        return values * (ground_pressure - offset) + offset
    whole = np.floor(values)
    return whole + (values - whole) * ground_pressure


def _terrain_from_heights(
    height_msl: np.ndarray,
    pressure: np.ndarray,
    ground_pressure: np.ndarray | None,
    raw: RawAnalysis,
) -> np.ndarray:
    """Return the height where the level heights cross the surface pressure, in log pressure."""
    if ground_pressure is None:
        raise MeteorologyError(
            f"The weather at {raw.time} has neither PRSS nor SHGT; transport needs one of them.",
            reason=Reason.DAMAGED_MET_FILE,
        )
    log_p = np.log(pressure[:, 0, 0])
    wanted = np.log(ground_pressure)
    upper = np.clip((log_p[:, None, None] > wanted).sum(axis=0), 1, len(log_p) - 1)
    low = np.take_along_axis(height_msl, upper[None] - 1, axis=0)[0]
    high = np.take_along_axis(height_msl, upper[None], axis=0)[0]
    fraction = (wanted - log_p[upper - 1]) / (log_p[upper] - log_p[upper - 1])
    return low + fraction * (high - low)


def _optional_surface(raw: RawAnalysis, *names: str) -> np.ndarray | None:
    for name in names:
        if name in raw.surface:
            return raw.surface[name].astype(np.float64)
    return None


def _surface_temperature(raw: RawAnalysis) -> np.ndarray | None:
    """Return temperature at the ground, TMPS or T02M: of several, as HYSPLIT, the file's last."""
    names = [name for name in raw.surface if name in _SURFACE_TEMPERATURES]
    return raw.surface[names[-1]].astype(np.float64) if names else None


def _ground_temperature(
    raw: RawAnalysis,
    temperature: np.ndarray,
    pressure: np.ndarray,
    ground_pressure: np.ndarray,
    use_ten_metre: bool,
) -> np.ndarray:
    """Return temperature at the ground: the file's, else the lowest level's, brought down dry."""
    measured = _surface_temperature(raw) if use_ten_metre else None
    if measured is not None:
        return measured
    return temperature[0] * (pressure[0] / ground_pressure) ** -KAPPA


def _temperature(raw: RawAnalysis, pressure: np.ndarray) -> np.ndarray:
    if "TEMP" in raw.upper:
        return _required(raw, "TEMP")
    return _required(raw, "THET") * (pressure / 1000.0) ** KAPPA


def _humidity(raw: RawAnalysis, temperature: np.ndarray, pressure: np.ndarray) -> np.ndarray:
    """Return relative humidity as a fraction; zero above the last level that has any."""
    if "RELH" in raw.upper:
        return np.clip(np.nan_to_num(raw.upper["RELH"].astype(np.float64)) / 100.0, 0.0, 1.0)
    if "SPHU" in raw.upper:
        humidity = np.nan_to_num(raw.upper["SPHU"].astype(np.float64))
        return thermo.relative_humidity(humidity, temperature, pressure)
    return np.zeros_like(temperature)


def has_vertical_motion(raw: RawAnalysis) -> bool:
    """Return whether an analysis brings its own vertical motion, WWND or DZDT."""
    return "WWND" in raw.upper or "DZDT" in raw.upper


def _vertical_field(raw: RawAnalysis) -> np.ndarray:
    """Return the file's vertical motion, WWND in hPa/s or DZDT in m/s; zero when it has none."""
    name = "WWND" if "WWND" in raw.upper else "DZDT"
    if name not in raw.upper:
        return np.zeros_like(raw.upper["UWND"], dtype=np.float64)
    return np.nan_to_num(raw.upper[name].astype(np.float64))


def _input_heights(
    raw: RawAnalysis,
    terrain: np.ndarray,
    pressure: np.ndarray,
    temperature: np.ndarray,
    humidity: np.ndarray,
    ground_pressure: np.ndarray,
    ground_temperature: np.ndarray,
) -> np.ndarray:
    """Return the height above ground of the input levels, metres."""
    flag = raw.grid.vertical_flag
    if flag == 2:
        return _required(raw, "HGTS") - terrain
    if flag == 3:
        values = np.asarray(raw.grid.levels, dtype=np.float64)[:, None, None]
        return values * (1.0 - terrain / _TERRAIN_MODEL_TOP_M)
    virtual = thermo.virtual_temperature_k(
        temperature, thermo.specific_humidity(humidity, temperature, pressure)
    )
    ground_humidity = thermo.specific_humidity(humidity[0], ground_temperature, ground_pressure)
    below_virtual = np.concatenate(
        [thermo.virtual_temperature_k(ground_temperature, ground_humidity)[None], virtual[:-1]]
    )
    below_pressure = np.concatenate([ground_pressure[None], pressure[:-1]])
    thickness = (
        GAS_CONSTANT_DRY_AIR
        / GRAVITY_M_S2
        * 0.5
        * (below_virtual + virtual)
        * np.log(below_pressure / pressure)
    )
    return np.cumsum(thickness, axis=0)


def _ground_wind(
    raw: RawAnalysis,
    wind_x: np.ndarray,
    wind_y: np.ndarray,
    height: np.ndarray,
    target: np.ndarray,
    roughness: np.ndarray,
    use_ten_metre: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return wind at the ground point: the ten-metre wind, else the lowest level by the log law.

    HYSPLIT takes the file's first level also where pressure levels are below the ground, and its
    wind as it is where that level is not above the lowest internal one.
    """
    if use_ten_metre and "U10M" in raw.surface and "V10M" in raw.surface:
        return (
            raw.surface["U10M"].astype(np.float64),
            raw.surface["V10M"].astype(np.float64),
        )
    lowest = np.maximum(height[0], target[0])
    reached = np.log(np.maximum(target[0], roughness * 1.1) / roughness)
    factor = reached / np.log(np.maximum(lowest, roughness * 1.1) / roughness)
    return wind_x[0] * factor, wind_y[0] * factor


def _interpolate(
    raw: RawAnalysis,
    source: _InputColumns,
    levels: InternalLevels,
    target: np.ndarray,
    terrain: np.ndarray,
    roughness: np.ndarray,
) -> Columns:
    height = source.height_agl_m
    n_input = len(height)
    # Index of the first input level at or above each internal level: (levels, ny, nx).
    above = np.zeros(target.shape, dtype=np.int64)
    for level in height:
        above += level[None] < target
    beyond = above >= n_input
    above = np.minimum(above, n_input - 1)
    below = above - 1
    # On pressure levels an input level under the first internal level never bounds from below.
    if raw.grid.vertical_flag == 2:
        below_height = np.take_along_axis(height, np.maximum(below, 0), axis=0)
        below = np.where(below_height < target[:1], -1, below)
    from_ground = below < 0
    lower = np.maximum(below, 0)

    bottom = np.where(from_ground, 0.0, np.take_along_axis(height, lower, axis=0))
    top = np.take_along_axis(height, above, axis=0)
    weight = np.where(beyond, 1.0, (target - bottom) / np.maximum(top - bottom, 1e-3))

    def between(ground: np.ndarray | float, field: np.ndarray) -> np.ndarray:
        low = np.where(from_ground, ground, np.take_along_axis(field, lower, axis=0))
        high = np.take_along_axis(field, above, axis=0)
        return low + weight * (high - low)

    temperature = between(source.ground_temperature_k, source.temperature_k)
    humidity = between(source.humidity_fraction[0], source.humidity_fraction)
    wind_x = between(source.ground_wind_x, source.wind_x)
    wind_y = between(source.ground_wind_y, source.wind_y)
    if is_staggered(raw):
        vertical = _from_lower_faces(raw, source, target)
    else:
        vertical = between(0.0, source.vertical)
    if raw.grid.vertical_flag == 3:
        pressure = between(source.ground_pressure_hpa, source.pressure_hpa)
    else:
        pressure = np.exp(between(np.log(source.ground_pressure_hpa), np.log(source.pressure_hpa)))
    pressure, vertical = _extend_above(beyond, target, temperature, pressure, vertical)

    def positive(name: str) -> np.ndarray:
        field = np.maximum(_required(raw, name), 0.0)
        return between(field[0], field)

    energy = positive("TKEN") if "TKEN" in raw.upper else None
    variances = None
    if all(name in raw.upper for name in VELOCITY_VARIANCES):
        variances = VelocityVariances(*map(positive, VELOCITY_VARIANCES))
    q = thermo.specific_humidity(humidity, temperature, pressure)
    moist = thermo.moist_density(pressure, thermo.virtual_temperature_k(temperature, q))
    depth = levels.model_top_m - terrain
    if "WWND" in raw.upper:
        sigma_rate = 100.0 * vertical / (moist * GRAVITY_M_S2 * depth) * 60.0
    else:
        sigma_rate = -vertical / depth * 60.0
    if is_staggered(raw):
        sigma_rate = shifted_down(sigma_rate)
    if source.ground_is_measured:
        first_real = np.zeros(terrain.shape, dtype=np.int64)
    else:
        first_real = np.argmax(target >= height[:1], axis=0)
    return Columns(
        heights_m=target,
        temperature_k=temperature,
        humidity_fraction=humidity,
        pressure_hpa=pressure,
        wind_x_m_s=wind_x,
        wind_y_m_s=wind_y,
        sigma_rate_per_minute=sigma_rate,
        moist_density=moist,
        dry_density=thermo.dry_density(pressure, temperature, humidity),
        potential_temperature_k=thermo.potential_temperature_k(temperature, pressure),
        terrain_m=terrain,
        roughness_m=roughness,
        first_real_level=first_real,
        turbulent_kinetic_energy=energy,
        velocity_variances=variances,
    )


def _from_lower_faces(raw: RawAnalysis, source: _InputColumns, target: np.ndarray) -> np.ndarray:
    """Vertical motion at heights above ground, where the file has it on lower faces."""
    humidity = thermo.specific_humidity(
        source.humidity_fraction, source.temperature_k, source.pressure_hpa
    )
    virtual = thermo.virtual_temperature_k(source.temperature_k, humidity)
    faces = lower_face_heights_m(raw, source.ground_pressure_hpa, virtual)
    return between_faces(source.vertical, faces, target)


def _extend_above(
    beyond: np.ndarray,
    target: np.ndarray,
    temperature: np.ndarray,
    pressure: np.ndarray,
    vertical: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Continue pressure hydrostatically and halve the vertical motion above the last level."""
    for k in np.flatnonzero(beyond.any(axis=(1, 2))):
        if k == 0:
            continue
        mask = beyond[k]
        density = 100.0 * pressure[k - 1] / (GAS_CONSTANT_DRY_AIR * temperature[k - 1])
        drop = density * GRAVITY_M_S2 * (target[k] - target[k - 1]) / 100.0
        pressure[k] = np.where(mask, np.maximum(pressure[k - 1] - drop, 0.1), pressure[k])
        vertical[k] = np.where(mask, 0.5 * vertical[k - 1], vertical[k])
    return pressure, vertical

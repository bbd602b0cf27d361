"""Columns of met fields, put on the transport's internal levels.

Each column of the file, with the ground as its lowest point, is interpolated to the internal
levels (see :mod:`stilt.meteorology.levels`): temperature, humidity and wind linearly in height,
pressure linearly in its logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stilt.constants import GAS_CONSTANT_DRY_AIR, GRAVITY_M_S2
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology import thermodynamics as thermo
from stilt.meteorology.ground_values import (
    ground_temperature_k,
    ground_wind,
    pressure_and_terrain,
    roughness_m,
    surface_temperature,
)
from stilt.meteorology.input_levels import (
    heights_agl_m,
    humidity_fraction,
    required,
    temperature_k,
    vertical_motion,
)
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
    pressure, terrain, ground_pressure = pressure_and_terrain(raw)
    temperature = temperature_k(raw, pressure)
    humidity = humidity_fraction(raw, temperature, pressure)
    roughness = roughness_m(raw)
    ground_temperature = ground_temperature_k(
        raw, temperature, pressure, ground_pressure, use_ten_metre
    )
    height = heights_agl_m(
        raw, terrain, pressure, temperature, humidity, ground_pressure, ground_temperature
    )
    wind_x = required(raw, "UWND")
    wind_y = required(raw, "VWND")
    scale = (levels.model_top_m - terrain) / levels.model_top_m
    target = levels.heights_m[:, None, None] * scale
    ground_x, ground_y = ground_wind(raw, wind_x, wind_y, height, target, roughness, use_ten_metre)
    source = _InputColumns(
        height,
        pressure,
        temperature,
        humidity,
        wind_x,
        wind_y,
        vertical_motion(raw),
        ground_pressure,
        ground_temperature,
        ground_x,
        ground_y,
        use_ten_metre and surface_temperature(raw) is not None,
    )
    return _interpolate(raw, source, levels, target, terrain, roughness)


def top_level_agl_m(raw: RawAnalysis, *, use_ten_metre: bool = True) -> np.ndarray:
    """Return the height above ground of the highest input level, (ny, nx), as :func:`remap` has it.

    Raises:
        MeteorologyError: a field that it is made from is missing.
    """
    pressure, terrain, ground_pressure = pressure_and_terrain(raw)
    temperature = temperature_k(raw, pressure)
    humidity = humidity_fraction(raw, temperature, pressure)
    ground_temperature = ground_temperature_k(
        raw, temperature, pressure, ground_pressure, use_ten_metre
    )
    return heights_agl_m(
        raw, terrain, pressure, temperature, humidity, ground_pressure, ground_temperature
    )[-1]


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
        field = np.maximum(required(raw, name), 0.0)
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

"""Air on the levels of a file: temperature, humidity, vertical motion, height above ground."""

from __future__ import annotations

import numpy as np

from stilt.constants import GAS_CONSTANT_DRY_AIR, GRAVITY_M_S2, KAPPA
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology import thermodynamics as thermo
from stilt.meteorology.gaps import (
    between_levels,
    from_nearest_level,
    zero_above_the_last,
)
from stilt.meteorology.records import RawAnalysis

_TERRAIN_MODEL_TOP_M = 20_000.0


def required(raw: RawAnalysis, name: str) -> np.ndarray:
    """Return a field on all levels, (levels, ny, nx), with missing values filled.

    Raises:
        MeteorologyError: the file does not have it.
    """
    field = raw.upper.get(name)
    if field is None:
        raise MeteorologyError(
            f"The weather at {raw.time} has no {name} on its levels; transport needs it, so use "
            "files that carry it.",
            reason=Reason.DAMAGED_MET_FILE,
        )
    return between_levels(field.astype(np.float64), raw.grid.levels)


def temperature_k(raw: RawAnalysis, pressure: np.ndarray) -> np.ndarray:
    """Return the temperature, made from potential temperature where the file has that."""
    if "TEMP" in raw.upper or "THET" not in raw.upper:
        return required(raw, "TEMP")
    return required(raw, "THET") * (pressure / 1000.0) ** KAPPA


def level_heights_m(raw: RawAnalysis, pressure: np.ndarray) -> np.ndarray:
    """Return the height above sea level of pressure levels, (levels, ny, nx).

    A missing one, as below the ground, follows from the nearest one by the hypsometric equation.

    Raises:
        MeteorologyError: the file has no heights.
    """
    filled = required(raw, "HGTS")
    field = raw.upper["HGTS"].astype(np.float64)
    missing = np.isnan(field)
    if not missing.any():
        return filled
    filled = from_nearest_level(field)
    known = from_nearest_level(np.where(missing, np.nan, pressure))
    scale = GAS_CONSTANT_DRY_AIR / GRAVITY_M_S2 * temperature_k(raw, pressure)
    return filled + scale * np.log(known / pressure)


def humidity_fraction(
    raw: RawAnalysis, temperature: np.ndarray, pressure: np.ndarray
) -> np.ndarray:
    """Return relative humidity as a fraction; zero above the last level that has any."""
    if "RELH" in raw.upper:
        return np.clip(_zero_above(raw, "RELH") / 100.0, 0.0, 1.0)
    if "SPHU" in raw.upper:
        humidity = _zero_above(raw, "SPHU")
        return thermo.relative_humidity(humidity, temperature, pressure)
    return np.zeros_like(temperature)


def has_vertical_motion(raw: RawAnalysis) -> bool:
    """Return whether an analysis has its own vertical motion, WWND or DZDT."""
    return "WWND" in raw.upper or "DZDT" in raw.upper


def vertical_motion(raw: RawAnalysis) -> np.ndarray:
    """Return the file's vertical motion, WWND in hPa/s or DZDT in m/s; zero when it has none."""
    name = "WWND" if "WWND" in raw.upper else "DZDT"
    if name not in raw.upper:
        return np.zeros_like(raw.upper["UWND"], dtype=np.float64)
    return _zero_above(raw, name)


def _zero_above(raw: RawAnalysis, name: str) -> np.ndarray:
    return zero_above_the_last(raw.upper[name].astype(np.float64), raw.grid.levels)


def heights_agl_m(
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
        return level_heights_m(raw, pressure) - terrain
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

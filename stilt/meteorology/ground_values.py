"""Values at the ground, which is the lowest point of a column: terrain, pressure, air, wind.

A file's two-metre temperature and ten-metre wind stand at the ground itself, as HYSPLIT puts them.
"""

from __future__ import annotations

import numpy as np

from stilt.constants import GAS_CONSTANT_DRY_AIR, GRAVITY_M_S2, KAPPA, ROUGHNESS_LENGTH_DEFAULT_M
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.gaps import between_levels
from stilt.meteorology.input_levels import level_heights_m, required
from stilt.meteorology.records import RawAnalysis

TERRAIN_FIELDS = ("SHGT", "HGTS", "TERR")
"""Names of the height of the ground, the first of which that a file has is taken."""


_SURFACE_TEMPERATURES = ("TMPS", "T02M")


def terrain_m(raw: RawAnalysis) -> np.ndarray:
    """Return the height of the ground above sea level, (ny, nx), that transport takes.

    Raises:
        MeteorologyError: a field that it is made from is missing.
    """
    known = _optional_surface(raw, *TERRAIN_FIELDS)
    return pressure_and_terrain(raw)[1] if known is None else known


def pressure_and_terrain(raw: RawAnalysis) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
            heights = level_heights_m(raw, pressure)
            terrain = _terrain_from_heights(heights, pressure, ground_pressure, raw)
    elif terrain is None:
        raise MeteorologyError(
            f"The weather at {raw.time} has no terrain height (SHGT), which levels that follow "
            "the terrain need: add the file that carries it, on the same grid and area.",
            reason=Reason.DAMAGED_MET_FILE,
        )
    if ground_pressure is None:
        # On pressure levels HYSPLIT goes from the first level to the ground, else from sea level.
        only_theta = "THET" in raw.upper and "TEMP" not in raw.upper
        first = required(raw, "THET" if only_theta else "TEMP")[0]
        known_m, known_hpa = 0.0, 1013.0
        if flag == 2:
            known_m, known_hpa = level_heights_m(raw, pressure)[0], values[0]
        scale_m = GAS_CONSTANT_DRY_AIR * first / GRAVITY_M_S2
        ground_pressure = known_hpa * np.exp(-(terrain - known_m) / scale_m)
    if flag != 2:
        pressure = _terrain_following_pressure(raw, values, ground_pressure)
    return pressure, np.asarray(terrain, dtype=np.float64), ground_pressure


def _terrain_following_pressure(
    raw: RawAnalysis, values: np.ndarray, ground_pressure: np.ndarray
) -> np.ndarray:
    if "PRES" in raw.upper and raw.grid.vertical_flag == 1:
        return _with_ground(raw, values, ground_pressure)
    if "PRES" in raw.upper or raw.grid.vertical_flag in (3, 5):
        return required(raw, "PRES")
    if raw.grid.vertical_flag == 1:
        offset = raw.grid.pressure_offset_hpa
        return values * (ground_pressure - offset) + offset
    whole = np.floor(values)
    return whole + (values - whole) * ground_pressure


def _with_ground(raw: RawAnalysis, sigma: np.ndarray, ground_pressure: np.ndarray) -> np.ndarray:
    """Return the pressure of sigma levels; levels without one lie between others or the ground."""
    field = required(raw, "PRES")
    missing = np.isnan(raw.upper["PRES"])
    if not missing.any():
        return field
    ground = np.broadcast_to(ground_pressure, (1, *field.shape[1:]))
    field = np.concatenate([ground, np.where(missing, np.nan, field)])
    return between_levels(field, (1.0, *sigma.ravel()))[1:]


def _terrain_from_heights(
    height_msl: np.ndarray,
    pressure: np.ndarray,
    ground_pressure: np.ndarray | None,
    raw: RawAnalysis,
) -> np.ndarray:
    """Return the height where the level heights cross the surface pressure, in log pressure."""
    if ground_pressure is None:
        raise MeteorologyError(
            f"The weather at {raw.time} has neither PRSS nor SHGT, and transport needs one of "
            "them: add the file with the surface fields, on the same grid and area as the levels.",
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


def surface_temperature(raw: RawAnalysis) -> np.ndarray | None:
    """Return temperature at the ground, TMPS or T02M: of several, as HYSPLIT, the file's last."""
    names = [name for name in raw.surface if name in _SURFACE_TEMPERATURES]
    return raw.surface[names[-1]].astype(np.float64) if names else None


def ground_temperature_k(
    raw: RawAnalysis,
    temperature: np.ndarray,
    pressure: np.ndarray,
    ground_pressure: np.ndarray,
    use_ten_metre: bool,
) -> np.ndarray:
    """Return temperature at the ground: the file's, else the lowest level's, brought down dry."""
    measured = surface_temperature(raw) if use_ten_metre else None
    if measured is not None:
        return measured
    return temperature[0] * (pressure[0] / ground_pressure) ** -KAPPA


def roughness_m(raw: RawAnalysis) -> np.ndarray:
    """Return the roughness length, (ny, nx): the file's, else HYSPLIT's default."""
    known = raw.surface.get("RGHS")
    if known is None:
        return np.full((raw.grid.ny, raw.grid.nx), ROUGHNESS_LENGTH_DEFAULT_M)
    return np.maximum(known.astype(np.float64), 1e-4)


def ground_wind(
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

"""ARL files that NOAA's arw2arl makes of WRF's output (model id AWRF): winds off the mass points.

They hold WRF's winds where WRF has them: along x on the western face of each cell, along y on the
southern, upward on the lower. HYSPLIT takes them so for this model id, whatever the vertical
coordinate (1 sigma, 5 WRF's hybrid one), which was found by asking its program; it is followed
here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stilt.constants import GAS_CONSTANT_DRY_AIR, GRAVITY_M_S2
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.records import RawAnalysis

_MODEL_ID = "AWRF"
_MASS_ON_FACES = ("MUU0", "MUV0")
_PASCAL = 0.01


def is_staggered(raw: RawAnalysis) -> bool:
    """Whether the winds of an analysis are on the faces of cells."""
    return raw.grid.source == _MODEL_ID


def has_mass_fluxes(raw: RawAnalysis) -> bool:
    """Whether the winds of an analysis are mass fluxes, averaged over WRF's output interval."""
    return is_staggered(raw) and all(name in raw.surface for name in _MASS_ON_FACES)


def at_mass_points(raw: RawAnalysis) -> RawAnalysis:
    """Return an analysis with its horizontal winds at the nodes, in m/s; others as they are.

    Averaged mass fluxes (of arw2arl's second configuration, told by MUU0 and MUV0) become winds.
    The last column and row, whose outer faces the file does not have, take the inner one's value.

    Raises:
        MeteorologyError: mass fluxes are in WRF's hybrid coordinate, whose coefficients the file
            does not have, or a map factor is missing.
    """
    if not is_staggered(raw) or not {"UWND", "VWND"} <= raw.upper.keys():
        return raw
    upper = dict(raw.upper)
    if has_mass_fluxes(raw):
        upper |= _uncoupled(raw)
    upper["UWND"] = _with_next(upper["UWND"], axis=2)
    upper["VWND"] = _with_next(upper["VWND"], axis=1)
    return replace(raw, upper=upper)


def _uncoupled(raw: RawAnalysis) -> dict[str, np.ndarray]:
    """Winds in m/s, and the vertical motion in hPa/s, from mass fluxes."""
    if raw.grid.vertical_flag == 5:
        raise MeteorologyError(
            f"The weather at {raw.time} holds WRF's mass fluxes on its hybrid levels, which become "
            "winds only with coefficients that ARL files do not have; read WRF's own files "
            "(format: wrf), or convert the winds of each time.",
            reason=Reason.DAMAGED_MET_FILE,
        )
    missing = [name for name in ("MSFT", "MSFU", "MSFV") if name not in raw.surface]
    if missing:
        raise MeteorologyError(
            f"The weather at {raw.time} holds WRF's mass fluxes without {', '.join(missing)}, "
            "which their winds need; convert it again with these fields.",
            reason=Reason.DAMAGED_MET_FILE,
        )
    surface = raw.surface
    made = {
        "UWND": raw.upper["UWND"] * (surface["MSFU"] / surface["MUU0"]),
        "VWND": raw.upper["VWND"] * (surface["MSFV"] / surface["MUV0"]),
    }
    if "WWND" in raw.upper:
        made["WWND"] = raw.upper["WWND"] * (_PASCAL * surface["MSFT"])
    return made


def _with_next(field: np.ndarray, axis: int) -> np.ndarray:
    """The mean of each value and the next one along an axis."""
    last = np.take(field, [-1], axis)
    following = np.concatenate([np.take(field, range(1, field.shape[axis]), axis), last], axis)
    return 0.5 * (field + following)


def lower_face_heights_m(
    raw: RawAnalysis, ground_pressure_hpa: np.ndarray, virtual_temperature_k: np.ndarray
) -> np.ndarray:
    """Return the height above ground of the lower face of each level, (levels, ny, nx).

    The value of a level is the mean of its two faces', from 1 at the ground; pressures on the
    faces are those of sigma levels also on hybrid ones, as in HYSPLIT.

    Args:
        raw: for its levels.
        ground_pressure_hpa: (ny, nx).
        virtual_temperature_k: of the levels.
    """
    offset = raw.grid.pressure_offset_hpa
    heights = np.zeros(virtual_temperature_k.shape)
    face, below = 1.0, ground_pressure_hpa
    for level, middle in enumerate(raw.grid.levels[:-1]):
        face = 2.0 * middle - face
        pressure = np.maximum(face, 1e-3) * (ground_pressure_hpa - offset) + offset
        depth = virtual_temperature_k[level] * np.log(below / pressure)
        heights[level + 1] = heights[level] + GAS_CONSTANT_DRY_AIR / GRAVITY_M_S2 * depth
        below = pressure
    return heights


def between_faces(
    field: np.ndarray, face_heights_m: np.ndarray, heights_m: np.ndarray
) -> np.ndarray:
    """Return a field of lower faces at other heights, linear in height.

    Args:
        field, face_heights_m: (levels, ny, nx).
        heights_m: where it is wanted, (wanted, ny, nx); above the highest face its value holds.
    """
    above = np.zeros(heights_m.shape, np.int64)
    for face in face_heights_m:
        above += face[None] < heights_m
    above = np.clip(above, 1, len(face_heights_m) - 1)
    bottom = np.take_along_axis(face_heights_m, above - 1, axis=0)
    top = np.take_along_axis(face_heights_m, above, axis=0)
    weight = np.clip((heights_m - bottom) / np.maximum(top - bottom, 1e-3), 0.0, 1.0)
    low = np.take_along_axis(field, above - 1, axis=0)
    return low + weight * (np.take_along_axis(field, above, axis=0) - low)


def shifted_down(rate: np.ndarray) -> np.ndarray:
    """Return the mean of each internal level's vertical motion and of that above it.

    HYSPLIT takes the vertical motion of these files as half a level lower also on its own levels.
    """
    return _with_next(rate, axis=0)

"""From WRF's staggered, perturbation and mass-coupled fields to those of the mass points.

Names, units and constants are those of WRF (Skamarock et al. 2019, A Description of the Advanced
Research WRF Model Version 4, NCAR/TN-556; module_big_step_utilities_em and module_small_step_em of
its source). Arrays on levels are (levels, ny, nx), at the ground (ny, nx).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GRAVITY_M_S2 = 9.81
"""WRF's own value, with which its geopotential gives the heights of its ground."""

MODEL_TOP_M = 25_000.0
"""Height at which transport's levels no longer follow the ground."""

_GAS_CONSTANT_DRY, _GAS_CONSTANT_VAPOUR = 287.0, 461.6
_KAPPA = 2.0 / 7.0
_BASE_THETA_K = 300.0

Floats = NDArray[np.float32]


def temperature_k(theta_perturbation_k: Floats, pressure_pa: Floats) -> Floats:
    """Return the temperature from T, the dry potential temperature minus 300 K."""
    exner = (pressure_pa / np.float32(1e5)) ** np.float32(_KAPPA)
    return (theta_perturbation_k + np.float32(_BASE_THETA_K)) * exner


def specific_humidity(mixing_ratio: Floats) -> Floats:
    """Return kg of vapour per kg of moist air, from kg per kg of dry air."""
    return mixing_ratio / (1.0 + mixing_ratio)


def between_faces(field: Floats, axis: int) -> Floats:
    """Return the mean of the two faces of each cell along an axis."""
    lower = np.take(field, range(field.shape[axis] - 1), axis)
    upper = np.take(field, range(1, field.shape[axis]), axis)
    return np.float32(0.5) * (lower + upper)


def on_faces(field: Floats, axis: int) -> Floats:
    """Return the mean of the two cells at each face; at the domain's edges the value of one."""
    padding = [(0, 0)] * field.ndim
    padding[axis] = (1, 1)
    return between_faces(np.pad(field, padding, mode="edge"), axis)


def uncoupled_wind(flux: Floats, mass_pa: Floats, factor: Floats, c1: Floats, c2: Floats) -> Floats:
    """Return the wind in m/s from a mass flux ``u (c1 mu + c2) / m`` on the same faces.

    Args:
        flux: AVGFLX_RUM or AVGFLX_RVM, Pa m/s, on levels.
        mass_pa: dry column mass mu on the faces (MUU, MUV), Pa.
        factor: map factor of the faces (MAPFAC_UY, MAPFAC_VX).
        c1, c2: C1H and C2H of the hybrid coordinate; 1 and 0 Pa on sigma levels.
    """
    mass = c1[:, None, None] * mass_pa + c2[:, None, None]
    return np.asarray(flux * factor / mass, np.float32)


def motion_through_levels(
    mass_flux: Floats,
    factor: Floats,
    temperature: Floats,
    pressure_pa: Floats,
    mixing_ratio: Floats | None,
) -> Floats:
    """Return the upward motion of the air through the levels in m/s, at mass points.

    Args:
        mass_flux: AVGFLX_WWM, the dry mass ``(c1 mu + c2) d(eta)/dt / m`` on the faces, Pa/s,
            (levels + 1, ny, nx); positive downward.
        factor: map factor of the mass points along y (MAPFAC_MY).
        temperature, pressure_pa, mixing_ratio: of the mass points; without vapour when None.
    """
    dry_volume = np.float32(_GAS_CONSTANT_DRY) * temperature
    if mixing_ratio is not None:
        dry_volume *= 1.0 + mixing_ratio * np.float32(_GAS_CONSTANT_VAPOUR / _GAS_CONSTANT_DRY)
    dry_volume /= pressure_pa
    downward = between_faces(mass_flux, 0) * factor
    return np.asarray(-downward * dry_volume / GRAVITY_M_S2, np.float32)


def along_wind(
    field: Floats, u: Floats, v: Floats, cell_size_m: tuple[Floats | float, Floats | float]
) -> Floats:
    """Return the advection of a field, ``u df/dx + v df/dy``, per second.

    Args:
        field: (ny, nx) or (levels, ny, nx).
        u, v: wind along the grid's axes, m/s, (levels, ny, nx).
        cell_size_m: along x and y.
    """
    dx, dy = cell_size_m
    along_x, along_y = np.gradient(field, axis=-1) / dx, np.gradient(field, axis=-2) / dy
    return np.asarray(u * along_x + v * along_y, np.float32)


def relative_to_ground(
    w: Floats, ground_slope: Floats, height_agl_m: Floats, terrain_m: Floats
) -> Floats:
    """Return the vertical motion that transport uses, from that of the air, m/s upward.

    Transport follows particles at heights above ground, compressed linearly below
    :data:`MODEL_TOP_M`. Air that moves along rising ground keeps its height above it, so the rise
    of the ground along the wind is subtracted, less so further up.

    Args:
        w: dz/dt above sea level, m/s.
        ground_slope: rise of the ground under the wind of each level, m/s.
        height_agl_m: of the levels.
        terrain_m: height of the ground above sea level.
    """
    follows = 1.0 - height_agl_m / (np.float32(MODEL_TOP_M) - terrain_m)
    return np.asarray(w - ground_slope * follows, np.float32)

"""Friction velocity, temperature scale and stability of the surface layer.

From the fluxes in the weather file where it has them, else from the profiles of wind and
temperature (Beljaars and Holtslag 1991 for stable air; Kader and Perepelkin for unstable air).
Every function works on whole (ny, nx) fields.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stilt.constants import (
    GRAVITY_M_S2,
    HEAT_CAPACITY_AIR,
    PRANDTL_NEUTRAL,
    VON_KARMAN,
)
from stilt.meteorology.columns import Columns
from stilt.meteorology.levels import InternalLevels
from stilt.meteorology.records import RawAnalysis

_A, _B, _C, _D = 1.0, 0.66667, 5.0, 0.35
_MIN_FRICTION_VELOCITY = 1e-4
_MIN_HEAT_FLUX_W_M2 = -25.0
_MIN_TEMPERATURE_SCALE_K = 1e-4


@dataclass(frozen=True)
class SurfaceLayer:
    """Surface layer of every column, (ny, nx).

    Attributes:
        friction_velocity_m_s: u*.
        temperature_scale_k: theta*, negative when heat goes up.
        stability: z/L at the surface-layer level, limited to [-2, 15].
        obukhov_length_m: L.
        level_index: zero-based index of the internal level that stands for its top.
    """

    friction_velocity_m_s: np.ndarray
    temperature_scale_k: np.ndarray
    stability: np.ndarray
    obukhov_length_m: np.ndarray
    level_index: int


def diagnose(
    raw: RawAnalysis, columns: Columns, levels: InternalLevels, *, from_fluxes: bool = True
) -> SurfaceLayer:
    """Diagnose the surface layer from fluxes (KBLS 1) or profiles (KBLS 2, or without fluxes)."""
    index = levels.surface_layer_index
    u_star = _friction_velocity(raw, columns, index) if from_fluxes else None
    theta_star = (
        _temperature_scale(raw, columns, index, u_star)
        if from_fluxes and u_star is not None
        else None
    )
    if u_star is None or theta_star is None:
        # HYSPLIT leaves a friction velocity without a heat flux aside, and the reverse.
        u_star, theta_star = _from_profiles(columns, index)
    height = columns.heights_m[index]
    stability = (
        height
        * VON_KARMAN
        * GRAVITY_M_S2
        * theta_star
        / (u_star**2 * columns.potential_temperature_k[index])
    )
    stability = np.clip(stability, -2.0, 15.0)
    stability = np.where(stability == 0.0, 0.001, stability)
    return SurfaceLayer(u_star, theta_star, stability, height / stability, index)


def _friction_velocity(raw: RawAnalysis, columns: Columns, index: int) -> np.ndarray | None:
    surface = raw.surface
    density = columns.moist_density[index]
    if "USTR" in surface:
        return np.maximum(surface["USTR"].astype(np.float64), _MIN_FRICTION_VELOCITY)
    if "UMOF" in surface and "VMOF" in surface:
        along_x = np.sqrt(np.abs(surface["UMOF"].astype(np.float64)) / density)
        along_y = np.sqrt(np.abs(surface["VMOF"].astype(np.float64)) / density)
    elif "EXCO" in surface:
        exchange = surface["EXCO"].astype(np.float64)
        along_x = np.sqrt(exchange * np.abs(columns.wind_x_m_s[index]) / density)
        along_y = np.sqrt(exchange * np.abs(columns.wind_y_m_s[index]) / density)
    else:
        return None
    return np.hypot(np.maximum(along_x, 0.01), np.maximum(along_y, 0.01))


def _temperature_scale(
    raw: RawAnalysis, columns: Columns, index: int, u_star: np.ndarray
) -> np.ndarray | None:
    surface = raw.surface
    if "TSTR" in surface:
        return surface["TSTR"].astype(np.float64)
    flux = surface.get("SHTF", surface.get("HFLX"))
    if flux is None:
        return None
    upward = flux.astype(np.float64)
    if raw.grid.source == " ETA":
        upward = -upward
    upward = np.maximum(upward, _MIN_HEAT_FLUX_W_M2)
    scale = -upward / (columns.moist_density[index] * HEAT_CAPACITY_AIR * u_star)
    # No flux at all counts as unstable: HYSPLIT's -0.0 keeps its sign.
    least = np.where(upward >= 0.0, -_MIN_TEMPERATURE_SCALE_K, _MIN_TEMPERATURE_SCALE_K)
    return np.where(np.abs(scale) < _MIN_TEMPERATURE_SCALE_K, least, scale)


def _from_profiles(columns: Columns, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute u* and theta* from the bulk Richardson number between the lowest levels."""
    data = np.maximum(np.maximum(1, index), columns.first_real_level)[None]

    def at_data(field: np.ndarray) -> np.ndarray:
        return np.take_along_axis(field, data, axis=0)[0]

    theta = columns.potential_temperature_k
    d_theta = at_data(theta) - theta[0]
    d_z = at_data(columns.heights_m) - columns.heights_m[0]
    shear2 = np.maximum(
        1e-4,
        (at_data(columns.wind_x_m_s) - columns.wind_x_m_s[0]) ** 2
        + (at_data(columns.wind_y_m_s) - columns.wind_y_m_s[0]) ** 2,
    )
    height = columns.heights_m[index]
    mean_theta = 0.5 * (at_data(theta) + theta[0])
    richardson = GRAVITY_M_S2 * d_theta * d_z / (mean_theta * shear2)
    richardson = richardson / (at_data(columns.heights_m) / height) ** 2
    richardson = np.clip(richardson, -1.0, 1.0)
    stability = stability_of(richardson, height, columns.roughness_m)
    phi_m, phi_h = momentum_function(stability), heat_function(stability)
    u_star = VON_KARMAN * height * np.sqrt(shear2) / (phi_m * d_z)
    theta_star = VON_KARMAN * height * d_theta / (phi_h * d_z)
    return np.maximum(u_star, _MIN_FRICTION_VELOCITY), theta_star


def stability_of(richardson: np.ndarray, height: np.ndarray, roughness: np.ndarray) -> np.ndarray:
    """Compute z/L from the bulk Richardson number (fits used by HYSPLIT), without other limits."""
    s = np.log(height / roughness + 1.0)
    t = np.log(height / (0.1 * roughness) + 1.0)
    v = math.log(10.0)
    ri = np.clip(richardson, 0.0, 0.0799)
    root = np.maximum(t**2 - 20.0 * s * t * ri + 20.0 * s**2 * ri, 0.0)
    weak = (-t + 10.0 * s * ri + np.sqrt(root)) / (10.0 * (1.0 - 5.0 * ri))
    strong = (0.005 * s + 41.2) * richardson**2 + (1.185 * s - 1.5 * v - 1.37) * richardson
    unstable = richardson * (s**2 / t - 0.5)
    stable = np.where(richardson < 0.08, weak, strong)
    return np.where(richardson > 0.0, stable, unstable)


def _stable_part(x: np.ndarray) -> np.ndarray:
    return _B * np.exp(-_D * x) * (1.0 + _C - _D * x)


def momentum_function(stability: np.ndarray) -> np.ndarray:
    """Compute phi_m(z/L): Beljaars and Holtslag (1991) stable, Kader and Perepelkin unstable."""
    x = np.maximum(stability, 0.0)
    stable = 1.0 + (_A + _stable_part(x)) * x
    y = np.minimum(stability, 0.0)
    unstable = ((1.0 + 0.625 * y**2) / (1.0 - 7.5 * y)) ** (1.0 / 3.0)
    return np.where(stability >= 0.0, stable, unstable)


def heat_function(stability: np.ndarray) -> np.ndarray:
    """Compute phi_h(z/L): Beljaars and Holtslag (1991) stable, Kader and Perepelkin unstable."""
    x = np.maximum(stability, 0.0)
    stable = PRANDTL_NEUTRAL * (1.0 + (_A * np.sqrt(1.0 + _A * _B * x) + _stable_part(x)) * x)
    y = np.minimum(stability, 0.0)
    unstable = 0.64 * ((3.0 - 2.5 * y) / (1.0 - 10.0 * y + 50.0 * y**2)) ** (1.0 / 3.0)
    return np.where(stability >= 0.0, stable, unstable)

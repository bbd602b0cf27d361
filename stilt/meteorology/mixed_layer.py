"""Height of the mixed layer and the convective velocity scale, per column.

The default (KMIXD 3) is the bulk Richardson number from the lowest internal level, with the
thermal excess of Holtslag and Boville (1993) and a critical value of 0.25.
"""

from __future__ import annotations

import numpy as np

from stilt.constants import GRAVITY_M_S2
from stilt.meteorology.columns import Columns
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.surface_layer import SurfaceLayer

MIXED_LAYER_FIELDS = ("PBLH", "HPBL", "MXHT")
"""Names of the mixed-layer height, the first of which that a file has is taken."""

_CRITICAL_RICHARDSON = 0.25
_THIRD = 1.0 / 3.0


def mixed_layer_height(
    raw: RawAnalysis, columns: Columns, surface: SurfaceLayer, *, kmixd: int
) -> np.ndarray:
    """Return the mixed-layer height above ground in metres before scaling and floor, (ny, nx).

    Args:
        raw: the analysis, for heights that come with the file (KMIXD 0) and TKE (KMIXD 2).
        columns: the analysis on internal levels.
        surface: its surface layer.
        kmixd: 0 the file's own, 1 temperature profile, 2 TKE profile, 3 bulk Richardson number,
            10 or more: that many metres.
    """
    if kmixd >= 10:
        return np.full(columns.terrain_m.shape, float(kmixd))
    if kmixd == 0:
        from_file = file_mixed_layer_height(raw)
        return _from_temperature(columns) if from_file is None else from_file
    if kmixd == 2 and columns.turbulent_kinetic_energy is not None:
        return _from_turbulence(columns.heights_m, columns.turbulent_kinetic_energy)
    if kmixd in (1, 2):
        return _from_temperature(columns)
    return _from_richardson(columns, surface)


def file_mixed_layer_height(raw: RawAnalysis) -> np.ndarray | None:
    """Return the file's own mixed-layer height (PBLH, HPBL or MXHT), metres, or None."""
    for name in MIXED_LAYER_FIELDS:
        if name in raw.surface:
            return raw.surface[name].astype(np.float64)
    return None


def _from_temperature(columns: Columns) -> np.ndarray:
    """Return the first level, scanning down from the top, within 2 K of the coldest theta."""
    theta = columns.potential_temperature_k
    inside = theta <= theta.min(axis=0) + 2.0
    top = len(theta) - 1 - np.argmax(inside[::-1], axis=0)
    return np.take_along_axis(columns.heights_m, top[None], axis=0)[0]


def _from_turbulence(heights_m: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Return the level below the lowest where turbulent energy has halved or is at most 0.21.

    In m2 s-2, compared level by level; the top where there is no such level.
    """
    ends = (energy[1:] <= 0.5 * energy[:-1]) | (energy[1:] <= 0.21)
    level = np.where(ends.any(axis=0), np.argmax(ends, axis=0), len(energy) - 1)
    return np.take_along_axis(heights_m, level[None], axis=0)[0]


def _from_richardson(columns: Columns, surface: SurfaceLayer) -> np.ndarray:
    h, theta, density = (
        columns.heights_m,
        columns.potential_temperature_k,
        columns.moist_density,
    )
    u, v = columns.wind_x_m_s, columns.wind_y_m_s
    unstable = surface.stability < 0.0
    u_star, theta_star = surface.friction_velocity_m_s, surface.temperature_scale_k
    height = h[-2].copy()
    previous = np.zeros_like(height)
    found = np.zeros(height.shape, dtype=bool)
    surface_density = density[surface.level_index]
    for k in range(1, len(h)):
        scale = theta_star * surface_density / density[k]
        convective = np.abs(GRAVITY_M_S2 * u_star * scale * h[k] / theta[0]) ** _THIRD
        excess = np.where(
            unstable,
            np.abs(8.5 * u_star * scale / (u_star**3 + 0.6 * convective**3) ** _THIRD),
            0.0,
        )
        shear2 = np.maximum(1e-4, (u[k] - u[0]) ** 2 + (v[k] - v[0]) ** 2)
        base = theta[0] + excess
        richardson = GRAVITY_M_S2 * (h[k] - h[0]) * (theta[k] - base) / (base * shear2)
        crossing = ~found & (richardson >= _CRITICAL_RICHARDSON)
        fraction = (_CRITICAL_RICHARDSON - previous) / np.where(
            crossing, richardson - previous, 1.0
        )
        height = np.where(crossing, h[k - 1] + (h[k] - h[k - 1]) * fraction, height)
        found |= crossing
        previous = richardson
        if found.all():
            break
    return np.minimum(height, h[-2])


def convective_velocity(
    columns: Columns, surface: SurfaceLayer, mixed_layer_height_m: np.ndarray
) -> np.ndarray:
    """Compute convective velocity scale w* in m s-1; zero over a stable surface layer."""
    scale = (
        GRAVITY_M_S2
        * surface.friction_velocity_m_s
        * surface.temperature_scale_k
        * mixed_layer_height_m
        / columns.potential_temperature_k[surface.level_index]
    )
    return np.where(surface.stability < 0.0, np.abs(scale) ** _THIRD, 0.0)

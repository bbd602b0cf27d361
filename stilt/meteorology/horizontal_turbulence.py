"""Variances of the horizontal turbulent wind, by each of HYSPLIT's schemes."""

from __future__ import annotations

import numpy as np

from stilt.meteorology.columns import Columns
from stilt.meteorology.surface_layer import SurfaceLayer
from stilt.meteorology.turbulence import (
    TurbulenceOptions,
    is_in_surface_layer,
    vertical_to_horizontal,
)

_DEFORMATION_FACTOR = 0.014
_DEFORMATION_LIMITS_M2_S = (432.0, 43_200.0)
_HORIZONTAL_TIME_S = 10_800.0
_LEAST_WIND2_PER_S2 = 1e-20


def horizontal_variances(
    columns: Columns,
    surface: SurfaceLayer,
    mixed_layer_height_m: np.ndarray,
    convective_velocity_m_s: np.ndarray,
    profile_sigma_w_m_s: np.ndarray,
    grid_kind: str,
    cell_size_m: tuple[np.ndarray, np.ndarray],
    options: TurbulenceOptions,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute variances along the grid's axes on every level, m2 s-2, (levels, ny, nx) each.

    With KDEF 1 from the deformation of the wind, whatever the scheme. Else, by KBLT: 1 and 5, and
    above the mixed layer also 2, half the vertical variance; 2 Kantha and Clayson (2000); 3 what
    the vertical variance leaves of the file's turbulent energy; 4 those of the file. Asked of
    HYSPLIT in uniform winds along either axis and across: its variances do not turn with the
    wind, and KZMIX does not change them.

    Args:
        columns: the analysis.
        surface: its surface layer.
        mixed_layer_height_m, convective_velocity_m_s: (ny, nx).
        profile_sigma_w_m_s: before KZMIX.
        grid_kind: kind of the meteorology's grid.
        cell_size_m: along x and y, (ny, nx) each.
        options: the scheme.
    """
    if options.horizontal == 1:
        return _from_deformation(columns, grid_kind, cell_size_m)
    energy, variances = columns.turbulent_kinetic_energy, columns.velocity_variances
    if options.scheme == 3 and energy is not None:
        left = energy / (1.0 + vertical_to_horizontal(surface, options))
        return left, left
    if options.scheme == 4 and variances is not None:
        return variances.along_x, variances.along_y
    half = 0.5 * profile_sigma_w_m_s**2
    if options.scheme in (1, 5):
        return half, half
    inside = columns.heights_m < mixed_layer_height_m
    along_x, along_y = _kantha_clayson(
        columns, surface, mixed_layer_height_m, convective_velocity_m_s
    )
    return np.where(inside, along_x, half), np.where(inside, along_y, half)


def _kantha_clayson(
    columns: Columns, surface: SurfaceLayer, zi: np.ndarray, w_star: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute variances of Kantha and Clayson (2000) in the mixed layer."""
    zeta = np.clip(columns.heights_m / zi, 0.0, 1.0)
    aloft = np.where(is_in_surface_layer(columns, surface, zi), 1.0, (1.0 - zeta) ** 1.5)
    stable = surface.friction_velocity_m_s**2 * aloft
    unstable = 0.36 * w_star**2
    is_stable = surface.obukhov_length_m >= 0.0
    return np.where(is_stable, 4.0 * stable, unstable), np.where(is_stable, 5.0 * stable, unstable)


def _from_deformation(
    columns: Columns, grid_kind: str, cell_size_m: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Compute ``K = 0.014 dx dy D`` within 432 to 43,200 m2 s-1, over a time scale of 3 hours.

    Smagorinsky (1963), with HYSPLIT's constant and limits. The deformation D is that of the wind in
    cells per second from cell to cell, and K is shared between x and y as the squares of that wind
    are. Asked of HYSPLIT on grids of either kind from 3 to 70 degrees north: on Lambert grids K is
    half of that, on latitude-longitude grids all of it.
    """
    dx, dy = cell_size_m
    u, v = columns.wind_x_m_s / dx, columns.wind_y_m_s / dy
    du_dy, du_dx = np.gradient(u, axis=(1, 2))
    dv_dy, dv_dx = np.gradient(v, axis=(1, 2))
    deformation = np.hypot(du_dy + dv_dx, du_dx - dv_dy)
    if grid_kind == "conformal":
        deformation = 0.5 * deformation
    mixing = np.clip(_DEFORMATION_FACTOR * dx * dy * deformation, *_DEFORMATION_LIMITS_M2_S)
    variance = mixing / _HORIZONTAL_TIME_S
    along_x = u**2 / np.maximum(u**2 + v**2, _LEAST_WIND2_PER_S2)
    return variance * along_x, variance * (1.0 - along_x)

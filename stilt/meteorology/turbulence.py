"""Profiles of the vertical turbulence: standard deviation and Lagrangian time scale.

Inside the mixed layer the default is Hanna (1982); above it a local mixing coefficient. All
arrays are (levels, ny, nx); SI units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stilt.constants import GRAVITY_M_S2, VON_KARMAN
from stilt.meteorology.columns import Columns
from stilt.meteorology.surface_layer import SurfaceLayer, heat_function, momentum_function

_THIRD = 1.0 / 3.0
_MIN_SIGMA = 1e-5
_TIME_SCALE_ABOVE_S = 100.0
_MIXING_LENGTH_ABOVE_M = 150.0
_MIXING_LIMITS_M2_S = (0.01, 200.0)
_ENTRAINED_SHARE = 0.2
_ENTRAINMENT_GRADIENT_K_M = 0.05


@dataclass(frozen=True)
class TurbulenceOptions:
    """Choices of the turbulence scheme, by HYSPLIT's names in brackets.

    Attributes:
        scheme: 1 Beljaars-Holtslag, 2 Kantha-Clayson, 3 TKE of the file, 4 variances of the file,
            5 Hanna (KBLT).
        mixing: 0 profile, 1 mean over the mixed layer, 2 profile times ``factor`` (KZMIX).
        factor: multiplies the vertical variance with ``mixing`` 2 (TVMIX).
        time_scale_stable_s: fixed time scale of all levels over stable ground, negative for the
            formula in the mixed layer and 100 s above (VSCALES).
        time_scale_unstable_s: the same over unstable ground when the former is set (VSCALEU).
        tke_ratio_day, tke_ratio_night: vertical to horizontal variance with ``scheme`` 3, in
            unstable and in stable air (TKERD, TKERN).
        horizontal: 0 half the vertical variance, 1 from the deformation of the wind (KDEF).
    """

    scheme: int = 5
    mixing: int = 0
    factor: float = 1.0
    time_scale_stable_s: float = -1.0
    time_scale_unstable_s: float = 200.0
    tke_ratio_day: float = 0.18
    tke_ratio_night: float = 0.18
    horizontal: int = 0


class VerticalTurbulence(NamedTuple):
    """Vertical turbulence on every level, (levels, ny, nx) each.

    Attributes:
        sigma_w_m_s: standard deviation of the vertical velocity.
        time_scale_s: its Lagrangian time scale.
        profile_sigma_w_m_s: standard deviation of the scheme's own profile, which KZMIX changes.
    """

    sigma_w_m_s: np.ndarray
    time_scale_s: np.ndarray
    profile_sigma_w_m_s: np.ndarray


def profiles(
    columns: Columns,
    surface: SurfaceLayer,
    mixed_layer_height_m: np.ndarray,
    convective_velocity_m_s: np.ndarray,
    options: TurbulenceOptions,
) -> VerticalTurbulence:
    """Compute standard deviation of vertical velocity and its time scale on every level."""
    h = columns.heights_m
    zi = mixed_layer_height_m[None]
    inside = h < zi
    profile_in = np.maximum(
        _sigma_mixed_layer(columns, surface, zi, convective_velocity_m_s, options), _MIN_SIGMA
    )
    sigma_in = profile_in
    if options.mixing == 1:
        count = np.maximum(inside.sum(axis=0), 1)
        mean_square = np.where(inside, sigma_in**2, 0.0).sum(axis=0) / count
        sigma_in = np.broadcast_to(np.sqrt(mean_square), h.shape)
    elif options.mixing == 2:
        sigma_in = sigma_in * np.sqrt(options.factor)
    if options.time_scale_stable_s > 0.0:
        unstable = surface.obukhov_length_m[None] < 0.0
        fixed = np.where(unstable, options.time_scale_unstable_s, options.time_scale_stable_s)
        time_in = time_above = np.broadcast_to(fixed, h.shape)
    else:
        time_in = _time_scale(columns, surface, zi, sigma_in)
        time_above = np.full(h.shape, _TIME_SCALE_ABOVE_S)
    from_file = _sigma_of_file(columns, surface, options)
    if from_file is not None:
        sigma_above = from_file
    else:
        at_top = np.rint(h) == np.rint(zi)
        mixing = np.where(
            at_top & (surface.stability < 0.0),
            _mixing_coefficient_at_top(surface),
            _mixing_coefficient_above(columns),
        )
        sigma_above = np.sqrt(mixing / time_above)
    sigma = np.where(inside, sigma_in, sigma_above)
    time_scale = np.where(inside, time_in, time_above)
    return VerticalTurbulence(
        np.where(sigma == 0.0, 0.001, sigma),
        np.where(time_scale == 0.0, _TIME_SCALE_ABOVE_S, time_scale),
        np.where(inside, profile_in, sigma_above),
    )


def _sigma_mixed_layer(
    columns: Columns,
    surface: SurfaceLayer,
    zi: np.ndarray,
    w_star: np.ndarray,
    options: TurbulenceOptions,
) -> np.ndarray:
    zeta = np.clip(columns.heights_m / zi, 0.0, 1.0)
    if options.scheme == 1:
        return _sigma_beljaars_holtslag(columns, surface, zi, w_star[None])
    from_file = _sigma_of_file(columns, surface, options)
    if from_file is not None:
        return from_file
    if options.scheme in (2, 3, 4):
        return _sigma_kantha_clayson(columns, surface, zi, zeta, w_star[None])
    return _sigma_hanna(columns, surface, zi, zeta, w_star[None])


def _sigma_of_file(
    columns: Columns, surface: SurfaceLayer, options: TurbulenceOptions
) -> np.ndarray | None:
    """Return sigma_w from the file, on every level as in HYSPLIT; None if the fields are missing.

    From the turbulent energy (KBLT 3) or the variance itself (KBLT 4).
    """
    if options.scheme == 3 and columns.turbulent_kinetic_energy is not None:
        ratio = vertical_to_horizontal(surface, options)
        variance = 2.0 * columns.turbulent_kinetic_energy / (1.0 + 1.0 / ratio)
    elif options.scheme == 4 and columns.velocity_variances is not None:
        variance = columns.velocity_variances.upward
    else:
        return None
    return np.maximum(np.sqrt(variance), _MIN_SIGMA)


def vertical_to_horizontal(surface: SurfaceLayer, options: TurbulenceOptions) -> np.ndarray:
    """Return the vertical variance over the sum of both horizontal ones, with KBLT 3."""
    day = surface.stability < 0.0
    return np.where(day, options.tke_ratio_day, options.tke_ratio_night)


def _stability_at(columns: Columns, surface: SurfaceLayer) -> np.ndarray:
    return np.clip(columns.heights_m / surface.obukhov_length_m, -2.0, 10.0)


def _sigma_hanna(
    columns: Columns,
    surface: SurfaceLayer,
    zi: np.ndarray,
    zeta: np.ndarray,
    w_star: np.ndarray,
) -> np.ndarray:
    """Compute sigma_w of Hanna (1982): stable air from u*, unstable air from w*."""
    stable = 1.3 * surface.friction_velocity_m_s * (1.0 - zeta)
    surface_part = 0.96 * np.maximum(3.0 * zeta - surface.obukhov_length_m / zi, 0.0) ** _THIRD
    unstable = np.where(
        zeta < 0.03,
        surface_part,
        np.where(
            zeta < 0.4,
            np.minimum(surface_part, 0.763 * zeta**0.175),
            np.where(zeta < 0.96, 0.722 * (1.0 - zeta) ** 0.207, 0.37),
        ),
    )
    return np.where(_stability_at(columns, surface) >= 0.0, stable, unstable * w_star)


def _sigma_kantha_clayson(
    columns: Columns,
    surface: SurfaceLayer,
    zi: np.ndarray,
    zeta: np.ndarray,
    w_star: np.ndarray,
) -> np.ndarray:
    """Compute sigma_w of Kantha and Clayson (2000)."""
    h = columns.heights_m
    stability = h / surface.obukhov_length_m
    u2 = surface.friction_velocity_m_s**2
    in_surface_layer = is_in_surface_layer(columns, surface, zi)
    unstable_surface = 1.74 * u2 * np.maximum(1.0 - 3.0 * stability, 0.0) ** 0.67
    unstable_above = 1.17 * w_star**2 * np.maximum(zeta - zeta**2, 0.0) ** 0.67
    unstable = np.where(in_surface_layer, unstable_surface, unstable_above)
    stable = 1.7 * u2 * np.where(in_surface_layer, 1.0, (1.0 - zeta) ** 1.5)
    return np.sqrt(np.where(_stability_at(columns, surface) >= 0.0, stable, unstable))


def is_in_surface_layer(columns: Columns, surface: SurfaceLayer, zi: np.ndarray) -> np.ndarray:
    """Return which levels are in the surface layer, or in the lowest tenth of the mixed layer."""
    h = columns.heights_m
    return h <= np.maximum(h[surface.level_index], 0.1 * zi)


def _sigma_beljaars_holtslag(
    columns: Columns, surface: SurfaceLayer, zi: np.ndarray, w_star: np.ndarray
) -> np.ndarray:
    """Compute the sigma_w that gives the mixing coefficient of Beljaars and Holtslag (1991)."""
    h = columns.heights_m
    zeta = np.clip(h / zi, 0.0, 1.0)
    u_star = surface.friction_velocity_m_s
    stability = _stability_at(columns, surface)
    phi_h, phi_m = heat_function(stability), momentum_function(stability)
    in_surface_layer = is_in_surface_layer(columns, surface, zi)
    w_m = (u_star**3 + 0.6 * w_star**3) ** _THIRD
    prandtl = phi_h / phi_m + 7.2 * VON_KARMAN * h * w_star / (zi * np.maximum(w_m, 1e-6))
    w_h = np.where(in_surface_layer, u_star / phi_h, w_m / prandtl)
    mixing = np.clip(VON_KARMAN * w_h * h * (1.0 - zeta) ** 2, *_MIXING_LIMITS_M2_S)
    # The formula's time scale is (shape / sigma), so sigma^2 T = K gives sigma = K / shape.
    shape = _time_scale(columns, surface, zi, np.ones_like(h))
    return mixing / np.maximum(shape, 1e-6)


def _time_scale(
    columns: Columns, surface: SurfaceLayer, zi: np.ndarray, sigma: np.ndarray
) -> np.ndarray:
    """Compute the Lagrangian time scale inside the mixed layer, Hanna (1982), s."""
    h = columns.heights_m
    zeta = np.clip(h / zi, 0.0, 1.0)
    length = surface.obukhov_length_m[None]
    above_ground = h - columns.roughness_m
    stable = np.where(zeta >= 1.0, _TIME_SCALE_ABOVE_S, 0.1 * (zi / sigma) * zeta**0.8)
    near = 0.1 * h / (sigma * (0.55 + 0.38 * above_ground / length))
    far = 0.59 * h / sigma
    middle = 0.15 * (zi / sigma) * (1.0 - np.exp(-5.0 * zeta))
    surface_part = np.where(above_ground < np.abs(length), near, far)
    unstable = np.where(zeta < 0.1, surface_part, middle)
    return np.where(_stability_at(columns, surface) >= 0.0, stable, unstable)


def _mixing_coefficient_at_top(surface: SurfaceLayer) -> np.ndarray:
    """Return the mixing coefficient of a level at a convective mixed layer's top, m2 s-1.

    A fifth of the surface flux of temperature over a gradient of 0.05 K/m, as entrainment in
    Beljaars and Betts (1992). HYSPLIT has it on a level that is not below the mixed-layer height
    but equal to it in whole metres, which is the rule where that height is a level (KMIXD 1 and
    2): asked with fluxes from 50 to 8000 W m-2, it gives 4.0 u* theta*, whatever height, wind,
    roughness or scheme. Only steps of temperature above 0.14 K/m lower it, which are not met.
    """
    flux = surface.friction_velocity_m_s * np.abs(surface.temperature_scale_k)
    share = _ENTRAINED_SHARE / _ENTRAINMENT_GRADIENT_K_M
    return np.clip(share * flux, *_MIXING_LIMITS_M2_S)


def _mixing_coefficient_above(columns: Columns) -> np.ndarray:
    """Compute local mixing coefficients from the gradients to the level below, m2 s-1."""
    h, theta = columns.heights_m, columns.potential_temperature_k
    u, v = columns.wind_x_m_s, columns.wind_y_m_s
    d_z = h[1:] - h[:-1]
    shear2 = np.maximum(0.1, (u[1:] - u[:-1]) ** 2 + (v[1:] - v[:-1]) ** 2)
    richardson = GRAVITY_M_S2 * d_z * (theta[1:] - theta[:-1]) / (shear2 * theta[:-1])
    richardson = np.clip(richardson, 0.0, 20.0)
    length = 1.0 / (1.0 / (VON_KARMAN * h[1:]) + 1.0 / _MIXING_LENGTH_ABOVE_M)
    fit = 2.828e-4 + richardson * (
        0.8049 + richardson * (1.6583 + richardson * (5.090e-3 - 1.0063e-3 * richardson))
    )
    x = np.minimum(np.where(richardson <= 0.001, 1.0893 * richardson, fit), 256.0)
    mixing = length**2 * (np.sqrt(shear2) / d_z) / heat_function(x)
    mixing = np.clip(mixing, *_MIXING_LIMITS_M2_S)
    return np.concatenate([mixing[:1], mixing])

"""Vertical motion that is diagnosed, where the met file has none or a setting asks for it.

Rates are those of the vertical coordinate sigma = 1 - z / Zm of the transport's levels, where z is
the height over flat ground at sea level and Zm the model top; positive rates go down.
"""

from __future__ import annotations

import numpy as np

from stilt.constants import SECONDS_PER_MINUTE
from stilt.meteorology.levels import InternalLevels

_LARGEST_RATE = 0.005
_LEAST_GRADIENT = 1e-6


def rate_from_divergence(
    wind_x_m_s: np.ndarray,
    wind_y_m_s: np.ndarray,
    cell_size_m: tuple[np.ndarray, np.ndarray],
    levels: InternalLevels,
) -> np.ndarray:
    """Compute sigma's rate per minute from divergence of the horizontal wind, (levels, ny, nx).

    What HYSPLIT does (W_OPTION 5, and 0 when the file has no vertical motion), found by asking
    its program with winds that diverge on one level only. It is not the integral of the
    continuity equation: with D the divergence on a level, from centred differences of winds in
    cells per minute, the motion at level n is the *plain* sum of D over the levels up to n, times
    the depth of layer n, (sigma(n-1) - sigma(n+1)) / 2, at the lowest level its height. Where
    levels get further apart upward that is more than continuity gives, about twice as much in
    uniform divergence. Then the profile is smoothed: each level takes the mean of itself and its
    two neighbours, the lowest and highest that of two. Neither density nor slopes count. At the
    edges of the grid, also where a global one closes, the motion is half of the next node's.

    Args:
        wind_x_m_s, wind_y_m_s: wind along the grid's axes on the internal levels.
        cell_size_m: cell sizes along x and y, (ny, nx) each.
        levels: the internal levels.
    """
    dx, dy = cell_size_m
    divergence = SECONDS_PER_MINUTE * (
        np.gradient(wind_x_m_s / dx, axis=2) + np.gradient(wind_y_m_s / dy, axis=1)
    )
    height = levels.heights_m / levels.model_top_m
    depth = np.empty_like(height)
    depth[0], depth[-1] = height[0], height[-1] - height[-2]
    depth[1:-1] = 0.5 * (height[2:] - height[:-2])
    rate = _smoothed(depth[:, None, None] * np.cumsum(divergence, axis=0))
    rate[:, [0, -1]] = 0.5 * rate[:, [1, -2]]
    rate[:, :, [0, -1]] = 0.5 * rate[:, :, [1, -2]]
    return rate


def rate_along_surfaces(
    field_before: np.ndarray,
    field: np.ndarray,
    minutes: float,
    wind_x_m_s: np.ndarray,
    wind_y_m_s: np.ndarray,
    cell_size_m: tuple[np.ndarray, np.ndarray],
    levels: InternalLevels,
) -> np.ndarray:
    """Compute the rate of sigma per minute that keeps air on surfaces of X, (levels, ny, nx).

    The rate w for which dX/dt = 0 along the motion: -(dX/dt + u dX/dx + v dX/dy) / (dX/dsigma),
    at most 0.005 per minute (HYSPLIT's W_OPTION 1 to 3; found by asking its program). Differences
    are centred but at the ends.

    Args:
        field_before, field: X at the analysis before and at this one, on the internal levels.
        minutes: from the one before to this one; negative in a run back in time.
        wind_x_m_s, wind_y_m_s: wind along the grid's axes at this one.
        cell_size_m: cell sizes along x and y, (ny, nx) each.
        levels: the internal levels.
    """
    dx, dy = cell_size_m
    change = (field - field_before) / minutes + SECONDS_PER_MINUTE * (
        wind_x_m_s / dx * np.gradient(field, axis=2) + wind_y_m_s / dy * np.gradient(field, axis=1)
    )
    sigma = 1.0 - levels.heights_m / levels.model_top_m
    upward = np.gradient(field, axis=0) / np.gradient(sigma)[:, None, None]
    steep = np.where(np.abs(upward) < _LEAST_GRADIENT, _LEAST_GRADIENT, upward)
    return np.clip(-change / steep, -_LARGEST_RATE, _LARGEST_RATE)


def _smoothed(profile: np.ndarray) -> np.ndarray:
    """Return the running mean over three levels, over two at either end."""
    out = np.empty_like(profile)
    out[0], out[-1] = profile[:2].mean(axis=0), profile[-2:].mean(axis=0)
    out[1:-1] = (profile[:-2] + profile[1:-1] + profile[2:]) / 3.0
    return out

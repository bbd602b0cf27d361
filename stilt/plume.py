"""The plume close to a release, which is shallower than the layer influenced by the surface.

Formulas for arrays of NumPy or JAX. Formula and constants are R-STILT's (``calc_plume_dilution``;
Fasoli et al. 2018, section 2.2).
"""

from __future__ import annotations

from typing import Any

import numpy as np

DRY_AIR_KG_PER_MOL = 0.02897
SECONDS_PER_MINUTE = 60.0


def plume_growth_m(
    samt_min: Any, sigma_w: Any, lagrangian_s: Any, elapsed_min: Any, xp: Any = np
) -> Any:
    """Vertical growth of the plume over one step, metres.

    samt sqrt(2) sigma_w sqrt(T t + T^2 exp(-t/T) - 1). The last term is 1, not the T^2 of
    Taylor's theory, as in R-STILT; where it makes the root's argument negative (T below one second
    near the release) growth is zero.

    Args:
        samt_min: minutes of the step within the layer influenced by the surface.
        sigma_w: standard deviation of vertical velocity, m s-1.
        lagrangian_s: vertical Lagrangian time scale T, s.
        elapsed_min: minutes since release t.
        xp: NumPy or ``jax.numpy``.
    """
    elapsed_s = elapsed_min * SECONDS_PER_MINUTE
    argument = lagrangian_s * elapsed_s + lagrangian_s**2 * xp.exp(-elapsed_s / lagrangian_s) - 1.0
    return samt_min * np.sqrt(2.0) * sigma_w * xp.sqrt(xp.maximum(argument, 0.0))


def influenced_height_m(mixed_layer_m: Any, veght: float) -> Any:
    """Return the height of the layer influenced by the surface, metres.

    Args:
        mixed_layer_m: height of the mixed layer.
        veght: fraction of the mixed layer; above 1, metres above ground instead.
    """
    return veght * mixed_layer_m if veght <= 1 else veght


def plume_influence(plume_m: Any, density: Any, samt_min: Any) -> Any:
    """Influence of a step that dilutes into the plume, ppm per (umol m-2 s-1).

    Args:
        plume_m: depth of the plume.
        density: of the air, kg m-3.
        samt_min: minutes of the step within the layer influenced by the surface.
    """
    return DRY_AIR_KG_PER_MOL / (plume_m * density) * samt_min * SECONDS_PER_MINUTE

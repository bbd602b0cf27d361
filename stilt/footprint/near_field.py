"""Hyper-near-field correction: the shallow plume close to the release dilutes less than its layer.

Formula and constants are R-STILT's (``calc_plume_dilution``; Fasoli et al. 2018, section 2.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stilt.errors import FootprintError
from stilt.footprint.steps import Floats
from stilt.transforms.release import release_height_agl_m

if TYPE_CHECKING:
    from stilt.receptors import Receptor

DRY_AIR_KG_PER_MOL = 0.02897
SECONDS_PER_MINUTE = 60.0
NEEDED = ("time", "indx", "foot", "mlht", "dens", "samt", "sigw", "tlgr")
UNCORRECTED = "foot_no_hnf_dilution"


def plume_growth_m(
    samt_min: Floats, sigma_w: Floats, lagrangian_s: Floats, elapsed_s: Floats
) -> Floats:
    """Vertical growth of the plume over one step, metres.

    samt sqrt(2) sigma_w sqrt(T t + T^2 exp(-t/T) - 1). The last term is 1, not the T^2 of
    Taylor's theory, as in R-STILT; where it makes the root's argument negative (T below one second
    near the release) growth is zero.
    """
    argument = lagrangian_s * elapsed_s + lagrangian_s**2 * np.exp(-elapsed_s / lagrangian_s) - 1.0
    growth: Floats = samt_min * np.sqrt(2.0) * sigma_w * np.sqrt(np.maximum(argument, 0.0))
    return growth


def apply_near_field(
    particles: pd.DataFrame,
    *,
    receptor: Receptor | None,
    veght: float,
    heights_msl: bool | None = None,
) -> pd.DataFrame:
    """Raise ``foot`` where the plume is still shallower than the layer that sees the surface.

    Rows of each particle are taken outwards from the release, whatever their order in the table.
    Run on a table that was corrected before, it starts again from the saved originals.

    Args:
        particles: trajectory table with the columns of ``NEEDED``; ``xhgt`` gives release heights.
        receptor: its altitude is the release height when there is no ``xhgt``.
        veght: fraction of the mixed layer that sees the surface; above 1, metres above ground.
        heights_msl: whether release heights are above sea level, overruling the receptor (kmsl).

    Returns:
        A copy with ``foot`` corrected and the original in ``foot_no_hnf_dilution``.

    Raises:
        FootprintError: a column is missing.
        ValueError: neither ``xhgt`` nor a point receptor gives a release height.
    """
    missing = [name for name in NEEDED if name not in particles.columns]
    if missing:
        raise FootprintError(
            f"The near-field correction needs the column(s) {', '.join(missing)}; "
            "add them to varsiwant or set hnf_plume to false."
        )
    original = UNCORRECTED if UNCORRECTED in particles.columns else "foot"
    table = particles.assign(**{UNCORRECTED: particles[original]})
    if table.empty:
        return table.assign(foot=table[UNCORRECTED])
    elapsed = np.abs(table["time"].to_numpy(np.float64))
    samt, sigw, tlgr, dens = (
        table[name].to_numpy(np.float64) for name in ("samt", "sigw", "tlgr", "dens")
    )
    growth = plume_growth_m(samt, sigw, tlgr, elapsed * SECONDS_PER_MINUTE)
    start = release_height_agl_m(table, receptor, heights_msl=heights_msl)
    plume = start + _cumulative_outwards(growth, table["indx"].to_numpy(), elapsed)
    mixed = table["mlht"].to_numpy(np.float64)
    layer = veght * mixed if veght <= 1 else np.full_like(mixed, veght)
    foot = table[UNCORRECTED].to_numpy(np.float64).copy()
    shallow = plume < layer
    foot[shallow] = (
        DRY_AIR_KG_PER_MOL / (plume[shallow] * dens[shallow]) * samt[shallow] * SECONDS_PER_MINUTE
    )
    return table.assign(foot=foot)


def _cumulative_outwards(growth: Floats, particle: np.ndarray, elapsed: Floats) -> Floats:
    """Running sum of each particle's growth in order of elapsed time, shape (rows,)."""
    order = np.argsort(elapsed, kind="stable")
    out: Floats = np.empty_like(growth)
    out[order] = pd.Series(growth[order]).groupby(particle[order]).cumsum().to_numpy()
    return out

"""Width of the smoothing kernel, from the spread of the particles at each age."""

from __future__ import annotations

import numpy as np

from stilt.footprint.ages import Ages
from stilt.footprint.steps import Floats

SPREAD_TO_WIDTH = 0.06
MINUTES_PER_DAY = 1440.0


def kernel_width(
    ages: Ages, x: Floats, y: Floats, *, smooth_factor: float, degrees: bool
) -> tuple[Floats, Floats]:
    """Return the standard deviation of the kernel for every age that at least two particles share.

    w = smooth_factor 0.06 (var x + var y)^(1/4) (|age| / 1 day)^(1/2), divided by the cosine of the
    mean latitude on grids in degrees (Lin et al. 2003, as R-STILT has it). All particles count,
    including those outside the grid and those without influence.

    Args:
        ages: rows in order of age.
        x, y: positions in grid units, shape (rows,).
        smooth_factor: 0 switches smoothing off.
        degrees: whether x and y are longitude and latitude.

    Returns:
        Ages (minutes, ascending) and widths (grid units), both (kept ages,). Without any age that
        two particles share: one age with width zero.
    """
    n = ages.sizes()
    squares, mean_y = ages.spread(x, y)
    # One particle has no variance, and a missing position makes that of its age unknown.
    kept = (n > 1) & np.isfinite(squares)
    if not kept.any():
        return ages.minutes[:1], np.zeros(1)
    variance = squares[kept] / (n[kept] - 1)
    minutes = ages.minutes[kept]
    width = SPREAD_TO_WIDTH * smooth_factor * np.sqrt(np.sqrt(variance))
    width *= np.sqrt(np.abs(minutes) / MINUTES_PER_DAY)
    if degrees:
        width /= np.cos(np.deg2rad(mean_y[kept]))
    order = np.argsort(minutes, kind="stable")
    return minutes[order], width[order]


def nearest(sorted_values: Floats, wanted: Floats) -> np.ndarray:
    """Return the index of the nearest of ``sorted_values`` to each value; in a tie the smaller."""
    after = np.searchsorted(sorted_values, wanted).clip(0, sorted_values.size - 1)
    before = (after - 1).clip(0)
    nearer_before = wanted - sorted_values[before] <= np.abs(sorted_values[after] - wanted)
    return np.where(nearer_before, before, after)

"""Find the nodes of one grid among those of another, such as surface fields of a larger area."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from stilt.meteorology.grids import MetGrid

_TOLERANCE_CELLS = 1e-3
"""What nodes may be apart: coordinates in single precision are rounded."""


@lru_cache(maxsize=64)
def offset_within(inner: MetGrid, outer: MetGrid) -> tuple[int, int] | None:
    """Return the column and row of the outer grid at which the inner one begins.

    Columns count from there eastward, over the seam of a global grid too.

    Args:
        inner, outer: two grids; their levels do not matter.

    Returns:
        None unless every node of the inner grid is one of the outer grid, in the same order.
    """
    if (inner.kind, inner.source) != (outer.kind, outer.source) or inner.nx > outer.nx:
        return None
    columns = np.unique(np.linspace(0, inner.nx - 1, 5).round())
    rows = np.unique(np.linspace(0, inner.ny - 1, 5).round())
    x, y = outer.to_xy(*inner.to_lonlat(*np.meshgrid(columns, rows)))
    first_x, first_y = round(float(x[0, 0])), round(float(y[0, 0]))
    away_x, away_y = x - first_x - columns, y - first_y - rows[:, None]
    if outer.cyclic_x:
        away_x -= outer.nx * np.round(away_x / outer.nx)
        first_x %= outer.nx
    elif not 0 <= first_x <= outer.nx - inner.nx:
        return None
    if not 0 <= first_y <= outer.ny - inner.ny:
        return None
    # A place that a map does not have is NaN.
    if not (np.hypot(away_x, away_y) < _TOLERANCE_CELLS).all():
        return None
    return first_x, first_y

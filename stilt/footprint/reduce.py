"""Sum and mean of many footprints, one in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from stilt.errors import UsageError
from stilt.footprint.receptor_coordinates import ATTRIBUTES

if TYPE_CHECKING:
    from stilt.footprint.footprint import Footprint


def sum_footprints(footprints: Iterable[Footprint]) -> xr.DataArray:
    """Sum footprints over receptors and time: dims (lat, lon) or (y, x).

    Raises:
        UsageError: there are none, or their grids differ.
    """
    return _summed(footprints)[0]


def mean_footprint(footprints: Iterable[Footprint]) -> xr.DataArray:
    """Average the time-summed footprints over receptors; empty ones count as zeros.

    Raises:
        UsageError: there are none, or their grids differ.
    """
    total, count = _summed(footprints)
    mean: xr.DataArray = (total / count).assign_attrs(total.attrs)
    return mean


def _summed(footprints: Iterable[Footprint]) -> tuple[xr.DataArray, int]:
    total: xr.DataArray | None = None
    count = 0
    for footprint in footprints:
        field = footprint.integrate_over_time()
        if total is None:
            # The sum is no single receptor's.
            total = field.drop_vars(ATTRIBUTES, errors="ignore").copy()
        elif any(not np.array_equal(field[dim].values, total[dim].values) for dim in total.dims):
            raise UsageError(
                f"The footprint of {footprint.receptor.id} lies on another grid than the first "
                f"of the selection; select footprints of one grid."
            )
        else:
            total += field.values
        count += 1
    if total is None:
        raise UsageError("There is nothing to sum: the selection holds no footprint.")
    return total, count

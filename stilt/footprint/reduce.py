"""Sum and mean of many footprints, one in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import xarray as xr

from stilt.errors import UsageError
from stilt.footprint.layers import LayerCells, Layers
from stilt.footprint.netcdf import coordinate_attributes, crs_attributes, foot_attributes

if TYPE_CHECKING:
    from stilt.footprint.gridded import GriddedInfluence

    class Footprint(GriddedInfluence, Protocol):
        """A footprint in memory."""

        def integrate_over_time(self) -> xr.DataArray:
            """Sum its layers."""


Influence: TypeAlias = "Footprint | Layers | LayerCells"


def sum_footprints(footprints: Iterable[Influence]) -> xr.DataArray:
    """Sum footprints over receptors and time: dims (lat, lon) or (y, x).

    Raises:
        UsageError: there are none, or their grids differ.
    """
    return _summed(footprints)[0]


def mean_footprint(footprints: Iterable[Influence]) -> xr.DataArray:
    """Average the time-summed footprints over receptors; empty ones count as zeros.

    Raises:
        UsageError: there are none, or their grids differ.
    """
    total, count = _summed(footprints)
    mean: xr.DataArray = (total / count).assign_attrs(total.attrs)
    return mean


def _summed(footprints: Iterable[Influence]) -> tuple[xr.DataArray, int]:
    total: xr.DataArray | None = None
    count = 0
    for footprint in footprints:
        if isinstance(footprint, Layers | LayerCells):
            y, x, field = footprint.y, footprint.x, footprint.summed()
        else:
            summed = footprint.integrate_over_time()
            (y, x), field = (summed[dim].values for dim in summed.dims), summed.values
        if total is None:
            total = _field(footprint, y, x, field)
        elif not (_same(y, total, 0) and _same(x, total, 1)):
            raise UsageError(
                f"The footprint of {footprint.receptor.id} lies on another grid than the first "
                f"of the selection; select footprints of one grid."
            )
        else:
            total += field
        count += 1
    if total is None:
        raise UsageError("There is nothing to sum: the selection holds no footprint.")
    return total, count


def _same(axis: np.ndarray, total: xr.DataArray, number: int) -> bool:
    return np.array_equal(axis, total[total.dims[number]].values)


def _field(footprint: Influence, y: np.ndarray, x: np.ndarray, field: np.ndarray) -> xr.DataArray:
    """Label the first field as what it will be the sum of: no single receptor's."""
    projection = footprint.grid.projection
    meta = coordinate_attributes(projection)
    _, *dims = meta
    coordinates = {dim: (dim, axis, meta[dim]) for dim, axis in zip(dims, (y, x), strict=True)}
    crs = ((), np.int32(0), crs_attributes(projection))
    return xr.DataArray(
        field.copy(), {**coordinates, "crs": crs}, dims, name="foot", attrs=foot_attributes()
    )

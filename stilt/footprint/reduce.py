"""Sum and mean of many footprints, one in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import xarray as xr

from stilt.errors import UsageError
from stilt.footprint.layers import CellBlock, Layers
from stilt.footprint.netcdf import coordinate_attributes, crs_attributes, foot_attributes

if TYPE_CHECKING:
    from stilt.footprint.gridded import GriddedInfluence

    class Footprint(GriddedInfluence, Protocol):
        """A footprint in memory."""

        def integrate_over_time(self) -> xr.DataArray:
            """Sum its layers."""


Influence: TypeAlias = "Footprint | Layers | CellBlock"


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
    first: Influence | None = None
    axes: tuple[np.ndarray, np.ndarray] | None = None
    total, count = np.zeros((0, 0)), 0
    for footprint in footprints:
        y, x = _axes(footprint)
        if axes is None:
            first, axes, total = footprint, (y, x), np.zeros((y.size, x.size))
        elif not (np.array_equal(y, axes[0]) and np.array_equal(x, axes[1])):
            who = footprint.ids[0] if isinstance(footprint, CellBlock) else footprint.receptor.id
            raise UsageError(
                f"The footprint of {who} lies on another grid than the first of the selection; "
                "select footprints of one grid."
            )
        count += _add(footprint, total)
    if first is None or axes is None:
        raise UsageError("There is nothing to sum: the selection holds no footprint.")
    return _field(first, *axes, total), count


def _axes(footprint: Influence) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(footprint, Layers | CellBlock):
        return footprint.y, footprint.x
    y, x = (footprint.data[dim].values for dim in footprint.data.dims[1:])
    return y, x


def _add(footprint: Influence, total: np.ndarray) -> int:
    """Add to a sum in place, and return the number of footprints."""
    if isinstance(footprint, CellBlock):
        np.add.at(total.reshape(-1), footprint.cell, footprint.values)
        return int(footprint.layers.size)
    if isinstance(footprint, Layers):
        total += footprint.summed()
    else:
        total += footprint.integrate_over_time().values
    return 1


def _field(footprint: Influence, y: np.ndarray, x: np.ndarray, total: np.ndarray) -> xr.DataArray:
    """Label a sum over receptors: it has the coordinates of none of them."""
    projection = footprint.grid.projection
    meta = coordinate_attributes(projection)
    _, *dims = meta
    coordinates = {dim: (dim, axis, meta[dim]) for dim, axis in zip(dims, (y, x), strict=True)}
    crs = ((), np.int32(0), crs_attributes(projection))
    return xr.DataArray(
        total, {**coordinates, "crs": crs}, dims, name="foot", attrs=foot_attributes()
    )

"""Missing values of a field that its file does not declare, or that were not decoded."""

from __future__ import annotations

import numpy as np
import xarray as xr

from stilt.fill_values import is_fill, stated_fills


def without_fill_values(array: xr.DataArray) -> xr.DataArray:
    """Return a variable with NaN in place of numbers that stand for missing values."""
    fills = stated_fills(array.attrs)
    extremes = np.array([float(array.min()), float(array.max())])
    fills += extremes[is_fill(extremes)].tolist()
    return array.where(~array.isin(fills)).assign_attrs(array.attrs) if fills else array

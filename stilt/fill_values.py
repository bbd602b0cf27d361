"""Numbers that stand for missing values without being declared as such."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# -99, -999.9, -99999.0; and 99999 or more, which some networks use.
_NINES = re.compile(r"-9{2,}(\.9*0*)?|9{5,}(\.9*0*)?")
# NetCDF's default fill values of whole numbers, with the least ones of 16 and 32 bits.
_OF_INTEGERS = (-32_767.0, -32_768.0, -2_147_483_647.0, -2_147_483_648.0)
# Beyond are the fill values of models and NetCDF, such as 1e20 and 9.96921e36.
_LARGEST = 1e15


def is_fill(values: Any) -> NDArray[np.bool_]:
    """Return which numbers stand for no value: -99, -999.9, 99999, 1e20 and their like.

    Args:
        values: numbers, shape (n,).
    """
    numbers = np.asarray(values, np.float64)
    found = np.abs(numbers) >= _LARGEST
    # Few numbers are below zero or so large, so that only these are written out, with the digits
    # of single precision and with more.
    for at in np.flatnonzero(~found & ((numbers <= -99.0) | (numbers >= 99_999.0))):
        written = (f"{numbers[at]:.7g}", f"{numbers[at]:.12g}")
        found[at] = numbers[at] in _OF_INTEGERS or any(_NINES.fullmatch(text) for text in written)
    return found


def stated_fills(attributes: Mapping[str, Any]) -> list[float]:
    """Return the numbers that a variable's attributes declare as missing, where not decoded."""
    stated = (attributes.get(name) for name in ("_FillValue", "missing_value"))
    return [float(each) for some in stated if some is not None for each in np.ravel(some)]


def fill_among(values: Any, stated: Sequence[float] = ()) -> float | None:
    """Return a number that stands for no value and is the least or greatest of some, else None.

    Args:
        values: numbers of any shape; NaN do not count.
        stated: further numbers that stand for no value.
    """
    numbers = np.asarray(values, np.float64)
    known = numbers[~np.isnan(numbers)]
    if not known.size:
        return None
    extremes = np.array([known.min(), known.max()])
    return next(iter(extremes[is_fill(extremes) | np.isin(extremes, stated)].tolist()), None)

"""Missing values (NaN) in fields: filled from the nearest level, or refused."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.records import RawAnalysis


def from_nearest_level(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a field whose missing values are those of the nearest level that has one there.

    Products on pressure levels leave out what is below the ground, and some fields on high levels.

    Args:
        field: (levels, ny, nx); of two levels equally near the lower one counts.
    """
    known = ~np.isnan(field)
    if known.all():
        return field
    count = len(field)
    number = np.arange(count)[:, None, None]
    below = np.maximum.accumulate(np.where(known, number, -count), axis=0)
    above = np.minimum.accumulate(np.where(known, number, 2 * count)[::-1], axis=0)[::-1]
    source = np.where(number - below <= above - number, below, above)
    return np.take_along_axis(field, np.clip(source, 0, count - 1), axis=0)


def zero_where_no_level_has_it(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a field that is zero on levels without any value, and filled on the others.

    HYSPLIT takes humidity and vertical motion for zero on levels that a file leaves out. Levels
    that are below the lowest one with values, as those below all ground, are filled.
    """
    missing = np.isnan(field)
    if not missing.any():
        return field
    empty = missing.all(axis=(1, 2))
    empty &= np.logical_or.accumulate(~empty)
    return np.where(empty[:, None, None], 0.0, from_nearest_level(field))


def without_empty(surface: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Return the surface fields that have any value; the others count as missing fields."""
    return {name: field for name, field in surface.items() if not np.isnan(field).all()}


def refuse_unknown(raw: RawAnalysis, prepared: Iterable[NDArray[np.floating]]) -> None:
    """Refuse an analysis from which values follow that are no finite numbers.

    Particles could not move there: their steps would never end.

    Args:
        raw: the analysis, or some rows of it.
        prepared: arrays that transport uses.

    Raises:
        MeteorologyError: there are such values; the message names the fields with missing values.
    """
    if all(np.isfinite(each).all() for each in prepared):
        return
    names = [name for name, field in raw.surface.items() if np.isnan(field).any()]
    names += [name for name, field in raw.upper.items() if np.isnan(field).all(axis=0).any()]
    cause = (
        f"has no {' and no '.join(names)} at some of its nodes; crop it (subgrid_bounds) to where "
        "these fields are, or use files that carry them everywhere"
        if names
        else "has values that transport cannot compute with; correct the units of its fields, or "
        "fetch the file again"
    )
    raise MeteorologyError(f"The weather at {raw.time} {cause}.", reason=Reason.DAMAGED_MET_FILE)

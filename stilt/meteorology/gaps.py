"""Missing values (NaN) in fields: filled from neighbouring levels, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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


def between_levels(field: NDArray[np.float64], levels: Sequence[float]) -> NDArray[np.float64]:
    """Return a field with missing values filled linearly between the levels below and above.

    What has a value on one side only takes that of the nearest level. A file from which a message
    was lost has such levels.

    Args:
        field: (levels, ny, nx).
        levels: pressure, height or sigma of the levels; without an order, their number counts.
    """
    known = ~np.isnan(field)
    if known.all():
        return field
    at = np.asarray(levels, np.float64)
    steps = np.diff(at)
    if not ((steps > 0.0).all() or (steps < 0.0).all()):
        at = np.arange(len(field), dtype=np.float64)
    number = np.arange(len(field))[:, None, None]
    below = np.maximum.accumulate(np.where(known, number, -1), axis=0)
    above = np.minimum.accumulate(np.where(known, number, len(field))[::-1], axis=0)[::-1]
    is_between = ~known & (below >= 0) & (above < len(field))
    if not is_between.any():
        return from_nearest_level(field)
    # Elsewhere the two are the level itself.
    below, above = np.where(is_between, below, number), np.where(is_between, above, number)
    width = np.where(is_between, at[above] - at[below], 1.0)
    share = (at[:, None, None] - at[below]) / width
    low, high = np.take_along_axis(field, below, axis=0), np.take_along_axis(field, above, axis=0)
    return from_nearest_level(np.where(is_between, low + share * (high - low), field))


def zero_above_the_last(field: NDArray[np.float64], levels: Sequence[float]) -> NDArray[np.float64]:
    """Return a field that is zero above the last level with any value, and filled below it.

    HYSPLIT takes humidity and vertical motion for zero on levels that a file leaves out.

    Args:
        field: (levels, ny, nx).
        levels: as :func:`between_levels` takes them.
    """
    missing = np.isnan(field)
    if not missing.any():
        return field
    with_values = np.flatnonzero(~missing.all(axis=(1, 2)))
    last = with_values[-1] if with_values.size else -1
    filled = between_levels(field, levels)
    filled[last + 1 :] = 0.0
    return filled


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

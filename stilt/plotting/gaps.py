"""Lines and areas over time that break where there is nothing for long."""

from __future__ import annotations

import numpy as np

# There is a gap where nothing follows for this many usual steps.
GAP_STEPS = 2.5


def gaps(times: np.ndarray) -> np.ndarray:
    """Return the places in ascending times before which there is a long gap, shape (gaps,).

    Args:
        times: datetime64, shape (n,); the usual step is the median of those that are not 0.
    """
    steps = np.diff(times)
    some = steps[steps > np.timedelta64(0, "ns")]
    if len(some) < 2:
        return np.array([], np.intp)
    return np.flatnonzero(steps > GAP_STEPS * np.median(some)) + 1


def broken_at(places: np.ndarray, *columns: np.ndarray) -> list[np.ndarray]:
    """Return times and values with a row in each gap, of NaN, which neither line nor area crosses.

    Args:
        places: from :func:`gaps`.
        columns: times, which stay times, and numbers, each of shape (n,).
    """
    found = []
    for values in columns:
        if values.dtype.kind == "M":
            between = values[places - 1] + (values[places] - values[places - 1]) / 2
        else:
            values, between = values.astype(np.float64), np.full(len(places), np.nan)
        found.append(np.insert(values, places, between))
    return found


def alone(values: np.ndarray) -> np.ndarray:
    """Return the places of numbers between two that are NaN, which no line shows."""
    there = np.concatenate([[False], np.isfinite(values), [False]])
    return np.flatnonzero(there[1:-1] & ~there[:-2] & ~there[2:])

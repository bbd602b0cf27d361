"""From when to when each field of a flux holds, by its time stamps."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stilt.footprint.steps import Ints

_DAY_US = 86_400_000_000
_MIDDLE_OF_MONTH = (14, 17)
_MIDDLE_OF_YEAR = ("06-30", "07-03")


def edges_of(stamps: NDArray[np.datetime64]) -> tuple[Ints, Ints]:
    """Return start and end of each step of a flux, microseconds since 1970.

    One stamp each calendar month (or year), all on its first day, in its middle or on its last
    day, stands for that month (or year). Stamps that lie in the middle of even parts of the day,
    such as 01:30, 04:30, ... or 12:00 of each day, are the middles of these parts. All others hold
    until the next one, the last as long as the one before it.

    Args:
        stamps: at least two, ascending, datetime64[us].
    """
    units: tuple[Literal["M"], Literal["Y"]] = ("M", "Y")
    for unit in units:
        periods = stamps.astype(f"datetime64[{unit}]")
        if (np.diff(periods).astype(np.int64) == 1).all() and _at_one_place(stamps, periods, unit):
            following = (periods + np.timedelta64(1, unit)).astype("datetime64[us]")
            return _microseconds(periods), _microseconds(following)
    left = stamps.astype(np.int64)
    steps = np.diff(left)
    right = np.append(left[1:], left[-1] + steps[-1])
    even = (steps == steps[0]).all() and steps[0] <= _DAY_US and _DAY_US % steps[0] == 0
    half = steps[0] // 2
    if even and left[0] % steps[0] == half:
        return left - half, right - half
    return left, right


def days_of_months(stamps: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return the number of days of the month that each stamp lies in."""
    month = stamps.astype("datetime64[M]")
    days = (month + np.timedelta64(1, "M")).astype("datetime64[D]") - month.astype("datetime64[D]")
    return days.astype(np.float64)


def _at_one_place(
    stamps: NDArray[np.datetime64], periods: NDArray[np.datetime64], unit: Literal["M", "Y"]
) -> bool:
    """Return whether all stamps are at the first midnight, in the middle or on the last day."""
    if (stamps == periods).all():
        return True
    day = stamps.astype("datetime64[D]")
    following = (periods + np.timedelta64(1, unit)).astype("datetime64[D]")
    if (day == following - np.timedelta64(1, "D")).all():
        return True
    if unit == "M":
        of_month = (day - periods.astype("datetime64[D]")).astype(np.int64) + 1
        first, last = _MIDDLE_OF_MONTH
        return bool(((of_month >= first) & (of_month <= last)).all())
    dates = [str(each)[5:] for each in day]
    return all(_MIDDLE_OF_YEAR[0] <= date <= _MIDDLE_OF_YEAR[1] for date in dates)


def _microseconds(times: NDArray[np.datetime64]) -> Ints:
    return times.astype("datetime64[us]").astype(np.int64)

"""From when to when each field of a flux holds, by its time stamps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from stilt.errors import UsageError
from stilt.footprint.steps import Ints

if TYPE_CHECKING:
    import xarray as xr

_DAY_US = 86_400_000_000
_MIDDLE_OF_MONTH = (14, 17)
_MIDDLE_OF_YEAR = ("06-30", "07-03")


STEP_START, STEP_END = "step_start", "step_end"
"""Coordinates along the times of a flux that state from when to when each of its fields holds."""
# A step so many times as long as most are is a gap: fields are missing.
_GAP = 1.5


def bounds_of_times(flux: xr.DataArray, time: str = "time") -> str:
    """Return the name of the bounds that the times of a flux have in its file, "" without any."""
    if time not in flux.coords:
        return ""
    told = flux[time]
    return str(told.attrs.get("bounds") or told.encoding.get("bounds") or "")


def steps_of(flux: xr.DataArray, stamps: NDArray[np.datetime64], bounds: str) -> tuple[Ints, Ints]:
    """Return start and end of each step of a flux, microseconds since 1970.

    They are those that its coordinates :data:`STEP_START` and :data:`STEP_END` state, else those of
    :func:`edges_of`.

    Args:
        flux: ascending in time.
        stamps: its times, at least two, datetime64[us].
        bounds: of :func:`bounds_of_times`.

    Raises:
        UsageError: steps overlap or have no length, or the stamps may be the ends of steps as well
            as their starts and the bounds that tell are not there.
    """
    if all(name in flux.coords and flux[name].dims == ("time",) for name in (STEP_START, STEP_END)):
        left, right = (_microseconds(flux[name].values) for name in (STEP_START, STEP_END))
        wrong = np.flatnonzero(~(left < right) | np.append(left[1:] < right[:-1], False))
        if wrong.size:
            raise UsageError(
                f"The flux's time bounds at {stamps[wrong[0]].astype('datetime64[s]')} have no "
                "length or overlap with the next ones: correct them."
            )
        return left, right
    left, right = edges_of(stamps)
    if bounds and np.array_equal(left, stamps.astype(np.int64)):
        raise UsageError(
            f"The flux's file has time bounds ({bounds}), which xarray does not keep with one "
            "variable, and without them its times may be starts or ends: give the starts, as in "
            f"flux.assign_coords(time=data[{bounds!r}][:, 0].values)."
        )
    return left, right


def edges_of(stamps: NDArray[np.datetime64]) -> tuple[Ints, Ints]:
    """Return start and end of each step of a flux, microseconds since 1970.

    One stamp each calendar month (or year), all on its first day, in its middle or on its last
    day, stands for that month (or year). Stamps that lie in the middle of even parts of the day,
    such as 01:30, 04:30, ... or 12:00 of each day, are the middles of these parts. All others hold
    until the next one, the last as long as the one before it. Where fields are missing among others
    at even steps, nothing holds in their place.

    Args:
        stamps: at least two, ascending, datetime64[us].
    """
    units: tuple[Literal["M"], Literal["Y"]] = ("M", "Y")
    for unit in units:
        periods = stamps.astype(f"datetime64[{unit}]")
        apart = np.diff(periods).astype(np.int64)
        if apart.min() == 1 and _at_one_place(stamps, periods, unit):
            following = (periods + np.timedelta64(1, unit)).astype("datetime64[us]")
            return _microseconds(periods), _microseconds(following)
    left = stamps.astype(np.int64)
    steps = np.diff(left)
    lengths, counts = np.unique(steps, return_counts=True)
    usual = int(lengths[counts.argmax()])
    if counts.max() > steps.size / 2:
        steps = np.where(steps >= _GAP * usual, usual, steps)
    right = left + np.append(steps, steps[-1])
    even = (steps == usual).all() and usual <= _DAY_US and _DAY_US % usual == 0
    half = usual // 2
    if even and (left % usual == half).all():
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

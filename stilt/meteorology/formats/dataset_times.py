"""Times of datasets that xarray opens: their axis, under any name, as valid times in UTC."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from stilt.meteorology.formats.cf_attributes import UnsuitableFileError, standard_name

TIMES = ("valid_time", "time")
"""Names of the dimension of times."""
FORECAST_BEGAN = "stilt_forecast_began"
"""Attribute of a dataset of one forecast: when it began."""

_REFERENCE = "forecast_reference_time"
_CALENDARS = {"", "standard", "gregorian", "proleptic_gregorian", "none", "noleap", "365_day"}
"""Calendars whose dates are dates in UTC; those without leap years only lack some of them."""


def with_time_axis(data: xr.Dataset) -> xr.Dataset:
    """Return a dataset whose axis of times is named ``time``, unless it has one of :data:`TIMES`.

    An axis of times is one with times as its values, or one that is named so in other letters.
    """
    if set(TIMES) & set(data.dims):
        return data
    for dim in map(str, data.dims):
        found = _times_along(data, dim)
        if not found and dim.lower() not in TIMES:
            continue
        if "time" in data.variables and found != "time":
            data = data.drop_vars("time")
        if found and found != dim:
            data = data.set_coords(found).swap_dims({dim: found})
        return data.rename({found or dim: "time"}) if found != "time" else data
    return data


def _times_along(data: xr.Dataset, dim: str) -> str:
    """Return the variable with the times of a dimension; "" if it is not one of times."""
    if dim in data.variables:
        return dim if _is_time(data[dim]) else ""
    found = [
        name
        for name in map(str, data.variables)
        if data[name].dims == (dim,) and _is_time(data[name])
    ]
    found.sort(key=lambda name: (name.lower() not in TIMES, standard_name(data[name]) != "time"))
    return found[0] if found else ""


def _is_time(variable: xr.DataArray) -> bool:
    if standard_name(variable) == _REFERENCE:
        return False
    return variable.dtype.kind == "M" or "calendar" in variable.encoding


def times_of(
    data: xr.Dataset, variable: xr.DataArray
) -> tuple[str, NDArray[np.datetime64], NDArray[np.int64]]:
    """Return a variable's dimension of time, its valid times, and the forecast hour of each.

    Raises:
        UnsuitableFileError: its times have no values, or are not times in UTC.
        ValueError: some of them are missing.
    """
    name = next((name for name in TIMES if name in variable.dims), "")
    known = next((each for each in TIMES if each in data.coords or each in data.variables), "")
    if name and not known:
        raise UnsuitableFileError(
            f"its axis {name} has no values; write its times into it, with units such as 'hours "
            "since 2023-07-15'"
        )
    if not known:
        return "", np.array(["NaT"], "datetime64[m]"), np.zeros(1, np.int64)
    valid = _to_the_minute(data[known])
    if name and (np.isnat(valid).any() or len(valid) != data.sizes[name]):
        raise ValueError(f"some of its times ({known}) are missing")
    began = data.attrs.get(FORECAST_BEGAN, valid)
    hours = np.maximum((valid - began) // np.timedelta64(1, "h"), 0).astype(np.int64)
    if name == "" and len(valid) > 1:
        return "", np.array(["NaT"], "datetime64[m]"), np.zeros(1, np.int64)
    return name, valid, hours


def _to_the_minute(times: xr.DataArray) -> NDArray[np.datetime64]:
    """Return times to the nearest minute, since fractions of days are not exact.

    Raises:
        UnsuitableFileError: they are numbers, or dates of a calendar of models.
    """
    calendar = str(times.encoding.get("calendar", "")).lower()
    if calendar not in _CALENDARS:
        raise UnsuitableFileError(
            f"its times ({times.name}) are of the calendar {calendar}, whose dates are not those "
            "of UTC; write them in the calendar standard"
        )
    if times.dtype.kind not in "MO":
        units = times.attrs.get("units")
        given = f"have the units '{units}'" if units else "have no units"
        raise UnsuitableFileError(
            f"its times ({times.name}) {given}; write them with units such as 'hours since "
            "2023-07-15'"
        )
    seconds = np.atleast_1d(times.to_numpy()).ravel().astype("datetime64[s]")
    return (seconds + np.timedelta64(30, "s")).astype("datetime64[m]")

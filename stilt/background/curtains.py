"""A curtain: background mole fractions as a table of times, latitudes and heights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from stilt.errors import UsageError
from stilt.receptors import parse_time

_NAMES = {
    "time": ("time", "date", "datetime"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "long"),
    "pressure": ("pressure", "pressure_hpa", "pres"),
    "altitude": ("altitude", "altitude_m", "alt", "height_m"),
}
_VALUES = ("value", "mole_fraction", "co2", "ch4", "background")


def curtain(table: pd.DataFrame, units: str) -> xr.DataArray:
    """Return a table of background values as a field.

    Args:
        table: columns time, latitude, longitude, pressure (hPa) or altitude (m above sea level),
            as many of them as the values depend on, and ``value``; one row for every combination.
        units: of the values, such as ``ppm``.

    Raises:
        UsageError: there are no rows, a column is missing or cannot be read, or a combination is
            there twice or missing.
    """
    if table.empty:
        raise UsageError("The curtain's table has no rows: give it values.")
    lowered = {str(name).lower(): str(name) for name in table.columns}
    axes = {
        role: lowered[name] for role, names in _NAMES.items() for name in names if name in lowered
    }
    value = next((lowered[name] for name in _VALUES if name in lowered), None)
    if value is None or not axes:
        raise UsageError(
            "A curtain needs a column value and at least one of time, latitude, longitude, "
            f"pressure and altitude; it has {', '.join(map(str, table.columns))}."
        )
    if "pressure" in axes and "altitude" in axes:
        raise UsageError("A curtain has either pressures or altitudes, not both.")
    frame = table.rename(columns={name: role for role, name in axes.items()})
    read = {name: _numbers(frame[name]) for name in (*axes, value) if name != "time"}
    if "time" in axes:
        read["time"] = _times(frame["time"])
    series = frame.assign(**read).set_index(list(axes))[value].sort_index()
    if series.index.has_duplicates:
        raise UsageError(
            f"The curtain has two values for {series.index[series.index.duplicated()][0]}."
        )
    found: Any = series.to_xarray().rename("curtain")
    if bool(found.isnull().any()):
        raise UsageError(
            f"The curtain has {int(found.isnull().sum())} gaps: it needs a value for every "
            f"combination of {', '.join(axes)}."
        )
    for name, unit in (("pressure", "hPa"), ("altitude", "m")):
        if name in found.coords:
            found[name].attrs["units"] = unit
    return found.assign_attrs(units=units)


def _times(column: pd.Series) -> pd.Series:
    """Return times as naive UTC, each read by itself: their texts may have several forms."""
    if column.dtype.kind == "M":
        return pd.to_datetime(column, utc=True).dt.tz_localize(None).astype("datetime64[ns]")
    try:
        known = {each: parse_time(each) for each in column.unique()}
    except UsageError as error:
        raise UsageError(f"The curtain's column time: {error}") from error
    return column.map(known).astype("datetime64[ns]")


def _numbers(column: pd.Series) -> pd.Series:
    """Return a column as numbers."""
    try:
        return pd.to_numeric(column).astype(np.float64)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"The curtain's column {column.name} must hold numbers: {error}."
        ) from error

"""Standard names and units of variables of CF datasets."""

from __future__ import annotations

import re

import numpy as np
import xarray as xr

from stilt.udunits import quiet_udunits

_CELSIUS = re.compile(r"(deg(ree)?s?)?[ _.]*c(elsius)?", re.IGNORECASE)
_OTHERWISE = {
    "mb": "hPa", "mbs": "hPa", "gpm": "m", "gpdm": "dam", "gpdam": "dam", "gpkm": "km",
    "geopotential meter": "m", "geopotential meters": "m", "geopotential metre": "m", "gp m": "m",
    "deg k": "K", "k (kelvin)": "K",
}  # fmt: skip
"""Units in lower case that UDUNITS does not know, or takes for others, as it knows them."""
_STATISTICS = {
    "maximum", "minimum", "max", "min", "maximum_absolute_value", "minimum_absolute_value",
    "mid_range", "range", "median", "mode", "standard_deviation", "variance", "stddev",
    "root_mean_square", "sum_of_squares",
}  # fmt: skip
"""Methods after which a field is no longer the quantity that its name says."""
_TIME_AXES = {"valid_time", "t"}
_EXTREMES = ("max", "min", "sd")


class UnsuitableFileError(ValueError):
    """Raised for a file whose fields cannot be used as they are; says why, and what to do."""


def standard_name(variable: xr.DataArray) -> str:
    """Return the standard name of a variable; "" where a modifier makes it another quantity."""
    words = str(variable.attrs.get("standard_name", "")).split()
    return words[0] if len(words) == 1 else ""


def is_statistic(variable: xr.DataArray) -> bool:
    """Return whether a field is a maximum, a deviation or the like of what its name says."""
    methods = {method for _, method in _cell_methods(variable)}
    return bool(methods & _STATISTICS) or variable.attrs.get("GRIB_stepType") in _EXTREMES


def is_mean_over_time(variable: xr.DataArray) -> bool:
    """Return whether a field is a mean over an interval of time."""
    is_mean = any(
        method == "mean" and any(axis in _TIME_AXES or axis.startswith("time") for axis in axes)
        for axes, method in _cell_methods(variable)
    )
    return is_mean or variable.attrs.get("GRIB_stepType") == "avg"


def _cell_methods(variable: xr.DataArray) -> list[tuple[list[str], str]]:
    """Return a field's cell methods, each with its axes.

    In CF's form: ``time: mean within days (interval: 1 hour) lat: lon: maximum where land``.
    """
    text = re.sub(r"\(.*?\)", " ", str(variable.attrs.get("cell_methods", "")).lower())
    return [
        (axes.replace(":", " ").split(), method)
        for axes, method in re.findall(r"((?:\w+\s*:\s*)+)(\w+)", text)
    ]


@quiet_udunits()
def conversion(variable: xr.DataArray, unit: str) -> tuple[float, float]:
    """Return factor and offset from a variable's unit to another one.

    Raises:
        UnsuitableFileError: it has none, or one of another kind.
    """
    from cf_units import Unit

    given = variable.attrs.get("units")
    if given is None:
        raise UnsuitableFileError(f"its variable {variable.name} has no units; write them into it")
    try:
        zero, one = Unit(_readable(given)).convert(np.array([0.0, 1.0]), Unit(unit))
    except ValueError as problem:
        raise UnsuitableFileError(
            f"the units of its variable {variable.name} ({given}) cannot be converted to {unit}; "
            "correct them"
        ) from problem
    return float(one - zero), float(zero)


@quiet_udunits()
def has_known_unit(variable: xr.DataArray) -> bool:
    """Return whether UDUNITS understands what a variable says of its unit, if it says anything."""
    from cf_units import Unit

    try:
        return not Unit(_readable(variable.attrs.get("units", ""))).is_unknown()
    except ValueError:
        return False


@quiet_udunits()
def is_convertible(variable: xr.DataArray, unit: str) -> bool:
    """Return whether the unit of a variable is one of the same kind as another."""
    from cf_units import Unit

    return bool(Unit(_readable(variable.attrs["units"])).is_convertible(unit))


def _readable(units: object) -> str:
    """Return a unit as UDUNITS reads it, to which C is the coulomb, mb the millibarn."""
    text = str(units).strip()
    if _CELSIUS.fullmatch(text):
        return "degC"
    return _OTHERWISE.get(text.lower(), text)

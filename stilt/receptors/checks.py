"""Range checks of single receptor values, shared by the objects and the CSV reader."""

from __future__ import annotations

import math
import re

from stilt.errors import UsageError
from stilt.receptors.ids import number_text

_LOWEST_MSL_M, _HIGHEST_M = -1_000.0, 100_000.0
_LONG_MINUS = ("\u2212", "\u2013", "\u2014")
_NOTHING = ("na", "n/a", "null", "none", "-", "#n/a", "missing")
_HEMISPHERE = re.compile(r"[-\d.,\s°]+[NSEW]", re.IGNORECASE)


def check_longitude(value: float | str) -> float:
    """Return degrees east as a float, or raise UsageError outside [-180, 180]."""
    number = _finite(value, "longitude")
    if not -180.0 <= number <= 180.0:
        advice = ""
        if 180.0 < number <= 360.0:
            # Rounded for what subtracting adds to the last digit.
            advice = f": write {number_text(round(number - 360.0, 10))} for it"
        raise UsageError(f"longitude must be within [-180, 180], got {number_text(number)}{advice}")
    return number


def check_latitude(value: float | str) -> float:
    """Return degrees north as a float, or raise UsageError outside [-90, 90]."""
    number = _finite(value, "latitude")
    if not -90.0 <= number <= 90.0:
        advice = ": are latitude and longitude exchanged?" if abs(number) <= 180.0 else ""
        raise UsageError(f"latitude must be within [-90, 90], got {number_text(number)}{advice}")
    return number


def check_altitude(value: float | str, altitude_ref: str) -> float:
    """Return metres as a float, or raise UsageError below ground or above 100 km.

    Ground is 0 m for ``agl`` and 1,000 m below the sea for ``msl``, lower than any dry land.
    """
    number = _finite(value, "altitude")
    if altitude_ref == "agl" and number < 0.0:
        raise UsageError(f"AGL altitudes must be >= 0. Got {number_text(number)} m")
    if number < _LOWEST_MSL_M:
        raise UsageError(
            f"altitude is in metres and must be above {number_text(_LOWEST_MSL_M)}, got "
            f"{number_text(number)}: leave out rows whose altitude is missing"
        )
    if number > _HIGHEST_M:
        raise UsageError(f"altitude is in metres and must be below 100000, got {number}")
    return number


def check_altitude_ref(value: str) -> str:
    """Return ``"agl"`` or ``"msl"`` in lower case, or raise UsageError."""
    reference = value.strip().lower() if isinstance(value, str) else value
    if reference not in ("agl", "msl"):
        raise UsageError(f"altitude_ref must be 'agl' or 'msl', got {value!r}")
    return reference


def _finite(value: float | str, name: str) -> float:
    try:
        # Python reads 1_1 as 11, and True as 1.
        if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
            raise ValueError
        number = float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be a number, got {value!r}{_advice(value)}") from error
    if not math.isfinite(number):
        raise UsageError(f"{name} must be a finite number, got {value!r}")
    return number


def _advice(value: object) -> str:
    """Return how to write what people write for numbers."""
    if isinstance(value, str) and _HEMISPHERE.fullmatch(value.strip()):
        return ": write degrees with a minus for west and south, without a letter"
    if isinstance(value, str) and "," in value:
        return ": write it without a comma, and with a decimal point"
    if isinstance(value, str) and value.strip().lower() in _NOTHING:
        return ": leave out rows without a value"
    if isinstance(value, str) and value.startswith(_LONG_MINUS):
        return ": write the minus as a hyphen"
    return ""

"""Range checks of single receptor values, shared by the objects and the CSV reader."""

from __future__ import annotations

import math

from stilt.errors import UsageError
from stilt.receptors.ids import number_text

_HIGHEST_M = 100_000.0


def check_longitude(value: float | str) -> float:
    """Return degrees east as a float, or raise UsageError outside [-180, 180]."""
    number = _finite(value, "longitude")
    if not -180.0 <= number <= 180.0:
        raise UsageError(f"longitude must be within [-180, 180], got {number_text(number)}")
    return number


def check_latitude(value: float | str) -> float:
    """Return degrees north as a float, or raise UsageError outside [-90, 90]."""
    number = _finite(value, "latitude")
    if not -90.0 <= number <= 90.0:
        raise UsageError(f"latitude must be within [-90, 90], got {number_text(number)}")
    return number


def check_altitude(value: float | str, altitude_ref: str) -> float:
    """Return metres as a float, or raise UsageError below ground (agl) or above 100 km."""
    number = _finite(value, "altitude")
    if altitude_ref == "agl" and number < 0.0:
        raise UsageError(f"AGL altitudes must be >= 0. Got {number_text(number)} m")
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
        number = float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be a number, got {value!r}") from error
    if not math.isfinite(number):
        raise UsageError(f"{name} must be a finite number, got {value!r}")
    return number

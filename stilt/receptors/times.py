"""Receptor times: every accepted form becomes a naive UTC timestamp on a whole second."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from numbers import Number

import numpy as np
import pandas as pd

from stilt.errors import UsageError

TimeLike = str | datetime | np.datetime64 | pd.Timestamp

_TWELVE_DIGITS = re.compile(r"\d{12}")
_HAS_YEAR = re.compile(r"\d{4}")
_FIRST_YEAR, _LAST_YEAR = 1900, 2200


def parse_time(value: TimeLike) -> pd.Timestamp:
    """Return ``value`` as a naive UTC Timestamp, rounded to the whole second that ids can carry.

    Args:
        value: text (``YYYYMMDDHHMM`` or any form pandas reads that holds a four-digit year),
            datetime, Timestamp or datetime64. Without a time zone it is UTC.

    Raises:
        UsageError: no time given, not a time, or outside the years 1900 to 2200.
        TypeError: a number, whose unit and origin nobody could know.
    """
    if value is None:
        raise UsageError("'time' must be provided")
    if isinstance(value, str):
        return _parse_text(value.strip())
    if isinstance(value, Number) and not isinstance(value, np.datetime64):
        raise TypeError(
            f"'time' must be text or a datetime, not the number {value!r}: "
            'write it as "YYYY-MM-DD HH:MM:SS"'
        )
    return _normalised(value)


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> pd.Timestamp:
    """Parse time text; cached, since thousands of receptors share their hours."""
    if not text or text.lower() in {"nat", "nan", "none"}:
        raise UsageError(f"'time' is missing (got {text!r})")
    if _TWELVE_DIGITS.fullmatch(text):
        try:
            return _normalised(datetime.strptime(text, "%Y%m%d%H%M"))
        except ValueError as error:
            raise UsageError(f"time {text!r} is not a valid YYYYMMDDHHMM") from error
    # Without this, pandas reads "12:00" as noon of the day the program runs.
    if not _HAS_YEAR.search(text):
        raise UsageError(f"time {text!r} has no four-digit year: write YYYY-MM-DD HH:MM:SS")
    return _normalised(text)


@lru_cache(maxsize=4096)
def _normalised(value: TimeLike) -> pd.Timestamp:
    """Convert to naive UTC, whole seconds, inside the supported years."""
    try:
        time = pd.Timestamp(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"time {value!r} is not a date and time: {error}") from error
    if pd.isna(time):
        raise UsageError(f"'time' is missing (got {value!r})")
    if time.tzinfo is not None:
        time = time.tz_convert("UTC").tz_localize(None)
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise UsageError(
            f"time {value!r} is in the year {time.year}, outside {_FIRST_YEAR} to {_LAST_YEAR}"
        )
    return time.round("s").as_unit("s")

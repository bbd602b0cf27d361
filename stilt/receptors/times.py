"""Times given by people: every unambiguous form becomes a naive UTC timestamp on a whole second."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from numbers import Number

import numpy as np
import pandas as pd

from stilt.errors import UsageError

TimeLike = str | datetime | np.datetime64 | pd.Timestamp
"""What a time may be given as; text must begin with the year."""

# One digit for a month, day or hour is taken where its neighbours say where it ends.
_DATE = (
    r"(?P<year>\d{4})(?P<dash>[-/.]?)(?P<month>\d\d|\d(?=[-/.]))(?P=dash)"
    r"(?P<day>\d\d|(?<=[-/.])\d(?!\d))"
)
_BETWEEN = r"(?:T|_|\s+|(?<=\d{8})(?=\d{4}))"
_UTC = r"\s*(?:Z|UTC|GMT)"
_OFFSET = r"\s*(?P<offset>(?P<sign>[+-])(?P<offset_h>\d\d)(?::?(?P<offset_min>\d\d))?)"
_CLOCK = (
    r"(?P<hour>\d\d|\d(?=:))(?:(?P<colon>:?)(?P<minute>\d\d)"
    r"(?:(?P=colon)(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    rf"(?:{_UTC}|{_OFFSET})?|{_UTC})?"
)
_YEAR_FIRST = re.compile(rf"{_DATE}(?:{_BETWEEN}{_CLOCK})?", re.ASCII | re.IGNORECASE)
_DAY = re.compile(_DATE, re.ASCII)
_PARTS = ("year", "month", "day", "hour", "minute", "second")
_YEAR_LAST = re.compile(r"\d\d?[-/. ]+(?:\d\d?|[a-z]{3,9})[-/., ]+\d\d(?:\d\d)?\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_HOW = "write it as YYYY-MM-DD HH:MM:SS, in UTC"
_OFFSETS_H = (-12, 14)
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_SHOWN_CHARACTERS = 60


class TimeFormatError(UsageError):
    """Text is not in a form that can be read in one way only."""


def parse_time(value: TimeLike, time_format: str | None = None) -> pd.Timestamp:
    """Return ``value`` as a naive UTC Timestamp, rounded to the whole second that ids can carry.

    Args:
        value: text, datetime, Timestamp or datetime64. Without a time zone it is UTC. Text has the
            year first: ``YYYY-MM-DD HH:MM:SS`` (ISO 8601, with ``-``, ``/`` or ``.`` in the date;
            ``Z``, ``UTC`` or an offset such as ``+02:00`` may follow), ``YYYYMMDDHHMM`` or
            ``YYYYMMDDHHMMSS``.
        time_format: the form that text has instead, as a pattern of ``datetime.strptime``, such as
            ``%d.%m.%Y %H:%M``.

    Raises:
        UsageError: no time given, not a time, outside the years 1900 to 2200, text that can be
            read in more than one way (a TimeFormatError), or text without the stated format.
        TypeError: a number, whose unit and origin are unknown, or no time at all.
    """
    if value is None:
        raise UsageError("'time' must be provided")
    if isinstance(value, str):
        text = value.strip()
        return _parse_text(text) if time_format is None else _parse_stated(text, time_format)
    if isinstance(value, Number) and not isinstance(value, np.datetime64):
        raise TypeError(
            f"'time' must be text or a datetime, not the number {value!r}: "
            'write it as "YYYY-MM-DD HH:MM:SS"'
        )
    if not isinstance(value, (date, np.datetime64)):
        raise TypeError(f"'time' must be text or a datetime, not a {type(value).__name__}")
    return _normalised(value)


@lru_cache(maxsize=16)
def check_time_format(time_format: str) -> str:
    """Return the pattern, or raise UsageError when it cannot tell a date and time.

    It must hold year, month and day, and AM or PM beside an hour from 1 to 12. ``%Z`` is refused:
    Python reads the name of a zone and drops it.
    """
    advice = "write one such as '%d.%m.%Y %H:%M'"
    if "%Z" in time_format.replace("%%", ""):
        raise UsageError(
            f"The time format {time_format!r} has %Z, and names of zones are ambiguous: use %z, "
            "for offsets such as -0700, or give times in UTC without a zone"
        )
    probe = datetime(2019, 5, 23, 14, 37, 52, tzinfo=UTC)
    try:
        with warnings.catch_warnings():
            # Python 3.13 warns of dates without a year, which are refused below.
            warnings.simplefilter("ignore", DeprecationWarning)
            found = datetime.strptime(probe.strftime(time_format), time_format)
    except (ValueError, re.error) as error:
        raise UsageError(
            f"The time format {time_format!r} cannot be used ({error}): {advice}"
        ) from error
    if found.date() != probe.date():
        raise UsageError(
            f"The time format {time_format!r} does not hold year, month and day: {advice}"
        )
    whole = (time(), time(14), time(14, 37), time(14, 37, 52))
    if found.time() not in whole:
        raise UsageError(
            f"The time format {time_format!r} does not tell the time of day: use %H for the hour, "
            "or %I and %p"
        )
    return time_format


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> pd.Timestamp:
    """Parse time text; cached, since thousands of receptors share their hours."""
    if not text or text.lower() in {"nat", "nan", "none"}:
        raise UsageError(f"'time' is missing (got {text!r})")
    match = _YEAR_FIRST.fullmatch(text)
    if match is None:
        raise _unreadable(text)
    year, month, day, hour, minute, second = (int(part or 0) for part in match.group(*_PARTS))
    _check_year(year, text)
    if hour == 24:
        raise UsageError(f"time {_shown(text)} has the hour 24: write 00:00 of the next day")
    if second == 60:
        raise UsageError(
            f"time {_shown(text)} has a leap second, which UTC times here leave out: write second "
            "59, or 00 of the next minute"
        )
    try:
        # Nothing finer than microseconds can change the rounding to seconds.
        microsecond = int((match["fraction"] or "0")[:6].ljust(6, "0"))
        found = datetime(year, month, day, hour, minute, second, microsecond)
    except ValueError as error:
        raise UsageError(f"time {_shown(text)} does not exist: {error}") from error
    if match["offset"]:
        found -= _offset(match, text)
    return _whole_second(pd.Timestamp(found))


def _offset(match: re.Match[str], text: str) -> timedelta:
    """Return how far the clock that the text states is ahead of UTC."""
    hours, minutes = int(match["offset_h"]), int(match["offset_min"] or 0)
    offset = timedelta(hours=hours, minutes=minutes) * (-1 if match["sign"] == "-" else 1)
    first, last = (timedelta(hours=limit) for limit in _OFFSETS_H)
    if not first <= offset <= last or minutes > 59:
        raise UsageError(
            f"time {_shown(text)} ends in '{match['offset']}', which is not an offset from UTC "
            "(-12:00 to +14:00)"
        )
    return offset


def _unreadable(text: str) -> TimeFormatError:
    """Return the error that says why the text cannot be read, and how to write it."""
    if _YEAR_LAST.match(text):
        return TimeFormatError(
            f"time {_shown(text)} does not begin with the year, so day and month can be confused: "
            f"{_HOW}"
        )
    begun = _YEAR_FIRST.match(text)
    rest = "" if begun is None else text[begun.end() :].strip()
    if begun is not None and begun["minute"] and rest[:1].isalpha():
        return TimeFormatError(
            f"time {_shown(text)} ends in '{rest}', which is not understood: {_HOW}, or with an "
            "offset such as -07:00"
        )
    if _NUMBER.fullmatch(text):
        return TimeFormatError(
            f"time {_shown(text)} is a number, not a date and time: {_HOW} (in a spreadsheet, "
            "format the column like that and save it again)"
        )
    if re.search(r"\d{4}", text, re.ASCII) is None:
        return TimeFormatError(f"time {_shown(text)} has no four-digit year: {_HOW}")
    return TimeFormatError(
        f"time {_shown(text)} is not a date and time with the year first: {_HOW}"
    )


@lru_cache(maxsize=4096)
def _parse_stated(text: str, time_format: str) -> pd.Timestamp:
    """Parse text that has a stated format."""
    check_time_format(time_format)
    if not text:
        raise UsageError("'time' is missing (got '')")
    try:
        return _normalised(datetime.strptime(text, time_format))
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"time {_shown(text)} does not have the time format {time_format!r} that was stated"
        ) from error


def time_window(time_range: Sequence[TimeLike]) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return first and last second of a range of times, naive UTC, both included.

    Args:
        time_range: two times; a day without an hour (``2023-07-15``) begins the range at its first
            second, and ends it at its last.

    Raises:
        UsageError: these are not two times, the first of them first.
    """
    if isinstance(time_range, str) or len(time_range) != 2:
        raise UsageError(
            "A range of times has a first and a last one, such as ('2023-07-15', '2023-07-16'), "
            f"not {time_range!r}."
        )
    first, last = time_range
    end = parse_time(last)
    text = isinstance(last, str) and _DAY.fullmatch(last.strip()) is not None
    if text or (isinstance(last, date) and not isinstance(last, datetime)):
        end += pd.Timedelta(seconds=86_399)
    start = parse_time(first)
    if start > end:
        raise UsageError(
            f"A range of times has its first time first, and {first} is after {last}: exchange "
            "them."
        )
    return start, end


def _normalised(value: TimeLike) -> pd.Timestamp:
    """Convert to naive UTC, whole seconds, inside the supported years."""
    try:
        time = pd.Timestamp(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"time {value!r} is not a date and time: {error}") from error
    return _in_utc(time)


@lru_cache(maxsize=4096)
def _in_utc(time: pd.Timestamp) -> pd.Timestamp:
    """Convert to naive UTC; cached by Timestamp, as datetimes that differ in fold are equal."""
    if pd.isna(time):
        raise UsageError(f"'time' is missing (got {time!r})")
    stated = str(time)
    if time.tzinfo is not None:
        time = time.tz_convert("UTC").tz_localize(None)
    _check_year(time.year, stated)
    return _whole_second(time)


def _check_year(year: int, text: str) -> None:
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise UsageError(
            f"time {_shown(text)} is in the year {year}, outside {_FIRST_YEAR} to {_LAST_YEAR}"
        )


def _whole_second(time: pd.Timestamp) -> pd.Timestamp:
    return (time.round("s") if time.microsecond or time.nanosecond else time).as_unit("s")


def _shown(text: str) -> str:
    """Return text quoted for a message, cut when it is long."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")

"""Which analyses bracket a window of time, and which hours are missing in between.

The interval between analyses must be regular: a gap of a whole number of intervals is a hole with
hours that can be named, any other gap is an error of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from stilt.meteorology.records import AnalysisRef

LONGEST_INTERVAL = np.timedelta64(12, "h")
"""Analyses further apart than this are not interpolated between."""

_MINUTE = np.timedelta64(1, "m")
_ZERO = np.timedelta64(0, "m")


@dataclass(frozen=True)
class Bracket:
    """The analyses of a window.

    Attributes:
        refs: analyses from the last at or before the start to the first at or after the end, as
            far as there are any, sorted by time.
        missing: valid times that the window needs and no file holds.
        irregular: two neighbouring times whose distance does not fit the others, or None.
        interval: time between analyses, or None when a single analysis does not tell.
    """

    refs: tuple[AnalysisRef, ...]
    missing: tuple[np.datetime64, ...]
    irregular: tuple[np.datetime64, np.datetime64] | None
    interval: np.timedelta64 | None

    @property
    def is_complete(self) -> bool:
        """Whether the window is bracketed without a hole."""
        return bool(self.refs) and not self.missing and self.irregular is None

    @property
    def with_neighbours(self) -> list[AnalysisRef]:
        """The analyses that have another at most an interval away."""
        near = [
            self.interval is not None and after.time - before.time <= self.interval
            for before, after in pairwise(self.refs)
        ]
        beside = zip(self.refs, [False, *near], [*near, False], strict=True)
        return [ref for ref, before, after in beside if before or after]


def bracket_window(
    refs: Sequence[AnalysisRef],
    start: np.datetime64,
    end: np.datetime64,
    longest: np.timedelta64 | None = None,
) -> Bracket:
    """Choose the analyses that bracket [start, end].

    Args:
        refs: candidates sorted by time without duplicates; some beyond the window help to tell
            the interval.
        start: first time needed.
        end: last time needed, not before the start.
        longest: interval that is known not to be exceeded, such as the time covered by one file
            when every file holds a single analysis.
    """
    times = np.array([ref.time for ref in refs], "datetime64[m]")
    first = max(int(np.searchsorted(times, start, "right")) - 1, 0)
    last = min(int(np.searchsorted(times, end, "left")), len(times) - 1)
    interval = _interval(times, longest)
    if not len(times) or interval is None:
        return Bracket(*_single(refs, start, end), None, interval)
    chosen = times[first : last + 1]
    missing: list[np.datetime64] = []
    irregular = None
    for earlier, later in pairwise(chosen):
        gap = later - earlier
        if gap % interval != _ZERO or (gap == interval and gap > LONGEST_INTERVAL):
            irregular = irregular or (earlier, later)
        else:
            missing.extend(np.arange(earlier + interval, later, interval))
    missing.extend(_before(times[0], start, end, interval))
    missing.extend(_after(times[-1], start, end, interval))
    return Bracket(tuple(refs[first : last + 1]), tuple(sorted(missing)), irregular, interval)


def _interval(times: np.ndarray, longest: np.timedelta64 | None) -> np.timedelta64 | None:
    """Return the smallest distance between neighbours, at most the longest possible one."""
    if len(times) < 2:
        return longest
    smallest = np.diff(times).min()
    return smallest if longest is None else min(smallest, longest)


def _single(
    refs: Sequence[AnalysisRef], start: np.datetime64, end: np.datetime64
) -> tuple[tuple[AnalysisRef, ...], tuple[np.datetime64, ...]]:
    """Bracket a window with at most one analysis, so that no interval is known.

    The window then needs every hour from the last one at or before its start to the first one at
    or after its end: one analysis stands for its own time alone.
    """
    if refs and start == end == refs[0].time:
        return tuple(refs), ()
    held = {ref.time for ref in refs}
    hour = np.timedelta64(1, "h")
    last = (end + hour - _MINUTE).astype("datetime64[h]")
    hours = np.arange(start.astype("datetime64[h]"), last + hour, hour)
    return tuple(refs), tuple(hour for hour in hours.astype("datetime64[m]") if hour not in held)


def _before(
    earliest: np.datetime64, start: np.datetime64, end: np.datetime64, interval: np.timedelta64
) -> np.ndarray:
    """Return times before the earliest analysis that a window from ``start`` needs."""
    steps = int(np.ceil(max(earliest - start, _ZERO) / interval))
    times = earliest - interval * np.arange(steps, 0, -1)
    return times[times < end + interval]


def _after(
    latest: np.datetime64, start: np.datetime64, end: np.datetime64, interval: np.timedelta64
) -> np.ndarray:
    """Return times after the latest analysis that a window up to ``end`` needs."""
    steps = int(np.ceil(max(end - latest, _ZERO) / interval))
    times = latest + interval * np.arange(1, steps + 1)
    return times[times > start - interval]

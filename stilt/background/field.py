"""A mole fraction on levels, interpolated in time, place and pressure."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stilt.background.nodes import Floats, between
from stilt.errors import UsageError

if TYPE_CHECKING:
    from stilt.background.sources import FieldSource

UNTOLD_BEYOND = np.timedelta64(1, "D")
MOST_POINTS = 200_000
SHOWN_LEVELS = 6


@dataclass(frozen=True)
class Points:
    """Where a field is wanted.

    Attributes:
        time: datetime64[ns], shape (points,).
        longitude, latitude: degrees, shape (points,).
        vertical: pressure in hPa, m above sea level, or m above ground, as the field has it; NaN
            where it has none.
    """

    time: NDArray[np.datetime64]
    longitude: Floats
    latitude: Floats
    vertical: Floats


@dataclass(frozen=True)
class BackgroundField:
    """A field of a mole fraction, read as it is needed.

    Attributes:
        source: where values and pressures come from.
    """

    source: FieldSource

    def at(self, points: Points) -> Floats:
        """Return the field at points, in its own unit, shape (points,).

        Linear in time and, at the four columns around a point, in pressure, then bilinear in
        longitude and latitude: exact for a field that is linear in all of them. Up to half a
        level below the lowest and above the highest value it is carried on linearly; beyond that
        the value there counts, which is warned of. In time and place the outermost values count
        for half a step or cell more, as they do where they are means; a day or more in time is
        warned of.

        Raises:
            UsageError: a point lies farther outside the field's times or area, farther from its
                levels than these reach, or where it has no value.
        """
        pieces = [
            self._at(_slice(points, begin)) for begin in range(0, points.time.size, MOST_POINTS)
        ]
        values, beyond = np.concatenate(pieces, axis=1) if pieces else np.empty((2, 0))
        self._tell_of_times(points.time)
        self._tell_of_levels(points.vertical, beyond)
        missing = np.flatnonzero(np.isnan(values))
        if missing.size:
            first = missing[0]
            raise UsageError(
                f"The field has no value where {missing.size} of {values.size} particles end, the "
                f"first at longitude {points.longitude[first]:.3f}, latitude "
                f"{points.latitude[first]:.3f}, {points.time[first].astype('datetime64[m]')}: fill "
                "its missing values."
            )
        return values

    def _tell_of_times(self, wanted: NDArray[np.datetime64]) -> None:
        """Warn once where the first or last value counts for a day or more beyond its time."""
        times = self.source.times
        if times is None or times.size < 2 or not wanted.size or self.source.told_of_times:
            return
        if max(times[0] - wanted.min(), wanted.max() - times[-1]) < UNTOLD_BEYOND:
            return
        self.source.told_of_times = True
        first, last = times[[0, -1]].astype("datetime64[m]")
        warnings.warn(
            f"Particles end outside the field's times, {first} to {last}: its first and last "
            "values count for half a step more; a field that goes on is better.",
            stacklevel=6,
        )

    def _tell_of_levels(self, wanted: Floats, depths: Floats) -> None:
        """Warn once where the value of an outermost level counts more than half a level beyond it.

        Args:
            wanted: vertical coordinates of the points.
            depths: see :func:`_beyond`.

        Raises:
            UsageError: a point is farther from the levels than they reach.
        """
        source = self.source
        beyond = np.flatnonzero(depths > 0.0)
        if not beyond.size:
            return
        unit = "hPa" if source.layout.levels and source.layout.levels.kind == "pressure" else "m"
        worst = int(np.argmax(depths))
        told = (
            f"{beyond.size} of {depths.size} particles end below or above the field's levels, such "
            f"as one at {wanted[worst]:.0f} {unit}"
        )
        if depths[worst] > 1.0:
            raise UsageError(
                f"{told}, farther than the levels reach from the first to the last: use a field "
                "that covers the heights of the ends, and see that the units of its levels are "
                "right."
            )
        if not source.told_of_levels:
            source.told_of_levels = True
            warnings.warn(
                f"{told}: there the value of the outermost level counts; a field that covers the "
                "heights of the ends is better.",
                stacklevel=6,
            )

    def _at(self, points: Points) -> Floats:
        """Return values, and how far points lie beyond the levels, shape (2, points)."""
        source = self.source
        early, late, ahead = between(source.times, points.time, "times")
        around = source.nodes.around(points.longitude, points.latitude)
        steps = np.unique(np.concatenate([early, late]))
        values, levels = source.load(steps)
        place = np.searchsorted(steps, np.stack([early, late]))
        total = np.zeros(points.time.size)
        beyond = np.full(points.time.size, -np.inf)
        for (when, t), (row, column, corner) in product(
            ((place[0], 1.0 - ahead), (place[1], ahead)), around
        ):
            share = t * corner
            used = np.flatnonzero(share)
            if used.size:
                at = when[used], slice(None), row[used], column[used]
                on_levels = None if levels is None else levels[at]
                wanted = points.vertical[used]
                total[used] += share[used] * _in_column(values[at], on_levels, wanted)
                if on_levels is not None and on_levels.shape[1] > 1:
                    beyond[used] = np.maximum(beyond[used], _beyond(on_levels, wanted))
        return np.stack([total, beyond])


def _slice(points: Points, begin: int) -> Points:
    part = slice(begin, begin + MOST_POINTS)
    return Points(
        points.time[part], points.longitude[part], points.latitude[part], points.vertical[part]
    )


def _beyond(levels: Floats, wanted: Floats) -> Floats:
    """Return how far points lie beyond half a level outside, in depths of all levels together.

    Args:
        levels: shape (points, levels), falling or rising along each row.
        wanted: shape (points,).
    """
    first, last = levels[:, 0], levels[:, -1]
    upward = np.sign(last - first)
    below = upward * (first - wanted) - 0.5 * np.abs(levels[:, 1] - first)
    above = upward * (wanted - last) - 0.5 * np.abs(last - levels[:, -2])
    far: Floats = np.maximum(below, above) / np.abs(last - first)
    return far


def _in_column(values: Floats, levels: Floats | None, wanted: Floats) -> Floats:
    """Interpolate each row of values (points, levels) to one vertical coordinate.

    Args:
        values: shape (points, levels).
        levels: their coordinate, falling or rising along each row.
        wanted: shape (points,).

    Returns:
        Shape (points,); NaN where a level has no coordinate.

    Raises:
        UsageError: the levels of a row neither rise nor fall throughout.
    """
    if levels is None or values.shape[1] == 1:
        return values[:, 0]
    known = ~np.isnan(levels).any(axis=1)
    if not known.all():
        found = np.full(wanted.size, np.nan)
        if known.any():
            found[known] = _in_column(values[known], levels[known], wanted[known])
        return found
    if levels[0, 0] > levels[0, -1]:
        levels, wanted = -levels, -wanted
    disordered = np.flatnonzero(~(np.diff(levels, axis=1) > 0.0).all(axis=1))
    if disordered.size:
        shown = ", ".join(f"{each:g}" for each in abs(levels[disordered[0]][:SHOWN_LEVELS]))
        raise UsageError(
            f"The field's levels neither rise nor fall throughout ({shown}, ...): sort them "
            "(field.sortby(...)), and keep one of equal ones."
        )
    count = levels.shape[1]
    first = ((levels <= wanted[:, None]).sum(axis=1) - 1).clip(0, count - 2)
    rows = np.arange(first.size)
    low, high = levels[rows, first], levels[rows, first + 1]
    share = ((wanted - low) / (high - low)).clip(-0.5, 1.5)
    below, above = values[rows, first], values[rows, first + 1]
    return below + share * (above - below)

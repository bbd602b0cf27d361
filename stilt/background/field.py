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
        the value there counts. In time and place the outermost values count for half a step or
        cell more, as they do where they are means; a day or more in time is warned of.

        Raises:
            UsageError: a point lies farther outside the field's times or area, or where it has no
                value.
        """
        pieces = [
            self._at(_slice(points, begin)) for begin in range(0, points.time.size, MOST_POINTS)
        ]
        values = np.concatenate(pieces) if pieces else np.empty(0)
        self._tell_of_times(points.time)
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

    def _at(self, points: Points) -> Floats:
        source = self.source
        early, late, ahead = between(source.times, points.time, "times")
        around = source.nodes.around(points.longitude, points.latitude)
        steps = np.unique(np.concatenate([early, late]))
        values, levels = source.load(steps)
        place = np.searchsorted(steps, np.stack([early, late]))
        total = np.zeros(points.time.size)
        for (when, t), (row, column, corner) in product(
            ((place[0], 1.0 - ahead), (place[1], ahead)), around
        ):
            share = t * corner
            used = np.flatnonzero(share)
            if used.size:
                at = when[used], slice(None), row[used], column[used]
                total[used] += share[used] * _in_column(
                    values[at], None if levels is None else levels[at], points.vertical[used]
                )
        return total


def _slice(points: Points, begin: int) -> Points:
    part = slice(begin, begin + MOST_POINTS)
    return Points(
        points.time[part], points.longitude[part], points.latitude[part], points.vertical[part]
    )


def _in_column(values: Floats, levels: Floats | None, wanted: Floats) -> Floats:
    """Interpolate each row of values (points, levels) to one vertical coordinate.

    Args:
        values: shape (points, levels).
        levels: their coordinate, falling or rising along each row.
        wanted: shape (points,).
    """
    if levels is None or values.shape[1] == 1:
        return values[:, 0]
    if levels[0, 0] > levels[0, -1]:
        levels, wanted = -levels, -wanted
    count = levels.shape[1]
    first = ((levels <= wanted[:, None]).sum(axis=1) - 1).clip(0, count - 2)
    rows = np.arange(first.size)
    low, high = levels[rows, first], levels[rows, first + 1]
    share = ((wanted - low) / (high - low)).clip(-0.5, 1.5)
    below, above = values[rows, first], values[rows, first + 1]
    return below + share * (above - below)

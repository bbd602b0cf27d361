"""A mole fraction on levels, interpolated in time, place and pressure."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stilt.errors import UsageError

if TYPE_CHECKING:
    from stilt.background.sources import FieldSource

Floats = NDArray[np.float64]

# By how much of a cell or a time step a field is carried on beyond its outermost values.
BEYOND = 0.5 + 1e-6
UNTOLD_BEYOND = np.timedelta64(1, "D")
MOST_POINTS = 200_000
_MASS = re.compile(r"\b[kmun]?g\b.*\b[kmun]?g\b")


@dataclass(frozen=True)
class Points:
    """Where a field is wanted.

    Attributes:
        time: datetime64[ns], shape (points,).
        longitude, latitude: degrees, shape (points,).
        vertical: pressure in hPa, or m above sea level, as the field has it; NaN where it has
            neither.
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
        early, late, ahead = _between(source.times, points.time, "times")
        south, north, up = _between(source.latitudes, points.latitude, "latitudes")
        longitude = points.longitude
        around = source.goes_around
        if source.longitudes is not None:
            # Whole turns from the first longitude on.
            first = source.longitudes[0]
            longitude = first + (longitude - first) % 360.0
            if not around:
                spare = 0.5 * (source.longitudes[1] - first) if source.longitudes.size > 1 else 0.5
                longitude = np.where(longitude - first > 360.0 - spare, longitude - 360, longitude)
        west, east, right = _between(
            source.longitudes, longitude, "longitudes", period=360.0 if around else None
        )
        steps = np.unique(np.concatenate([early, late]))
        values, levels = source.load(steps)
        place = np.searchsorted(steps, np.stack([early, late]))
        total = np.zeros(points.time.size)
        for (when, t), (row, v), (column, h) in product(
            ((place[0], 1.0 - ahead), (place[1], ahead)),
            ((south, 1.0 - up), (north, up)),
            ((west, 1.0 - right), (east, right)),
        ):
            share = t * v * h
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


def _between(
    axis: NDArray[np.generic] | None,
    wanted: NDArray[np.generic],
    what: str,
    *,
    period: float | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return the entries of an axis around each point, and how far towards the second it lies.

    A point up to half a step outside an axis lies at its end.
    """
    zeros = np.zeros(wanted.size, np.int64)
    if axis is None or axis.size == 1:
        return zeros, zeros, np.zeros(wanted.size)
    if axis.dtype.kind == "M":
        origin = axis[0]
        steps = (axis - origin) / np.timedelta64(1, "s")
        at = (wanted - origin) / np.timedelta64(1, "s")
    else:
        steps, at = axis.astype(np.float64), wanted.astype(np.float64)
    if period is not None:
        steps = np.append(steps, steps[0] + period)
    low = steps[0] - BEYOND * (steps[1] - steps[0])
    high = steps[-1] + BEYOND * (steps[-1] - steps[-2])
    outside = (at < low) | (at > high)
    if outside.any():
        worst = wanted[np.flatnonzero(outside)[0]]
        shown = str(worst.astype("datetime64[m]")) if axis.dtype.kind == "M" else f"{worst:.3f}"
        ends = [
            str(end.astype("datetime64[m]")) if axis.dtype.kind == "M" else f"{end:g}"
            for end in (axis[0], axis[-1])
        ]
        raise UsageError(
            f"The field's {what} are {ends[0]} to {ends[1]}, and {int(outside.sum())} of "
            f"{wanted.size} particles end outside, the first at {shown}: use a field that covers "
            "the ends of all particles."
        )
    first = (np.searchsorted(steps, at, side="right") - 1).clip(0, steps.size - 2)
    share = ((at - steps[first]) / (steps[first + 1] - steps[first])).clip(0.0, 1.0)
    return first, (first + 1) % axis.size, share


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


def unit_factor(units: str, wanted: str) -> float:
    """Return the factor from one unit of mole fraction to another, by UDUNITS.

    Raises:
        UsageError: one of them is not such a unit.
    """
    from cf_units import Unit

    if _MASS.search(units):
        raise UsageError(
            f"{units!r} is a ratio of masses, not a mole fraction: multiply the field by 28.9644 "
            "and divide it by the grams per mole of the gas (44.0095 for CO2, 16.0425 for CH4), "
            "and give its units as 'mol mol-1'."
        )
    readable = {"micromol mol-1": "1e-6", "umol mol-1": "1e-6", "nmol mol-1": "1e-9"}
    try:
        given = Unit(readable.get(units.strip(), units))
        return float(given.convert(1.0, Unit(wanted)))
    except ValueError as error:
        raise UsageError(
            f"{units!r} cannot be turned into {wanted!r}: units of mole fractions are 'ppm', 'ppb' "
            f"and 'mol mol-1' ({error})."
        ) from error

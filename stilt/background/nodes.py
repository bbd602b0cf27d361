"""Where a field has its values: on axes of latitude and longitude, or at nodes of any grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from stilt.errors import UsageError
from stilt.meteorology.grids import wrap_longitude
from stilt.sphere import unit_vectors

Floats = NDArray[np.float64]
Corner = tuple[NDArray[np.int64], NDArray[np.int64], Floats]
"""Row, column and share of one of the nodes around each point."""

# By how much of a cell or a time step a field is carried on beyond its outermost values.
BEYOND = 0.5 + 1e-6
NEAR_POLE_DEG = 75.0
_ITERATIONS = 30
_CLOSE_DEG = 1e-10


class Nodes(Protocol):
    """Places of a field's values."""

    def around(self, longitude: Floats, latitude: Floats) -> Sequence[Corner]:
        """Return the nodes around points, and the bilinear share of each.

        A point up to half a cell outside counts as one on the edge.

        Raises:
            UsageError: a point lies farther outside.
        """
        ...


@dataclass(frozen=True)
class LatLonNodes:
    """Nodes on axes.

    Attributes:
        latitudes, longitudes: degrees, ascending; None where the field does not depend on them.
    """

    latitudes: Floats | None
    longitudes: Floats | None

    @property
    def goes_around(self) -> bool:
        """Whether the longitudes go around the Earth."""
        if self.longitudes is None or self.longitudes.size < 3:
            return False
        step = float(np.median(np.diff(self.longitudes)))
        return bool(self.longitudes[-1] - self.longitudes[0] + 1.5 * step > 360.0)

    def around(self, longitude: Floats, latitude: Floats) -> Sequence[Corner]:
        """Return the nodes around points; see :class:`Nodes`."""
        south, north, up = between(self.latitudes, latitude, "latitudes")
        around = self.goes_around
        if self.longitudes is not None:
            # Whole turns from the first longitude on.
            first = self.longitudes[0]
            longitude = first + (longitude - first) % 360.0
            if not around:
                spare = 0.5 * (self.longitudes[1] - first) if self.longitudes.size > 1 else 0.5
                longitude = np.where(longitude - first > 360.0 - spare, longitude - 360, longitude)
        west, east, right = between(
            self.longitudes, longitude, "longitudes", period=360.0 if around else None
        )
        return _corners((south, north, up), (west, east, right))


@dataclass(frozen=True)
class CurvilinearNodes:
    """Nodes with a longitude and latitude each, as on a map or about a rotated pole.

    Inside a cell longitude and latitude are bilinear in rows and columns, so that a field that is
    linear in longitude and latitude is interpolated exactly; beyond 75 degrees, where longitudes
    run together, the cell is taken on the plane that touches the Earth at the point.

    Attributes:
        longitudes, latitudes: degrees, shape (rows, columns), at least two of each.
    """

    longitudes: Floats = field(repr=False)
    latitudes: Floats = field(repr=False)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import KDTree

        return KDTree(
            unit_vectors(np.radians(self.longitudes.ravel()), np.radians(self.latitudes.ravel()))
        )

    def around(self, longitude: Floats, latitude: Floats) -> Sequence[Corner]:
        """Return the nodes around points; see :class:`Nodes`."""
        row, column, close = self._rows_and_columns(longitude, latitude)
        limits = [size - 1.0 for size in self.longitudes.shape]
        outside = ~close
        for at, last in ((row, limits[0]), (column, limits[1])):
            outside |= (at < -BEYOND) | (at > last + BEYOND)
        if outside.any():
            outside_in_words(
                self.longitudes, self.latitudes, longitude, latitude, np.flatnonzero(outside)
            )
        along = []
        for at, last in ((row, limits[0]), (column, limits[1])):
            inside = at.clip(0.0, last)
            low = np.minimum(inside.astype(np.int64), int(last) - 1)
            along.append((low, low + 1, inside - low))
        return _corners(*along)

    def _rows_and_columns(
        self, longitude: Floats, latitude: Floats
    ) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Return fractional rows and columns of points, and whether they were found.

        Newton's method on the cells' bilinear maps, from the nearest node on.
        """
        _, nearest = self._tree.query(unit_vectors(np.radians(longitude), np.radians(latitude)))
        rows, columns = self.longitudes.shape
        row, column = (each.astype(np.float64) for each in np.divmod(nearest, columns))
        close = np.zeros(row.size, bool)
        for _ in range(_ITERATIONS):
            at = np.flatnonzero(~close)
            if not at.size:
                break
            i = np.floor(row[at]).astype(np.int64).clip(0, rows - 2)
            j = np.floor(column[at]).astype(np.int64).clip(0, columns - 2)
            u, v = row[at] - i, column[at] - j
            # East and north of the point, degrees: corners (row, column) 00, 01, 10, 11.
            c00, c01, c10, c11 = (
                np.stack(
                    _seen_from(
                        self.longitudes[i + di, j + dj], self.latitudes[i + di, j + dj],
                        longitude[at], latitude[at],
                    )
                )
                for di, dj in ((0, 0), (0, 1), (1, 0), (1, 1))
            )  # fmt: skip
            off = (1 - u) * ((1 - v) * c00 + v * c01) + u * ((1 - v) * c10 + v * c11)
            by_u = (1 - v) * (c10 - c00) + v * (c11 - c01)
            by_v = (1 - u) * (c01 - c00) + u * (c11 - c10)
            area = by_u[0] * by_v[1] - by_u[1] * by_v[0]
            area = np.where(area == 0.0, np.nan, area)
            step_u = (off[0] * by_v[1] - off[1] * by_v[0]) / area
            step_v = (by_u[0] * off[1] - by_u[1] * off[0]) / area
            close[at] = np.abs(off).max(axis=0) < _CLOSE_DEG
            moved = at[~close[at]]
            keep = ~close[at]
            # A cell at a time: maps of cells farther away are not those used here.
            row[moved] -= np.nan_to_num(step_u[keep]).clip(-2.0, 2.0)
            column[moved] -= np.nan_to_num(step_v[keep]).clip(-2.0, 2.0)
            row[moved] = row[moved].clip(-2.0, rows + 1.0)
            column[moved] = column[moved].clip(-2.0, columns + 1.0)
        return row, column, close


def between(
    axis: NDArray[np.generic] | None,
    wanted: NDArray[np.generic],
    what: str,
    *,
    period: float | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return the entries of an axis around each point, and how far towards the second it lies.

    A point up to half a step outside an axis lies at its end.

    Args:
        axis: ascending numbers or times, shape (entries,); None or one entry: all points lie at it.
        wanted: shape (points,).
        what: name of the axis for the error, in the plural.
        period: of an axis that goes around.

    Raises:
        UsageError: a point lies farther outside.
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


_Along = tuple[NDArray[np.int64], NDArray[np.int64], Floats]


def _corners(rows: _Along, columns: _Along) -> Sequence[Corner]:
    south, north, up = rows
    west, east, right = columns
    return [
        (row, column, v * h)
        for row, v in ((south, 1.0 - up), (north, up))
        for column, h in ((west, 1.0 - right), (east, right))
    ]


def outside_in_words(
    longitudes: Floats, latitudes: Floats, longitude: Floats, latitude: Floats, outside: Any
) -> NoReturn:
    """Refuse points outside the nodes of a grid.

    Args:
        longitudes, latitudes: of the nodes.
        longitude, latitude: of the points.
        outside: numbers of those outside.

    Raises:
        UsageError: always.
    """
    first = outside[0]
    raise UsageError(
        f"{len(outside)} of {longitude.size} particles end outside the field's grid, the first at "
        f"longitude {longitude[first]:.3f}, latitude {latitude[first]:.3f} (its nodes lie within "
        f"latitudes {latitudes.min():g} to {latitudes.max():g} and longitudes "
        f"{longitudes.min():g} to {longitudes.max():g}, but need not fill them): use a field that "
        "covers the ends of all particles."
    )


def _seen_from(
    longitude: Floats, latitude: Floats, centre_lon: Floats, centre_lat: Floats
) -> tuple[Floats, Floats]:
    """Return how far places lie east and north of centres, in degrees of longitude and latitude.

    Around centres near a pole in degrees on the tangential plane (gnomonic projection).
    """
    east = wrap_longitude(longitude - centre_lon)
    north = latitude - centre_lat
    polar = np.abs(centre_lat) > NEAR_POLE_DEG
    if polar.any():
        turn, own, centre = np.radians(east), np.radians(latitude), np.radians(centre_lat)
        ahead = np.sin(centre) * np.sin(own) + np.cos(centre) * np.cos(own) * np.cos(turn)
        ahead = np.maximum(ahead, 1e-3)
        x = np.degrees(np.cos(own) * np.sin(turn) / ahead)
        y = np.degrees(
            (np.cos(centre) * np.sin(own) - np.sin(centre) * np.cos(own) * np.cos(turn)) / ahead
        )
        east, north = np.where(polar, x, east), np.where(polar, y, north)
    return east, north

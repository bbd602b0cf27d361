"""Coastlines, borders, states and lakes of Natural Earth, which come with this package.

Natural Earth's 1:10,000,000 vector data (naturalearthdata.com) are in the public domain;
``docs/natural_earth.py`` thins them and writes the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stilt.errors import UsageError

FILE = Path(__file__).with_name("natural_earth.npz")
LAYERS = ("coastlines", "borders", "states", "lakes")
DEGREES = 0.0025

Line = npt.NDArray[np.float64]
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Layer:
    """Lines one after the other.

    Attributes:
        points: (points, 2), degrees east and north.
        starts: (lines,) where each begins.
        bounds: (lines, 4), west, south, east and north end of each.
    """

    points: Line
    starts: npt.NDArray[np.int64]
    bounds: Line


def outlines(
    layer: str, bounds: Bounds, *, detail: float = 0.0, smallest: float = 0.0
) -> list[Line]:
    """Return the lines of a layer that touch an area, cut a little outside it.

    Args:
        layer: ``coastlines``, ``borders``, ``states`` or ``lakes``.
        bounds: west, east, south and north end of the area, degrees; longitudes of a map across
            the date line go on beyond 180.
        detail: degrees; points closer to the last one drawn are left out.
        smallest: degrees; lines that are shorter and narrower are left out.

    Returns:
        Lines, each (points, 2), degrees east and north, longitudes as in ``bounds``.

    Raises:
        UsageError: there is no such layer.
    """
    if layer not in LAYERS:
        raise UsageError(f"There is no layer {layer!r} of outlines: choose {', '.join(LAYERS)}.")
    west, east, south, north = bounds
    stored = _stored(layer)
    found: list[Line] = []
    for shift in (-360.0, 0.0, 360.0):
        low, high = west - shift, east - shift
        box = stored.bounds
        inside = (box[:, 0] <= high) & (box[:, 2] >= low)
        inside &= (box[:, 1] <= north) & (box[:, 3] >= south)
        inside &= (box[:, 2:] - box[:, :2]).max(axis=1) >= smallest
        ends = np.append(stored.starts[1:], len(stored.points))
        for number in np.flatnonzero(inside):
            line = stored.points[stored.starts[number] : ends[number]]
            for part in _pieces(line, (low, high, south, north)):
                found.append(_coarser(part, detail) + np.array([shift, 0.0]))
    return found


def _pieces(line: Line, bounds: Bounds) -> Iterable[Line]:
    """Yield the stretches of a line whose segments may cross an area."""
    west, east, south, north = bounds
    x, y = line[:, 0], line[:, 1]
    near = (np.maximum(x[1:], x[:-1]) >= west) & (np.minimum(x[1:], x[:-1]) <= east)
    near &= (np.maximum(y[1:], y[:-1]) >= south) & (np.minimum(y[1:], y[:-1]) <= north)
    if near.all():
        yield line
        return
    changes = np.flatnonzero(np.diff(np.concatenate([[False], near, [False]]).astype(np.int8)))
    for begin, end in changes.reshape(-1, 2):
        yield line[begin : end + 1]


def _coarser(line: Line, detail: float) -> Line:
    """Return a line without points that fall into the same square of ``detail`` degrees."""
    if detail <= DEGREES or len(line) < 3:
        return line
    squares = np.floor(line / detail)
    kept = np.append(np.any(np.diff(squares, axis=0) != 0, axis=1), True)
    kept[0] = True
    return line[kept]


@cache
def _stored(layer: str) -> _Layer:
    with np.load(FILE) as file:
        first, count = file[f"{layer}_first"].astype(np.int64), file[f"{layer}_count"]
        apart = file[f"{layer}_bytes"]
    moves = np.ascontiguousarray(apart.transpose(0, 2, 1)).view("<i2")[..., 0].T.astype(np.int64)
    starts = np.append(0, np.cumsum(count)[:-1]).astype(np.int64)
    steps = np.zeros((int(count.sum()), 2), np.int64)
    later = np.ones(len(steps), bool)
    later[starts] = False
    steps[later] = moves
    # The sums run on over all lines: let each start at its own first point.
    sums = np.cumsum(steps, axis=0)
    steps = sums + np.repeat(first - sums[starts], count, axis=0)
    points = steps * DEGREES
    bounds = np.hstack([np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)])
    return _Layer(points, starts, bounds)

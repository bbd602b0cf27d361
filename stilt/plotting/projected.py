"""Places in degrees on maps in a projection."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from stilt.footprint.cell_grid import transformer
from stilt.plotting.natural_earth import Bounds, Line

LONGEST_STEP_DEGREES = 0.25
LATTICE_POINTS = 60


def lattice(area: Bounds, projection: str) -> tuple[Line, Line, Line, Line]:
    """Return x, y, longitude and latitude of a lattice over a projected area.

    Args:
        area: ends along x, and ends along y, in the projection's units.
        projection: PROJ string.
    """
    x, y = np.meshgrid(
        np.linspace(area[0], area[1], LATTICE_POINTS), np.linspace(area[2], area[3], LATTICE_POINTS)
    )
    lon, lat = transformer(projection).transform(x, y, direction="INVERSE")
    return x, y, lon, lat


def bounds_in_degrees(area: Bounds, projection: str) -> Bounds:
    """Return west, east, south and north end of a projected area."""
    _, _, lon, lat = lattice(area, projection)
    lon = np.unwrap(np.unwrap(lon, axis=0, period=360.0), axis=1, period=360.0)
    return float(lon.min()), float(lon.max()), float(lat.min()), float(lat.max())


def projected_lines(lines: Iterable[Line], projection: str) -> Iterable[Line]:
    """Yield lines in a projection, dense enough to curve, without points that it cannot show."""
    for line in lines:
        places = _with_short_steps(line)
        x, y = transformer(projection).transform(places[:, 0], places[:, 1])
        there = np.isfinite(x) & np.isfinite(y)
        if there.sum() > 1:
            yield np.column_stack([x, y])[there]


def _with_short_steps(line: Line) -> Line:
    """Return a line with points added where two lie far apart."""
    if len(line) < 2:
        return line
    steps = np.abs(np.diff(line, axis=0)).max(axis=1)
    parts = np.maximum(1, np.ceil(steps / LONGEST_STEP_DEGREES)).astype(int)
    if parts.max() == 1:
        return line
    at = np.append(0, np.cumsum(parts))
    every = np.arange(at[-1] + 1)
    return np.column_stack([np.interp(every, at, line[:, axis]) for axis in (0, 1)])

"""Cells along one axis: around given centres, and around the globe no more than once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stilt.footprint.steps import Floats, Ints

GLOBE = 360.0
# A step between centres that is this much wider than the steps on both sides of it is a gap. The
# outermost step has one neighbour, and the cells of some grids grow outwards, up to twofold.
_GAP = 1.5
_OUTER_GAP = 2.5
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Intervals:
    """Cells along one axis, in any order, without overlap.

    Attributes:
        centre: of each cell as it was given, shape (cells,).
        low, high: edges of each cell, shape (cells,). Longitudes may differ from the centre's by
            whole turns. A cell that lies where another one does has no width.
    """

    centre: Floats
    low: Floats
    high: Floats

    @classmethod
    def of_size(cls, centre: Floats, size: float) -> Intervals:
        """Return the cells of one size around their centres."""
        return cls(centre, centre - size / 2, centre + size / 2)

    @classmethod
    def between_midpoints(cls, centre: Floats, size_if_single: float) -> Intervals:
        """Return cells that meet midway between monotonic centres; the outer ones are symmetric.

        Where centres are missing between two others the cells next to the gap are symmetric too,
        and do not reach into it; one with a gap on either side is as wide as most.
        """
        if centre.size == 1:
            return cls.of_size(centre, size_if_single)
        inner = 0.5 * (centre[:-1] + centre[1:])
        first, last = np.append(np.nan, inner), np.append(inner, np.nan)
        for gap in np.flatnonzero(_gaps(np.abs(np.diff(centre)))):
            first[gap + 1], last[gap] = np.nan, np.nan
        alone = np.isnan(first) & np.isnan(last)
        half = np.nanmedian(np.abs(centre - first)) * np.sign(centre[-1] - centre[0])
        first[alone], last[alone] = centre[alone] - half, centre[alone] + half
        first = np.where(np.isnan(first), 2 * centre - last, first)
        last = np.where(np.isnan(last), 2 * centre - first, last)
        return cls(centre, np.minimum(first, last), np.maximum(first, last))

    @classmethod
    def around_globe(cls, centre: Floats, size_if_single: float) -> Intervals:
        """Return the cells of longitudes, which may be in any order and go round more than once.

        They begin after the widest gap of the circle, such as that between both ends of a region
        across the dateline whose longitudes were sorted. Where a longitude comes again, only one
        of its cells counts.

        Args:
            centre: degrees east, shape (cells,), not empty.
            size_if_single: width of a cell that is the only one, degrees.
        """
        steps = np.diff(centre)
        is_ordered = np.all(steps > 0) or np.all(steps < 0)
        if is_ordered and not _gaps(np.abs(steps)).any() and np.all(np.abs(steps) <= GLOBE / 2):
            return cls.between_midpoints(centre, size_if_single).once_around()
        turned = np.mod(centre, GLOBE)
        order = np.argsort(turned, kind="stable")
        around = np.append(np.diff(turned[order]), turned[order[0]] + GLOBE - turned[order[-1]])
        start = (int(np.argmax(around)) + 1) % centre.size
        order = np.roll(order, -start)
        along = np.mod(turned[order] - turned[order[0]], GLOBE) + centre[order[0]]
        new = np.append(True, np.diff(along) > _ROUNDING)
        cells = cls.between_midpoints(along[new], size_if_single)
        place = np.cumsum(new) - 1
        low, high = cells.low[place], cells.high[place]
        low[~new] = high[~new]
        back = np.argsort(order, kind="stable")
        return cls(centre, low[back], high[back]).once_around()

    def once_around(self) -> Intervals:
        """Return cells of longitudes without those, or their parts, that lie on others already."""
        end = self.low.min(initial=np.inf) + GLOBE
        if not self.high.max(initial=-np.inf) > end + _ROUNDING:
            return self
        return Intervals(self.centre, np.minimum(self.low, end), np.minimum(self.high, end))

    def order(self) -> Ints:
        """Return the cells from low to high; of those that begin at one place, the widest last."""
        return np.lexsort((self.high, self.low))

    def unwrapped(self) -> Floats:
        """Return the centres of longitudes in the same turn as their edges."""
        middle = 0.5 * (self.low + self.high)
        turns = np.round((middle - self.centre) / GLOBE)
        return self.centre + GLOBE * turns

    def key(self) -> tuple[bytes, bytes]:
        """Return a key that is equal for equal cells."""
        return self.low.tobytes(), self.high.tobytes()


def _gaps(steps: Floats) -> np.ndarray:
    """Return which steps are gaps: clearly wider than those on both sides of them."""
    if steps.size < 2:
        return np.zeros(steps.size, bool)
    beside = np.maximum(np.append(0.0, steps[:-1]), np.append(steps[1:], 0.0))
    times = np.full(steps.size, _GAP)
    times[[0, -1]] = _OUTER_GAP
    return steps > times * beside

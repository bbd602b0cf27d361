"""How much of each source cell lies in each target cell: the weights that conserve a sum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from stilt.footprint.gridding import coordinate_system, is_longlat
from stilt.footprint.steps import Floats, Ints
from stilt.footprint.target import Intervals, Target

# Elements of the weights of both axes up to which they are kept as full matrices too.
MOST_DENSE = 4_000_000


@dataclass(frozen=True)
class Source:
    """Cells of a footprint.

    Attributes:
        x, y: cells along each axis, as in the data.
        projection: PROJ text.
    """

    x: Intervals
    y: Intervals
    projection: str

    def key(self) -> tuple[object, ...]:
        """Something equal for footprints on one grid."""
        return (*self.x.key(), *self.y.key(), self.projection)


class Overlay:
    """Moves fields from source cells to target cells, and fluxes the other way.

    Every source cell is shared out among target cells by overlap length over source length along
    each axis (by overlap area when projections differ), so that sums are conserved; what lies
    outside the target is left out.
    """

    def __init__(self, source: Source, target: Target) -> None:
        self.shape = (source.y.centre.size, source.x.centre.size)
        self.target = target
        self._full: sp.csr_array | None = None
        self._dense: tuple[Floats, Floats] | None = None
        if _same_axes(source.projection, target.projection):
            period = 360.0 if is_longlat(source.projection) else None
            self._x = _overlap(source.x, target.x, period)
            self._y = _overlap(source.y, target.y, None)
            self._x_transposed = self._x.T.tocsr()
            if (
                self._x.shape[0] * self._x.shape[1] + self._y.shape[0] * self._y.shape[1]
                < MOST_DENSE
            ):
                self._dense = self._x.toarray(), self._y.toarray()
                self._reach_x, self._reach_y = (_Reach.in_columns(part) for part in self._dense)
        else:
            from stilt.footprint.reproject import overlap_areas

            self._full = overlap_areas(source, target)

    def push(self, field: Floats) -> Floats:
        """Move a field of sums, shape (rows, columns), to the target: shape (cells,)."""
        if self._full is not None:
            moved: Floats = (self._full @ field.reshape(-1))[self.target.cell]
            return moved
        grid = (self._x @ (self._y @ field).T).reshape(-1)
        return grid if self.target.is_complete else grid[self.target.cell]

    def push_part(self, part: Floats, window: tuple[slice, slice]) -> tuple[Ints, Floats]:
        """Move a field that is zero outside a window.

        Args:
            part: sums inside the window, shape (rows, columns) of the window.
            window: rows and columns of the source.

        Returns:
            Positions among the target's cells, ascending, and what is not zero there.
        """
        rows, columns = window
        if part.size == 0:
            return np.zeros(0, np.int64), np.zeros(0)
        if self._full is not None or self._dense is None:
            field = np.zeros(self.shape)
            field[rows, columns] = part
            moved = self.push(field)
            cells = np.flatnonzero(moved)
            return cells, moved[cells]
        along_x, along_y = self._dense
        reach_y, reach_x = self._reach_y.of(rows), self._reach_x.of(columns)
        tile = along_x[reach_x, columns] @ (along_y[reach_y, rows] @ part).T
        place = np.flatnonzero(tile)
        column, row = np.divmod(place, tile.shape[1])
        cells = (column + reach_x.start) * self.target.y.centre.size + row + reach_y.start
        values = tile.reshape(-1)[place]
        if self.target.is_complete:
            return cells, values
        grid = np.zeros(self.target.x.centre.size * self.target.y.centre.size)
        grid[cells] = values
        chosen = grid[self.target.cell]
        cells = np.flatnonzero(chosen)
        return cells, chosen[cells]

    def pull(self, values: Floats) -> Floats:
        """Bring densities in target cells, shape (cells,), to source cells: (rows, columns).

        The adjoint of :meth:`push`: the sum of ``field * pull(values)`` is that of
        ``push(field) * values``.
        """
        grid = np.zeros(self.target.x.centre.size * self.target.y.centre.size)
        np.add.at(grid, self.target.cell, values)
        if self._full is not None:
            return np.asarray(self._full.T @ grid).reshape(self.shape)
        columns = grid.reshape(self.target.x.centre.size, self.target.y.centre.size)
        return np.ascontiguousarray(self._y.T @ (self._x_transposed @ columns).T)


@dataclass(frozen=True)
class _Reach:
    """First target cell that each source cell shares in along one axis, and the end of them."""

    first: Ints
    end: Ints

    @classmethod
    def in_columns(cls, weights: Floats) -> _Reach:
        used = weights != 0
        size = weights.shape[0]
        empty = ~used.any(axis=0)
        first = np.where(empty, size, used.argmax(axis=0)) if size else np.zeros(empty.size, int)
        end = np.where(empty, 0, size - used[::-1].argmax(axis=0)) if size else first
        return cls(first, end)

    def of(self, cells: slice) -> slice:
        """Target cells that any of some adjacent source cells shares in."""
        first, end = int(self.first[cells].min()), int(self.end[cells].max())
        return slice(first, max(first, end))


def _same_axes(one: str, other: str) -> bool:
    """Whether two projections have the same coordinates."""
    if is_longlat(one) and is_longlat(other):
        return True
    return one == other or bool(coordinate_system(one) == coordinate_system(other))


def _overlap(source: Intervals, target: Intervals, period: float | None) -> sp.csr_array:
    """Share of each source cell (columns) in each target cell (rows) along one axis.

    With a period, cells that differ by whole periods are the same place.
    """
    shape = (target.centre.size, source.centre.size)
    if 0 in shape:
        return sp.csr_array(shape)
    shifts = np.zeros(1)
    if period is not None:
        first = np.ceil((source.low.min() - target.high.max()) / period)
        last = np.floor((source.high.max() - target.low.min()) / period)
        shifts = period * np.arange(first, last + 1)
    order = np.argsort(target.low)
    low, high = target.low[order], target.high[order]
    parts = []
    for shift in shifts:
        start = np.searchsorted(high, source.low - shift, side="right")
        stop = np.searchsorted(low, source.high - shift, side="left")
        count = (stop - start).clip(0)
        column = np.repeat(np.arange(source.centre.size), count)
        row = np.arange(column.size) - np.repeat(np.cumsum(count) - count, count) + start[column]
        shared = np.minimum(source.high[column], high[row] + shift)
        shared -= np.maximum(source.low[column], low[row] + shift)
        share = shared / (source.high[column] - source.low[column])
        # Touching cells overlap by rounding errors of their edges.
        real = share > 1e-12
        parts.append((share[real], order[row[real]], column[real]))
    shares, rows, columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return sp.csr_array(sp.coo_array((shares, (rows, columns)), shape=shape))

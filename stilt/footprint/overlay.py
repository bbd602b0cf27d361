"""How much of each source cell lies in each target cell: the weights that conserve a sum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from stilt.footprint.cell_grid import coordinate_system, is_longlat
from stilt.footprint.intervals import Intervals
from stilt.footprint.steps import Floats, Ints
from stilt.footprint.target import Source, Target

_ROUNDING = 1e-9
# Zeros per value in an array of sums; with more of them the places are sorted instead.
_MOST_ZEROS = 8


class Overlay:
    """Moves fields from source cells to target cells, and fluxes the other way.

    Every source cell is shared out among target cells by overlap length over source length along
    each axis (by overlap area when projections differ), so that sums are conserved; what lies
    outside the target is left out.
    """

    def __init__(self, source: Source, target: Target) -> None:
        self.shape = (source.y.centre.size, source.x.centre.size)
        self.target = target
        self._cleared = np.zeros(0)
        self._full: sp.csr_array | None = None
        if _same_axes(source.projection, target.projection):
            period = 360.0 if is_longlat(source.projection) else None
            self._x = _overlap(source.x, target.x, period)
            self._y = _overlap(source.y, target.y, None)
            self._x_transposed = self._x.T.tocsr()
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

    def push_runs(self, runs: Runs) -> tuple[Ints, Floats]:
        """Move fields of sums given without their zeros.

        Returns:
            Positions ``field * cells + cell`` among the target's cells of each field, ascending,
            and the values there, none of them zero.
        """
        if runs.values.size == 0:
            return np.zeros(0, np.int64), np.zeros(0)
        if self._full is not None:
            return self._chosen(*self._push_by_area(runs))
        return self._chosen(*self._push_by_axes(runs))

    def push_cells(
        self, field: Ints, counts: Ints, fields: int, cell: np.ndarray, values: Floats
    ) -> tuple[Ints, Floats]:
        """Move fields of sums given as cells, layer by layer.

        Args:
            field: field of each layer, shape (layers,).
            counts: cells of each layer, shape (layers,).
            fields: how many fields there are.
            cell: cell of each value, ``row * columns + column``, by layer, shape (values,).
            values: the values.

        Returns:
            As :meth:`push_runs`.
        """
        if cell.size == 0:
            return np.zeros(0, np.int64), np.zeros(0)
        if self._tables is None:
            return self.push_runs(self._runs(np.repeat(field, counts), fields, cell, values))
        cells = self.target.x.centre.size * self.target.y.centre.size
        parts = self._shared_out(cell, np.repeat(np.arange(counts.size), counts), values, cells)
        # A field has places from the first target cell that it reaches to the last.
        first, last = np.full(fields, cells), np.full(fields, -1)
        for part in parts:
            some, lowest, highest = part.reach(counts.size)
            np.minimum.at(first, field[some], lowest)
            np.maximum.at(last, field[some], highest)
        ends = np.cumsum((last - first + 1).clip(0))
        base = np.append(0, ends[:-1]) - first
        for part in parts:
            part.place += base[field].take(part.layer)
        used, found = self._summed(parts, int(ends[-1]), _MOST_ZEROS * cell.size)
        number = np.searchsorted(ends, used, side="right")
        return used - base[number] + number * cells, found

    def _shared_out(
        self, cell: np.ndarray, layer: Ints, values: Floats, cells: int
    ) -> list[_SharedOut]:
        """Return the shares of cells in the target, of which each has one share of a part."""
        assert self._tables is not None
        parts = []
        for table, share in self._tables:
            given = values if share is None else values * share.take(cell)
            parts.append(_SharedOut(table.take(cell), layer, given).inside(cells))
        return parts

    def _summed(self, parts: list[_SharedOut], size: int, most: int) -> tuple[Ints, Floats]:
        """Return the places whose sums are not zero, ascending, and these sums.

        Args:
            parts: what is added up.
            size: number of places.
            most: places that an array may have.
        """
        if size <= most:
            summed = self._zeros(size)
            for part in parts:
                np.add.at(summed, part.place, part.values)
            used = np.flatnonzero(summed)
            found = summed[used]
            summed[used] = 0.0
            return used, found
        places = np.concatenate([part.place for part in parts])
        used, place = np.unique(places, return_inverse=True)
        found = np.zeros(used.size)
        np.add.at(found, place, np.concatenate([part.values for part in parts]))
        kept = found != 0
        return used[kept], found[kept]

    def _zeros(self, size: int) -> Floats:
        """Return zeros, which the caller must set to zero again: clearing new memory is slow."""
        if self._cleared.size < size:
            self._cleared = np.zeros(size)
        return self._cleared[:size]

    def _runs(self, field: Ints, fields: int, cell: np.ndarray, values: Floats) -> Runs:
        """Return fields given as cells as runs of neighbouring cells."""
        row, column = np.divmod(cell.astype(np.int64), max(self.shape[1], 1))
        begins = np.ones(cell.size, bool)
        begins[1:] = (np.diff(cell) != 1) | (column[1:] == 0) | (np.diff(field) != 0)
        first = np.flatnonzero(begins)
        length = np.diff(first, append=cell.size)
        return Runs(field[first], fields, row[first], column[first], length, values)

    def _push_by_axes(self, runs: Runs) -> tuple[Ints, Floats]:
        """Move runs along x, then along y; positions among all cells of the target's grid."""
        along_x, along_y = self._split_x, self._split_y
        rows, columns = self.target.y.centre.size, self.target.x.centre.size
        left, right = along_x.reach(runs.column, runs.column + runs.length)
        width = (right - left).clip(0)
        ends = np.cumsum(width)
        total = int(ends[-1])
        if total == 0:
            return np.zeros(0, np.int64), np.zeros(0)
        base = ends - width - left
        source = runs.columns()
        summed = along_x.sum(np.repeat(base, runs.length), source, runs.values, total)

        low, high = along_y.first[runs.row], along_y.end[runs.row]
        box = _Boxes.around(runs.field, runs.fields, (left, right, columns), (low, high, rows))
        place = np.arange(total) - np.repeat(base, width)
        place *= np.repeat(box.height[runs.field], width)
        place += np.repeat(box.base[runs.field], width)
        moved = along_y.sum(place, np.repeat(runs.row, width), summed, box.size)
        used = np.flatnonzero(moved)
        return box.cells(used, rows, rows * columns), moved[used]

    def _push_by_area(self, runs: Runs) -> tuple[Ints, Floats]:
        """Move runs by the shares of whole cells; positions among all cells of the grid."""
        assert self._full is not None
        order = np.argsort(runs.field, kind="stable")
        if np.any(order[1:] < order[:-1]):
            runs = runs.take(order)
        source = np.repeat(runs.row * self.shape[1], runs.length) + runs.columns()
        counts = np.bincount(runs.field, runs.length, runs.fields).astype(np.int64)
        fields = sp.csr_array(
            (runs.values, source, np.append(0, np.cumsum(counts))),
            shape=(runs.fields, self._full.shape[1]),
        )
        moved = sp.csr_array(fields @ self._full_transposed)
        moved.sort_indices()
        field = np.repeat(np.arange(runs.fields), np.diff(moved.indptr))
        used = np.flatnonzero(moved.data)
        return (field * moved.shape[1] + moved.indices)[used], moved.data[used]

    def _chosen(self, position: Ints, values: Floats) -> tuple[Ints, Floats]:
        """Convert positions among all cells of the target's grid to those among its own cells."""
        if self.target.is_complete:
            return position, values
        size = self.target.x.centre.size * self.target.y.centre.size
        field, cell = np.divmod(position, max(size, 1))
        order = np.argsort(self.target.cell, kind="stable")
        known = self.target.cell[order]
        begin = np.searchsorted(known, cell, side="left")
        times = np.searchsorted(known, cell, side="right") - begin
        # A cell may be listed several times, or not at all.
        entry = np.repeat(np.arange(cell.size), times)
        at = np.arange(entry.size) - np.repeat(np.cumsum(times) - times, times)
        chosen = field[entry] * known.size + order[np.repeat(begin, times) + at]
        back = np.argsort(chosen, kind="stable")
        return chosen[back], values[entry][back]

    @cached_property
    def _tables(self) -> list[tuple[np.ndarray, Floats | None]] | None:
        """Target cells of each source cell, ``row * columns + column``, and its shares in them.

        The list has the first target cell of every source cell, then the second, and so on. Where
        there is none the number of target cells stands for it; shares that are all 1 are None.
        There are no tables (None) where cells are not shared out along the axes, or the target does
        not have all cells of its grid.
        """
        if self._full is not None or not self.target.is_complete:
            return None
        rows = self.target.y.centre.size
        nowhere = rows * self.target.x.centre.size
        found: list[tuple[np.ndarray, Floats | None]] = []
        for x_cell, x_share in _Splits.of(_rounded(self._x)).parts:
            for y_cell, y_share in _Splits.of(_rounded(self._y)).parts:
                cell = (x_cell[None, :] * rows + y_cell[:, None]).reshape(-1)
                share = None
                if x_share is not None or y_share is not None:
                    of_y = np.ones(self.shape[0]) if y_share is None else y_share
                    of_x = np.ones(self.shape[1]) if x_share is None else x_share
                    share = (of_y[:, None] * of_x[None, :]).reshape(-1)
                    cell[share == 0.0] = nowhere
                    share = None if np.all((share == 1.0) | (cell == nowhere)) else share
                found.append((cell.astype(np.int64), share))
        return found

    @cached_property
    def _split_x(self) -> _Splits:
        return _Splits.of(self._x)

    @cached_property
    def _split_y(self) -> _Splits:
        return _Splits.of(self._y)

    @cached_property
    def _full_transposed(self) -> sp.csr_array:
        assert self._full is not None
        return self._full.T.tocsr()

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


@dataclass
class _SharedOut:
    """Shares of source cells in target cells; shape (shares,) each.

    Attributes:
        place: target cell.
        layer: layer of the source cell, ascending.
        values: what the target cell is given.
    """

    place: Ints
    layer: Ints
    values: Floats

    def inside(self, cells: int) -> _SharedOut:
        """Return those in one of so many target cells."""
        outside = self.place == cells
        if not outside.any():
            return self
        kept = np.flatnonzero(~outside)
        return _SharedOut(self.place[kept], self.layer[kept], self.values[kept])

    def reach(self, layers: int) -> tuple[Ints, Ints, Ints]:
        """Return the layers that have any, and their first and last target cells."""
        edges = np.searchsorted(self.layer, np.arange(layers + 1))
        some = np.flatnonzero(np.diff(edges))
        begins = edges[some]
        if some.size == 0:
            return some, some, some
        lowest, highest = (end.reduceat(self.place, begins) for end in (np.minimum, np.maximum))
        return some, lowest, highest


@dataclass(frozen=True)
class Runs:
    """Fields without their zeros: runs of neighbouring cells of one row.

    Attributes:
        field: which field each run belongs to, shape (runs,).
        fields: how many there are.
        row, column: first cell of each run.
        length: cells of each run.
        values: of the cells of all runs.
    """

    field: Ints
    fields: int
    row: Ints
    column: Ints
    length: Ints
    values: Floats

    def columns(self) -> Ints:
        """Return the column of every value."""
        shift = self.column - (np.cumsum(self.length) - self.length)
        return np.repeat(shift, self.length) + np.arange(self.values.size)

    def take(self, order: Ints) -> Runs:
        """Return the runs in another order."""
        length = self.length[order]
        shift = (np.cumsum(self.length) - self.length)[order] - (np.cumsum(length) - length)
        values = self.values[np.repeat(shift, length) + np.arange(self.values.size)]
        return Runs(
            self.field[order], self.fields, self.row[order], self.column[order], length, values
        )


@dataclass(frozen=True)
class _Splits:
    """Target cells along one axis among which each source cell is shared out.

    Attributes:
        parts: target cell and share of the first, second, ... target of each source cell, shapes
            (source cells,); a share of zero where there is none, and None where all shares are 1.
        first, end: first target of each source cell, and one past its last; where it has none,
            first >= end.
    """

    parts: list[tuple[Ints, Floats | None]]
    first: Ints
    end: Ints

    @classmethod
    def of(cls, weights: sp.csr_array) -> _Splits:
        size, sources = weights.shape
        shares = weights.T.tocsr()
        shares.sort_indices()
        count, begin = np.diff(shares.indptr), shares.indptr[:-1]
        parts: list[tuple[Ints, Floats | None]] = []
        for number in range(int(count.max(initial=0))):
            has = number < count
            cell, share = np.zeros(sources, np.int64), np.zeros(sources)
            cell[has] = shares.indices[begin[has] + number]
            share[has] = shares.data[begin[has] + number]
            parts.append((cell, None if np.all(share == 1.0) else share))
        first, end = np.full(sources, size), np.zeros(sources, np.int64)
        some = count > 0
        first[some] = shares.indices[begin[some]]
        end[some] = shares.indices[shares.indptr[1:][some] - 1] + 1
        return cls(parts, first, end)

    def reach(self, begin: Ints, end: Ints) -> tuple[Ints, Ints]:
        """Return the first target cell of each run of source cells, and one past the last."""
        edges = np.stack([begin, end], axis=1).reshape(-1)
        first = np.minimum.reduceat(np.append(self.first, self.first.max()), edges)
        last = np.maximum.reduceat(np.append(self.end, 0), edges)
        return first[::2], last[::2]

    def sum(self, base: Ints, source: Ints, values: Floats, size: int) -> Floats:
        """Return the sum of values times shares at ``base + target cell``, shape (size,)."""
        total = np.zeros(size)
        for cell, share in self.parts:
            place = cell[source]
            place += base
            if share is None:
                total += np.bincount(place, values, size)
            else:
                # Where a cell has no such share, the place does not matter: zero is added.
                np.clip(place, 0, size - 1, out=place)
                total += np.bincount(place, values * share[source], size)
        return total


@dataclass(frozen=True)
class _Boxes:
    """The rectangle of target cells that each field reaches, all of them in one array.

    Attributes:
        left, low: first column and row of each field's rectangle.
        height: number of its rows.
        offset: where it begins in the array.
        size: of the array.
    """

    left: Ints
    low: Ints
    height: Ints
    offset: Ints
    size: int

    @classmethod
    def around(
        cls,
        field: Ints,
        fields: int,
        columns: tuple[Ints, Ints, int],
        rows: tuple[Ints, Ints, int],
    ) -> _Boxes:
        edges = []
        for first, end, size in (columns, rows):
            lowest, highest = np.full(fields, size), np.zeros(fields, np.int64)
            np.minimum.at(lowest, field, first)
            np.maximum.at(highest, field, end)
            edges.append((lowest, (highest - lowest).clip(0)))
        (left, width), (low, height) = edges
        ends = np.cumsum(width * height)
        return cls(left, low, height, ends - width * height, int(ends[-1]))

    @property
    def base(self) -> Ints:
        """What to add to ``column * height + row`` for the place in the array, shape (fields,)."""
        return self.offset - self.left * self.height - self.low

    def cells(self, place: Ints, rows: int, cells: int) -> Ints:
        """Return positions ``field * cells + column * rows + row`` of places in the array."""
        field = np.searchsorted(self.offset, place, side="right") - 1
        column, row = np.divmod(place - self.offset[field], self.height[field])
        return field * cells + (column + self.left[field]) * rows + row + self.low[field]


def _same_axes(one: str, other: str) -> bool:
    """Return whether two projections have the same coordinates."""
    if is_longlat(one) and is_longlat(other):
        return True
    return one == other or bool(coordinate_system(one) == coordinate_system(other))


def _rounded(shares: sp.csr_array) -> sp.csr_array:
    """Return shares without the rounding errors of cells that should fit into one another."""
    rounded = shares.copy()
    rounded.data[rounded.data < _ROUNDING] = 0.0
    rounded.data[rounded.data > 1.0 - _ROUNDING] = 1.0
    rounded.eliminate_zeros()
    return rounded


def _overlap(source: Intervals, target: Intervals, period: float | None) -> sp.csr_array:
    """Return the share of each source cell (columns) in each target cell (rows) along one axis.

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
    order = target.order()
    low, high = target.low[order], target.high[order]
    # An empty part, for axes that do not overlap under any shift.
    parts = [(np.empty(0), np.empty(0, np.intp), np.empty(0, np.intp))]
    for shift in shifts:
        start = np.searchsorted(high, source.low - shift, side="right")
        stop = np.searchsorted(low, source.high - shift, side="left")
        count = (stop - start).clip(0)
        column = np.repeat(np.arange(source.centre.size), count)
        row = np.arange(column.size) - np.repeat(np.cumsum(count) - count, count) + start[column]
        shared = np.minimum(source.high[column], high[row] + shift)
        shared -= np.maximum(source.low[column], low[row] + shift)
        share = shared / (source.high[column] - source.low[column])
        # Cells that only touch may overlap by rounding errors of their edges.
        real = share > 1e-12
        parts.append((share[real], order[row[real]], column[real]))
    shares, rows, columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return sp.csr_array(sp.coo_array((shares, (rows, columns)), shape=shape))

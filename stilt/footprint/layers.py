"""A footprint without its zeros: what moving, adding up and multiplying many of them needs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from stilt.footprint.steps import Floats, Ints
from stilt.footprint.target import Intervals, Source

if TYPE_CHECKING:
    from stilt.config import Grid
    from stilt.footprint.gridded import GriddedInfluence
    from stilt.receptors import Receptor


@dataclass(frozen=True)
class Layers:
    """All of a footprint that is not zero, as runs of neighbouring cells of one row.

    Attributes:
        receptor: the footprint's receptor.
        grid: its grid.
        integrated: whether one layer holds all hours.
        x, y: cell centres in grid units, shapes (columns,) and (rows,).
        stamps: start of each layer, datetime64, shape (layers,).
        starts: where each run begins, counted through layers, rows and columns, ascending, shape
            (runs,).
        lengths: cells of each run, shape (runs,).
        values: ppm per (umol m-2 s-1) of the cells of all runs, shape (cells in runs,).
    """

    receptor: Receptor
    grid: Grid
    integrated: bool
    x: Floats
    y: Floats
    stamps: np.ndarray
    starts: Ints
    lengths: Ints
    values: Floats

    @classmethod
    def of(cls, footprint: GriddedInfluence) -> Layers:
        """Take the runs of a footprint in memory."""
        data = footprint.data.values
        # Variables straight away: a DataArray of each coordinate takes longer than the rest.
        coordinates = footprint.data.coords.variables
        stamps, y, x = (coordinates[dim].values for dim in footprint.data.dims)
        return cls(
            footprint.receptor,
            footprint.grid,
            footprint.config.time_integrate,
            x,
            y,
            stamps,
            *runs_of(data),
        )

    @property
    def cells(self) -> int:
        """Cells of one layer."""
        return self.x.size * self.y.size

    def source(self) -> Source:
        """Cells of the footprint."""
        return Source(
            Intervals.of_size(self.x, self.grid.xres),
            Intervals.of_size(self.y, self.grid.yres),
            self.grid.projection,
        )

    def key(self) -> tuple[object, ...]:
        """Something equal for footprints on one grid."""
        return self.x.tobytes(), self.y.tobytes(), self.grid

    @cached_property
    def first_value(self) -> Ints:
        """Where the values of each run begin, and their number, shape (runs + 1,)."""
        first = np.zeros(self.lengths.size + 1, np.int64)
        np.cumsum(self.lengths, out=first[1:])
        return first

    @cached_property
    def first_of_layers(self) -> Ints:
        """Where the values of each layer begin, and their number, shape (layers + 1,)."""
        edges = np.arange(self.stamps.size + 1) * self.cells
        return self.first_value[np.searchsorted(self.starts, edges)]

    def boxes(self) -> Iterator[tuple[int, slice, slice]]:
        """Yield number, rows and columns of each layer with a run: the smallest box around all."""
        edges = np.searchsorted(self.starts, np.arange(self.stamps.size + 1) * self.cells)
        row, column = np.divmod(self.starts % max(self.cells, 1), max(self.x.size, 1))
        end = column + self.lengths
        for number, (first, last) in enumerate(itertools.pairwise(edges.tolist())):
            if first < last:
                rows = slice(int(row[first]), int(row[last - 1]) + 1)
                columns = slice(int(column[first:last].min()), int(end[first:last].max()))
                yield number, rows, columns

    def places(self) -> Ints:
        """Cell of every value within its layer, ``row * columns + column``, shape (values,)."""
        within = self.starts % max(self.cells, 1) - self.first_value[:-1]
        return np.repeat(within, self.lengths) + np.arange(self.values.size)


def runs_of(values: np.ndarray) -> tuple[Ints, Ints, Floats]:
    """Runs of what is not zero: starts, lengths and values as in :class:`Layers`.

    Args:
        values: shape (layers, rows, columns).
    """
    table = values.reshape(-1, values.shape[-1])
    rows = np.flatnonzero((values != 0).any(axis=-1))
    part = table[rows]
    # A column of zeros on the right keeps runs of neighbouring rows apart.
    used = np.zeros((rows.size, table.shape[1] + 1), bool)
    np.not_equal(part, 0, out=used[:, :-1])
    change = np.flatnonzero(np.diff(used.reshape(-1), prepend=False))
    begin, end = change[::2], change[1::2]
    row, column = np.divmod(begin, table.shape[1] + 1)
    starts = rows[row] * table.shape[1] + column
    return starts, end - begin, part[used[:, :-1]]

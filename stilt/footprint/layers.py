"""Footprints without their zeros, for regridding, adding up and multiplying many of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from stilt.footprint.bins import stamps_of_sums
from stilt.footprint.intervals import Intervals
from stilt.footprint.steps import Floats, Ints
from stilt.footprint.target import Source

if TYPE_CHECKING:
    from stilt.config import Grid
    from stilt.footprint.gridded import GriddedInfluence
    from stilt.receptors import Receptor


@dataclass(frozen=True)
class Layers:
    """The cells of a footprint that are not zero, as runs of neighbours within a row.

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
        """Find the runs of a footprint in memory."""
        values, stamps, y, x = footprint.arrays
        return cls(
            footprint.receptor,
            footprint.grid,
            footprint.config.time_integrate,
            x,
            y,
            stamps,
            *runs_of(values),
        )

    @property
    def cells(self) -> int:
        """Cells of one layer."""
        return self.x.size * self.y.size

    def source(self) -> Source:
        """Return the cells of the footprint."""
        return source_of(self)

    def key(self) -> tuple[object, ...]:
        """Return a key that is equal for footprints on the same grid."""
        return key_of(self)

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
        """Yield each layer that has runs: its number, rows and columns of the box around them."""
        edges = np.searchsorted(self.starts, np.arange(self.stamps.size + 1) * self.cells)
        row, column = np.divmod(self.starts % max(self.cells, 1), max(self.x.size, 1))
        end = column + self.lengths
        for number, (first, last) in enumerate(itertools.pairwise(edges.tolist())):
            if first < last:
                rows = slice(int(row[first]), int(row[last - 1]) + 1)
                columns = slice(int(column[first:last].min()), int(end[first:last].max()))
                yield number, rows, columns

    def summed(self) -> Floats:
        """Return the sum over all layers, shape (rows, columns)."""
        total: Floats = np.bincount(self.places(), self.values, self.cells).astype(np.float64)
        return total.reshape(self.y.size, self.x.size)

    def places(self) -> Ints:
        """Return each value's cell in its layer, ``row * columns + column``, shape (values,)."""
        within = self.starts % max(self.cells, 1) - self.first_value[:-1]
        return np.repeat(within, self.lengths) + np.arange(self.values.size)


@dataclass(frozen=True)
class LayerCells:
    """The cells of a footprint that are not zero, as cells of its layers.

    Attributes:
        receptor, grid, integrated, x, y, stamps: as in :class:`Layers`.
        counts: number of these cells in each layer, shape (layers,).
        cell: number of each cell within its layer, ``row * columns + column``, by layer and
            ascending within it, shape (cells,).
        values: ppm per (umol m-2 s-1), shape (cells,).
    """

    receptor: Receptor
    grid: Grid
    integrated: bool
    x: Floats
    y: Floats
    stamps: np.ndarray
    counts: Ints
    cell: np.ndarray
    values: Floats

    @property
    def layer(self) -> Ints:
        """Layer of each cell, shape (cells,)."""
        return np.repeat(np.arange(self.counts.size), self.counts)

    def summed(self) -> Floats:
        """Return the sum over all layers, shape (rows, columns)."""
        size = self.x.size * self.y.size
        total: Floats = np.bincount(self.cell, self.values, size).astype(np.float64)
        return total.reshape(self.y.size, self.x.size)

    def runs(self) -> Layers:
        """Return the same as runs of neighbouring cells."""
        width = max(self.x.size, 1)
        flat = self.layer * (width * self.y.size) + self.cell
        begins = np.empty(flat.size, bool)
        begins[:1] = True
        np.not_equal(np.diff(flat), 1, out=begins[1:])
        begins |= self.cell % width == 0
        first = np.flatnonzero(begins)
        return Layers(
            self.receptor,
            self.grid,
            self.integrated,
            self.x,
            self.y,
            self.stamps,
            flat[first],
            np.diff(first, append=flat.size),
            self.values,
        )


@dataclass(frozen=True)
class CellBlock:
    """The cells of several footprints on one grid that are not zero, footprint after footprint.

    Attributes:
        grid, integrated, x, y: as in :class:`Layers`.
        ids: of the receptors.
        times: of the receptors, datetime64[s], shape (footprints,).
        layers: number of layers of each footprint, shape (footprints,).
        stamps: start of each layer, datetime64[ns], shape (layers,).
        counts: number of these cells in each layer, shape (layers,).
        cell, values: as in :class:`LayerCells`.
    """

    grid: Grid
    integrated: bool
    x: Floats
    y: Floats
    ids: Sequence[str]
    times: np.ndarray
    layers: Ints
    stamps: np.ndarray
    counts: Ints
    cell: np.ndarray
    values: Floats

    @property
    def of_layers(self) -> Ints:
        """Footprint of each layer, shape (layers,)."""
        return np.repeat(np.arange(self.layers.size), self.layers)

    def sums(self) -> Floats:
        """Return the sum of each layer, shape (layers,)."""
        total = np.zeros(self.counts.size)
        some = np.flatnonzero(self.counts)
        if some.size:
            first = np.append(0, np.cumsum(self.counts))[some]
            total[some] = np.add.reduceat(self.values, first)
        return total

    def chosen(self, layer: Ints) -> tuple[np.ndarray, Floats]:
        """Return cells and values of some layers, each of which may be chosen more than once."""
        if np.array_equal(layer, np.arange(self.counts.size)):
            return self.cell, self.values
        counts, first = self.counts[layer], np.append(0, np.cumsum(self.counts))[layer]
        before = np.append(0, np.cumsum(counts))
        at = np.repeat(first - before[:-1], counts) + np.arange(before[-1])
        return self.cell[at], self.values[at]


def source_of(layers: Layers | LayerCells | CellBlock) -> Source:
    """Return the cells of a footprint."""
    return Source(
        Intervals.of_size(layers.x, layers.grid.xres),
        Intervals.of_size(layers.y, layers.grid.yres),
        layers.grid.projection,
    )


def key_of(layers: Layers | LayerCells | CellBlock) -> tuple[object, ...]:
    """Return a key that is equal for footprints on the same grid."""
    return layers.x.tobytes(), layers.y.tobytes(), layers.grid


def runs_of(values: np.ndarray) -> tuple[Ints, Ints, Floats]:
    """Return the runs of cells that are not zero: starts, lengths, values as in :class:`Layers`.

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


_Summed = TypeVar("_Summed", bound=Layers | CellBlock)


def in_bins(part: _Summed, bins: tuple[np.ndarray, np.ndarray], n_hours: float | None) -> _Summed:
    """Return footprints that hold the sum of their hours, stamped within the bins of these.

    Raises:
        UsageError: the hours are not all in one bin; see
            :func:`stilt.footprint.bins.stamps_of_sums`.
    """

    def name_of(layer: int) -> str:
        if isinstance(part, Layers):
            return str(part.receptor.id)
        return str(part.ids[part.of_layers[layer]])

    return replace(part, stamps=stamps_of_sums(part.stamps, bins, n_hours, name_of))

"""Sum of influence times kernel over all particle steps, on the cells of a grid.

Every output layer is a sum over ages of (influence on cells) convolved with (that age's Gaussian).
It can be computed in two ways, and the cheaper one is chosen for each set of ages whose kernels
have the same size: adding each cell's kernels around the cell, or convolving the whole grid.
Neither needs many kernels, however many ages there are (:mod:`stilt.footprint.kernel_nodes`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stilt.footprint.kernel import half_width
from stilt.footprint.kernel_nodes import TILE, Interpolator, KernelNodes, KernelSize
from stilt.footprint.steps import Floats, Ints

ELEMENTS_PER_CHUNK = 200_000
# Tiles processed together, so that the result of the first product stays in the cache.
STRIP_TILES = 20
# BLAS uses several threads for a product of more multiply-adds than this; smaller ones stay on the
# calling core, which is faster when every core has a worker of its own.
PRODUCT_LIMIT = 250_000
# Kernels of a layer whose sums by cell are computed together; more would take too much memory.
KERNELS_TOGETHER = 128
# Cells are looked up in a table unless it would be larger than this.
MOST_TABLE_CELLS = 20_000_000
# Costs measured on one core, nanoseconds. Adding kernels: per cell, per element of its kernel, and
# per element and node. Convolving: per window, per strip of it, and per multiply-add.
ADD_CELL_NS, ADD_ELEMENT_NS, ADD_NODE_NS = 1_900.0, 0.55, 0.164
CONVOLVE_NS, CONVOLVE_STRIP_NS, CONVOLVE_MULTIPLY_NS = 32_000.0, 17_000.0, 0.038


@dataclass(frozen=True)
class Around:
    """Cells of a grid and of a margin around it, numbered row by row from zero.

    Attributes:
        rows, columns: of the grid.
        margin_y, margin_x: rows and columns on each side of it.
    """

    rows: int
    columns: int
    margin_y: int
    margin_x: int

    @property
    def stride(self) -> int:
        """Cells in a row."""
        return self.columns + 2 * self.margin_x

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.stride * (self.rows + 2 * self.margin_y)

    def number(self, row: Floats, column: Floats) -> Floats:
        """Return cell numbers from rows and columns, which may lie in the margin."""
        cell = row * self.stride
        cell += column
        cell += self.margin_y * self.stride + self.margin_x
        return cell

    def place(self, cell: Ints) -> tuple[Ints, Ints]:
        """Return the grid's row and column of each cell; negative in the margin before the grid."""
        row, column = np.divmod(cell, self.stride)
        return row - self.margin_y, column - self.margin_x


@dataclass(frozen=True)
class Entries:
    """Influence to be spread: one row per particle step, in segments of one layer and kernel.

    Attributes:
        cell: number of the cell in its :class:`Around`, shape (rows,).
        foot: influence, shape (rows,).
        first: first row of every segment, and the number of rows, shape (segments + 1,).
        layer: output layer of every segment, from zero, shape (segments,).
        width: index of the kernel width of every segment, shape (segments,).
    """

    cell: Ints
    foot: Floats
    first: Ints
    layer: Ints
    width: Ints


def accumulate(
    entries: Entries,
    sigma: Floats,
    *,
    layers: int,
    around: Around,
    xres: float,
    yres: float,
) -> Floats:
    """Spread every entry with its Gaussian; what falls outside the grid is dropped.

    Args:
        entries: cells, influence, layer and kernel of every particle step.
        sigma: kernel widths in grid units, shape (widths,).
        layers: number of output layers.
        around: the grid and the margin around it that entries may lie in.
        xres, yres: cell size in grid units.

    Returns:
        Sum over entries, shape (layers, rows, columns).
    """
    out = np.zeros((layers, around.rows, around.columns))
    half_x, half_y = half_width(sigma, xres), half_width(sigma, yres)
    # Kernels sorted by size, so that those of one size are next to each other.
    order = np.lexsort((half_x, half_y))
    sigma, half_x, half_y = sigma[order], half_x[order], half_y[order]
    sizes = half_y * (half_x.max() + 1) + half_x
    position = np.empty_like(order)
    position[order] = np.arange(order.size)
    all_cells, all_kernels = _Numbering.of(around.size), _Numbering.of(sigma.size)
    interpolator = Interpolator()
    for layer, segments in _groups(entries.layer):
        used, kernel = all_kernels.distinct(position[entries.width[segments]])
        for bundle in _bundles(_runs(sizes[used])):
            first, end = bundle[0].start, bundle[-1].stop
            inside = (kernel >= first) & (kernel < end)
            cells = _InfluencedCells.of(
                entries, segments[inside], kernel[inside] - first, around, all_cells
            )
            for run in bundle:
                some = used[run.start]
                size = KernelSize(int(half_x[some]), int(half_y[some]), xres, yres)
                nodes, shares = interpolator.nodes_and_shares(size, sigma[used[run]])
                _spread(out[layer], cells.mixed(run.start - first, shares), nodes)
    return out


def _bundles(runs: list[slice]) -> Iterator[list[slice]]:
    """Join neighbouring runs while they have no more than ``KERNELS_TOGETHER`` kernels."""
    bundle: list[slice] = []
    for run in runs:
        if bundle and run.stop - bundle[0].start > KERNELS_TOGETHER:
            yield bundle
            bundle = []
        bundle.append(run)
    yield bundle


def _groups(keys: Ints) -> Iterator[tuple[int, Ints]]:
    """Yield the distinct keys, ascending, and the positions of each."""
    order = np.argsort(keys, kind="stable")
    for run in _runs(keys[order]):
        yield int(keys[order[run.start]]), order[run]


def _runs(values: Ints) -> list[slice]:
    """Return the slices within which all values are equal."""
    edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), values.size]
    return [slice(*ends) for ends in pairwise(edges)]


@dataclass(frozen=True)
class _Numbering:
    """Tables for numbering the distinct values among integers that are not negative.

    Attributes:
        seen: False everywhere between two uses; None when the tables would be too large.
        number: scratch memory; None when ``seen`` is.
    """

    seen: NDArray[np.bool_] | None
    number: Ints | None

    @classmethod
    def of(cls, size: int) -> _Numbering:
        """Make tables for numbers below a size."""
        if size > MOST_TABLE_CELLS:
            return cls(None, None)
        return cls(np.zeros(size, bool), np.empty(size, np.int64))

    def distinct(self, values: Ints) -> tuple[Ints, Ints]:
        """Return the distinct values, ascending, and the position of every value among them."""
        if self.seen is None or self.number is None:
            used, number = np.unique(values, return_inverse=True)
            return used, number.reshape(-1)
        self.seen[values] = True
        lowest, highest = int(values.min()), int(values.max())
        used = np.flatnonzero(self.seen[lowest : highest + 1]) + lowest
        self.seen[used] = False
        self.number[used] = np.arange(used.size)
        return used, self.number.take(values)


@dataclass(frozen=True)
class _InfluencedCells:
    """Cells that hold influence, row by row.

    Attributes:
        row, column: of the grid, shape (cells,).
        sums: influence of every kernel or node, shape (kernels, cells).
    """

    row: Ints
    column: Ints
    sums: Floats

    @classmethod
    def of(
        cls,
        entries: Entries,
        segments: Ints,
        kernel: Ints,
        around: Around,
        all_cells: _Numbering,
    ) -> _InfluencedCells:
        """Add up the entries of some segments by cell and kernel.

        Args:
            segments: ascending, shape (segments,).
            kernel: kernel of every segment, from zero, shape (segments,).
        """
        begins, ends = entries.first[segments], entries.first[segments + 1]
        rows = _rows(begins, ends)
        used, number = all_cells.distinct(entries.cell[rows])
        kernels = int(kernel.max()) + 1
        number += np.repeat(kernel * used.size, ends - begins)
        sums: Floats = np.bincount(number, entries.foot[rows], kernels * used.size).astype(
            np.float64, copy=False
        )
        row, column = around.place(used)
        return cls(row, column, sums.reshape(kernels, used.size))

    @cached_property
    def extent(self) -> tuple[int, int, int, int]:
        """First and last row, and first and last column."""
        rows = int(self.row[0]), int(self.row[-1])
        return *rows, int(self.column.min()), int(self.column.max())

    def mixed(self, first: int, shares: Floats) -> _InfluencedCells:
        """Return the cells of consecutive kernels, with their influence shared among nodes.

        Args:
            first: first of the kernels.
            shares: share of each kernel that each node takes, shape (nodes, kernels).
        """
        sums = self.sums[first : first + shares.shape[1]]
        # Influence is never negative: a sum of zero means that there is none.
        used = np.flatnonzero(np.ones(sums.shape[0]) @ sums)
        taken = shares @ sums
        if used.size == self.row.size:
            return _InfluencedCells(self.row, self.column, taken)
        return _InfluencedCells(self.row[used], self.column[used], taken.take(used, axis=1))

    def within_reach(self, size: KernelSize, shape: tuple[int, ...]) -> _InfluencedCells:
        """Return the cells whose kernels touch the grid."""
        if self.row.size == 0:
            return self
        top, bottom, left, right = self.extent
        rows, columns = shape[0] + size.half_y, shape[1] + size.half_x
        if top >= -size.half_y and bottom < rows and left >= -size.half_x and right < columns:
            return self
        near = (self.row >= -size.half_y) & (self.row < rows)
        near &= (self.column >= -size.half_x) & (self.column < columns)
        return _InfluencedCells(self.row[near], self.column[near], self.sums[:, near])

    def rows_between(self, left: int, right: int) -> tuple[int, int]:
        """Return the first row with influence in these columns, and one past the last."""
        if left <= self.extent[2] and self.extent[3] < right:
            return self.extent[0], self.extent[1] + 1
        inside = np.flatnonzero((self.column >= left) & (self.column < right))
        if inside.size == 0:
            return 0, 0
        return int(self.row[inside[0]]), int(self.row[inside[-1]]) + 1


def _rows(begins: Ints, ends: Ints) -> slice | Ints:
    """Return the rows of ascending segments: as a slice where they are contiguous."""
    if np.array_equal(begins[1:], ends[:-1]):
        return slice(int(begins[0]), int(ends[-1]))
    return np.concatenate([np.arange(*ends_of) for ends_of in zip(begins, ends, strict=True)])


def _spread(layer: Floats, cells: _InfluencedCells, nodes: KernelNodes) -> None:
    """Add cells to one layer, each spread by its kernels.

    Args:
        layer: changed in place, shape (rows, columns).
        cells: with the influence of every node.
        nodes: the kernels.
    """
    size = nodes.size
    cells = cells.within_reach(size, layer.shape)
    if cells.row.size == 0:
        return
    if size.elements == 1:
        layer[cells.row, cells.column] += cells.sums.sum(axis=0)
        return
    window = _GridWindow.around(cells, size, layer.shape)
    way = _add_kernels if _is_cheaper_to_add(cells, size, window) else _convolve
    smoothed = way(nodes, cells, window)
    layer[window.row0 : window.row1, window.column0 : window.column1] += smoothed


def _is_cheaper_to_add(cells: _InfluencedCells, size: KernelSize, window: _GridWindow) -> bool:
    """Compare the estimated times of adding kernel by kernel and of convolving the window."""
    nodes = cells.sums.shape[0]
    per_cell_ns = ADD_CELL_NS + (ADD_ELEMENT_NS + ADD_NODE_NS * nodes) * size.elements
    strips, per_strip = _strips(window.columns_out, STRIP_TILES)
    taps_x, taps_y = TILE + 2 * size.half_x, TILE + 2 * size.half_y
    taps = window.rows_in * taps_x + -(-window.rows_out // TILE) * TILE * taps_y
    per_strip_ns = nodes * per_strip * TILE * CONVOLVE_MULTIPLY_NS * taps
    convolving_ns = CONVOLVE_NS + strips * (CONVOLVE_STRIP_NS + per_strip_ns)
    return cells.row.size * per_cell_ns < convolving_ns


@dataclass(frozen=True)
class _GridWindow:
    """Output cells that the kernels of influenced cells reach (half-open: ``row0`` to ``column1``),
    and the extent of the influenced cells themselves (closed: ``first_row`` to ``last_column``)."""

    row0: int
    row1: int
    column0: int
    column1: int
    first_row: int
    last_row: int
    first_column: int
    last_column: int

    @classmethod
    def around(
        cls, cells: _InfluencedCells, size: KernelSize, shape: tuple[int, ...]
    ) -> _GridWindow:
        top, bottom, left, right = cells.extent
        return cls(
            max(0, top - size.half_y),
            min(shape[0], bottom + size.half_y + 1),
            max(0, left - size.half_x),
            min(shape[1], right + size.half_x + 1),
            top,
            bottom,
            left,
            right,
        )

    @property
    def rows_out(self) -> int:
        return self.row1 - self.row0

    @property
    def columns_out(self) -> int:
        return self.column1 - self.column0

    @property
    def rows_in(self) -> int:
        return self.last_row - self.first_row + 1

    @property
    def columns_in(self) -> int:
        return self.last_column - self.first_column + 1


def _add_kernels(nodes: KernelNodes, cells: _InfluencedCells, window: _GridWindow) -> Floats:
    """Sum the kernels of all cells over the window, cell by cell."""
    size, along_x, along_y = nodes.size, nodes.along_x, nodes.along_y
    rows, columns = along_y.shape[1], along_x.shape[1]
    # The parts of kernels outside the grid are cut off at the end.
    out = np.zeros((window.rows_in + 2 * size.half_y, window.columns_in + 2 * size.half_x))
    tops, lefts = cells.row - window.first_row, cells.column - window.first_column
    chunk = max(1, ELEMENTS_PER_CHUNK // (rows * columns))
    for begin in range(0, tops.size, chunk):
        part = slice(begin, begin + chunk)
        weights = (cells.sums[:, part].T[:, None, :] * along_y.T).reshape(-1, nodes.u.size)
        drawn = (weights @ along_x).reshape(-1, rows, columns)
        for kernel, top, left in zip(drawn, tops[part].tolist(), lefts[part].tolist(), strict=True):
            out[top : top + rows, left : left + columns] += kernel
    top = window.row0 - (window.first_row - size.half_y)
    left = window.column0 - (window.first_column - size.half_x)
    return out[top : top + window.rows_out, left : left + window.columns_out]


def _convolve(nodes: KernelNodes, cells: _InfluencedCells, window: _GridWindow) -> Floats:
    """Sum the kernels of all cells over the window, by banded products along x and then y.

    The window is processed in strips of columns that stay in the processor's cache.
    """
    count, half_x, half_y = nodes.u.size, nodes.size.half_x, nodes.size.half_y
    along_x, along_y = nodes.banded_x[:, None], nodes.banded_y
    most_tiles = min(max(PRODUCT_LIMIT // (TILE * along_y.size), 1), STRIP_TILES)
    strips, per_strip = _strips(window.columns_out, most_tiles)
    width, tiles = per_strip * TILE, -(-window.rows_out // TILE)
    # The first column of the sources is the first whose kernels reach the window.
    first_column = window.column0 - half_x
    sources = np.zeros((count, window.rows_in, strips * width + 2 * half_x))
    place = (cells.row - window.first_row) * sources.shape[2] + (cells.column - first_column)
    sources.reshape(count, -1)[:, place] = cells.sums
    # Rows between the two products count from the first whose kernels reach the window.
    between = np.empty((tiles * TILE + 2 * half_y, count, width))
    shift = window.first_row - (window.row0 - half_y)
    done_x = between[shift : shift + window.rows_in].reshape(-1, count, per_strip, TILE)
    done_x = done_x.transpose(1, 2, 0, 3)
    out = np.zeros((tiles, TILE, strips * width))
    # The inputs of neighbouring tiles overlap.
    by_node, by_row, by_column = sources.strides
    tiles_x = np.ndarray(
        (count, strips * per_strip, window.rows_in, TILE + 2 * half_x), np.float64, sources,
        strides=(by_node, TILE * by_column, by_row, by_column),
    )  # fmt: skip
    by_row, by_node, by_column = between.strides
    tiles_y = np.ndarray(
        (tiles, (TILE + 2 * half_y) * count, width), np.float64, between,
        strides=(TILE * by_row, by_node, by_column),
    )  # fmt: skip
    rows = max(16, PRODUCT_LIMIT // along_x[0].size)
    for left in range(0, strips * width, width):
        reached = first_column + left, first_column + left + width + 2 * half_x
        begin, end = cells.rows_between(*reached)
        if begin == end:
            continue
        begin, end = begin - window.first_row, end - window.first_row
        between[: shift + begin] = 0.0
        between[shift + end :] = 0.0
        strip = slice(left // TILE, left // TILE + per_strip)
        for top in range(begin, end, rows):
            part = slice(top, min(top + rows, end))
            np.matmul(tiles_x[:, strip, part], along_x, out=done_x[:, :, part])
        low = max(0, (shift + begin - 2 * half_y) // TILE)
        high = min(tiles, (shift + end - 1) // TILE + 1)
        np.matmul(along_y, tiles_y[low:high], out=out[low:high, :, left : left + width])
    return out.reshape(tiles * TILE, -1)[: window.rows_out, : window.columns_out]


def _strips(columns: int, most_tiles: int) -> tuple[int, int]:
    """Return the number of strips of equal width for some columns, and tiles in each."""
    tiles = -(-columns // TILE)
    strips = -(-tiles // most_tiles)
    return strips, -(-tiles // strips)

"""Sum of influence times kernel over all particle steps, on the cells of a grid.

Every output layer is a sum over ages of (influence on cells) convolved with (that age's Gaussian).
Two ways give it, and the cheaper is taken for each set of ages whose kernels have the same size:
adding the kernels of each cell around it, or convolving whole grids. Neither needs many kernels,
however many ages there are (:mod:`stilt.footprint.kernel_nodes`).
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
# Tiles worked on together, so that what lies between the two products stays in the cache.
STRIP_TILES = 20
# BLAS threads a product beyond this many multiply-adds; smaller ones stay on the calling core,
# which is faster when every core has a worker of its own.
PRODUCT_LIMIT = 250_000
# Kernels of a layer whose sums by cell are made in one go; more would take much memory.
KERNELS_TOGETHER = 128
# Cells are looked up in a table unless it would be larger than this.
MOST_TABLE_CELLS = 20_000_000
# Measured on one core, nanoseconds. Adding kernels: a cell, an element of its kernel, and that for
# each node. Convolving: a window, a strip of it, and a multiply-add.
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
        """Number cells, by whole numbers, from rows and columns, which may lie in the margin."""
        cell = row * self.stride
        cell += column
        cell += self.margin_y * self.stride + self.margin_x
        return cell

    def place(self, cell: Ints) -> tuple[Ints, Ints]:
        """Return rows and columns of the grid that cells lie in; negative ones lie before it."""
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
        width: which of the kernel widths, shape (segments,).
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
        around: the grid and what entries may lie in around it.
        xres, yres: cell size in grid units.

    Returns:
        Sum over entries, shape (layers, rows, columns).
    """
    out = np.zeros((layers, around.rows, around.columns))
    half_x, half_y = half_width(sigma, xres), half_width(sigma, yres)
    # Kernels in order of their size, so that those of one size stand together.
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
    """Put neighbouring runs together as long as they are not too many kernels."""
    bundle: list[slice] = []
    for run in runs:
        if bundle and run.stop - bundle[0].start > KERNELS_TOGETHER:
            yield bundle
            bundle = []
        bundle.append(run)
    yield bundle


def _groups(keys: Ints) -> Iterator[tuple[int, Ints]]:
    """Return the distinct keys, ascending, and where each of them is."""
    order = np.argsort(keys, kind="stable")
    for run in _runs(keys[order]):
        yield int(keys[order[run.start]]), order[run]


def _runs(values: Ints) -> list[slice]:
    """Return where neighbours are equal."""
    edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), values.size]
    return [slice(*ends) for ends in pairwise(edges)]


@dataclass(frozen=True)
class _Numbering:
    """Tables to number the distinct ones of some whole numbers, none of them negative.

    Attributes:
        seen: False everywhere between two uses; None when the tables would be too large.
        number: as ``seen``; what it holds does not matter.
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
            kernel: from zero, of every segment.
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
        """Return the cells with influence of neighbouring kernels, and what nodes take of it.

        Args:
            first: of the kernels.
            shares: what each node takes of each of them, shape (nodes, kernels).
        """
        sums = self.sums[first : first + shares.shape[1]]
        # Influence is positive: where it sums up to nothing there is none.
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
        """Return the first row that holds something in these columns, and the end of such rows."""
        if left <= self.extent[2] and self.extent[3] < right:
            return self.extent[0], self.extent[1] + 1
        inside = np.flatnonzero((self.column >= left) & (self.column < right))
        if inside.size == 0:
            return 0, 0
        return int(self.row[inside[0]]), int(self.row[inside[-1]]) + 1


def _rows(begins: Ints, ends: Ints) -> slice | Ints:
    """Return rows of ascending segments; nothing is copied where they stand together."""
    if np.array_equal(begins[1:], ends[:-1]):
        return slice(int(begins[0]), int(ends[-1]))
    return np.concatenate([np.arange(*ends_of) for ends_of in zip(begins, ends, strict=True)])


def _spread(layer: Floats, cells: _InfluencedCells, nodes: KernelNodes) -> None:
    """Add cells to one layer, each with its kernels.

    Args:
        cells: with the influence of every node.
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
    """Cells of the output that some cells reach, half-open; cells that hold something, closed."""

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
    """Return the sum of all cells' kernels over the window, one cell's after the other's."""
    size, along_x, along_y = nodes.size, nodes.along_x, nodes.along_y
    rows, columns = along_y.shape[1], along_x.shape[1]
    # What kernels put outside the grid is cut off at the end.
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
    """Return the sum of all cells' kernels over the window, by banded products along x and then y.

    The window is worked through in strips of columns that stay in the processor's cache.
    """
    count, half_x, half_y = nodes.u.size, nodes.size.half_x, nodes.size.half_y
    along_x, along_y = nodes.banded_x[:, None], nodes.banded_y
    most_tiles = min(max(PRODUCT_LIMIT // (TILE * along_y.size), 1), STRIP_TILES)
    strips, per_strip = _strips(window.columns_out, most_tiles)
    width, tiles = per_strip * TILE, -(-window.rows_out // TILE)
    # Columns of the sources begin where the kernels that reach the window's first one do.
    first_column = window.column0 - half_x
    sources = np.zeros((count, window.rows_in, strips * width + 2 * half_x))
    place = (cells.row - window.first_row) * sources.shape[2] + (cells.column - first_column)
    sources.reshape(count, -1)[:, place] = cells.sums
    # Rows of what lies between the two products count from the first that the kernels reach from.
    between = np.empty((tiles * TILE + 2 * half_y, count, width))
    shift = window.first_row - (window.row0 - half_y)
    done_x = between[shift : shift + window.rows_in].reshape(-1, count, per_strip, TILE)
    done_x = done_x.transpose(1, 2, 0, 3)
    out = np.zeros((tiles, TILE, strips * width))
    # Neighbouring tiles overlap in what they are computed from.
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

"""Sum of influence times kernel over all particle steps, on the cells of a grid.

Every output layer is a sum over ages of (influence on cells) convolved with (that age's Gaussian).
Two ways give it, and the cheaper is taken for each set of ages whose kernels have the same size:
adding the kernels of each cell around it, or convolving whole grids. Neither needs many kernels,
however many ages there are: for a fixed kernel size the weights are exp(-u k^2 / 2) with
u = 1 / sigma^2, an entire function of u, so Chebyshev interpolation between a few values of u gives
every kernel to a relative 1e-8.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from stilt.footprint.kernel import axis_weights, half_width
from stilt.footprint.steps import Floats, Ints

INTERPOLATION_TOLERANCE = 1e-8
MAX_NODES = 24
ELEMENTS_PER_CHUNK = 200_000
# Output cells per product with a banded matrix; small, as most of a large band is zeros.
TILE = 16
# Columns worked on together, so that what lies between the two products stays in the cache.
STRIP = 32
# BLAS threads a product beyond this many multiply-adds; smaller ones stay on the calling core,
# which is faster when every core has a worker of its own.
PRODUCT_LIMIT = 250_000
# Measured on one core, nanoseconds. Adding kernels: a cell, an element of its kernel, and that for
# each node. Convolving: a window, a product, and a multiply-add.
ADD_CELL_NS, ADD_ELEMENT_NS, ADD_NODE_NS = 1_800.0, 0.9, 0.086
CONVOLVE_NS, CONVOLVE_CALL_NS, CONVOLVE_MULTIPLY_NS = 50_000.0, 2_800.0, 0.037


@dataclass(frozen=True)
class Entries:
    """Influence to be spread: one row per particle step, in segments of one layer and kernel.

    Attributes:
        row, column: cell, shape (rows,); may lie outside the grid by less than the kernel's reach.
        foot: influence, shape (rows,).
        first: first row of every segment, and the number of rows, shape (segments + 1,).
        layer: output layer of every segment, from zero, shape (segments,).
        width: which of the kernel widths, shape (segments,).
    """

    row: Ints
    column: Ints
    foot: Floats
    first: Ints
    layer: Ints
    width: Ints


@dataclass(frozen=True)
class _Block:
    """Entries of one layer whose kernels have the same size, and what they are spread with.

    Attributes:
        row, column, foot: as in :class:`Entries`.
        code: position in ``sigma`` of every row's kernel.
        sigma: kernel widths, grid units, all of them used.
        xres, yres: cell size, grid units.
        half_x, half_y: cells on either side of a kernel's centre.
    """

    row: Ints
    column: Ints
    foot: Floats
    code: Ints
    sigma: Floats
    xres: float
    yres: float
    half_x: int
    half_y: int

    def take(self, keep: NDArray[np.bool_]) -> _Block:
        """Return the chosen rows."""
        return replace(
            self,
            row=self.row[keep],
            column=self.column[keep],
            foot=self.foot[keep],
            code=self.code[keep],
        )


def accumulate(
    entries: Entries,
    sigma: Floats,
    *,
    layers: int,
    shape: tuple[int, int],
    xres: float,
    yres: float,
) -> Floats:
    """Spread every entry with its Gaussian; what falls outside the grid is dropped.

    Args:
        entries: cells, influence, layer and kernel of every particle step.
        sigma: kernel widths in grid units, shape (widths,).
        layers: number of output layers.
        shape: rows and columns of the grid.
        xres, yres: cell size in grid units.

    Returns:
        Sum over entries, shape (layers, rows, columns).
    """
    out = np.zeros((layers, *shape))
    half_x, half_y = half_width(sigma, xres), half_width(sigma, yres)
    sizes, size_of_width = np.unique(np.stack([half_y, half_x]), axis=1, return_inverse=True)
    key = entries.layer * sizes.shape[1] + size_of_width.reshape(-1)[entries.width]
    order = np.argsort(key, kind="stable")
    for segments in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        size_y, size_x = sizes[:, key[segments[0]] % sizes.shape[1]]
        width = entries.width[segments]
        widths = np.flatnonzero(np.bincount(width))
        counts = entries.first[segments + 1] - entries.first[segments]
        rows = _rows(entries.first, segments)
        block = _Block(
            entries.row[rows], entries.column[rows], entries.foot[rows],
            np.repeat(np.searchsorted(widths, width), counts), sigma[widths],
            xres, yres, int(size_x), int(size_y),
        )  # fmt: skip
        _add_block(out[entries.layer[segments[0]]], block)
    return out


def _rows(first: Ints, segments: Ints) -> slice | Ints:
    """Rows of ascending segments; nothing is copied where they stand together."""
    if segments[-1] - segments[0] == segments.size - 1:
        return slice(int(first[segments[0]]), int(first[segments[-1] + 1]))
    return np.concatenate([np.arange(first[number], first[number + 1]) for number in segments])


def _add_block(layer: Floats, block: _Block) -> None:
    """Add one block to its layer."""
    window = _Window.around(block, layer.shape)
    if not window.all_within_reach(block, layer.shape):
        near = _within_reach(block, layer.shape)
        if not near.any():
            return
        block = block.take(near)
        window = _Window.around(block, layer.shape)
    if block.half_x == 0 and block.half_y == 0:
        cell = block.row * layer.shape[1] + block.column
        layer += np.bincount(cell, block.foot, layer.size).reshape(layer.shape)
        return
    nodes = _node_count(block)
    u, share = _node_weights(block.sigma, nodes)
    peak_x = _peak(block.sigma, block.xres, block.half_x)
    peak_y = _peak(block.sigma, block.yres, block.half_y)
    cells = _Cells.of(block, share * (peak_x * peak_y)[:, None], window)
    adding = cells.cost_ns(nodes, block) < window.cost_ns(nodes, block)
    smoothed = (_add_kernels if adding else _convolve)(block, u, cells, window)
    layer[window.row0 : window.row1, window.column0 : window.column1] += smoothed


def _within_reach(block: _Block, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mask of entries whose kernel touches the grid."""
    return (
        (block.row >= -block.half_y)
        & (block.row < shape[0] + block.half_y)
        & (block.column >= -block.half_x)
        & (block.column < shape[1] + block.half_x)
    )


@dataclass(frozen=True)
class _Window:
    """Cells of the output that a block reaches, half-open; cells that hold entries, closed."""

    row0: int
    row1: int
    column0: int
    column1: int
    first_row: int
    last_row: int
    first_column: int
    last_column: int

    @classmethod
    def around(cls, block: _Block, shape: tuple[int, ...]) -> _Window:
        top, bottom = int(block.row.min()), int(block.row.max())
        left, right = int(block.column.min()), int(block.column.max())
        return cls(
            max(0, top - block.half_y),
            min(shape[0], bottom + block.half_y + 1),
            max(0, left - block.half_x),
            min(shape[1], right + block.half_x + 1),
            top,
            bottom,
            left,
            right,
        )

    def all_within_reach(self, block: _Block, shape: tuple[int, ...]) -> bool:
        """Whether every kernel touches the grid."""
        return (
            self.first_row >= -block.half_y
            and self.last_row < shape[0] + block.half_y
            and self.first_column >= -block.half_x
            and self.last_column < shape[1] + block.half_x
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

    def cost_ns(self, nodes: int, block: _Block) -> float:
        """Estimated time of the convolution."""
        along_x = self.rows_in * self.columns_out * (TILE + 2 * block.half_x)
        along_y = self.rows_in * self.columns_out * (TILE + 2 * block.half_y)
        strips, tiles = -(-self.columns_out // STRIP), -(-self.rows_out // TILE)
        return (
            CONVOLVE_NS
            + CONVOLVE_CALL_NS * strips * (2 + tiles)
            + CONVOLVE_MULTIPLY_NS * nodes * (along_x + along_y)
        )


@dataclass(frozen=True)
class _Cells:
    """Cells that hold influence, row by row, and their share of each interpolation node.

    Attributes:
        row, column: of the grid, shape (cells,).
        sums: influence times the node's weight, shape (nodes, cells).
    """

    row: Ints
    column: Ints
    sums: Floats

    @classmethod
    def of(cls, block: _Block, share: Floats, window: _Window) -> _Cells:
        cell = (block.row - window.first_row) * window.columns_in
        cell += block.column
        cell -= window.first_column
        number = np.zeros(window.rows_in * window.columns_in, np.int64)
        number[cell] = 1
        used = np.flatnonzero(number)
        number[used] = np.arange(used.size)
        # By width and cell first: there are more entries than cells, and nodes share the sums.
        place = block.code * used.size
        place += number[cell]
        sums = np.bincount(place, block.foot, share.shape[0] * used.size)
        row, column = np.divmod(used, window.columns_in)
        row += window.first_row
        column += window.first_column
        return cls(row, column, share.T @ sums.reshape(-1, used.size))

    def cost_ns(self, nodes: int, block: _Block) -> float:
        """Estimated time of adding kernel by kernel."""
        kernel_cells = (2 * block.half_x + 1) * (2 * block.half_y + 1)
        return self.row.size * (ADD_CELL_NS + (ADD_ELEMENT_NS + ADD_NODE_NS * nodes) * kernel_cells)

    def rows_between(self, left: int, right: int) -> tuple[int, int]:
        """First row that holds something in these columns, and the end of the rows that do."""
        rows = self.row[(self.column >= left) & (self.column < right)]
        return (int(rows[0]), int(rows[-1]) + 1) if rows.size else (0, 0)


def _add_kernels(block: _Block, u: Floats, cells: _Cells, window: _Window) -> Floats:
    """Sum of the block's kernels over its window, one cell's after the other's."""
    along_x = _bell(u, block.xres, np.arange(-block.half_x, block.half_x + 1))
    along_y = _bell(u, block.yres, np.arange(-block.half_y, block.half_y + 1))
    rows, columns = along_y.shape[1], along_x.shape[1]
    # What kernels put outside the grid is cut off at the end.
    out = np.zeros((window.rows_in + 2 * block.half_y, window.columns_in + 2 * block.half_x))
    tops, lefts = cells.row - window.first_row, cells.column - window.first_column
    chunk = max(1, ELEMENTS_PER_CHUNK // (rows * columns))
    for begin in range(0, tops.size, chunk):
        part = slice(begin, begin + chunk)
        weights = (cells.sums[:, part].T[:, None, :] * along_y.T).reshape(-1, u.size)
        kernels = (weights @ along_x).reshape(-1, rows, columns)
        for kernel, top, left in zip(
            kernels, tops[part].tolist(), lefts[part].tolist(), strict=True
        ):
            out[top : top + rows, left : left + columns] += kernel
    top = window.row0 - (window.first_row - block.half_y)
    left = window.column0 - (window.first_column - block.half_x)
    return out[top : top + window.rows_out, left : left + window.columns_out]


def _node_count(block: _Block) -> int:
    """Kernels to convolve with: few interpolation nodes, or every width when they are fewer."""
    u = 1.0 / np.square(block.sigma)
    largest = 0.5 * ((block.half_x * block.xres) ** 2 + (block.half_y * block.yres) ** 2)
    spread = largest * (u.max() - u.min())
    # Chebyshev remainder of exp(-a u) relative to its smallest value on the interval.
    error = 2.0 * np.exp(spread)
    for count in range(1, MAX_NODES + 1):
        error *= spread / 4.0 / count
        if error < INTERPOLATION_TOLERANCE or count >= block.sigma.size:
            return count
    return block.sigma.size


def _node_weights(sigma: Floats, nodes: int) -> tuple[Floats, Floats]:
    """Widths to convolve with and the share of each entry they take.

    Returns:
        u = 1 / sigma^2 of the nodes, shape (nodes,), and Lagrange weights, shape (widths, nodes).
    """
    u = 1.0 / np.square(sigma)
    if nodes >= sigma.size:
        return u, np.eye(sigma.size)
    middle, half_range = 0.5 * (u.max() + u.min()), 0.5 * (u.max() - u.min())
    angle = (2 * np.arange(nodes) + 1) * np.pi / (2 * nodes)
    at = np.cos(angle)
    barycentric = np.sin(angle) * (-1.0) ** np.arange(nodes)
    distance = ((u - middle) / half_range)[:, None] - at
    exact = distance == 0
    weights = barycentric / np.where(exact, 1.0, distance)
    weights /= weights.sum(axis=1, keepdims=True)
    hit = exact.any(axis=1)
    weights[hit] = exact[hit]
    return middle + half_range * at, weights


def _convolve(block: _Block, u: Floats, cells: _Cells, window: _Window) -> Floats:
    """Sum of the block's kernels over its window, by banded products along x and then y.

    The window is worked through in strips of columns that stay in the processor's cache.
    """
    nodes = u.size
    along_x = _banded(u, block.xres, block.half_x)
    along_y = _banded(u, block.yres, block.half_y).transpose(2, 1, 0).reshape(TILE, -1)
    width = TILE if along_y.size * STRIP > PRODUCT_LIMIT else STRIP
    strips, tiles = -(-window.columns_out // width), -(-window.rows_out // TILE)
    # Columns of the sources begin where the kernels that reach the window's first one do.
    columns, first_column = strips * width + 2 * block.half_x, window.column0 - block.half_x
    sources = np.zeros((nodes, window.rows_in, columns))
    sources[:, cells.row - window.first_row, cells.column - first_column] = cells.sums
    # Rows of what lies between the two products count from the first that the kernels reach from.
    shift = window.first_row - (window.row0 - block.half_y)
    smoothed = np.empty((tiles * TILE + 2 * block.half_y, nodes, width))
    half_done = smoothed[shift : shift + window.rows_in].transpose(1, 0, 2)
    rows = max(16, PRODUCT_LIMIT // along_x[0].size)
    out = np.zeros((tiles * TILE, strips * width))
    for left in range(0, out.shape[1], width):
        reached = first_column + left, first_column + left + width + 2 * block.half_x
        begin, end = (max(0, row - window.first_row) for row in cells.rows_between(*reached))
        for top, start in product(range(begin, end, rows), range(0, width, TILE)):
            part = slice(top, min(top + rows, end))
            reach = slice(left + start, left + start + TILE + 2 * block.half_x)
            done = half_done[:, part, start : start + TILE]
            np.matmul(sources[:, part, reach], along_x, out=done)
        for top in range(0, out.shape[0], TILE):
            low = max(top, shift + begin)
            high = min(top + TILE + 2 * block.half_y, shift + end)
            if low < high:
                weights = along_y[:, (low - top) * nodes : (high - top) * nodes]
                strip = smoothed[low:high].reshape(-1, width)
                np.matmul(weights, strip, out=out[top : top + TILE, left : left + width])
    return out[: window.rows_out, : window.columns_out]


def _peak(sigma: Floats, resolution: float, half: int) -> Floats:
    """Centre weight of the normalised kernel along one axis, shape (widths,)."""
    return axis_weights(sigma, resolution, half)[:, half]


def _banded(u: Floats, resolution: float, half: int) -> Floats:
    """Matrices that smooth a padded strip, shape (nodes, TILE + 2 half, TILE); centre weight 1."""
    weights = _bell(u, resolution, np.arange(half + 2))
    weights[:, half + 1] = 0.0
    offset = np.arange(TILE + 2 * half)[:, None] - np.arange(TILE) - half
    return weights[:, np.minimum(np.abs(offset), half + 1)]


def _bell(u: Floats, resolution: float, offset: Ints) -> Floats:
    """exp(-u x^2 / 2) at some offsets in cells, shape (nodes, offsets)."""
    bell: Floats = np.exp(-0.5 * u[:, None] * np.square(offset * resolution))
    return bell

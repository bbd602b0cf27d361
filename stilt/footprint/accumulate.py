"""Sum of influence times kernel over all particle steps, on the cells of a grid.

Every output layer is a sum over ages of (influence on cells) convolved with (that age's Gaussian).
Two ways give it, and the cheaper is taken for each set of ages whose kernels have the same size:
adding each small kernel where its particle is, or convolving whole grids. The second needs few
convolutions however many ages there are: for a fixed kernel size the weights are
exp(-u k^2 / 2) with u = 1 / sigma^2, an entire function of u, so Chebyshev interpolation between a
few values of u gives every kernel to a relative 1e-8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

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
# Measured on one core: nanoseconds to add one kernel element, per multiply-add, and per call.
COST_ADD_NS = 6.0
COST_MULTIPLY_NS = 0.09
COST_CALL_NS = 15_000.0


@dataclass(frozen=True)
class Entries:
    """Influence to be spread, one row per particle step; arrays of shape (rows,).

    Attributes:
        row, column: cell, may lie outside the grid by less than the kernel's reach.
        foot: influence.
        layer: output layer, from zero.
        width: which of the kernel widths.
    """

    row: Ints
    column: Ints
    foot: Floats
    layer: Ints
    width: Ints

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Entries:
        """Return the selected rows."""
        return Entries(
            self.row[rows], self.column[rows], self.foot[rows], self.layer[rows], self.width[rows]
        )


@dataclass(frozen=True)
class Target:
    """One set of entries with kernels of one size, and the layer it is added to."""

    sigma: Floats
    xres: float
    yres: float
    half_x: int
    half_y: int


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
    size_of_width = size_of_width.reshape(-1).astype(np.uint16)
    for layer in _runs(entries, entries.layer):
        for block in _runs(layer, size_of_width[layer.width]):
            size_y, size_x = sizes[:, size_of_width[block.width[0]]]
            target = Target(sigma, xres, yres, int(size_x), int(size_y))
            _add_block(out[block.layer[0]], block, target)
    return out


def _runs(entries: Entries, key: Ints | NDArray[np.uint16]) -> Iterator[Entries]:
    """Entries of one key each, in their order; nothing is copied where they stand together."""
    change = np.flatnonzero(key[1:] != key[:-1]) + 1
    starts = np.concatenate(([0], change, [key.size]))
    if np.unique(key[starts[:-1]]).size < starts.size - 1:
        order = np.argsort(key, kind="stable")
        yield from _runs(entries.take(order), key[order])
        return
    for begin, end in pairwise(starts):
        yield entries.take(slice(begin, end))


def _add_block(layer: Floats, block: Entries, target: Target) -> None:
    """Add one block to its layer by the cheaper way."""
    near = _within_reach(block, target, layer.shape)
    if not near.any():
        return
    block = block if near.all() else block.take(near)
    if target.half_x == 0 and target.half_y == 0:
        cell = block.row * layer.shape[1] + block.column
        layer += np.bincount(cell, block.foot, layer.size).reshape(layer.shape)
        return
    window = _Window.around(block, target, layer.shape)
    place = np.zeros(target.sigma.size, np.int64)
    place[block.width] = 1
    widths = np.flatnonzero(place)
    place[widths] = np.arange(widths.size)
    code = place[block.width]
    sigma = target.sigma[widths]
    nodes = _node_count(sigma, target)
    kernel_cells = (2 * target.half_x + 1) * (2 * target.half_y + 1)
    adding = COST_ADD_NS * block.foot.size * kernel_cells
    if adding < window.cost_ns(nodes, target):
        _add_kernels(layer, block, code, sigma, target)
    else:
        part = _convolve(block, code, sigma, nodes, target, window)
        layer[window.row0 : window.row1, window.column0 : window.column1] += part


def _within_reach(block: Entries, target: Target, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mask of entries whose kernel touches the grid."""
    return (
        (block.row >= -target.half_y)
        & (block.row < shape[0] + target.half_y)
        & (block.column >= -target.half_x)
        & (block.column < shape[1] + target.half_x)
    )


def _add_kernels(layer: Floats, block: Entries, code: Ints, sigma: Floats, target: Target) -> None:
    """Add each entry's kernel around its cell."""
    rows, columns = layer.shape
    along_y = axis_weights(sigma, target.yres, target.half_y)
    along_x = axis_weights(sigma, target.xres, target.half_x)
    reach_y = np.arange(-target.half_y, target.half_y + 1)
    reach_x = np.arange(-target.half_x, target.half_x + 1)
    chunk = max(1, ELEMENTS_PER_CHUNK // (reach_y.size * reach_x.size))
    flat = layer.reshape(-1)
    for begin in range(0, code.size, chunk):
        part = slice(begin, begin + chunk)
        row = block.row[part, None] + reach_y
        column = block.column[part, None] + reach_x
        weight_y = along_y[code[part]] * block.foot[part, None]
        weight_y[(row < 0) | (row >= rows)] = 0.0
        weight_x = along_x[code[part]]
        weight_x[(column < 0) | (column >= columns)] = 0.0
        cell = row.clip(0, rows - 1)[:, :, None] * columns + column.clip(0, columns - 1)[:, None, :]
        weight = weight_y[:, :, None] * weight_x[:, None, :]
        low = int(cell.min())
        sums = np.bincount((cell - low).reshape(-1), weight.reshape(-1))
        flat[low : low + sums.size] += sums


@dataclass(frozen=True)
class _Window:
    """Cells a block reaches: half-open ranges of the output, and of the rows that hold entries."""

    row0: int
    row1: int
    column0: int
    column1: int
    first_row: int
    last_row: int

    @classmethod
    def around(cls, block: Entries, target: Target, shape: tuple[int, ...]) -> _Window:
        top, bottom = int(block.row.min()), int(block.row.max())
        left, right = int(block.column.min()), int(block.column.max())
        return cls(
            max(0, top - target.half_y),
            min(shape[0], bottom + target.half_y + 1),
            max(0, left - target.half_x),
            min(shape[1], right + target.half_x + 1),
            top,
            bottom,
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

    def cost_ns(self, nodes: int, target: Target) -> float:
        """Estimated time of the convolution."""
        along_x = self.rows_in * self.columns_out * (TILE + 2 * target.half_x)
        along_y = self.rows_out * self.columns_out * (TILE + 2 * target.half_y)
        calls = 8 + self.columns_out // TILE + self.rows_out // TILE
        return COST_MULTIPLY_NS * nodes * (along_x + along_y) + COST_CALL_NS * calls


def _node_count(sigma: Floats, target: Target) -> int:
    """Kernels to convolve with: few interpolation nodes, or every width when they are fewer."""
    u = 1.0 / np.square(sigma)
    largest = 0.5 * ((target.half_x * target.xres) ** 2 + (target.half_y * target.yres) ** 2)
    spread = largest * (u.max() - u.min())
    # Chebyshev remainder of exp(-a u) relative to its smallest value on the interval.
    error = 2.0 * np.exp(spread)
    for count in range(1, MAX_NODES + 1):
        error *= spread / 4.0 / count
        if error < INTERPOLATION_TOLERANCE or count >= sigma.size:
            return count
    return sigma.size


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


def _convolve(
    block: Entries, code: Ints, sigma: Floats, nodes: int, target: Target, window: _Window
) -> Floats:
    """Sum of the block's kernels over its window, by banded products along x and then y.

    The window is worked through in strips of columns that stay in the processor's cache.
    """
    u, share = _node_weights(sigma, nodes)
    share = share * (
        _peak(sigma, target.xres, target.half_x) * _peak(sigma, target.yres, target.half_y)
    ).reshape(-1, 1)
    along_x = _banded(u, target.xres, target.half_x)
    along_y = _banded(u, target.yres, target.half_y).transpose(2, 1, 0).reshape(TILE, -1)
    width = TILE if along_y.size * STRIP > PRODUCT_LIMIT else STRIP
    strips, tiles = -(-window.columns_out // width), -(-window.rows_out // TILE)
    sources = _sources(block, code, share, strips * width + 2 * target.half_x, target, window)
    smoothed = np.zeros((tiles * TILE + 2 * target.half_y, nodes, width))
    first = window.first_row - (window.row0 - target.half_y)
    half_done = smoothed[first : first + window.rows_in].transpose(1, 0, 2)
    rows = max(16, PRODUCT_LIMIT // along_x[0].size)
    out = np.empty((tiles * TILE, strips * width))
    for left in range(0, out.shape[1], width):
        for top, start in product(range(0, window.rows_in, rows), range(0, width, TILE)):
            part = slice(top, top + rows)
            reach = slice(left + start, left + start + TILE + 2 * target.half_x)
            done = half_done[:, part, start : start + TILE]
            np.matmul(sources[:, part, reach], along_x, out=done)
        for top in range(0, out.shape[0], TILE):
            strip = smoothed[top : top + TILE + 2 * target.half_y].reshape(-1, width)
            np.matmul(along_y, strip, out=out[top : top + TILE, left : left + width])
    return out[: window.rows_out, : window.columns_out]


def _sources(
    block: Entries, code: Ints, share: Floats, columns: int, target: Target, window: _Window
) -> Floats:
    """Influence on cells for each node, shape (nodes, rows that hold entries, columns).

    Columns begin where the kernels that reach the window's first column do.
    """
    cell = (block.row - window.first_row) * columns
    cell += block.column - (window.column0 - target.half_x)
    sources = np.empty((share.shape[1], window.rows_in * columns))
    for node, source in enumerate(sources):
        source[:] = np.bincount(cell, block.foot * share[:, node].copy()[code], source.size)
    return sources.reshape(-1, window.rows_in, columns)


def _peak(sigma: Floats, resolution: float, half: int) -> Floats:
    """Centre weight of the normalised kernel along one axis, shape (widths,)."""
    return axis_weights(sigma, resolution, half)[:, half]


def _banded(u: Floats, resolution: float, half: int) -> Floats:
    """Matrices that smooth a padded strip, shape (nodes, TILE + 2 half, TILE); centre weight 1."""
    distance = np.arange(half + 2)
    weights = np.exp(-0.5 * u[:, None] * np.square(distance * resolution))
    weights[:, half + 1] = 0.0
    offset = np.arange(TILE + 2 * half)[:, None] - np.arange(TILE) - half
    return weights[:, np.minimum(np.abs(offset), half + 1)]

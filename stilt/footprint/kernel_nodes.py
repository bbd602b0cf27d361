"""A few kernels that stand for all kernels of the same size.

A Gaussian's weight at a place is exp(-u a), with u = 1 / sigma^2 and a half of the squared distance
from its centre. For all widths whose kernels have one size, and all places in such a kernel, this
is nearly a sum of a few products of a function of u and a function of a. So kernels of a few
widths, the nodes, give every other one as a weighted sum. The weights are chosen to be exact at as
many distances as there are nodes; nodes and distances are zeros of Chebyshev polynomials, so that
the error between them is small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stilt.footprint.steps import Floats

TOLERANCE = 1e-8
# In kernels with at most this many different weights, every distance is known.
FEW_DISTANCES = 32
# Output cells per product with a banded matrix; few, because a large one is mostly zeros.
TILE = 8


@dataclass(frozen=True)
class KernelSize:
    """Size of kernels in cells, and of the cells.

    Attributes:
        half_x, half_y: cells on either side of a kernel's centre, floor(3 sigma / resolution).
        xres, yres: cell size, grid units.
    """

    half_x: int
    half_y: int
    xres: float
    yres: float

    @property
    def elements(self) -> int:
        """Cells of a kernel."""
        return (2 * self.half_x + 1) * (2 * self.half_y + 1)

    @property
    def is_square(self) -> bool:
        """Whether kernels are the same along x and y."""
        return (self.half_x, self.xres) == (self.half_y, self.yres)


@dataclass(frozen=True)
class KernelNodes:
    """Kernels of one size with centre weight one.

    Attributes:
        u: 1 / sigma^2 of each, shape (nodes,).
    """

    u: Floats
    size: KernelSize

    @cached_property
    def along_x(self) -> Floats:
        """Weights from end to end along x, shape (nodes, 2 half_x + 1)."""
        return _bell(self.u, self.size.xres, self.size.half_x)

    @cached_property
    def along_y(self) -> Floats:
        """As ``along_x``."""
        if self.size.is_square:
            return self.along_x
        return _bell(self.u, self.size.yres, self.size.half_y)

    @cached_property
    def sums(self) -> Floats:
        """Sum of each kernel's weights, shape (nodes,)."""
        total: Floats = self.along_x.sum(axis=1) * self.along_y.sum(axis=1)
        return total

    @cached_property
    def banded_x(self) -> Floats:
        """Matrices that smooth a row padded by half_x, shape (nodes, TILE + 2 half_x, TILE)."""
        return _banded(self.along_x)

    @cached_property
    def banded_y(self) -> Floats:
        """Matrix that smooths columns and adds up nodes, shape (TILE, (TILE + 2 half_y) nodes)."""
        banded = self.banded_x if self.size.is_square else _banded(self.along_y)
        return banded.transpose(2, 1, 0).reshape(TILE, -1)


class Interpolator:
    """Chooses nodes; the distances in small kernels are computed once for each size.

    Discard it with the footprint it was created for: small arrays that outlive a worker's large
    ones lie among them and fragment the memory.
    """

    def __init__(self) -> None:
        """Start with no distances known."""
        self._distances: dict[KernelSize, Floats] = {}

    def nodes_and_shares(self, size: KernelSize, sigma: Floats) -> tuple[KernelNodes, Floats]:
        """Choose kernels as nodes, and find the share of each in wanted kernels of the same size.

        Wanted kernels sum to one; every weight has a relative error below ``TOLERANCE``. The
        closer together the widths are, the fewer nodes they need.

        Args:
            size: of all kernels.
            sigma: wanted widths, grid units, shape (widths,).

        Returns:
            The nodes, and shares, shape (nodes, widths).
        """
        if size.elements == 1:
            return KernelNodes(np.zeros(1), size), np.ones((1, sigma.size))
        u = 1.0 / np.square(sigma)
        lowest, highest = float(u.min()), float(u.max())
        largest = 0.5 * ((size.half_x * size.xres) ** 2 + (size.half_y * size.yres) ** 2)
        count = node_count((highest - lowest) * largest)
        distances = self._few_distances(size)
        if distances is not None and distances.size <= count:
            count = distances.size
        if u.size <= count:
            nodes = KernelNodes(u, size)
            return nodes, np.diag(1.0 / nodes.sums)
        zeros = _chebyshev_zeros(count)
        if distances is None or distances.size > count:
            distances = 0.5 * largest * (1.0 + zeros)
        middle = 0.5 * (highest + lowest)
        chosen_and_wanted = np.concatenate([middle + 0.5 * (highest - lowest) * zeros, u])
        nodes = KernelNodes(chosen_and_wanted[:count], size)
        # What all kernels have in common, exp(-a middle), is left out on both sides.
        weights = np.exp(distances[:, None] * (middle - chosen_and_wanted))
        shares: Floats = np.linalg.solve(weights[:, :count], weights[:, count:])
        shares /= nodes.sums @ shares
        return nodes, shares

    def _few_distances(self, size: KernelSize) -> Floats | None:
        """Return all distances, a, in a kernel, or None where they may be many."""
        if (size.half_x + 1) * (size.half_y + 1) > FEW_DISTANCES:
            return None
        if size not in self._distances:
            self._distances[size] = _all_distances(size)
        return self._distances[size]


def node_count(spread: float) -> int:
    """Return the number of nodes needed for a spread: the largest a times the range of u.

    The remainder of interpolation in both u and a is (spread / 16)^n / n! of the middle kernel; the
    factor in front was found by comparison with exact kernels, for spreads up to 18.
    """
    error, count = 4.0 * math.exp(0.25 * spread), 0
    while error > TOLERANCE:
        count += 1
        error *= spread / 16.0 / count
    return max(count, 1)


def _chebyshev_zeros(count: int) -> Floats:
    return np.array([math.cos((2 * k + 1) * math.pi / (2 * count)) for k in range(count)])


def _all_distances(size: KernelSize) -> Floats:
    """Return the half of the squared distance of every cell of a kernel, each once."""
    along_x = np.square(np.arange(size.half_x + 1) * size.xres)
    along_y = np.square(np.arange(size.half_y + 1) * size.yres)
    return np.unique(0.5 * (along_y[:, None] + along_x))


def _bell(u: Floats, resolution: float, half: int) -> Floats:
    """Return exp(-u x^2 / 2) from end to end of kernels, shape (nodes, 2 half + 1)."""
    squares = np.square(np.arange(-half, half + 1) * resolution)
    bell: Floats = np.exp(u[:, None] * (-0.5 * squares))
    return bell


def _banded(weights: Floats) -> Floats:
    """Return matrices that smooth a strip, (nodes, TILE + 2 half, TILE), from whole kernels."""
    nodes, taps = weights.shape
    banded = np.zeros((nodes, TILE + taps - 1, TILE))
    # A cell's weights begin one row and one column after those of the cell before.
    by_node, by_row, by_cell = banded.strides
    bands = np.ndarray(
        (nodes, TILE, taps), np.float64, banded, strides=(by_node, by_row + by_cell, by_row)
    )
    bands[:] = weights[:, None]
    return banded

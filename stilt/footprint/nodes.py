"""A few kernels that stand for all kernels of the same size.

A Gaussian's weight at a place is exp(-u a), with u = 1 / sigma^2 and a half of the squared distance
from its centre. Over the widths that make kernels of one size, and over that size, this is nearly a
sum of few products of a function of u and a function of a. Kernels of a few widths, the nodes, thus
give every other one as a weighted sum. The weights are those that are exact at as many distances;
nodes and distances are zeros of Chebyshev's polynomials, so that the error is small between them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stilt.footprint.steps import Floats

TOLERANCE = 1e-8
# Kernels with so many different weights or fewer are looked at weight by weight.
FEW_DISTANCES = 32
# Output cells per product with a banded matrix; small, as most of a large band is zeros.
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


@dataclass(frozen=True)
class Nodes:
    """Kernels of one size with centre weight one.

    Attributes:
        u: 1 / sigma^2 of each, shape (nodes,).
    """

    u: Floats
    size: KernelSize

    @cached_property
    def along_x(self) -> Floats:
        """Weights from end to end along x, shape (nodes, 2 half_x + 1)."""
        return _both_sides(_bell(self.u, self.size.xres, self.size.half_x))

    @cached_property
    def along_y(self) -> Floats:
        """As ``along_x``."""
        return _both_sides(_bell(self.u, self.size.yres, self.size.half_y))

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
        return _banded(self.along_y).transpose(2, 1, 0).reshape(TILE, -1)


class Interpolator:
    """Nodes for kernels of every size that is asked for, each made once.

    To be let go with the footprint it was made for: small arrays that outlive a worker's large ones
    lie among them, and keep the memory around from being used again.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._schemes: dict[KernelSize, _Scheme] = {}

    def nodes_and_shares(self, size: KernelSize, sigma: Floats) -> tuple[Nodes, Floats]:
        """Choose kernels to compute with, and what wanted kernels of the same size take of each.

        Wanted kernels sum to one; every weight is right to a relative ``TOLERANCE``.

        Args:
            size: of all kernels.
            sigma: wanted widths, grid units, shape (widths,).

        Returns:
            The nodes, and shares, shape (nodes, widths).
        """
        u = 1.0 / np.square(sigma)
        if size not in self._schemes:
            self._schemes[size] = _scheme(size)
        scheme = self._schemes[size]
        if u.size <= scheme.nodes.u.size:
            nodes = Nodes(u, size)
            return nodes, np.diag(1.0 / nodes.sums)
        wanted = np.exp(-scheme.exact_at[:, None] * (u - scheme.middle))
        shares: Floats = np.linalg.solve(scheme.kernels, wanted).astype(np.float64, copy=False)
        shares /= scheme.nodes.sums @ shares
        return scheme.nodes, shares


@dataclass(frozen=True)
class _Scheme:
    """How kernels of one size are interpolated.

    Attributes:
        middle: of the range of u.
        exact_at: distances, a, shape (nodes,).
        kernels: exp(-a (u - middle)) of distances and nodes, shape (nodes, nodes).
    """

    nodes: Nodes
    middle: float
    exact_at: Floats
    kernels: Floats


def _scheme(size: KernelSize) -> _Scheme:
    """The scheme for all widths of a size."""
    half_x, half_y, xres, yres = size.half_x, size.half_y, size.xres, size.yres
    highest = 9.0 / max(half_x * xres, half_y * yres) ** 2
    lowest = 9.0 / min((half_x + 1) * xres, (half_y + 1) * yres) ** 2
    middle, half_range = 0.5 * (highest + lowest), 0.5 * (highest - lowest)
    largest = 0.5 * ((half_x * xres) ** 2 + (half_y * yres) ** 2)
    zeros = _chebyshev_zeros(node_count(2.0 * half_range * largest))
    exact_at = 0.5 * largest * (1.0 + zeros)
    if (half_x + 1) * (half_y + 1) <= FEW_DISTANCES:
        distances = _all_distances(size)
        if distances.size <= zeros.size:
            exact_at, zeros = distances, _chebyshev_zeros(distances.size)
    at = half_range * zeros
    kernels = np.exp(-exact_at[:, None] * at)
    return _Scheme(Nodes(middle + at, size), middle, exact_at, kernels)


def node_count(spread: float) -> int:
    """Nodes for a spread, which is the largest a times the range of u.

    The remainder of interpolation in both u and a is (spread / 16)^n / n! of the middle kernel; the
    factor before it was found by comparing with exact kernels, for spreads up to 18.
    """
    error, count = 4.0 * math.exp(0.25 * spread), 0
    while error > TOLERANCE:
        count += 1
        error *= spread / 16.0 / count
    return max(count, 1)


def _chebyshev_zeros(count: int) -> Floats:
    zeros: Floats = np.cos((2 * np.arange(count) + 1) * np.pi / (2 * count))
    return zeros


def _all_distances(size: KernelSize) -> Floats:
    """Half of the squared distance of every cell of a kernel, each once."""
    along_x = np.square(np.arange(size.half_x + 1) * size.xres)
    along_y = np.square(np.arange(size.half_y + 1) * size.yres)
    return np.unique(0.5 * (along_y[:, None] + along_x))


def _bell(u: Floats, resolution: float, half: int) -> Floats:
    """exp(-u x^2 / 2) from a kernel's centre to its edge, shape (nodes, half + 1)."""
    bell: Floats = np.exp(-0.5 * u[:, None] * np.square(np.arange(half + 1) * resolution))
    return bell


def _both_sides(bell: Floats) -> Floats:
    return np.concatenate([bell[:, :0:-1], bell], axis=1)


def _banded(weights: Floats) -> Floats:
    """Matrices that smooth a strip, shape (nodes, TILE + 2 half, TILE), from end to end weights."""
    nodes, taps = weights.shape
    banded = np.zeros((nodes, TILE + taps - 1, TILE))
    for cell in range(TILE):
        banded[:, cell : cell + taps, cell] = weights
    return banded

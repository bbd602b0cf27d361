"""Interpolation between kernels: right everywhere, with few of them, and nothing is lost."""

import numpy as np
import pytest

from stilt.footprint.kernel import half_width
from stilt.footprint.kernel_nodes import (
    TILE,
    TOLERANCE,
    Interpolator,
    KernelNodes,
    KernelSize,
    node_count,
)
from tests.support.whole_kernel import gaussian_kernel

RESOLUTIONS = [(0.01, 0.01), (1.0, 2.5), (3.0, 1.0)]


def widths_of(size: KernelSize, number: int) -> np.ndarray:
    """Widths from one end of the size's range to the other."""
    low = max(size.half_x * size.xres, size.half_y * size.yres) / 3.0
    high = min((size.half_x + 1) * size.xres, (size.half_y + 1) * size.yres) / 3.0
    return np.linspace(low * (1 + 1e-9), high * (1 - 1e-9), number)


def sizes(xres: float, yres: float) -> list[KernelSize]:
    sigma = np.concatenate([np.linspace(0.34, 4.0, 40), np.linspace(5.0, 60.0, 15)]) * xres
    found = {(int(half_width(s, xres)), int(half_width(s, yres))) for s in sigma}
    return [KernelSize(x, y, xres, yres) for x, y in sorted(found) if x or y]


@pytest.mark.parametrize(("xres", "yres"), RESOLUTIONS)
def test_every_kernel_of_every_size_is_right_everywhere(xres, yres) -> None:
    for size in sizes(xres, yres):
        sigma = widths_of(size, 60)
        nodes, shares = Interpolator().nodes_and_shares(size, sigma)
        for number in range(0, sigma.size, 7):
            exact = gaussian_kernel(sigma[number], xres, yres)
            got = np.einsum("n,ny,nx->yx", shares[:, number], nodes.along_y, nodes.along_x)
            assert got.shape == exact.shape
            np.testing.assert_allclose(got, exact, rtol=2 * TOLERANCE)
            assert got.sum() == pytest.approx(1.0, abs=1e-12)


def test_a_handful_of_nodes_stands_for_any_number_of_widths() -> None:
    size = KernelSize(10, 10, 0.01, 0.01)
    nodes, shares = Interpolator().nodes_and_shares(size, widths_of(size, 1000))
    assert nodes.u.size == 6
    assert shares.shape == (6, 1000)
    assert np.abs(shares).max() < 10, "large weights of both signs would lose digits"


def test_fewer_widths_than_nodes_are_taken_as_they_are() -> None:
    size = KernelSize(10, 10, 0.01, 0.01)
    sigma = widths_of(size, 3)
    nodes, shares = Interpolator().nodes_and_shares(size, sigma)
    np.testing.assert_allclose(nodes.u, sigma**-2.0)
    assert np.count_nonzero(shares) == 3


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.5, 1.6, 3.0, 6.75, 12.0, 18.0])
def test_the_estimated_error_is_above_the_true_one(spread) -> None:
    count = node_count(spread)
    zeros = np.cos((2 * np.arange(count) + 1) * np.pi / (2 * count))
    u, a = 0.5 * spread * zeros, 0.5 * (1.0 + zeros)
    wanted, everywhere = np.linspace(-spread / 2, spread / 2, 41), np.linspace(0.0, 1.0, 301)
    shares = np.linalg.solve(np.exp(-np.outer(a, u)), np.exp(-np.outer(a, wanted)))
    got = np.exp(-np.outer(everywhere, u)) @ shares
    np.testing.assert_allclose(got, np.exp(-np.outer(everywhere, wanted)), rtol=TOLERANCE)


@pytest.mark.parametrize("half", [0, 1, 7])
def test_banded_matrices_are_the_kernel_moved_from_cell_to_cell(half) -> None:
    nodes = KernelNodes(np.array([1.3, 0.7]), KernelSize(half, half, 1.0, 1.0))
    row = np.random.default_rng(1).random(TILE + 2 * half)
    for number in range(2):
        plain = np.convolve(row, nodes.along_x[number], mode="valid")
        np.testing.assert_allclose(row @ nodes.banded_x[number], plain, rtol=1e-12)
    columns = np.random.default_rng(2).random((TILE + 2 * half, 2))
    plain = sum(np.convolve(columns[:, n], nodes.along_y[n], mode="valid") for n in range(2))
    np.testing.assert_allclose(nodes.banded_y @ columns.reshape(-1), plain, rtol=1e-12)

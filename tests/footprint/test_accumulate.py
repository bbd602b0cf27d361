"""Spreading entries with kernels: any way of computing it gives the plain sum."""

from dataclasses import replace

import numpy as np
import pytest

from stilt.footprint import accumulate as acc
from stilt.footprint.kernel import gaussian_kernel, half_width


def plain_sum(entries: acc.Entries, sigma, layers, shape, xres, yres) -> np.ndarray:
    out = np.zeros((layers, *shape))
    for row, column, foot, layer, width in zip(
        entries.row, entries.column, entries.foot, entries.layer, entries.width, strict=True
    ):
        kernel = gaussian_kernel(sigma[width], xres, yres)
        hy, hx = (n // 2 for n in kernel.shape)
        for j, i in np.ndindex(kernel.shape):
            y, x = row + j - hy, column + i - hx
            if 0 <= y < shape[0] and 0 <= x < shape[1]:
                out[layer, y, x] += foot * kernel[j, i]
    return out


def entries_of(rng: np.random.Generator, n: int, shape, widths: int, margin: int) -> acc.Entries:
    return acc.Entries(
        rng.integers(-margin, shape[0] + margin, n),
        rng.integers(-margin, shape[1] + margin, n),
        rng.gamma(0.3, 1.0, n),
        np.arange(n + 1),
        rng.integers(0, 3, n),
        rng.integers(0, widths, n),
    )


@pytest.mark.parametrize("add_cost", [-1e9, 1e9], ids=["add kernels", "convolve"])
@pytest.mark.parametrize("res", [(1.0, 1.0), (1.0, 2.5), (2.5, 1.0)], ids=str)
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.2), (2.01, 2.3), (0.2, 5.0)])
def test_both_ways_give_the_plain_sum(monkeypatch, add_cost, res, low, high) -> None:
    monkeypatch.setattr(acc, "ADD_CELL_NS", add_cost)
    rng = np.random.default_rng(3)
    shape, (xres, yres) = (23, 41), res
    sigma = np.linspace(low, high, 40)
    reach = int(half_width(high, min(res)))
    entries = entries_of(rng, 300, shape, sigma.size, reach)
    got = acc.accumulate(entries, sigma, layers=3, shape=shape, xres=xres, yres=yres)
    expected = plain_sum(entries, sigma, 3, shape, xres, yres)
    np.testing.assert_array_equal(got > 0, expected > 0)
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=0)


def test_order_of_entries_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    entries = entries_of(rng, 2000, (60, 60), 30, 3)
    sigma = np.linspace(0.1, 3.0, 30)
    size = {"layers": 3, "shape": (60, 60), "xres": 1.0, "yres": 1.0}
    one = acc.accumulate(entries, sigma, **size)
    order = rng.permutation(2000)
    names = ("row", "column", "foot", "layer", "width")
    shuffled = replace(entries, **{name: getattr(entries, name)[order] for name in names})
    other = acc.accumulate(shuffled, sigma, **size)
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_segments_are_only_a_shorter_way_to_say_it() -> None:
    rng = np.random.default_rng(5)
    single = entries_of(rng, 400, (30, 30), 4, 2)
    first = np.append(np.arange(0, 400, 20), 400)
    joined = replace(single, first=first, layer=single.layer[::20], width=single.width[::20])
    apart = replace(single, layer=np.repeat(joined.layer, 20), width=np.repeat(joined.width, 20))
    sigma = np.array([0.1, 0.4, 0.8, 1.4])
    size = {"layers": 3, "shape": (30, 30), "xres": 1.0, "yres": 1.0}
    np.testing.assert_allclose(
        acc.accumulate(joined, sigma, **size), acc.accumulate(apart, sigma, **size), rtol=1e-12
    )


@pytest.mark.parametrize(("sigma", "xres", "yres"), [(0.0, 1, 1), (0.3, 1, 1), (2.0, 0.5, 3.0)])
def test_kernel_is_normalised_odd_and_separable(sigma, xres, yres) -> None:
    kernel = gaussian_kernel(sigma, xres, yres)
    assert kernel.sum() == pytest.approx(1.0)
    assert kernel.shape == (
        1 + 2 * int(3 * sigma / yres + 1e-12),
        1 + 2 * int(3 * sigma / xres + 1e-12),
    )
    y = (np.arange(kernel.shape[0]) - kernel.shape[0] // 2)[:, None] * yres
    x = (np.arange(kernel.shape[1]) - kernel.shape[1] // 2) * xres
    weights = np.exp(-(x**2 + y**2) / (2 * max(sigma, 1e-9) ** 2))
    np.testing.assert_allclose(kernel, weights / weights.sum())

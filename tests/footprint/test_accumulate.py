"""Spreading entries with kernels: any way of computing it gives the plain sum."""

from dataclasses import replace

import numpy as np
import pytest

from stilt.footprint import accumulate as acc
from stilt.footprint.kernel import half_width
from tests.support.whole_kernel import gaussian_kernel


def plain_sum(entries: acc.Entries, sigma, layers, around, xres, yres) -> np.ndarray:
    shape = around.rows, around.columns
    out = np.zeros((layers, *shape))
    rows, columns = around.place(entries.cell)
    for row, column, foot, layer, width in zip(
        rows, columns, entries.foot, entries.layer, entries.width, strict=True
    ):
        kernel = gaussian_kernel(sigma[width], xres, yres)
        hy, hx = (n // 2 for n in kernel.shape)
        for j, i in np.ndindex(kernel.shape):
            y, x = row + j - hy, column + i - hx
            if 0 <= y < shape[0] and 0 <= x < shape[1]:
                out[layer, y, x] += foot * kernel[j, i]
    return out


def entries_of(rng: np.random.Generator, n: int, around: acc.Around, widths: int) -> acc.Entries:
    return acc.Entries(
        rng.integers(0, around.size, n),
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
    xres, yres = res
    sigma = np.linspace(low, high, 40)
    around = acc.Around(23, 41, int(half_width(high, yres)) + 1, int(half_width(high, xres)) + 1)
    entries = entries_of(rng, 300, around, sigma.size)
    got = acc.accumulate(entries, sigma, layers=3, around=around, xres=xres, yres=yres)
    expected = plain_sum(entries, sigma, 3, around, xres, yres)
    np.testing.assert_array_equal(got > 0, expected > 0)
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=0)


def test_order_of_entries_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    around = acc.Around(60, 60, 3, 3)
    entries = entries_of(rng, 2000, around, 30)
    sigma = np.linspace(0.1, 3.0, 30)
    size = {"layers": 3, "around": around, "xres": 1.0, "yres": 1.0}
    one = acc.accumulate(entries, sigma, **size)
    order = rng.permutation(2000)
    names = ("cell", "foot", "layer", "width")
    shuffled = replace(entries, **{name: getattr(entries, name)[order] for name in names})
    other = acc.accumulate(shuffled, sigma, **size)
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_cells_too_many_for_a_table_are_sorted(monkeypatch) -> None:
    rng = np.random.default_rng(6)
    around = acc.Around(30, 40, 4, 3)
    entries = entries_of(rng, 500, around, 12)
    sigma = np.linspace(0.0, 1.3, 12)
    size = {"layers": 3, "around": around, "xres": 1.0, "yres": 1.0}
    by_table = acc.accumulate(entries, sigma, **size)
    monkeypatch.setattr(acc, "MOST_TABLE_CELLS", around.size - 1)
    np.testing.assert_array_equal(acc.accumulate(entries, sigma, **size), by_table)


def test_kernels_may_be_summed_in_bundles(monkeypatch) -> None:
    rng = np.random.default_rng(7)
    around = acc.Around(30, 40, 4, 3)
    entries = entries_of(rng, 500, around, 40)
    sigma = rng.permutation(np.linspace(0.0, 1.3, 40))
    size = {"layers": 3, "around": around, "xres": 1.0, "yres": 1.0}
    in_one_go = acc.accumulate(entries, sigma, **size)
    monkeypatch.setattr(acc, "KERNELS_TOGETHER", 3)
    np.testing.assert_allclose(acc.accumulate(entries, sigma, **size), in_one_go, rtol=1e-12)


def test_cells_are_numbered_row_by_row_from_the_margin() -> None:
    around = acc.Around(rows=3, columns=5, margin_y=2, margin_x=4)
    numbers = np.arange(around.size)
    row, column = around.place(numbers)
    assert (row[0], column[0], row[-1], column[-1]) == (-2, -4, 4, 8)
    np.testing.assert_array_equal(around.number(row.astype(float), column.astype(float)), numbers)


def test_segments_are_only_a_shorter_way_to_say_it() -> None:
    rng = np.random.default_rng(5)
    around = acc.Around(30, 30, 2, 2)
    single = entries_of(rng, 400, around, 4)
    first = np.append(np.arange(0, 400, 20), 400)
    joined = replace(single, first=first, layer=single.layer[::20], width=single.width[::20])
    apart = replace(single, layer=np.repeat(joined.layer, 20), width=np.repeat(joined.width, 20))
    sigma = np.array([0.1, 0.4, 0.8, 1.4])
    size = {"layers": 3, "around": around, "xres": 1.0, "yres": 1.0}
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

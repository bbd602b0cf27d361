"""Vertical motion made from the divergence of the wind, against numbers that HYSPLIT gave."""

from __future__ import annotations

import numpy as np
import pytest

from stilt.meteorology.levels import internal_levels
from stilt.meteorology.vertical_motion import rate_along_surfaces, rate_from_divergence

_SIGMA_COUNT = 25
_CELL_M = 40_000.0

# HYSPLIT v5.1 was asked with a file without WWND whose levels are the transport's own (10, 75,
# 200, 385, 630, ... m), in still air but for a wind that diverges on one level. One particle was
# released on each level, without turbulence. Upward motion over divergence, in metres, with the
# sign of descent; the last column has a divergence of one on every level. A minute's second pass is
# higher up, which adds up to 0.4 % in the last column and 0.1 % in the others, and steps of 1.5 mm
# are 0.25 % of the smallest motion.
_ASKED = np.array(
    [
        # z      level 1  level 2  level 3  level 4  level 6  level 10  all
        [10.0, 52.56, 47.56, 0.00, 0.00, 0.00, 0.00, 100.53],
        [75.0, 86.75, 83.43, 51.72, 0.00, 0.00, 0.00, 222.66],
        [200.0, 155.05, 155.09, 123.44, 71.74, 0.00, 0.00, 506.93],
        [385.0, 215.05, 215.09, 215.09, 163.46, 0.00, 0.00, 903.23],
        [630.0, 275.03, 275.09, 275.09, 275.09, 111.74, 0.00, 1419.89],
        [935.0, 335.02, 335.08, 335.08, 335.08, 243.50, 0.00, 2056.93],
        [1300.0, 395.00, 395.08, 395.08, 395.08, 395.08, 0.00, 2814.31],
        [2210.0, 514.98, 515.08, 515.08, 515.10, 515.08, 191.79, 4690.16],
        [2755.0, 574.96, 575.08, 575.08, 575.10, 575.08, 403.58, 5808.63],
        [3360.0, 634.96, 635.08, 635.08, 635.10, 635.08, 635.08, 7047.45],
        [18130.0, 1474.77, 1475.07, 1475.09, 1475.09, 1475.09, 1475.09, 37028.78],
    ]
)


def _metres(divergent: list[int]) -> np.ndarray:
    """Descent over divergence in metres at the middle of a grid, by level."""
    levels = internal_levels(tuple(np.linspace(0.998, 0.025, _SIGMA_COUNT)), 1, 25_000.0)
    east = np.arange(9.0) - 4.0
    wind_x = np.zeros((levels.count, 7, 9))
    wind_x[divergent] = east
    size = np.full((7, 9), _CELL_M)
    rate = rate_from_divergence(wind_x, np.zeros_like(wind_x), (size, size), levels)
    per_second = rate[:, 3, 4] * levels.model_top_m / 60.0
    return per_second * _CELL_M


@pytest.mark.parametrize(("column", "level"), [(1, 0), (2, 1), (3, 2), (4, 3), (5, 5), (6, 9)])
def test_divergence_on_one_level_moves_air_as_hysplit_does(column: int, level: int) -> None:
    levels = internal_levels(tuple(np.linspace(0.998, 0.025, _SIGMA_COUNT)), 1, 25_000.0)
    rows = np.searchsorted(levels.heights_m, _ASKED[:, 0])
    np.testing.assert_allclose(_metres([level])[rows], _ASKED[:, column], rtol=1.5e-3, atol=0.1)


def test_divergence_on_all_levels_moves_air_as_hysplit_does() -> None:
    levels = internal_levels(tuple(np.linspace(0.998, 0.025, _SIGMA_COUNT)), 1, 25_000.0)
    rows = np.searchsorted(levels.heights_m, _ASKED[:, 0])
    np.testing.assert_allclose(_metres(list(range(levels.count)))[rows], _ASKED[:, 7], rtol=6e-3)


def test_divergence_is_of_the_two_neighbours_and_half_at_an_edge() -> None:
    """A jump between two nodes counts half at either; HYSPLIT gave 0.5004 at both, 0 beyond.

    On a global grid, where u is 10 m/s times sin(lon + 30), it moved air at 0 E, its first node,
    with 0.002142 m/s and at 3 E with 0.004282; at 3 W, its last node, with 0.002317 and at 6 W with
    0.004633.
    """
    levels = internal_levels(tuple(np.linspace(0.998, 0.025, _SIGMA_COUNT)), 1, 25_000.0)
    size = np.full((7, 9), _CELL_M)
    wind_y = np.zeros((levels.count, 7, 9))
    wind_y[:, 4:] = 1.0
    rate = rate_from_divergence(np.zeros_like(wind_y), wind_y, (size, size), levels)
    np.testing.assert_allclose(
        rate[3, :, 4] / rate[3, 3, 4], [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0], atol=1e-12
    )
    size = np.full((5, 120), _CELL_M)
    wind_x = np.broadcast_to(
        np.sin(np.radians(3.0 * np.arange(120) + 30.0)), (levels.count, 5, 120)
    )
    rate = rate_from_divergence(wind_x, np.zeros_like(wind_x), (size, size), levels)[7, 2]
    np.testing.assert_allclose(
        rate[[0, -1]] / rate[[1, -2]], [0.002142 / 0.004282, 0.002317 / 0.004633], rtol=1e-3
    )


@pytest.mark.parametrize("minutes", [60.0, -60.0])
def test_air_stays_on_surfaces_that_rise_and_slope(minutes: float) -> None:
    """A field linear in sigma, in time and along the grid: the rate is exact, back in time too."""
    levels = internal_levels(tuple(np.linspace(0.998, 0.025, _SIGMA_COUNT)), 1, 25_000.0)
    size = np.full((7, 9), _CELL_M)
    sigma = 1.0 - levels.heights_m / levels.model_top_m
    y, x = np.indices((7, 9))
    now = 900.0 * sigma[:, None, None] + 0.2 * x - 0.1 * y
    before = now - 0.03 * minutes
    wind = np.full_like(now, 10.0)
    rate = rate_along_surfaces(before, now, minutes, wind, -wind, (size, 2.0 * size), levels)
    cells_per_minute = 60.0 * 10.0 / _CELL_M
    expected = -(0.03 + cells_per_minute * 0.2 + 0.5 * cells_per_minute * 0.1) / 900.0
    np.testing.assert_allclose(rate, expected, rtol=1e-6)


def test_motion_along_steep_surfaces_is_held_to_hysplits_limit() -> None:
    levels = internal_levels(tuple(np.linspace(0.998, 0.025, _SIGMA_COUNT)), 1, 25_000.0)
    size = np.full((7, 9), _CELL_M)
    flat = np.full((levels.count, 7, 9), 300.0)
    still = np.zeros_like(flat)
    rate = rate_along_surfaces(flat - 1.0, flat, 60.0, still, still, (size, size), levels)
    np.testing.assert_allclose(np.abs(rate), 0.005)

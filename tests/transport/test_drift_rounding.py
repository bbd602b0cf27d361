"""A sub-step's horizontal drift is rounded as HYSPLIT's single-precision grid index rounds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic_weather import WIDE, Laboratory, release

from stilt.meteorology.grids import EARTH_RADIUS_M

# The middle of the grid has index 11, counted from one: between 8 and 16 the last of 24 bits is
# 2^-20 cells of a degree, 0.106 m.
STEP_M = EARTH_RADIUS_M * np.radians(1.0) * 2.0**-20
SUB_STEP_S = 0.1
MINUTES = 5


def eastward_m(tmp_path: Path, wind: float, *, rounded: bool) -> np.ndarray:
    """Way along x of 100 particles in the first minutes, with sub-steps of a tenth of a second."""
    (folder := tmp_path / f"{wind}{rounded}").mkdir()
    lab = Laboratory(folder, WIDE).weather(({"UWND": wind}, {}))
    table = lab.run(release(500.0), vscales=1.0, vscaleu=1.0, hysplit_rounding=rounded)[0]
    last = table[table["time"].abs() == MINUTES]
    return np.radians(last["long"].to_numpy(np.float64)) * EARTH_RADIUS_M


def test_a_drift_under_half_a_step_is_lost(tmp_path: Path) -> None:
    wind = 0.4 * STEP_M / SUB_STEP_S
    still = eastward_m(tmp_path, 0.0, rounded=True)
    way = eastward_m(tmp_path, wind, rounded=True) - still
    np.testing.assert_allclose(way, 0.0, atol=0.001)
    exact = eastward_m(tmp_path, wind, rounded=False) - still
    np.testing.assert_allclose(exact, wind * 60.0 * MINUTES, rtol=0.02)


@pytest.mark.parametrize("steps", [0.7, 1.4, 2.6])
def test_other_drifts_become_whole_steps(tmp_path: Path, steps: float) -> None:
    wind = steps * STEP_M / SUB_STEP_S
    way = eastward_m(tmp_path, wind, rounded=True) - eastward_m(tmp_path, 0.0, rounded=True)
    whole = round(steps) * STEP_M / SUB_STEP_S * 60.0 * MINUTES
    # Each half minute has two shorter sub-steps, of 300.
    np.testing.assert_allclose(way, whole, rtol=0.02)


def test_strong_wind_is_hardly_rounded(tmp_path: Path) -> None:
    ways = [eastward_m(tmp_path, 20.0, rounded=rounded) for rounded in (True, False)]
    np.testing.assert_allclose(ways[0], ways[1], rtol=0.03)

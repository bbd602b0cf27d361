"""Turbulence at and above the mixed-layer height, by choice, against what HYSPLIT printed."""

from __future__ import annotations

import numpy as np
import pytest

from stilt.constants import GAS_CONSTANT_DRY_AIR, HEAT_CAPACITY_AIR
from stilt.meteorology import mixed_layer, turbulence
from stilt.meteorology.columns import Columns
from stilt.meteorology.levels import internal_levels
from stilt.meteorology.surface_layer import SurfaceLayer
from stilt.meteorology.turbulence import TurbulenceOptions

_LEVELS = internal_levels(tuple(np.linspace(0.998, 0.025, 25)), 1, 25_000.0)
_Z = _LEVELS.heights_m
_LOW_THETA = np.array([300.0, 300.0, 300.0, 301.0, 301.9, 302.1, 303.0])


def _columns(energy: np.ndarray | None = None) -> Columns:
    """The column that HYSPLIT was asked with: still dry air, theta as in ``_LOW_THETA``."""
    theta = np.concatenate([_LOW_THETA, 304.0 + np.arange(len(_Z) - len(_LOW_THETA))])
    pressure = 1000.0 * np.exp(-_Z / (GAS_CONSTANT_DRY_AIR * 273.0 / 9.80616))
    temperature = theta * (pressure / 1000.0) ** 0.286
    density = 100.0 * pressure / (GAS_CONSTANT_DRY_AIR * temperature)

    def cube(values: np.ndarray) -> np.ndarray:
        return values[:, None, None].astype(float)

    still = np.zeros((len(_Z), 1, 1))
    ground = np.zeros((1, 1))
    return Columns(
        cube(_Z),
        cube(temperature),
        still,
        cube(pressure),
        still + 1.0,
        still,
        still,
        cube(density),
        cube(density),
        cube(theta),
        ground,
        ground + 0.1,
        ground.astype(np.int64),
        None if energy is None else cube(energy),
    )


def _surface(columns: Columns, heat_w_m2: float) -> SurfaceLayer:
    index = _LEVELS.surface_layer_index
    u_star = np.full((1, 1), 0.3)
    theta_star = -heat_w_m2 / (columns.moist_density[index] * HEAT_CAPACITY_AIR * u_star)
    stability = np.clip(_Z[index] * 0.4 * 9.80616 * theta_star / (u_star**2 * 300.0), -2.0, 15.0)
    return SurfaceLayer(u_star, theta_star, stability, _Z[index] / stability, index)


def _profiles(heat: float, height: float, energy=None, **options) -> tuple[np.ndarray, np.ndarray]:
    columns = _columns(energy)
    surface = _surface(columns, heat)
    depth = np.full((1, 1), height)
    w_star = mixed_layer.convective_velocity(columns, surface, depth)
    both = turbulence.profiles(columns, surface, depth, w_star, TurbulenceOptions(**options))
    return both[0][:, 0, 0], both[1][:, 0, 0]


# Asked of HYSPLIT v5.1 with 500 to 8000 W m-2 upward: sigw and tlgr of the layer above a level at
# 630 m, for mixed-layer heights given with KMIXD and ZISCALE.
@pytest.mark.parametrize(
    ("heat", "height", "sigma", "time_scale"),
    [
        (50.0, 629.0, 0.010, 100.0),
        (50.0, 629.4, 0.010, 100.0),
        (50.0, 629.7, 0.042, 100.0),
        (50.0, 630.0, 0.042, 100.0),
        (50.0, 630.01, 0.356, 263.97),
        (50.0, 631.0, 0.356, 264.23),
        (200.0, 630.0, 0.083, 100.0),
        (2000.0, 630.0, 0.263, 100.0),
        (8000.0, 630.0, 0.525, 100.0),
        (-20.0, 629.7, 0.010, 100.0),
        (-20.0, 630.0, 0.010, 100.0),
    ],
)
def test_level_at_the_mixed_layer_height(heat, height, sigma, time_scale) -> None:
    found = _profiles(heat, height)
    assert found[0][4] == pytest.approx(sigma, abs=0.0006)
    assert found[1][4] == pytest.approx(time_scale, rel=2e-3)


@pytest.mark.parametrize(
    ("heat", "options", "sigma", "time_scale"),
    [
        (50.0, {}, 0.010, 100.0),
        (50.0, {"time_scale_stable_s": 50.0, "time_scale_unstable_s": 80.0}, 0.011, 80.0),
        (-20.0, {"time_scale_stable_s": 50.0, "time_scale_unstable_s": 80.0}, 0.014, 50.0),
        (-20.0, {"time_scale_unstable_s": 80.0}, 0.010, 100.0),
    ],
)
def test_fixed_time_scales_hold_above_the_mixed_layer_too(heat, options, sigma, time_scale) -> None:
    found = _profiles(heat, 500.0, **options)
    assert found[0][7] == pytest.approx(sigma, abs=0.0006)
    assert found[1][7] == time_scale


def test_turbulent_energy_counts_above_the_mixed_layer_too() -> None:
    """HYSPLIT gave 0.214 m/s where the file has 0.15 m2 s-2 and the ratio is 0.18."""
    found = _profiles(50.0, 500.0, energy=np.full(len(_Z), 0.15), scheme=3)
    np.testing.assert_allclose(found[0], 0.214, atol=0.0006)


# Asked of HYSPLIT v5.1 with TKEN on levels at 10, 75, 200, 385, 630, 935, 1300, 1725, 2210 m.
@pytest.mark.parametrize(
    ("energy", "height"),
    [
        ([0.8, 1.0, 1.0, 0.9, 0.8, 0.6, 0.35, 0.25, 0.2, 0.15], 1725.0),
        ([1.0, 1.0, 1.0, 1.0, 0.4], 385.0),
        ([1.0, 1.0, 0.4], 75.0),
        ([0.2], 10.0),
        ([1.0], 26_255.0),
        ([1.0, 0.6, 0.4, 0.3, 0.22, 0.2, 0.15], 630.0),
        ([0.5, 0.8, 1.2, 1.5, 1.2, 0.7, 0.5, 0.3], 26_255.0),
    ],
)
def test_mixed_layer_from_turbulent_energy(energy: list[float], height: float) -> None:
    whole = np.concatenate([energy, np.full(len(_Z) - len(energy), energy[-1])])
    columns = _columns(whole)
    found = mixed_layer.mixed_layer_height(None, columns, _surface(columns, 50.0), kmixd=2)
    assert found[0, 0] == pytest.approx(height, abs=0.1)

"""Turbulence at and above the mixed-layer height, by choice, against what HYSPLIT printed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from stilt.constants import GAS_CONSTANT_DRY_AIR, HEAT_CAPACITY_AIR
from stilt.errors import MeteorologyError
from stilt.meteorology import mixed_layer, prepare, surface_layer, turbulence
from stilt.meteorology.columns import VELOCITY_VARIANCES, Columns, VelocityVariances
from stilt.meteorology.grids import MetGrid, conformal_grid, latlon_grid
from stilt.meteorology.horizontal_turbulence import horizontal_variances
from stilt.meteorology.levels import internal_levels
from stilt.meteorology.surface_layer import SurfaceLayer
from stilt.meteorology.turbulence import TurbulenceOptions

_LEVELS = internal_levels(tuple(np.linspace(0.998, 0.025, 25)), 1, 25_000.0)
_Z = _LEVELS.heights_m
_GRID = latlon_grid(0.0, 0.0, 1.0, 1.0, 1, 1, levels=(0.9,), vertical_flag=1)
_LOW_THETA = np.array([300.0, 300.0, 300.0, 301.0, 301.9, 302.1, 303.0])


def _columns(energy: np.ndarray | None = None, variances: tuple | None = None) -> Columns:
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
        None if variances is None else VelocityVariances(*map(cube, variances)),
    )


def _surface(columns: Columns, heat_w_m2: float) -> SurfaceLayer:
    index = _LEVELS.surface_layer_index
    u_star = np.full((1, 1), 0.3)
    theta_star = -heat_w_m2 / (columns.moist_density[index] * HEAT_CAPACITY_AIR * u_star)
    stability = np.clip(_Z[index] * 0.4 * 9.80616 * theta_star / (u_star**2 * 300.0), -2.0, 15.0)
    return SurfaceLayer(u_star, theta_star, stability, _Z[index] / stability, index)


def _vertical(heat: float, height: float, columns: Columns, **options):
    surface = _surface(columns, heat)
    depth = np.full((1, 1), height)
    w_star = mixed_layer.convective_velocity(columns, surface, depth)
    chosen = TurbulenceOptions(**options)
    vertical = turbulence.profiles(columns, surface, depth, w_star, chosen)
    return surface, depth, w_star, chosen, vertical


def _profiles(heat: float, height: float, energy=None, **options) -> tuple[np.ndarray, np.ndarray]:
    vertical = _vertical(heat, height, _columns(energy), **options)[-1]
    return vertical.sigma_w_m_s[:, 0, 0], vertical.time_scale_s[:, 0, 0]


def _horizontal(
    heat: float, height: float, columns: Columns | None = None, **options
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standard deviations along x and y on every level, m/s, and upward as the scheme has it."""
    columns = columns or _columns()
    surface, depth, w_star, chosen, vertical = _vertical(heat, height, columns, **options)
    profile = vertical.profile_sigma_w_m_s
    both = horizontal_variances(
        columns, surface, depth, w_star, profile, _GRID.kind, _GRID.spacing_m(), chosen
    )
    return np.sqrt(both[0][:, 0, 0]), np.sqrt(both[1][:, 0, 0]), profile[:, 0, 0]


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


@pytest.mark.parametrize("scheme", [1, 5])
@pytest.mark.parametrize("mixing", [{}, {"mixing": 1}, {"mixing": 2, "factor": 3.0}], ids=str)
def test_half_the_vertical_variance_is_horizontal_before_mixing(scheme, mixing) -> None:
    """HYSPLIT, 2,000 particles after a minute at 60 m: 0.638, with KZMIX 1 0.654, with 2 0.634."""
    plain = _horizontal(200.0, 1900.0, scheme=scheme)
    mixed = _horizontal(200.0, 1900.0, scheme=scheme, **mixing)
    np.testing.assert_allclose(plain[0], np.sqrt(0.5) * plain[2])
    np.testing.assert_array_equal(mixed[:2], plain[:2])


@pytest.mark.parametrize("scheme", [2, 3, 4])
def test_kantha_clayson_is_not_the_same_in_all_directions(scheme) -> None:
    """HYSPLIT, u* 0.4 m/s, spread of 2,000 particles after a minute in m/s along x and y.

    Stable air: 0.804 and 0.875 at 60 m, the same in winds along x, along y and across. Convective
    air with w* 2.2 m/s: 1.366 and 1.331 at 60 m, 1.336 and 1.337 at 300 m. Schemes 3 and 4 fall
    back to it without their fields.
    """
    stable = _horizontal(-20.0, 1700.0, scheme=scheme)
    assert stable[0][1] / 0.3 == pytest.approx(0.804 / 0.4, rel=0.03)
    assert stable[1][1] / 0.3 == pytest.approx(0.875 / 0.4, rel=0.03)
    # Between levels at 200 and 385 m HYSPLIT has 0.686 and 0.770.
    assert stable[0][3] / 0.3 < 0.686 / 0.4 < stable[0][2] / 0.3
    assert stable[1][3] / 0.3 < 0.770 / 0.4 < stable[1][2] / 0.3
    columns = _columns()
    w_star = _vertical(200.0, 1700.0, columns)[2].item()
    convective = _horizontal(200.0, 1700.0, scheme=scheme)
    inside = _Z < 1700.0
    np.testing.assert_allclose(convective[0][inside], 0.6 * w_star)
    np.testing.assert_allclose(convective[1][inside], 0.6 * w_star)
    np.testing.assert_allclose(convective[0][~inside], np.sqrt(0.5) * convective[2][~inside])


def test_turbulent_energy_is_shared_between_vertical_and_horizontal() -> None:
    """HYSPLIT, ratio 0.18: 0.402 and 0.395 across where sigma_w is 0.233 (each within 2 %)."""
    energy = np.linspace(2.0, 0.15, len(_Z))
    found = _horizontal(50.0, 1000.0, _columns(energy), scheme=3, tke_ratio_day=0.18)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(sum(part**2 for part in found), 2.0 * energy)
    assert found[0][5] / found[2][5] == pytest.approx(0.3985 / 0.233, rel=0.03)


def test_variances_of_the_file_are_taken_as_they_are() -> None:
    """HYSPLIT: 1.4 m/s upward where WVAR is 1.95, 3 times the spread along x for 9 times UVAR."""
    variances = tuple(np.linspace(top, 0.1, len(_Z)) for top in (1.7, 1.3, 0.97))
    found = _horizontal(50.0, 1000.0, _columns(variances=variances), scheme=4)
    np.testing.assert_allclose(np.square(found), variances)
    aside = _horizontal(50.0, 1000.0, _columns(variances=variances), scheme=5)
    np.testing.assert_array_equal(aside, _horizontal(50.0, 1000.0, scheme=5))


def test_profiles_of_very_stable_air_give_a_stability_beyond_the_limit_of_fluxes() -> None:
    """HYSPLIT, KBLS 2 at night: a time scale of 79.96 s in the lowest layer, where z/L held to 15
    before u* is made from it gave 28.89 s, a u* 2.8 times as large."""
    height, roughness = np.full((1, 1), 75.0), np.full((1, 1), 0.3)
    stability = surface_layer.stability_of(np.ones((1, 1)), height, roughness)
    s, v = np.log(75.0 / 0.3 + 1.0), np.log(10.0)
    assert stability.item() == pytest.approx(0.005 * s + 41.2 + 1.185 * s - 1.5 * v - 1.37)
    ratio = surface_layer.momentum_function(stability) / surface_layer.momentum_function(15.0)
    assert ratio.item() == pytest.approx(79.96 / 28.89, rel=0.02)


def _deformed(grid: MetGrid, u_slope: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variances along x and y (KDEF 1), and K, in a wind along x and y that grows northward."""
    north = np.broadcast_to(np.arange(grid.ny)[:, None], (grid.ny, grid.nx)).astype(float)
    ones = np.ones((2, grid.ny, grid.nx))
    columns = replace(
        _columns(), wind_x_m_s=ones * (20.0 + u_slope * north), wind_y_m_s=10.0 * ones
    )
    options = TurbulenceOptions(horizontal=1)
    nothing = np.zeros((grid.ny, grid.nx))
    along_x, along_y = horizontal_variances(
        columns,
        _surface(_columns(), 50.0),
        nothing,
        nothing,
        nothing,
        grid.kind,
        grid.spacing_m(),
        options,
    )
    return along_x[0], along_y[0], 10_800.0 * (along_x[0] + along_y[0])


def test_deformation_counts_from_cell_to_cell() -> None:
    """HYSPLIT on one degree, spread along x and y in still turbulence: 0.279 and 0.109 m/s where
    the wind is 33.8 and 16.6 m/s at 39.7 degrees north: 0.39, as its components in cells per
    second, not 0.49 as in metres."""
    along_x, along_y, _ = _deformed(
        latlon_grid(-100.0, 38.7, 1.0, 1.0, 3, 3, levels=(0.9,), vertical_flag=2), 1.0
    )
    u, v = 21.0 / np.cos(np.deg2rad(39.7)), 10.0
    assert np.sqrt(along_y / along_x)[1, 1] == pytest.approx(v / u, rel=1e-3)


def test_deformation_counts_in_full_on_latitude_longitude_grids_alone() -> None:
    latlon = latlon_grid(-100.0, -1.0, 0.36, 0.36, 3, 3, levels=(0.9,), vertical_flag=2)
    lambert = conformal_grid(-95.0, 40.0, 40.0, 3, 3, cone_lat=40.0, levels=(0.9,), vertical_flag=2)
    at_equator, on_lambert = (_deformed(grid, 10.0)[2][1, 1] for grid in (latlon, lambert))
    assert at_equator == pytest.approx(0.014 * 4e4 * 10.0, rel=2e-3)
    assert on_lambert == pytest.approx(0.5 * at_equator, rel=5e-3)
    assert _deformed(lambert, 0.0)[2][1, 1] == pytest.approx(432.0)


@pytest.mark.parametrize("missing", VELOCITY_VARIANCES)
def test_a_file_with_some_of_the_variances_is_refused(missing) -> None:
    raw = SimpleNamespace(
        time=np.datetime64("2023-07-15T12"),
        upper=dict.fromkeys(set(VELOCITY_VARIANCES) - {missing}),
    )
    with pytest.raises(MeteorologyError, match=f"not {missing}, and kblt: 4 needs all three"):
        prepare.check_variances(raw, TurbulenceOptions(scheme=4))
    prepare.check_variances(raw, TurbulenceOptions(scheme=5))


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

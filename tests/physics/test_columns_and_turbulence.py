"""Internal levels, columns and turbulence against numbers measured from HYSPLIT v5.1."""

import numpy as np
import pytest
from synthetic_weather import START, analysis, per_level

from stilt.meteorology.columns import remap
from stilt.meteorology.grids import latlon_grid
from stilt.meteorology.levels import internal_levels
from stilt.meteorology.prepare import PreparationOptions, prepare
from stilt.meteorology.surface_layer import diagnose
from stilt.meteorology.turbulence import TurbulenceOptions

SIGMA_LEVELS = (
    0.998, 0.99, 0.97, 0.95, 0.92, 0.88, 0.84, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4,
    0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05,
)  # fmt: skip


def small_grid(levels: tuple[float, ...], flag: int):
    return latlon_grid(-0.5, -0.5, 0.1, 0.1, 12, 12, levels=levels, vertical_flag=flag)


def sigma_levels(count: int, last: float = 0.05) -> tuple[float, ...]:
    return tuple(np.linspace(0.995, last, count))


@pytest.mark.parametrize(
    ("input_levels", "z_top", "count", "first"),
    [
        (25, 25_000.0, 30, (10.0, 75.0, 200.0, 385.0, 630.0, 935.0, 1300.0, 1725.0, 2210.0)),
        (36, 25_000.0, 41, (10.0, 50.0, 120.0, 220.0, 350.0, 510.0, 700.0, 920.0, 1170.0)),
        (50, 25_000.0, 71, (10.0, 30.0, 60.0, 100.0, 150.0)),
    ],
)
def test_levels_follow_the_number_of_input_levels(
    input_levels: int, z_top: float, count: int, first: tuple[float, ...]
) -> None:
    levels = internal_levels(sigma_levels(input_levels), 1, z_top)
    assert levels.count == count
    assert tuple(levels.heights_m[: len(first)]) == first
    assert levels.model_top_m == 25_000.0


def test_a_low_top_takes_a_finer_set() -> None:
    levels = internal_levels(sigma_levels(24, last=0.27), 1, 10_000.0)
    assert (levels.a, levels.b, levels.c) == (15.0, -5.0, 0.0)
    assert levels.count == 26


def test_surface_layer_ends_at_the_level_at_or_below_75_m() -> None:
    tops = [
        (25, 25_000.0, 75.0),
        (31, 25_000.0, 55.0),
        (36, 25_000.0, 50.0),
        (45, 25_000.0, 70.0),
        (50, 25_000.0, 60.0),
        (80, 25_000.0, 75.0),
    ]
    for input_levels, z_top, height in tops:
        levels = internal_levels(sigma_levels(input_levels), 1, z_top)
        assert levels.heights_m[levels.surface_layer_index] == height


def test_pressure_of_humid_sigma_columns_matches_hysplit() -> None:
    grid = small_grid(SIGMA_LEVELS, 1)
    k = np.arange(len(SIGMA_LEVELS))
    raw = analysis(
        START, {"TEMP": per_level(290.0 - 1.5 * k), "RELH": 100.0}, {"T02M": 295.0}, grid
    )
    del raw.upper["PRES"]
    columns = remap(raw, internal_levels(grid.levels, 1, 25_000.0))
    for height, pressure in ((200.0, 976.76), (935.0, 894.79), (3360.0, 665.70)):
        level = int(np.flatnonzero(columns.heights_m[:, 0, 0] == height)[0])
        assert columns.pressure_hpa[level, 0, 0] == pytest.approx(pressure, abs=0.01)


def test_wind_at_the_lowest_level_comes_from_ten_metres_put_at_the_ground() -> None:
    grid = small_grid((88.0, 500.0, 2000.0, 9000.0, 25_000.0), 3)
    raw = analysis(START, {"UWND": 10.0}, {"U10M": 3.0}, grid)
    columns = remap(raw, internal_levels(grid.levels, 3, 25_000.0))
    assert columns.wind_x_m_s[0, 0, 0] == pytest.approx(3.795, abs=0.001)


def test_levels_are_squeezed_over_terrain() -> None:
    grid = small_grid((50.0, 500.0, 2000.0, 9000.0, 25_000.0), 3)
    columns = remap(
        analysis(START, {}, {"SHGT": 1500.0}, grid), internal_levels(grid.levels, 3, 25_000.0)
    )
    assert columns.heights_m[1:4, 0, 0] == pytest.approx((70.5, 188.0, 361.9), abs=0.15)


def hanna(surface: dict, **options: object) -> np.ndarray:
    """(levels, 2): sigma_w and time scale in air of 992 hPa, as 75 m above ground at 1000."""
    grid = small_grid((50.0, 500.0, 2000.0, 9000.0, 25_000.0), 3)
    raw = analysis(START, {"PRES": 992.0}, {"PRSS": 992.0, "RGHS": 0.75, **surface}, grid)
    levels = internal_levels(grid.levels, 3, 25_000.0)
    settings = PreparationOptions(mixed_layer_scheme=1060, turbulence=TurbulenceOptions(**options))
    return prepare(raw, levels, settings).turbulence[5, 5]


def test_convective_profile_matches_hysplit() -> None:
    profile = hanna({"USTR": 0.4, "SHTF": 200.0})
    sigma = [0.696, 0.871, 1.034, 1.159, 1.087, 0.842]
    scale = [3.15, 50.8, 93.9, 114.8, 138.8, 186.6]
    np.testing.assert_allclose(profile[:6, 0], sigma, atol=0.0006)
    np.testing.assert_allclose(profile[:6, 1], scale, rtol=0.002)


def test_stable_profile_is_linear_in_height_over_mixed_layer() -> None:
    profile = hanna({"USTR": 0.3, "SHTF": -20.0})
    zeta = np.array([10.0, 75.0, 200.0, 385.0, 630.0, 935.0]) / 1060.0
    sigma = 1.3 * 0.3 * (1.0 - zeta)
    np.testing.assert_allclose(profile[:6, 0], sigma, rtol=1e-5)
    np.testing.assert_allclose(profile[:6, 1], 0.1 * 1060.0 / sigma * zeta**0.8, rtol=1e-5)


def test_fixed_time_scales_go_by_stability() -> None:
    fixed = {"time_scale_stable_s": 50.0, "time_scale_unstable_s": 200.0}
    assert hanna({"SHTF": 200.0}, **fixed)[:6, 1] == pytest.approx(200.0)
    assert hanna({"SHTF": -20.0}, **fixed)[:6, 1] == pytest.approx(50.0)


def test_kzmix_gives_one_standard_deviation_or_scales_the_variance() -> None:
    plain = hanna({})[:6, 0]
    mean = hanna({}, mixing=1)[:6, 0]
    assert mean == pytest.approx(np.sqrt((plain**2).mean()), rel=1e-5)
    np.testing.assert_allclose(hanna({}, mixing=2, factor=4.0)[:6, 0], 2.0 * plain, rtol=1e-5)


def test_limits_of_the_stability_hold() -> None:
    """z/L lies in [-2, 15]: no heat flux makes |L| smaller than half the surface layer's level."""
    strong = hanna({"USTR": 0.05, "SHTF": 500.0})
    assert np.isfinite(strong).all()
    assert (strong > 0.0).all()
    frozen = hanna({"USTR": 0.05, "SHTF": -80.0})
    mild = hanna({"USTR": 0.05, "SHTF": -25.0})
    np.testing.assert_array_equal(frozen, mild)


@pytest.mark.parametrize(("order", "taken"), [(("T02M", "TMPS"), 305.0), (("TMPS", "T02M"), 295.0)])
def test_of_two_surface_temperatures_the_last_in_the_file_counts(
    order: tuple[str, str], taken: float
) -> None:
    """HYSPLIT asked with both orders: its mixed layer follows the one that comes last."""
    grid = small_grid((50.0, 500.0, 2000.0, 25_000.0), 3)
    values = {"T02M": 295.0, "TMPS": 305.0}
    raw = analysis(START, {"TEMP": 300.0}, {}, grid)
    del raw.surface["T02M"]
    raw.surface.update({name: np.full((12, 12), values[name], np.float32) for name in order})
    columns = remap(raw, internal_levels(grid.levels, 3, 25_000.0))
    # The lowest internal level, at 10 m, lies a fifth of the way from the ground to 50 m.
    np.testing.assert_allclose(columns.temperature_k[0], taken + 0.2 * (300.0 - taken), rtol=1e-5)


@pytest.mark.parametrize("alone", ["USTR", "SHTF"])
def test_one_of_the_two_fluxes_counts_as_none(alone: str) -> None:
    """HYSPLIT asked: its mixed layer with USTR and no heat flux is the one of the profiles."""
    grid = small_grid((50.0, 500.0, 2000.0, 25_000.0), 3)
    levels = internal_levels(grid.levels, 3, 25_000.0)
    raw = analysis(START, {"UWND": 5.0, "TEMP": 301.0}, {}, grid)
    found = []
    for kept in ((alone,), ()):
        for name in {"USTR", "SHTF"} - set(kept):
            raw.surface.pop(name, None)
        surface = diagnose(raw, remap(raw, levels), levels)
        found.append((surface.friction_velocity_m_s, surface.temperature_scale_k))
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0][0], 0.4)

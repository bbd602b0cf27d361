"""The demo's invented weather obeys what transport depends on."""

import numpy as np
import pytest

from stilt.constants import GAS_CONSTANT_DRY_AIR, GRAVITY_M_S2, KAPPA
from stilt.demo.files import write_demo, write_demo_weather
from stilt.demo.landscape import TOWER_LAT, TOWER_LON, demo_grid
from stilt.demo.synthetic_fields import DemoWeather, season, sun_at
from stilt.errors import UsageError
from stilt.meteorology.plausibility import implausible

NOON = np.datetime64("2023-07-15T19:00")
NIGHT = np.datetime64("2023-07-15T09:00")


@pytest.fixture(scope="module")
def weather():
    return DemoWeather()


@pytest.fixture(scope="module")
def noon(weather):
    return weather.analysis(NOON)


@pytest.fixture(scope="module")
def night(weather):
    return weather.analysis(NIGHT)


def test_every_field_is_finite_and_has_the_grid_s_shape(noon):
    grid = noon.grid
    for field in noon.surface.values():
        assert field.shape == (grid.ny, grid.nx)
        assert np.isfinite(field).all()
    for field in noon.upper.values():
        assert field.shape == (grid.n_levels, grid.ny, grid.nx)
        assert np.isfinite(field).all()


def test_temperature_and_height_are_in_hydrostatic_balance(weather):
    sun = sun_at(NOON)
    surface_pressure = weather._surface_pressure_hpa(NOON)
    pressure = weather.sigma * surface_pressure
    height, theta = weather._heights_and_theta(surface_pressure, pressure, sun)
    temperature = theta * (pressure / 1000.0) ** KAPPA
    layer = 0.5 * (temperature[1:] + temperature[:-1])
    thickness = GAS_CONSTANT_DRY_AIR / GRAVITY_M_S2 * layer * np.log(pressure[:-1] / pressure[1:])
    np.testing.assert_allclose(np.diff(height, axis=0), thickness, rtol=2e-3)


def test_day_is_mixed_and_night_is_stable(weather, noon, night):
    def potential(analysis):
        pressure = weather.sigma * analysis.surface["PRSS"]
        return analysis.upper["TEMP"] * (1000.0 / pressure) ** KAPPA

    lowest_km = slice(2, 8)
    assert np.abs(np.diff(potential(noon)[lowest_km], axis=0)).max() < 0.6
    assert (potential(night)[5] - potential(night)[0]).min() > 3.0
    assert (noon.surface["SHTF"] > 200).all()
    assert (night.surface["SHTF"] < 0).all()


def test_mixed_layer_grows_by_day_and_collapses_after_sunset(weather):
    midnight = np.datetime64("2023-07-15T12:30")
    hours = midnight + np.arange(24) * np.timedelta64(1, "h")
    depth = np.array([weather.mixed_layer_m(sun_at(hour)).mean() for hour in hours])
    assert (np.diff(depth[:14]) > 0).all()
    assert depth.max() > 1500
    assert depth[-6:].max() < 130


def test_the_sun_follows_the_date() -> None:
    july = [season(np.datetime64(day)) for day in ("2023-05-15", "2023-07-15", "2023-08-01")]
    assert july == [(14.0, 1.0)] * 3
    # By geometry at 40.77° N: 9.1 hours on the shortest day, 12 at the equinoxes.
    assert season(np.datetime64("2023-12-21"))[0] == pytest.approx(9.1, abs=0.1)
    assert season(np.datetime64("2023-03-20T12:00"))[0] == pytest.approx(12.0, abs=0.2)
    assert season(np.datetime64("2023-12-21"))[1] == pytest.approx(0.48, abs=0.03)
    depths = [
        DemoWeather(demo_grid(30)).mixed_layer_m(sun_at(np.datetime64(f"2023-{month}T23:00"))).max()
        for month in ("07-15", "10-19", "12-21")
    ]
    assert depths[0] > depths[1] > depths[2] > 300.0


@pytest.mark.parametrize("month", range(1, 13))
def test_no_hour_of_any_month_looks_wrong(month: int) -> None:
    weather = DemoWeather(demo_grid(30))
    hours = np.datetime64(f"2023-{month:02d}-19T00:00") + np.arange(24) * np.timedelta64(1, "h")
    for hour in hours:
        assert implausible(weather.analysis(hour)) == [], hour


def test_winds_slow_down_towards_the_ground(noon, night):
    for analysis in (noon, night):
        low = np.hypot(analysis.surface["U10M"], analysis.surface["V10M"]).mean()
        high = np.hypot(analysis.upper["UWND"][10], analysis.upper["VWND"][10]).mean()
        assert 0.1 < low < 0.7 * high


def test_vertical_velocity_vanishes_at_the_ground_and_balances_the_divergence(weather):
    surface_pressure = weather._surface_pressure_hpa(NOON)
    shape = (weather.grid.n_levels, *surface_pressure.shape)
    # A wind that diverges at the same rate on all levels moves no air through any of them.
    inflow = 1e-5 * 1000.0 * weather.east_km / surface_pressure + np.zeros(shape)
    omega = weather._omega(surface_pressure, inflow, np.zeros(shape))
    assert np.abs(omega).max() < 1e-8
    # Divergence below and convergence above is air that sinks.
    profile = np.where(weather.sigma > 0.5, 1.0, -1.0)
    assert (weather._omega(surface_pressure, profile * inflow, np.zeros(shape)) > -1e-8).all()


def test_writing_twice_leaves_the_files_alone(tmp_path):
    first = write_demo(tmp_path)
    stamps = [path.stat().st_mtime_ns for path in first]
    assert [path.stat().st_mtime_ns for path in write_demo(tmp_path)] == stamps


def test_another_project_is_not_overwritten(tmp_path):
    (tmp_path / "config.yaml").write_text("mets: {}\n")
    with pytest.raises(UsageError, match="another project"):
        write_demo(tmp_path)
    assert (tmp_path / "config.yaml").read_text() == "mets: {}\n"


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        write_demo(tmp_path / "file")


def test_written_weather_reads_back_within_the_packing(tmp_path, weather, noon):
    from stilt.meteorology.arl import read_analysis, read_index

    path = write_demo(tmp_path)[3]
    ref = next(ref for ref in read_index(path) if ref.time == NOON)
    back = read_analysis(ref)
    assert back.grid == weather.grid
    np.testing.assert_allclose(back.upper["TEMP"], noon.upper["TEMP"], atol=0.2)
    np.testing.assert_allclose(back.upper["UWND"], noon.upper["UWND"], atol=0.1)
    np.testing.assert_allclose(back.surface["PRSS"], noon.surface["PRSS"], atol=0.5)


def test_a_coarser_grid_covers_the_same_ground_in_smaller_files(tmp_path):
    from stilt.meteorology.arl import read_index

    (fine,) = write_demo_weather(tmp_path / "fine", n_files=1)
    (coarse,) = write_demo_weather(tmp_path / "coarse", n_files=1, spacing_km=24)
    grids = [read_index(path)[0].grid for path in (fine, coarse)]
    assert [(grid.nx, grid.ny) for grid in grids] == [(60, 50), (30, 25)]
    assert coarse.stat().st_size < 0.3 * fine.stat().st_size
    # The tower is on a node of both, and the corners in the south west are 12 km apart at most.
    for grid, node in zip(grids, ((39, 24), (19, 12)), strict=True):
        np.testing.assert_allclose(grid.to_lonlat(*node), (TOWER_LON, TOWER_LAT), atol=1e-4)
    corners = np.array([grid.to_lonlat(0, 0) for grid in grids])
    np.testing.assert_allclose(corners[0], corners[1], atol=0.15)


def test_two_spacings_are_not_mixed_in_a_folder(tmp_path):
    write_demo_weather(tmp_path, n_files=1, spacing_km=24)
    assert len(write_demo_weather(tmp_path, n_files=2, spacing_km=24)) == 2
    with pytest.raises(UsageError, match="has nodes 24 km apart, not 12: choose another folder"):
        write_demo_weather(tmp_path, n_files=3)


@pytest.mark.parametrize("spacing_km", [0.0, 3.9, 30.5, float("nan")])
def test_a_spacing_out_of_range_is_refused(tmp_path, spacing_km):
    with pytest.raises(UsageError, match="nodes 4 to 30 km apart, not"):
        write_demo_weather(tmp_path, spacing_km=spacing_km)

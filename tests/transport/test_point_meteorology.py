"""The meteorology at points is what transport has there, whatever part of the files was read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import stilt
from benchmarks.weather_files.era5_files import write_era5
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.config import MetConfig
from stilt.errors import MeteorologyError, UsageError
from stilt.meteorology.arl import read_index
from stilt.meteorology.writer import write_arl
from stilt.transport.sample import sample_weather
from tests.support.synthetic_weather import model_config

HOURS = [np.datetime64(f"2023-07-15T{hour}:00", "m") for hour in (17, 18, 19)]
LON, LAT = -111.85, 40.77


@pytest.fixture(scope="module")
def arl(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arl")
    analyses = [truth(time) for time in HOURS]
    write_arl(folder / "20230715_00", analyses[0].grid, analyses)
    return MetConfig(directory=folder, file_format="%Y%m%d_%H", file_tres="24h")


@pytest.fixture(scope="module")
def era5(tmp_path_factory):
    folder = tmp_path_factory.mktemp("era5")
    pressures = np.array(PRESSURES_HPA, float)
    write_era5(folder, [on_pressures(on_grid(truth(time), LATLON), pressures) for time in HOURS])
    return MetConfig(directory=folder, format="era5")


def at(time, lon=LON, lat=LAT):
    return {"time": time, "longitude": lon, "latitude": lat}


def test_it_is_what_transport_looks_up_in_the_whole_grid(arl, tmp_path):
    time = pd.Timestamp("2023-07-15 17:40")
    data = stilt.sample_meteorology(arl, at(time)).isel(meteorology=0, point=0)
    height = data.height.to_numpy()
    points = pd.DataFrame({"time": time, "long": LON, "lati": LAT, "zagl": height * 1.0001})
    refs = read_index(arl.directory / "20230715_00")
    want = sample_weather(points, refs, model_config(kmixd=3), cache_dir=tmp_path)
    for name, theirs in (
        ("sigma_w", "sigw"),
        ("time_scale", "tlgr"),
        ("dry_air_density", "dens"),
        ("air_pressure", "pres"),
    ):
        below_top = slice(0, -1)
        np.testing.assert_allclose(
            data[name].to_numpy()[below_top], want[theirs].to_numpy()[below_top], rtol=1e-3
        )
    assert float(data.mixed_layer_height) == pytest.approx(want["mlht"].iloc[0], rel=1e-5)
    assert float(data.surface_altitude) == pytest.approx(want["zsfc"].iloc[0], rel=1e-5)


def test_winds_are_towards_east_and_north_on_every_grid(arl, era5):
    """The same atmosphere on a Lambert grid and in degrees, but for interpolation."""
    data = stilt.sample_meteorology({"arl": arl, "era5": era5}, at("2023-07-15 18:00")).isel(
        point=0
    )
    one = data.sel(meteorology="arl")
    other = data.sel(meteorology="era5")
    for name, tolerance in (
        ("eastward_wind", 0.6),
        ("northward_wind", 0.6),
        ("air_temperature", 1.5),
    ):
        heights = np.arange(300.0, 4000.0, 500.0)
        a = np.interp(heights, one.height, one[name])
        b = np.interp(
            heights, other.height[np.isfinite(other.height)], other[name][np.isfinite(other.height)]
        )
        np.testing.assert_allclose(a, b, atol=tolerance)


def test_points_do_not_change_one_another(arl):
    table = pd.DataFrame(
        [
            at("2023-07-15 18:10"),
            at("2023-07-15 17:00", -111.0, 41.0),
            at("2023-07-15 18:10", -112.5, 40.0),
        ]
    )
    together = stilt.sample_meteorology(arl, table)
    for number, row in table.iterrows():
        alone = stilt.sample_meteorology(arl, dict(row)).isel(point=0)
        one = together.isel(point=number)
        for name in together.data_vars:
            np.testing.assert_allclose(one[name], alone[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_between_analyses_it_is_between_them(arl):
    data = stilt.sample_meteorology(
        arl, [at(f"2023-07-15 {clock}") for clock in ("17:00", "17:30", "18:00")]
    ).isel(meteorology=0)
    middle = 0.5 * (data.air_temperature[0] + data.air_temperature[2])
    np.testing.assert_allclose(data.air_temperature[1], middle, rtol=1e-6)
    np.testing.assert_allclose(
        data.surface_air_pressure[1], data.surface_air_pressure[[0, 2]].mean(), rtol=1e-6
    )


def test_settings_count(arl):
    fixed = stilt.sample_meteorology(arl, at("2023-07-15 18:00"), config=model_config(kmixd=700))
    assert fixed.mixed_layer_height.item() == pytest.approx(700.0)


def test_outside_the_grid_there_is_nothing(arl):
    data = stilt.sample_meteorology(
        arl, [at("2023-07-15 18:00"), at("2023-07-15 18:00", 10.0, 50.0)]
    )
    assert np.isfinite(data.sigma_w.isel(point=0)).all()
    assert np.isnan(data.sigma_w.isel(point=1)).all()
    assert np.isnan(data.surface_air_pressure.isel(point=1)).all()


def test_units_are_given(arl):
    data = stilt.sample_meteorology(arl, at("2023-07-15 18:00"))
    assert all(data[name].attrs["units"] for name in data.data_vars)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ({"time": "2023-07-15", "longitude": LON}, "no latitude"),
        ({"time": "soon", "longitude": LON, "latitude": LAT}, "cannot be read"),
        ({"time": "2023-07-15", "longitude": LON, "latitude": 91.0}, "beyond 90 degrees: are"),
        ([], "no time"),
    ],
)
def test_wrong_points_are_said(arl, points, said):
    with pytest.raises(UsageError, match=said):
        stilt.sample_meteorology(arl, points)


def test_a_time_without_weather_is_named(arl):
    with pytest.raises(MeteorologyError, match="20230716_00"):
        stilt.sample_meteorology(arl, at("2023-07-16 18:00"))


def test_a_single_analysis_is_that_of_its_own_time_alone(tmp_path):
    analysis = truth(HOURS[0])
    write_arl(tmp_path / "20230715_17", analysis.grid, [analysis])
    met = MetConfig(directory=tmp_path, format="auto")
    assert stilt.sample_meteorology(met, at("2023-07-15 17:00")).sizes["point"] == 1
    for time in ("2023-07-15 17:02", "2023-07-15 17:40"):
        with pytest.raises(MeteorologyError, match=r"lacks 1 of the analyses needed.*18:00"):
            stilt.sample_meteorology(met, at(time))

"""Times and levels of NetCDF files under names, units and values that are not the usual ones."""

import netCDF4
import numpy as np
import pytest

from benchmarks.weather_files.cf_datasets import cf_dataset
from benchmarks.weather_files.era5_files import level_dataset, surface_dataset
from benchmarks.weather_files.truth import (
    PRESSURES_HPA,
    analyses_on_pressures,
)
from stilt.config import MetConfig
from stilt.errors import MeteorologyError
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import read_analysis

HOURS = np.arange(
    np.datetime64("2023-07-15T15:00"), np.datetime64("2023-07-15T17:00"), np.timedelta64(1, "h")
)


@pytest.fixture(scope="module")
def analyses():
    return analyses_on_pressures(HOURS)


def select(folder, form="era5"):
    return MetCatalogue(MetConfig(directory=folder, format=form)).select(HOURS[0], HOURS[-1])


def assert_each_hour_is_its_own(refs, analyses):
    assert [ref.time for ref in refs] == list(HOURS)
    for ref, wanted in zip(refs, analyses, strict=True):
        read = read_analysis(ref)
        np.testing.assert_allclose(read.upper["TEMP"], wanted.upper["TEMP"], rtol=1e-5)
        np.testing.assert_allclose(read.surface["T02M"], wanted.surface["T02M"], rtol=1e-5)


@pytest.mark.parametrize("name", ["Time", "date"])
def test_an_axis_of_times_may_have_any_name(tmp_path, analyses, name):
    level_dataset(analyses).to_netcdf(tmp_path / "levels.nc")
    surface_dataset(analyses).rename(valid_time=name).to_netcdf(tmp_path / "ground.nc")
    assert_each_hour_is_its_own(select(tmp_path), analyses)


def test_times_beside_an_axis_of_another_name_are_its_values(tmp_path, analyses):
    for number, data in enumerate((level_dataset(analyses), surface_dataset(analyses))):
        data = data.rename(valid_time="XTIME").swap_dims(XTIME="Time").reset_coords("XTIME")
        data.to_netcdf(tmp_path / f"{number}.nc")
    assert_each_hour_is_its_own(select(tmp_path), analyses)


def test_times_of_a_cf_dataset_are_known_by_their_units_alone(tmp_path, analyses):
    data = cf_dataset(analyses)
    data["when"].attrs = {}
    data.to_netcdf(tmp_path / "weather.nc")
    assert_each_hour_is_its_own(select(tmp_path, "cf"), analyses)


@pytest.mark.parametrize("name", ["valid_time", "time", "Time"])
def test_an_axis_of_times_without_values_is_refused(tmp_path, analyses, name):
    data = level_dataset(analyses).drop_vars("valid_time")
    data = data if name == "valid_time" else data.rename(valid_time=name)
    data.to_netcdf(tmp_path / "levels.nc")
    with pytest.raises(MeteorologyError, match="ime has no values; write its times into it"):
        select(tmp_path)


@pytest.mark.parametrize(
    ("attribute", "value", "told"),
    [
        ("units", None, "have no units"),
        ("units", "day as %Y%m%d.%f", "have the units 'day as %Y%m%d.%f'"),
        ("calendar", "360_day", "calendar 360_day"),
        ("calendar", "julian", "calendar julian"),
    ],
)
def test_times_that_are_not_in_utc_are_refused(tmp_path, analyses, attribute, value, told):
    level_dataset(analyses).to_netcdf(tmp_path / "levels.nc")
    with netCDF4.Dataset(tmp_path / "levels.nc", "a") as file:
        if value is None:
            file["valid_time"].delncattr(attribute)
        else:
            file["valid_time"].setncattr(attribute, value)
    with pytest.raises(MeteorologyError, match=told):
        select(tmp_path)


@pytest.mark.parametrize(
    ("name", "units", "of_hpa"),
    [
        ("pressure_level", "kPa", 0.1),
        ("level", "bar", 0.001),
        ("lev", "mb", 1.0),
        ("isobaricInhPa", "hPa", 1.0),
        ("isobaricInPa", None, 100.0),
        ("level", None, 1.0),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_levels_may_be_pressures_in_any_unit_and_order(
    tmp_path, analyses, name, units, of_hpa, order
):
    data = level_dataset(analyses).rename(pressure_level=name)
    data = data.assign_coords(
        {name: (name, data[name].values * of_hpa, {"units": units} if units else {})}
    )
    data.isel({name: slice(None, None, order)}).to_netcdf(tmp_path / "levels.nc")
    surface_dataset(analyses).to_netcdf(tmp_path / "ground.nc")
    refs = select(tmp_path)
    assert refs[0].grid.levels == pytest.approx(PRESSURES_HPA)
    assert_each_hour_is_its_own(refs, analyses)


@pytest.mark.parametrize(
    ("values", "attributes", "told"),
    [
        (None, {}, r"levels \(level\) have no values"),
        (7400.0 * np.log(1013.0 / np.array(PRESSURES_HPA)), {"units": "m"}, "units m, which are"),
        (np.arange(1.0, 29.0), {}, "are numbered and have no units"),
        ([*PRESSURES_HPA[:-1], np.nan], {"units": "hPa"}, "missing or not above zero"),
        ([*PRESSURES_HPA[:-1], PRESSURES_HPA[0]], {"units": "hPa"}, r"same pressure \(1000 hPa\)"),
    ],
)
def test_what_are_no_levels_is_refused(tmp_path, analyses, values, attributes, told):
    data = level_dataset(analyses).rename(pressure_level="level").drop_vars("level")
    if values is not None:
        data = data.assign_coords(level=("level", values, attributes))
    data.to_netcdf(tmp_path / "levels.nc")
    with pytest.raises(MeteorologyError, match=told):
        select(tmp_path)


@pytest.mark.parametrize(
    ("name", "units", "factor", "offset"),
    [
        ("t", "Degrees Celsius", 1.0, -273.15),
        ("z", "gpm", 1.0 / 9.80665, 0.0),
        ("z", "gpdam", 0.1 / 9.80665, 0.0),
    ],
)
def test_units_that_udunits_lacks_are_known(tmp_path, analyses, name, units, factor, offset):
    data = level_dataset(analyses)
    data[name] = data[name] * factor + offset
    data[name].attrs["units"] = units
    data.to_netcdf(tmp_path / "levels.nc")
    for ref, wanted in zip(select(tmp_path), analyses, strict=True):
        read = read_analysis(ref).upper
        np.testing.assert_allclose(read["TEMP"], wanted.upper["TEMP"], rtol=1e-5)
        np.testing.assert_allclose(read["HGTS"], wanted.upper["HGTS"], rtol=1e-5, atol=0.01)

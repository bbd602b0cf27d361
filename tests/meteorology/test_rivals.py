"""Files that hold the same fields at the same times."""

import numpy as np
import pytest
import xarray as xr

from benchmarks.weather_files.era5_files import level_dataset, surface_dataset
from benchmarks.weather_files.truth import (
    analyses_on_pressures,
)
from stilt.config import MetConfig
from stilt.errors import MeteorologyError
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import open_analysis, read_analysis
from stilt.meteorology.weather_notes import WeatherNotes

HOURS = np.arange(
    np.datetime64("2023-07-15T15:00"), np.datetime64("2023-07-15T17:00"), np.timedelta64(1, "h")
)


@pytest.fixture(scope="module")
def analyses():
    return analyses_on_pressures(HOURS)


def select(folder):
    return MetCatalogue(MetConfig(directory=folder, format="era5")).select(HOURS[0], HOURS[-1])


@pytest.fixture
def folder(tmp_path, analyses):
    (tmp_path / "met").mkdir()
    level_dataset(analyses).to_netcdf(tmp_path / "met" / "levels.nc")
    surface_dataset(analyses).to_netcdf(tmp_path / "met" / "ground.nc")
    return tmp_path / "met"


@pytest.mark.parametrize(("place", "field", "arl"), [("l", "u", "UWND"), ("s", "t2m", "T02M")])
def test_two_files_with_other_values_of_a_field_are_refused(
    folder, analyses, place, field, arl, tmp_path
):
    first = "levels.nc" if place == "l" else "ground.nc"
    data = level_dataset(analyses) if place == "l" else surface_dataset(analyses)
    data[field] = data[field] + 0.5
    data.to_netcdf(folder / "member2.nc")
    ref = select(folder)[0]
    told = rf"{first} and member2.nc both hold {arl} at 2023-07-15T15:00, with different"
    with pytest.raises(MeteorologyError, match=told):
        read_analysis(ref)
    with pytest.raises(MeteorologyError, match=told):
        open_analysis(ref, tmp_path / "scratch")
    ((unusable, sentence),) = WeatherNotes(tmp_path / "cache").look_at_files([ref])
    assert unusable is ref
    assert arl in sentence


def test_files_that_overlap_with_the_same_values_are_one_analysis(folder, analyses):
    data = level_dataset(analyses)
    some = data.isel(pressure_level=slice(5, 20), valid_time=[1])
    for field in some.values():
        low, high = float(field.min()), float(field.max())
        field.encoding = {
            "dtype": "int16", "scale_factor": (high - low) / 65_000, "add_offset": (low + high) / 2,
            "_FillValue": -32767,
        }  # fmt: skip
    some.to_netcdf(folder / "again.nc")
    surface_dataset(analyses).to_netcdf(folder / "copy.nc")
    for ref, wanted in zip(select(folder), analyses, strict=True):
        read = read_analysis(ref)
        np.testing.assert_allclose(read.upper["UWND"], wanted.upper["UWND"], atol=0.01)
        np.testing.assert_allclose(read.surface["T02M"], wanted.surface["T02M"], rtol=1e-6)


def test_a_field_may_be_in_several_files_by_level(folder, analyses):
    (folder / "levels.nc").unlink()
    data = level_dataset(analyses)
    data.isel(pressure_level=slice(0, 15)).to_netcdf(folder / "low.nc")
    data.isel(pressure_level=slice(14, None)).to_netcdf(folder / "high.nc")
    read = read_analysis(select(folder)[1])
    np.testing.assert_allclose(read.upper["TEMP"], analyses[1].upper["TEMP"], rtol=1e-6)


def test_a_time_that_a_file_holds_twice_must_be_the_same(folder, analyses):
    data = level_dataset(analyses)
    again = data.isel(valid_time=[0])
    (folder / "levels.nc").unlink()
    xr.concat([data, again], "valid_time").to_netcdf(folder / "same.nc")
    read = read_analysis(select(folder)[0])
    np.testing.assert_allclose(read.upper["TEMP"], analyses[0].upper["TEMP"], rtol=1e-6)
    (folder / "same.nc").unlink()
    xr.concat([data, again + 1.0], "valid_time").to_netcdf(folder / "other.nc")
    with pytest.raises(MeteorologyError, match=r"other\.nc holds UWND at .* twice"):
        read_analysis(select(folder)[0])

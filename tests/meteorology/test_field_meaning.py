"""What attributes of NetCDF variables say of their values: which are missing, and of what."""

import numpy as np
import pytest

from benchmarks.weather_files.cf_datasets import cf_dataset
from benchmarks.weather_files.era5_files import level_dataset, surface_dataset
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.config import MetConfig
from stilt.errors import MeteorologyError
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import read_analysis

HOUR = np.datetime64("2023-07-15T15:00")
FLOAT_FILL, SHORT_FILL = np.float32(9.969209968386869e36), -32767
PACKED = {"scale_factor": 0.01, "add_offset": 270.0}


@pytest.fixture(scope="module")
def analysis():
    made = on_pressures(on_grid(truth(HOUR), LATLON), np.array(PRESSURES_HPA, float))
    del made.upper["PRES"]
    return made


def read(folder, form="cf"):
    (ref,) = MetCatalogue(MetConfig(directory=folder, format=form)).select(HOUR, HOUR)
    return read_analysis(ref)


@pytest.mark.parametrize(
    ("bad", "attributes", "own_fill"),
    [
        (FLOAT_FILL, {}, None),
        (FLOAT_FILL, {}, np.float32(-1.0)),
        (270.0 + 0.01 * SHORT_FILL, PACKED, None),
        (-9999.0, {"missing_value": np.float32(-9999.0)}, None),
        (5000.0, {"valid_range": np.array([100.0, 400.0], "f4")}, np.nan),
        (5000.0, {"valid_max": np.float32(400.0)}, np.nan),
        (50.0, {"valid_min": np.float32(100.0)}, np.nan),
        (500.0, {"valid_range": np.array([-15000, 15000], "i2"), **PACKED}, None),
        (500.0, {"valid_range": np.array([100.0, 400.0], "f4"), **PACKED}, None),
    ],
)
def test_values_that_a_file_says_are_none_are_missing(
    tmp_path, analysis, bad, attributes, own_fill
):
    data = level_dataset([analysis])
    # Its first level is the lowest, its first rows are the northern ones.
    data["t"].values[:, 0, :4] = bad
    if "scale_factor" in attributes:
        packed = np.rint((data["t"] - attributes["add_offset"]) / attributes["scale_factor"])
        data["t"] = packed.astype("i2")
    data["t"].attrs, data["t"].encoding = attributes, {"_FillValue": own_fill}
    data.to_netcdf(tmp_path / "levels.nc")
    found, wanted = read(tmp_path, "era5").upper["TEMP"], analysis.upper["TEMP"]
    assert np.isnan(found[0, -4:]).all()
    np.testing.assert_allclose(found[0, :-4], wanted[0, :-4], atol=0.006)
    np.testing.assert_allclose(found[1:], wanted[1:], atol=0.006)


def test_a_surface_field_that_was_never_written_is_a_missing_field(tmp_path, analysis):
    ground = surface_dataset([analysis])
    ground["zust"].values[:] = FLOAT_FILL
    ground["zust"].encoding["_FillValue"] = None
    ground.to_netcdf(tmp_path / "ground.nc")
    level_dataset([analysis]).to_netcdf(tmp_path / "levels.nc")
    surface = read(tmp_path, "era5").surface
    assert "USTR" not in surface
    assert "T02M" in surface


def named(data, standard_name):
    """Return the names on levels and without levels of the fields with a standard name."""
    names = [name for name in data if data[name].attrs["standard_name"] == standard_name]
    return sorted(names, key=lambda name: "z" not in data[name].dims)


@pytest.mark.parametrize("is_upper", [True, False])
@pytest.mark.parametrize(
    "attributes",
    [
        {"standard_name": "air_temperature standard_error"},
        {"standard_name": "air_temperature number_of_observations", "units": "1"},
        {"cell_methods": "time: maximum"},
        {"cell_methods": "area: mean time: minimum within days (interval: 1 hour)"},
        {"cell_methods": "time: variance", "units": "K2"},
        {"cell_methods": "lat: lon: standard_deviation"},
        {"cell_methods": "time: mean (interval: 1 hour comment: sampled)"},
        {"GRIB_stepType": "max"},
    ],
)
def test_other_statistics_of_a_quantity_are_not_that_quantity(
    tmp_path, analysis, attributes, is_upper
):
    data = cf_dataset([analysis])
    upper, flat = named(data, "air_temperature")
    given = data[upper if is_upper else flat]
    other = (given + 20.0).assign_attrs({**given.attrs, **attributes})
    given.attrs["cell_methods"] = "time: point area: mean"
    # The first of two fields with a standard name would be taken.
    data.drop_vars(list(data)).assign(aa=other, **dict(data.items())).to_netcdf(tmp_path / "w.nc")
    found = read(tmp_path)
    np.testing.assert_allclose(found.upper["TEMP"], analysis.upper["TEMP"], rtol=1e-5)
    np.testing.assert_allclose(found.surface["T02M"], analysis.surface["T02M"], rtol=1e-5)


def test_a_field_that_is_only_there_as_a_maximum_is_not_there(tmp_path, analysis):
    data = cf_dataset([analysis])
    data[named(data, "air_temperature")[1]].attrs["cell_methods"] = "time: maximum"
    data.to_netcdf(tmp_path / "weather.nc")
    assert "T02M" not in read(tmp_path).surface


def test_winds_that_are_only_there_as_means_are_refused(tmp_path, analysis):
    data = cf_dataset([analysis])
    name = named(data, "eastward_wind")[0]
    data[name].attrs["cell_methods"] = "time: mean (interval: 1 hour)"
    data.to_netcdf(tmp_path / "weather.nc")
    with pytest.raises(MeteorologyError, match=f"field {name} is a mean over time"):
        read(tmp_path)


def test_fluxes_and_rain_may_be_means(tmp_path, analysis):
    data = cf_dataset([analysis])
    for standard_name in ("surface_downward_sensible_heat_flux", "friction_velocity"):
        data[named(data, standard_name)[0]].attrs["cell_methods"] = "time: mean"
    data.to_netcdf(tmp_path / "weather.nc")
    assert {"SHTF", "USTR"} <= set(read(tmp_path).surface)


def test_two_fields_on_levels_with_one_standard_name_are_named(tmp_path, analysis):
    data = cf_dataset([analysis])
    name = named(data, "air_temperature")[0]
    data["other"] = (data[name] + 20.0).assign_attrs(data[name].attrs)
    data.to_netcdf(tmp_path / "weather.nc")
    with pytest.raises(MeteorologyError, match=f"{name} and other are both air_temperature"):
        read(tmp_path)

"""What attributes of NetCDF variables say of their values: which are missing, and of what."""

import numpy as np
import pytest

from benchmarks.weather_files.era5_files import level_dataset, surface_dataset
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.config import MetConfig
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

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import stilt
from benchmarks.weather_files.cf_datasets import cf_dataset
from benchmarks.weather_files.truth import (
    PRESSURES_HPA,
    analyses_on_pressures,
)
from stilt.config import MetConfig
from stilt.config.meteorology import FORMATS as FORMATS_IN_CONFIG
from stilt.errors import MeteorologyError, UsageError
from stilt.meteorology.arl_conversion import to_arl
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import AUTO, FORMATS, format_of, read_analysis

HOURS = np.arange(
    np.datetime64("2023-07-15T15:00"), np.datetime64("2023-07-15T17:00"), np.timedelta64(1, "h")
)


@pytest.fixture(scope="module")
def analyses():
    return analyses_on_pressures(HOURS)


def select(folder):
    return MetCatalogue(MetConfig(directory=folder, format="cf")).select(HOURS[0], HOURS[-1])


def stored(tmp_path, data):
    (tmp_path / "met").mkdir()
    data.to_netcdf(tmp_path / "met" / "weather.nc")
    return tmp_path / "met"


def test_fields_are_known_by_standard_name_whatever_their_names_and_units(tmp_path, analyses):
    refs = select(stored(tmp_path, cf_dataset(analyses)))
    assert [ref.time for ref in refs] == list(HOURS)
    for ref, wanted in zip(refs, analyses, strict=True):
        read = read_analysis(ref)
        assert ref.grid.levels == pytest.approx(list(map(float, PRESSURES_HPA)))
        for place in ("surface", "upper"):
            fields, expected = getattr(read, place), getattr(wanted, place)
            assert set(fields) == set(expected)
            for name, field in fields.items():
                np.testing.assert_allclose(
                    field, expected[name], rtol=1e-5, atol=1e-4, err_msg=name
                )


@pytest.mark.parametrize("is_sigma", [False, True])
def test_hybrid_and_sigma_levels_take_their_pressure_from_the_formula(tmp_path, analyses, is_sigma):
    fraction = np.linspace(0.99, 0.0, len(PRESSURES_HPA))
    data = cf_dataset(analyses)
    ground = next(
        name for name, field in data.items() if field.standard_name == "surface_air_pressure"
    )
    if is_sigma:
        data["top"] = ((), 50.0, {"units": "hPa"})
        said = ("atmosphere_sigma_coordinate", f"sigma: z ps: {ground} ptop: top")
        wanted = 50.0 + fraction[:, None, None] * (analyses[0].surface["PRSS"] - 50.0)
    else:
        data["a"] = ("z", 0.4 * (1.0 - fraction), {"units": "1"})
        data["b"] = ("z", fraction, {"units": "1"})
        data["p0"] = ((), 100_000.0, {"units": "Pa"})
        said = (
            "atmosphere_hybrid_sigma_pressure_coordinate",
            f"a: a b: b ps: {ground} p0: p0",
        )
        wanted = (
            400.0 * (1.0 - fraction)[:, None, None]
            + fraction[:, None, None] * (analyses[0].surface["PRSS"])
        )
    attributes = {"standard_name": said[0], "formula_terms": said[1], "axis": "Z"}
    data = data.assign_coords(z=("z", fraction if is_sigma else np.arange(28.0), attributes))
    ref = select(stored(tmp_path, data))[0]
    assert ref.grid.vertical_flag == 4
    np.testing.assert_allclose(read_analysis(ref).upper["PRES"], wanted, rtol=1e-5)


def test_what_cannot_be_understood_is_one_sentence(tmp_path, analyses):
    data = cf_dataset(analyses)
    data["upper0"].attrs["units"] = "kg"
    with pytest.raises(MeteorologyError, match=r"units of its variable upper0 \(kg\) cannot be"):
        select(stored(tmp_path, data))
    data = cf_dataset(analyses).assign_coords(
        z=("z", np.arange(28.0), {"standard_name": "height", "units": "m", "positive": "up"})
    )
    data.to_netcdf(tmp_path / "met" / "weather.nc")
    with pytest.raises(MeteorologyError, match="neither pressures nor hybrid or sigma levels"):
        select(tmp_path / "met")


def test_a_wind_of_another_height_is_no_ten_metre_wind(tmp_path, analyses):
    data = cf_dataset(analyses)
    for name in data:
        if "z" not in data[name].dims and data[name].standard_name == "eastward_wind":
            height = xr.DataArray(2.0, attrs={"standard_name": "height", "units": "m"})
            data[name] = data[name].assign_coords(height=height)
    assert "U10M" not in read_analysis(select(stored(tmp_path, data))[0]).surface


def test_fields_of_two_heights_are_told_apart_by_the_coordinates_they_name(tmp_path, analyses):
    data = cf_dataset(analyses)
    heights = {"air_temperature": "two", "eastward_wind": "ten", "northward_wind": "ten"}
    about = {"standard_name": "height", "units": "m"}
    data["two"], data["ten"] = ((), 2.0, about), ((), 10.0, about)
    for field in data.values():
        if "z" not in field.dims and field.attrs["standard_name"] in heights:
            field.encoding["coordinates"] = heights[field.attrs["standard_name"]]
    read = read_analysis(select(stored(tmp_path, data))[0])
    assert {"T02M", "U10M", "V10M"} <= set(read.surface)


def test_of_overlapping_forecasts_the_newest_is_used(tmp_path, analyses):
    data = cf_dataset(analyses)
    (tmp_path / "met").mkdir()
    for name, began in (("a", 3), ("b", 9), ("c", 6)):
        time = np.datetime64("2023-07-15", "ns") + np.timedelta64(began, "h")
        data["ref"] = ((), time, {"standard_name": "forecast_reference_time"})
        data.to_netcdf(tmp_path / "met" / f"{name}.nc")
    refs = select(tmp_path / "met")
    assert [Path(ref.path).name for ref in refs] == ["b.nc", "b.nc"]
    assert [ref.forecast_hour for ref in refs] == [6, 7]
    met = MetConfig(directory=tmp_path / "met", format="cf", cycle="06")
    refs = MetCatalogue(met).select(HOURS[0], HOURS[-1])
    assert {Path(ref.path).name for ref in refs} == {"c.nc"}


HEIGHTS = (
    ("air_temperature", 0.0), ("air_temperature", 2.0), ("eastward_wind", 10.0),
    ("northward_wind", 10.0),
)  # fmt: skip


def test_axes_of_one_height_and_further_axes_of_pressure_are_no_levels(tmp_path, analyses):
    """As in the files of HARMONIE-AROME, where every kind of level has an axis."""
    data = cf_dataset(analyses)
    flat = {
        field.attrs["standard_name"]: (key, field)
        for key, field in data.items()
        if field.dims == ("t", "y", "x")
    }
    for name, height in HEIGHTS:
        axis = {"standard_name": "height", "units": "m", "positive": "up"}
        dim = f"height{height:g}"
        key, field = flat[name]
        key = "skin" if height == 0.0 else key
        data[key] = field.expand_dims({dim: [height]}, axis=1).copy()
        data[dim].attrs = axis
    data["skin"] += 30.0
    data["skin"].attrs = flat["air_temperature"][1].attrs
    few = {"few": ("few", [500.0], {"standard_name": "air_pressure", "units": "hPa"})}
    upper = next(key for key, field in data.items() if "z" in field.dims)
    data["again"] = data[upper].isel(z=[3]).drop_vars("z").rename(z="few").assign_coords(few)
    read = read_analysis(select(stored(tmp_path, data))[0])
    np.testing.assert_allclose(read.surface["T02M"], analyses[0].surface["T02M"], rtol=1e-6)
    assert read.upper["UWND"].shape[0] == len(PRESSURES_HPA)
    assert {"U10M", "V10M"} <= set(read.surface)


def test_a_cf_dataset_is_recognised_and_era5_stays_era5(tmp_path, analyses):
    path = stored(tmp_path, cf_dataset(analyses)) / "weather.nc"
    assert format_of(str(path)) == "cf"


def test_a_dataset_in_memory_is_sampled_and_converted_without_a_project(tmp_path, analyses):
    data = cf_dataset(analyses)
    met = MetConfig(dataset=data)
    point = {"time": str(HOURS[0]), "longitude": -111.85, "latitude": 40.77}
    of_dataset = stilt.sample_meteorology(met, point)
    of_file = stilt.sample_meteorology(
        MetConfig(directory=stored(tmp_path, data), format="cf"), point
    )
    for name in ("eastward_wind", "air_temperature", "mixed_layer_height", "sigma_w"):
        np.testing.assert_array_equal(of_dataset[name], of_file[name])
    (path,) = to_arl(met, tmp_path / "arl")
    assert path.stat().st_size > 100_000
    # It is still there for a project.
    assert met.dataset is data


def test_between_analyses_on_two_grids_the_nearer_one_is_sampled(tmp_path, analyses):
    data = cf_dataset(analyses)
    for number, part in enumerate([data.isel(t=[0]), data.isel(t=[1], x=slice(0, None, 2))]):
        part.to_netcdf(tmp_path / f"{number}.nc")
    met = MetConfig(directory=tmp_path, format="cf")
    minutes = np.array([0, 20, 40, 60]).astype("timedelta64[m]")
    points = [
        {"time": str(HOURS[0] + minute), "longitude": -111.85, "latitude": 40.77}
        for minute in minutes
    ]
    found = stilt.sample_meteorology(met, points)["air_pressure"].squeeze().values
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[3])
    assert (found[1] != found[2]).any()


def test_a_dataset_of_packed_files_keeps_its_values(tmp_path, analyses):
    """Several packed files that xarray has joined have the encoding of the first."""
    data = cf_dataset(analyses)
    point = {"time": str(HOURS[-1]), "longitude": -111.85, "latitude": 40.77}
    wanted = stilt.sample_meteorology(MetConfig(dataset=data), point)
    packed = data.copy()
    for name in packed.data_vars:
        packed[name].encoding = {
            "dtype": "int16", "scale_factor": 1e-3, "add_offset": 0.0, "_FillValue": -32767,
        }  # fmt: skip
    found = stilt.sample_meteorology(MetConfig(dataset=packed), point)
    for name in ("eastward_wind", "air_temperature", "mixed_layer_height", "sigma_w"):
        np.testing.assert_array_equal(found[name], wanted[name])
    assert all(field.encoding["dtype"] == "int16" for field in packed.data_vars.values())


def test_a_dataset_that_netcdf_cannot_hold_is_refused(analyses):
    odd = cf_dataset(analyses).assign_attrs(made={"by": "me"})
    point = {"time": str(HOURS[0]), "longitude": -111.85, "latitude": 40.77}
    with pytest.raises(UsageError, match="cannot be kept as a NetCDF file"):
        stilt.sample_meteorology(MetConfig(dataset=odd), point)


def test_the_formats_of_a_configuration_are_those_that_are_read():
    assert (*FORMATS, AUTO) == FORMATS_IN_CONFIG


def test_names_of_winds_in_capitals_do_not_make_a_dataset_era5(tmp_path, analyses):
    """As in MERRA-2, whose heights are named H."""
    data = cf_dataset(analyses)
    names = {field.standard_name: name for name, field in data.items() if "z" in field.dims}
    folder = stored(
        tmp_path,
        data.rename({names["eastward_wind"]: "U", names["northward_wind"]: "V"}),
    )
    assert format_of(str(folder / "weather.nc")) == "cf"
    met = MetConfig(directory=folder, format="auto")
    refs = MetCatalogue(met).select(HOURS[0], HOURS[-1])
    assert "HGTS" in read_analysis(refs[0]).upper


def test_axes_that_are_not_understood_are_named(tmp_path, analyses):
    data = cf_dataset(analyses)
    data["z"].attrs = {}
    with pytest.raises(MeteorologyError, match="is on the axis z, which is not understood"):
        select(stored(tmp_path, data))


def test_two_dimensional_longitudes_of_an_even_grid_are_taken_as_that_grid(tmp_path, analyses):
    data = cf_dataset(analyses)
    lat, lon = np.meshgrid(data["y"], data["x"], indexing="ij")
    flat = {
        "nav_lat": (("y", "x"), lat, {"standard_name": "latitude", "units": "degrees_north"}),
        "nav_lon": (("y", "x"), lon, {"standard_name": "longitude", "units": "degrees_east"}),
    }
    plain = select(stored(tmp_path, data))[0]
    (tmp_path / "flat").mkdir()
    ref = select(stored(tmp_path / "flat", data.drop_vars(["y", "x"]).assign(flat)))[0]
    assert ref.grid == plain.grid
    np.testing.assert_array_equal(
        read_analysis(ref).upper["UWND"], read_analysis(plain).upper["UWND"]
    )

"""Fields of mole fractions in the layouts of products."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stilt.background import BackgroundField, curtain
from stilt.background.field import Points
from stilt.background.layouts import layout_of
from stilt.background.mole_fractions import unit_factor
from stilt.background.sources import FieldSource
from stilt.errors import UsageError
from tests.support.background_fields import (
    LONGITUDES,
    POINTS,
    TIMES,
    carbontracker,
    carboscope,
    cf_pressures,
    cf_terms,
    decoded_wholly,
    hours_of,
    hybrid,
    linear,
    on_pressures,
)


@pytest.mark.parametrize(
    ("dataset", "units"),
    [
        (carbontracker(), "micromol mol-1"),
        (hybrid("ct-ch4", "at", "bt", "surf_pressure", edge="boundary"), "nmol mol-1"),
        (hybrid("cams", "ap", "bp", "Psurf", gas="CO2", units="ppm"), "ppm"),
        (carboscope(), "ppm"),
        (cf_terms(), "1e-9"),
        (on_pressures(), "ppm"),
        (
            on_pressures()
            .assign_coords(plev=on_pressures()["plev"].assign_attrs(standard_name="air_pressure"))
            .rename(plev="own"),
            "ppm",
        ),
        (cf_pressures(), "micromol mol-1"),
        (cf_pressures("edge"), "micromol mol-1"),
        (decoded_wholly(), "1e-9"),
    ],
    ids=[
        "carbontracker",
        "carbontracker ch4",
        "cams",
        "carboscope",
        "cf",
        "pressure levels",
        "named levels",
        "air_pressure",
        "edges",
        "decode_coords",
    ],
)
def test_a_linear_field_is_exact_in_every_layout(dataset, units):
    source = FieldSource.open(dataset)
    assert source.units == units
    inside = Points(POINTS.time, [*POINTS.longitude[:2], 120.0], POINTS.latitude,
                    POINTS.vertical)  # fmt: skip
    inside = Points(*(np.asarray(each) for each in vars(inside).values()))
    expected = linear(inside.longitude, inside.latitude, inside.vertical, hours_of(inside.time))
    np.testing.assert_allclose(BackgroundField(source).at(inside), expected, rtol=1e-9, atol=1e-6)


def test_formula_terms_of_a_file_opened_with_all_coordinates(tmp_path):
    cf_terms().to_netcdf(tmp_path / "cf.nc")
    with xr.open_dataset(tmp_path / "cf.nc", decode_coords="all") as opened:
        assert "formula_terms" not in opened["lev"].attrs
        found = BackgroundField(FieldSource.open(opened)).at(POINTS)
    expected = BackgroundField(FieldSource.open(cf_terms())).at(POINTS)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_across_the_dateline_and_at_the_pole_neighbours_count():
    dataset = carbontracker()
    wave = np.cos(np.radians(LONGITUDES))
    dataset["co2"] = dataset["co2"] * 0 + xr.DataArray(wave, dims="longitude")
    dataset["co2"].attrs["units"] = "ppm"
    at = Points(
        np.array(["2023-07-14 03:00"] * 3, "datetime64[ns]"),
        np.array([180.0, -180.0, 179.9]),
        np.array([40.0, 40.0, 89.9]),
        np.full(3, 900.0),
    )
    found = BackgroundField(FieldSource.open(dataset)).at(at)
    np.testing.assert_allclose(found[:2], np.cos(np.radians(177)), rtol=1e-12)


def test_files_that_follow_one_another_are_one_field(tmp_path):
    dataset = carbontracker()
    whole = BackgroundField(FieldSource.open(dataset)).at(POINTS)
    dataset.isel(time=slice(0, 5)).to_netcdf(tmp_path / "CT_b.nc")
    dataset.isel(time=slice(5, 9)).to_netcdf(tmp_path / "CT_a.nc")
    parts = FieldSource.open(tmp_path / "CT_*.nc")
    np.testing.assert_allclose(BackgroundField(parts).at(POINTS), whole, rtol=1e-12)
    with pytest.raises(FileNotFoundError):
        FieldSource.open(tmp_path / "none.nc")


def test_a_single_time_is_used_for_all_and_that_is_said():
    with pytest.warns(UserWarning, match="a single time, 2023-07-14T01:30, which is used") as said:
        source = FieldSource.open(carbontracker().isel(time=[0]))
    assert len(said) == 1
    later = replace(POINTS, time=POINTS.time + np.timedelta64(30, "D"))
    np.testing.assert_array_equal(
        BackgroundField(source).at(POINTS), BackgroundField(source).at(later)
    )


def test_a_folder_is_no_field(tmp_path):
    with pytest.raises(UsageError, match=r"is a folder: name the files .*\*\.nc"):
        FieldSource.open(tmp_path)


def test_ends_outside_the_field_are_an_error():
    field = BackgroundField(FieldSource.open(carbontracker().isel(longitude=slice(10, 14))))
    with pytest.raises(UsageError, match=r"longitudes are .* particles end outside"):
        field.at(POINTS)
    late = Points(POINTS.time + np.timedelta64(9, "D"), *list(vars(POINTS).values())[1:])
    with pytest.raises(UsageError, match=r"times are 2023-07-14T01:30"):
        BackgroundField(FieldSource.open(carbontracker())).at(late)


def test_layouts_that_are_not_understood_are_named():
    with pytest.raises(UsageError, match="has no units"):
        FieldSource.open(
            xr.DataArray(np.zeros(2), dims="time", coords={"time": TIMES[:2]}, name="x")
        )
    two = carbontracker().rename(co2="a").assign(b=carbontracker()["co2"])
    with pytest.raises(UsageError, match="variable="):
        FieldSource.open(two)
    with pytest.raises(UsageError, match="not understood"):
        FieldSource.open(carbontracker().drop_vars("pressure"))
    for given, wanted in (("kg", "ppm"), ("ppm", "kg")):
        with pytest.raises(
            UsageError, match="'kg' is no unit of mole fraction: known are ppm, ppb"
        ):
            unit_factor(given, wanted)
    for given in ("pppm", "PPM", "kppm"):
        with pytest.raises(UsageError, match=f"'{given}' is no unit .*: did you mean 'ppm'"):
            unit_factor(given, "ppb")
    with pytest.raises(UsageError, match="'degree' is no unit of mole fraction"):
        unit_factor("degree", "ppb")
    assert unit_factor("nmol mol-1", "ppm") == pytest.approx(1e-3)
    assert unit_factor("mol mol-1", "ppb") == pytest.approx(1e9)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        # a p0 + b ps, in Pa: 0.05 100000 + 0.5 90000; 0.1 100000.
        ("a: a b: b p0: P0 ps: PS", [500.0, 100.0]),
        # ptop + sigma (ps - ptop): 1000 + 0.5 89000; 1000 + 0.
        ("sigma: b ps: PS ptop: ptop", [455.0, 10.0]),
        # ap + b ps: 5000 + 0.5 90000; 10000.
        ("ap: ap b: b ps: PS", [500.0, 100.0]),
        # Without terms, as in CAM: hyam P0 + hybm PS.
        ("", [500.0, 100.0]),
    ],
)
def test_pressures_of_hybrid_levels_by_hand(terms, expected):
    dataset = xr.Dataset(
        {
            "co2": (("time", "lev", "lat", "lon"), np.full((1, 2, 1, 1), 4e-4), {"units": "1"}),
            "PS": (("time", "lat", "lon"), [[[90000.0]]], {"units": "Pa"}),
            "P0": ((), 100000.0, {"units": "Pa"}),
            "ptop": ((), 1000.0, {"units": "Pa"}),
            "ap": ("lev", [5000.0, 10000.0], {"units": "Pa"}),
        },
        coords={"time": TIMES[:1], "lev": [1.0, 2.0], "lat": [40.0], "lon": [-111.0]},
    )
    names = ("a", "b") if terms else ("hyam", "hybm")
    dataset[names[0]], dataset[names[1]] = ("lev", [0.05, 0.1]), ("lev", [0.5, 0.0])
    if terms:
        dataset["lev"].attrs["formula_terms"] = terms
    else:
        dataset = dataset.drop_vars("ap")
    layout = layout_of(dataset)
    found = layout.levels.values(dataset).transpose(..., "lev").values.ravel()
    np.testing.assert_allclose(found, expected)


def test_a_curtain_is_a_field_of_what_it_depends_on():
    rows = [
        {"time": time, "lat": lat, "altitude_m": height, "value": 400 + lat + height / 1000}
        for time in ("2023-07-14", "2023-07-16")
        for lat in (-80, 80)
        for height in (0, 2000, 8000)
    ]
    field = BackgroundField(FieldSource.open(curtain(pd.DataFrame(rows), "ppm")))
    at = Points(POINTS.time, POINTS.longitude, POINTS.latitude, np.array([500.0, 1000.0, 9000.0]))
    np.testing.assert_allclose(field.at(at), 400 + POINTS.latitude + [0.5, 1.0, 9.0])
    with pytest.raises(UsageError, match="1 gaps"):
        curtain(pd.DataFrame(rows[1:]), "ppm")
    with pytest.raises(UsageError, match="two values"):
        curtain(pd.DataFrame([*rows, rows[0]]), "ppm")
    with pytest.raises(UsageError, match="column value"):
        curtain(pd.DataFrame({"time": ["2023-07-14"]}), "ppm")
    by_time = pd.DataFrame({"date": ["2023-07-14", "2023-07-16"], "co2": [410.0, 412.0]})
    np.testing.assert_allclose(
        BackgroundField(FieldSource.open(curtain(by_time, "ppm"))).at(POINTS),
        410 + hours_of(POINTS.time) / 24,
    )


def test_times_of_a_curtain_may_have_several_forms_and_faults_are_named():
    table = pd.DataFrame(
        {"time": ["2023-07-14", "2023-07-16 12:00", "2023-07-17T00:00Z"], "value": ["1", "2", "3"]}
    )
    found = curtain(table, "ppm")
    assert found["time"].values.astype("datetime64[h]").astype(str).tolist() == [
        "2023-07-14T00", "2023-07-16T12", "2023-07-17T00",
    ]  # fmt: skip
    assert found.values.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(UsageError, match=r"curtain's column time: .*14/07/2023"):
        curtain(table.assign(time=["14/07/2023", *table["time"][1:]]), "ppm")
    with pytest.raises(UsageError, match="column value must hold numbers"):
        curtain(table.assign(value=["1", "2", "many"]), "ppm")


def test_the_outermost_times_count_for_half_a_step_and_a_day_is_told_of():
    table = pd.DataFrame({"time": ["2023-06-01", "2023-07-01"], "value": [410.0, 412.0]})
    field = BackgroundField(FieldSource.open(curtain(table, "ppm")))

    def at(time):
        one = Points(np.array([time], "datetime64[ns]"), *[np.zeros(1)] * 3)
        return field.at(one).tolist()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert at("2023-06-16") == [411.0]
        assert at("2023-07-01 20:00") == [412.0]
    with pytest.warns(UserWarning, match=r"outside the field's times, 2023-06-01T00:00 to 2023-07"):
        assert at("2023-07-14") == [412.0]
    with pytest.raises(UsageError, match="1 of 1 particles end outside"):
        at("2023-07-17")


def test_a_missing_value_is_no_background():
    field = carbontracker()
    field["co2"] = field["co2"].where(False)
    with pytest.raises(UsageError, match="has no value where"):
        BackgroundField(FieldSource.open(field)).at(POINTS)


@pytest.mark.parametrize("fill", [-999.0, 9.96921e36, 1e20])
def test_numbers_that_stand_for_missing_values_are_no_background(fill):
    field = carbontracker()
    expected = BackgroundField(FieldSource.open(field)).at(POINTS)
    elsewhere = field["latitude"] < -60.0
    masked = field.assign(co2=field["co2"].where(~elsewhere, fill))
    masked["co2"].attrs = field["co2"].attrs
    found = BackgroundField(FieldSource.open(masked)).at(POINTS)
    np.testing.assert_array_equal(found, expected)
    there = replace(POINTS, latitude=np.array([40.77, -33.3, -70.0]))
    with pytest.raises(UsageError, match="no value where 1 of 3 particles end"):
        BackgroundField(FieldSource.open(masked)).at(there)
    pressures = field.assign(pressure=field["pressure"].where(~elsewhere, fill))
    with pytest.raises(UsageError, match="no value where 1 of 3 particles end"):
        BackgroundField(FieldSource.open(pressures)).at(there)
    named = field.assign(co2=field["co2"].where(~elsewhere, 7.0).assign_attrs(missing_value=7.0))
    named["co2"].attrs["units"] = "ppm"
    with pytest.raises(UsageError, match="no value where 1 of 3 particles end"):
        BackgroundField(FieldSource.open(named)).at(there)
    packed = field["co2"].assign_attrs(scale_factor=0.1)
    with pytest.raises(UsageError, match=r"co2 is packed \(scale_factor\)"):
        FieldSource.open(field.assign(co2=packed))


@pytest.mark.parametrize(
    ("units", "per_hpa"), [("kPa", 0.1), ("bar", 1e-3), ("Pascals", 100.0), ("hpa", 1.0)]
)
def test_pressures_are_in_their_own_unit(units, per_hpa):
    field = on_pressures()
    expected = BackgroundField(FieldSource.open(field)).at(POINTS)
    plev = field["plev"].values / 100.0 * per_hpa
    for name in ("plev", "own"):
        other = field.rename(plev=name).assign_coords({name: (name, plev, {"units": units})})
        for levels in (other, other.isel({name: slice(None, None, -1)})):
            found = BackgroundField(FieldSource.open(levels)).at(POINTS)
            np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_levels_in_another_unit_or_without_order_are_refused():
    field = on_pressures()
    wrong = field.assign_coords(plev=field["plev"].assign_attrs(units="furlong"))
    with pytest.raises(UsageError, match="plev is in 'furlong', which is no unit of pressure"):
        BackgroundField(FieldSource.open(wrong)).at(POINTS)
    order = np.arange(field.sizes["plev"])
    order[:2] = 1, 0
    with pytest.raises(UsageError, match="levels neither rise nor fall throughout"):
        BackgroundField(FieldSource.open(field.isel(plev=order))).at(POINTS)


def test_an_empty_curtain_is_refused():
    with pytest.raises(UsageError, match="has no rows"):
        curtain(pd.DataFrame({"time": [], "value": []}), "ppm")


def test_times_that_are_no_dates_are_refused():
    field = carbontracker()
    with pytest.raises(UsageError, match="cannot be used as dates"):
        FieldSource.open(field.assign_coords(time=np.arange(field.sizes["time"])))
    with pytest.raises(UsageError, match="sort them"):
        FieldSource.open(field.isel(time=[1, 0, 2]))


@pytest.mark.parametrize("field", [400.0, None, []])
def test_what_is_no_field_is_one_sentence(field):
    with pytest.raises(UsageError, match="must be an xarray Dataset"):
        FieldSource.open(field)


def test_a_file_of_another_kind_is_one_sentence(tmp_path):
    path = tmp_path / "field.nc"
    path.write_text("no field")
    with pytest.raises(UsageError, match=r"field\.nc cannot be read as a dataset"):
        FieldSource.open(path)

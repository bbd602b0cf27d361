"""Fields of mole fractions in the layouts of products, and their mean over particles' ends."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import stilt
from stilt.background import BackgroundField, background_of, curtain, ends_of
from stilt.background.average import end_weights, points_of
from stilt.background.ends import first_and_last
from stilt.background.field import Points, unit_factor
from stilt.background.layouts import layout_of
from stilt.background.sources import FieldSource
from stilt.errors import UsageError

TIMES = pd.date_range("2023-07-14 01:30", periods=9, freq="3h").as_unit("ns")
LATITUDES = np.arange(-88.0, 90.0, 4.0)
LONGITUDES = np.arange(-177.0, 180.0, 6.0)
EDGE_A = np.array([0.0, 5000.0, 15000.0, 12000.0, 5000.0, 0.0])  # Pa, from the ground up
EDGE_B = np.array([1.0, 0.9, 0.55, 0.2, 0.05, 0.0])
POINTS = Points(
    np.array(["2023-07-14 03:00", "2023-07-14 13:37", "2023-07-15 01:00"], "datetime64[ns]"),
    np.array([-111.85, 10.2, 179.0]),
    np.array([40.77, -33.3, 60.1]),
    np.array([845.0, 960.0, 300.0]),
)


def linear(lon, lat, pressure_hpa, hours):
    return 400.0 + 0.02 * lon - 0.1 * lat + 0.01 * pressure_hpa + 0.3 * hours


def hours_of(times):
    return (np.asarray(times) - np.datetime64("2023-07-14")) / np.timedelta64(1, "h")


def surface_pressure():
    lat, lon = np.meshgrid(LATITUDES, LONGITUDES, indexing="ij")
    one = 100000.0 - 5000 * np.cos(np.radians(lat)) + 20 * lon
    return np.stack([one + 10 * step for step in range(TIMES.size)])


def edges_pa():
    return EDGE_A[:, None, None] + EDGE_B[:, None, None] * surface_pressure()[:, None]


def values_of(pressure_pa):
    lon, lat = LONGITUDES[None, None, None], LATITUDES[None, None, :, None]
    return linear(lon, lat, pressure_pa / 100, hours_of(TIMES)[:, None, None, None])


def middles():
    edges = edges_pa()
    return 0.5 * (edges[:, :-1] + edges[:, 1:])


def coordinates(**extra):
    return {"time": TIMES, "lat": LATITUDES, "lon": LONGITUDES, **extra}


def carbontracker():
    dims = "time", "level", "latitude", "longitude"
    return xr.Dataset(
        {
            "co2": (dims, values_of(middles()), {"units": "micromol mol-1"}),
            "pressure": (("time", "boundary", *dims[2:]), edges_pa(), {"units": "Pa"}),
            "gph": (("time", "boundary", *dims[2:]), edges_pa() * 0.0, {"units": "m"}),
            "time_components": (("time", "six"), np.zeros((TIMES.size, 6))),
        },
        coords={"time": TIMES, "latitude": LATITUDES, "longitude": LONGITUDES},
    )


def hybrid(name, a, b, surface, *, gas="ch4", units="nmol mol-1", edge="hlevel"):
    return xr.Dataset(
        {
            gas: (("time", "level", "lat", "lon"), values_of(middles()), {"units": units}),
            a: (edge, EDGE_A, {"units": "Pa"}),
            b: (edge, EDGE_B),
            surface: (("time", "lat", "lon"), surface_pressure(), {"units": "Pa"}),
        },
        coords=coordinates(),
    )


def carboscope():
    initial = 350.0
    return xr.Dataset(
        {
            "co2mix": (
                ("mtime", "height", "lat", "lon"), values_of(middles()) - initial,
                {"ini": initial},
            ),
            "a": ("height", 0.5 * (EDGE_A[:-1] + EDGE_A[1:])),
            "b": ("height", 0.5 * (EDGE_B[:-1] + EDGE_B[1:])),
            "ps": (("mtime", "lat", "lon"), surface_pressure()),
        },
        coords={"mtime": TIMES, "lat": LATITUDES, "lon": LONGITUDES},
    )  # fmt: skip


def cf_terms():
    found = hybrid("", "ap", "b", "ps", edge="lev")
    middle_a, middle_b = (0.5 * (each[:-1] + each[1:]) for each in (EDGE_A, EDGE_B))
    return xr.Dataset(
        {
            "mole": (
                ("time", "lev", "lat", "lon"), found["ch4"].values,
                {"units": "1e-9", "standard_name": "mole_fraction_of_methane_in_air"},
            ),
            "ap": ("lev", middle_a, {"units": "Pa"}),
            "bcoef": ("lev", middle_b),
            "ps": found["ps"],
        },
        coords=coordinates(
            lev=("lev", np.arange(5.0), {"formula_terms": "ap: ap b: bcoef ps: ps"})
        ),
    )  # fmt: skip


def on_pressures():
    # From the top down, and longitudes from 0 to 360 in no order of ours.
    levels = np.array([100.0, 300.0, 500.0, 700.0, 850.0, 1000.0])
    lon = (LONGITUDES + 360) % 360
    shape = np.broadcast_to(levels[:, None, None] * 100, (levels.size, LATITUDES.size, lon.size))
    values = values_of(np.stack([shape] * TIMES.size))
    return xr.DataArray(
        values,
        dims=("time", "plev", "lat", "lon"),
        coords={"time": TIMES, "plev": ("plev", levels * 100, {"units": "Pa"}), "lat": LATITUDES,
                "lon": lon},
        attrs={"units": "ppm"},
        name="co2",
    ).sortby("lat", ascending=False)  # fmt: skip


def cf_pressures(level="level"):
    """Pressures under a name of one's own, on the levels or on the edges of layers."""
    found = carbontracker().drop_vars(["pressure", "gph"])
    pressure = middles() if level == "level" else edges_pa()
    attrs = {"units": "Pa", "standard_name": "air_pressure"}
    return found.assign(p_of_mine=(("time", level, "latitude", "longitude"), pressure, attrs))


def decoded_wholly():
    """What decode_coords="all" makes of a file: formula_terms are in the encoding."""
    found = cf_terms()
    terms = found["lev"].attrs.pop("formula_terms")
    found["lev"].encoding["formula_terms"] = terms
    return found.set_coords(["ap", "bcoef", "ps"])


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
    with pytest.raises(UsageError, match="cannot be turned"):
        unit_factor("kg", "ppm")
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
    found = layout.vertical(dataset).transpose(..., "lev").values.ravel()
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


COLUMN = stilt.ColumnReceptor("2023-07-15 00:00", -111.85, 40.77, 0.0, 4000.0)


def particles() -> pd.DataFrame:
    """Four particles of a column, the second of which leaves after two of six hours."""
    rows = []
    for number, height in enumerate((500.0, 1500.0, 2500.0, 3500.0), start=1):
        for minute in (1, 60, 120) if number == 2 else (1, 60, 120, 360):
            z = height + minute
            rows.append(
                {"time": -float(minute), "indx": number, "long": -111.85 - 0.01 * minute,
                 "lati": 40.77 + 0.002 * minute * number, "zagl": z,
                 "pres": 1000 * np.exp(-z / 8000), "foot": 1e-3, "xhgt": height}
            )  # fmt: skip
    return pd.DataFrame(rows).sort_values(["time", "indx"], ascending=[False, True])


def test_ends_are_by_age_or_by_leaving():
    ends = ends_of(particles(), COLUMN, -6)
    assert ends["indx"].tolist() == [1, 2, 3, 4]
    assert ends["age_h"].tolist() == [6, 2, 6, 6]
    assert ends["left"].tolist() == [False, True, False, False]
    assert ends["datetime"].iloc[1] == pd.Timestamp("2023-07-14 22:00")
    kept = first_and_last(particles())
    assert len(kept) == 8
    pd.testing.assert_frame_equal(ends_of(kept, COLUMN, -6), ends)
    # Rows in any order; a particle of one row has that one; forward in time.
    table = pd.concat([particles(), particles().head(1).assign(indx=9)])
    for sign in (1.0, -1.0):
        given = table.assign(time=sign * table["time"]).sample(frac=1.0, random_state=3)
        ages = given.assign(age=given["time"].abs()).sort_values(["indx", "age"])
        wanted = pd.concat([ages.groupby("indx").head(1), ages.groupby("indx").tail(1)])
        wanted = wanted.drop_duplicates().sort_values(["indx", "age"]).drop(columns="age")
        pd.testing.assert_frame_equal(first_and_last(given), wanted.reset_index(drop=True))
    assert len(first_and_last(table.head(0))) == 0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_ends_of_particles_that_leave_at_any_time(sign):
    life = np.random.default_rng(3).integers(1, 40, 25)
    age, number = np.mgrid[1:41, 1:26].reshape(2, -1)
    there = age <= life[number - 1]
    table = pd.DataFrame({"time": sign * age[there], "indx": number[there]})
    ends = first_and_last(table)
    rows = [(n, t) for n, t in enumerate(life, 1) for t in ([1, t] if t > 1 else [1])]
    assert list(zip(ends["indx"], sign * ends["time"], strict=True)) == rows


KERNEL = {"kind": "averaging_kernel", "levels": [1000.0, 500.0], "values": [1.0, 0.4]}
WEIGHTING = {"kind": "pressure_weighting"}
LIFETIME = {"kind": "first_order_lifetime", "lifetime_hours": 12.0}


@pytest.mark.parametrize("transforms", [[], [KERNEL], [WEIGHTING], [KERNEL, WEIGHTING]])
def test_a_constant_field_gives_the_constant_whatever_the_weights(transforms):
    flat = carbontracker()
    flat["co2"] = xr.full_like(flat["co2"], 417.0)
    found = background_of(
        particles(),
        COLUMN,
        BackgroundField(FieldSource.open(flat)),
        n_hours=-6,
        transforms=transforms,
    )
    assert found["background"] == pytest.approx(417.0, rel=1e-12)
    assert found["background_std"] == pytest.approx(0.0, abs=1e-6)


OWN = """\
class BelowMixedLayer:
    def __init__(self, share=1.0):
        self.share = share

    def apply(self, particles, *, context):
        low = particles["zagl"] < self.share * particles["mlht"]
        return particles.assign(foot=particles["foot"].where(low, 0.0))


class OnlyBelow(BelowMixedLayer):
    def apply(self, particles, *, context):
        return particles[particles["zagl"] < self.share * particles["mlht"]]
"""


def test_a_transform_of_ones_own_weights_as_of_the_release(tmp_path, monkeypatch):
    (tmp_path / "weights_of_a_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    # Heights at the release are 501, 1501, 2501 and 3501 m; at their ends all are above 600 m.
    table = particles().assign(mlht=2000.0)
    field = BackgroundField(FieldSource.open(carbontracker()))
    values = field.at(points_of(ends_of(table, COLUMN, -6), field))

    def found(share, name="BelowMixedLayer", more=()):
        own = {"kind": "import", "path": f"weights_of_a_test:{name}", "options": {"share": share}}
        return background_of(table, COLUMN, field, n_hours=-6, transforms=[own, *more])

    for name in ("BelowMixedLayer", "OnlyBelow"):
        assert found(0.3, name)["background"] == pytest.approx(values[0])
        assert found(0.3, name)["weight"] == 0.25
        assert found(1.0, name)["background"] == pytest.approx(values[:2].mean())
        assert found(9.0, name)["background"] == pytest.approx(values.mean())
    weight = end_weights(table, COLUMN, [WEIGHTING])[0][:2]
    both = found(1.0, more=[WEIGHTING])
    assert both["background"] == pytest.approx(weight @ values[:2] / weight.sum())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        none = found(0.1)
    assert np.isnan(none["background"])
    assert none["weight"] == 0.0
    assert [str(each.message)[:40] for each in told] == ["The background of 1 of 1 simulations is "]


def test_the_mean_is_weighted_as_the_footprint_is():
    table = particles()
    found = background_of(
        table, COLUMN, BackgroundField(FieldSource.open(carbontracker())), n_hours=-6,
        transforms=[KERNEL, WEIGHTING],
    )  # fmt: skip
    height = np.array([500.0, 1500.0, 2500.0, 3500.0])
    pressure = 1000 * np.exp(-height / 8000)
    kernel = np.interp(pressure, [500.0, 1000.0], [0.4, 1.0])
    slabs = np.exp(-(height - 500) / 8000) - np.exp(-(height + 500) / 8000)
    minutes = np.array([360, 120, 360, 360])
    values = linear(
        -111.85 - 0.01 * minutes,
        40.77 + 0.002 * minutes * np.arange(1, 5),
        1000 * np.exp(-(height + minutes) / 8000),
        24 - minutes / 60,
    )
    weights = kernel * slabs
    assert found["background"] == pytest.approx(weights @ values / weights.sum(), abs=1e-6)
    # Four particles share the column: the sum of kernel times share of air is what they stand for.
    assert found["weight"] == pytest.approx(weights.sum(), rel=1e-6)
    assert found["left"] == pytest.approx(weights[1] / weights.sum(), rel=1e-6)
    spread = np.sqrt(weights @ (values - found["background"]) ** 2 / weights.sum())
    assert found["background_std"] == pytest.approx(spread, rel=1e-6)


def test_a_lifetime_acts_with_the_age_of_the_end():
    weight, survival = end_weights(particles(), COLUMN, [LIFETIME, KERNEL])
    np.testing.assert_allclose(survival, np.exp(-np.array([6, 2, 6, 6]) / 12))
    flat = carbontracker()
    flat["co2"] = xr.full_like(flat["co2"], 100.0)
    found = background_of(
        particles(),
        COLUMN,
        BackgroundField(FieldSource.open(flat)),
        n_hours=-6,
        transforms=[LIFETIME],
    )
    assert found["background"] == pytest.approx(100 * survival.mean())
    assert weight.mean() != pytest.approx(1.0)


def test_a_field_needs_columns_of_the_particles():
    with pytest.raises(UsageError, match="pres: add them to varsiwant"):
        background_of(
            particles().drop(columns="pres"),
            COLUMN,
            BackgroundField(FieldSource.open(carbontracker())),
            n_hours=-6,
        )


@pytest.mark.parametrize("units", ["kg kg-1", "kg kg**-1", "g/kg"])
def test_ratios_of_masses_are_no_mole_fractions(units):
    with pytest.raises(UsageError, match="ratio of masses"):
        unit_factor(units, "ppm")
    assert unit_factor("mol mol-1", "ppm") == pytest.approx(1e6)


def test_a_missing_value_is_no_background():
    field = carbontracker()
    field["co2"] = field["co2"].where(False)
    with pytest.raises(UsageError, match="has no value where"):
        BackgroundField(FieldSource.open(field)).at(POINTS)


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

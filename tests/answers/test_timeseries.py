"""Time series of a project: components, background, observations."""

import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import stilt
from stilt.answers.timeseries import by_site, receptor_coordinates
from stilt.errors import UsageError
from stilt.outputs import FootprintCollections

GRID = {"xmin": -113, "xmax": -111, "ymin": 40, "ymax": 41.5, "xres": 0.1, "yres": 0.1}
TOWER = """\
time,longitude,latitude,altitude,site,value,uncertainty,units
2023-07-15 18:37,-111.85,40.77,30,low,420.5,0.5,ppm
2023-07-15 18:37,-111.85,40.77,100,high,419.5,0.5,ppm
2023-07-15 19:23,-111.85,40.77,30,low,421000,,ppb
"""


def flux(name: str, value: float, **coords) -> xr.DataArray:
    lon, lat = np.arange(-113.05, -110.9, 0.1), np.arange(39.95, 41.6, 0.1)
    shape = [len(each) for each in coords.values()]
    return xr.DataArray(
        np.full((*shape, lat.size, lon.size), value), dims=(*coords, "lat", "lon"),
        coords={**coords, "lat": lat, "lon": lon}, attrs={"units": "umol m-2 s-1"}, name=name,
    )  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory, weather):
    root = tmp_path_factory.mktemp("series") / "case"
    root.mkdir()
    (root / "receptors.csv").write_text(TOWER)
    met = {"directory": str(weather), "file_format": "%Y%m%d_%H", "file_tres": "6h"}
    config = stilt.ModelConfig(
        mets={"demo": met}, footprints={"default": {"grid": GRID}}, n_hours=-2, numpar=30, seed=1
    )
    model = stilt.Model(root, config=config)
    stilt.push_simulations(model, model.register_pending())
    return model


FLUXES = {
    "fuel": flux("fuel", 2.0, time=pd.date_range("2023-07-15 12:00", periods=12, freq="h")),
    "gee": flux("gee", -3.0, hour=np.arange(24)),
    "static": flux("static", 0.5),
}


def test_a_series_is_the_sum_by_hand(model):
    series = model.timeseries(FLUXES, background=415.0)
    assert series["component"].values.tolist() == ["fuel", "gee", "static"]
    assert series.sizes["receptor"] == 3
    for sim_id in series["receptor"].values:
        total = model.footprints["default"][str(sim_id)].total
        one = series.sel(receptor=sim_id)
        np.testing.assert_allclose(one["enhancement"], total * np.array([2.0, -3.0, 0.5]))
        assert one["total"] == pytest.approx(-0.5 * total)
        assert one["modelled"] == pytest.approx(415 - 0.5 * total)
        assert one["residual"] == pytest.approx(float(one["observed"] - one["modelled"]))
    assert series["observed"].values.tolist() == [419.5, 420.5, 421.0]
    assert np.isnan(series["observed_uncertainty"].values[2])
    assert series["site"].values.tolist() == ["high", "low", "low"]
    assert series["enhancement"].attrs["units"] == "ppm"
    assert (np.diff(series["time"].values) >= np.timedelta64(0, "ns")).all()


def test_whole_numbers_among_labels_stay_whole():
    receptors = [
        stilt.PointReceptor("2023-07-15", 0.0, 0.0, height, labels={"n": n, "some": some})
        for height, n, some in ((1.0, 2**53 - 1, None), (2.0, 2**53, 3))
    ]
    found = receptor_coordinates(receptors)
    assert found["n"][1].tolist() == [2**53 - 1, 2**53]
    assert found["n"][1].dtype == np.int64
    np.testing.assert_array_equal(found["some"][1], [np.nan, 3.0])


def test_units_backgrounds_and_sites(model):
    table = pd.DataFrame({"time": ["2023-07-15", "2023-07-16"], "value": [419.0, 419.0]})
    background = model.background(table, field_units="ppm", units="ppb")
    series = model.timeseries(FLUXES, background=background, units="ppb", site="site")
    assert series["modelled"].dims == ("site", "time")
    low = series.sel(site="low")
    ppm = model.timeseries(FLUXES, background=background, units="ppm", site="site").sel(site="low")
    np.testing.assert_allclose(low["modelled"], 1000 * ppm["modelled"])
    assert ppm["background"].values.tolist() == pytest.approx([419.0, 419.0])
    assert np.isnan(series["total"].sel(site="high").values).sum() == 1
    with pytest.raises(UsageError, match="no label 'tower'"):
        model.timeseries(FLUXES, site="tower")
    with pytest.raises(UsageError, match=r"no value for 2 of 3 .*, or give NaN for those without"):
        model.timeseries(FLUXES, background=background.iloc[:1])
    for some in (background.iloc[:1], background.iloc[:1].assign(units="ppb")):
        reindexed = some.reindex(model.simulations.ids())
        found = model.timeseries(FLUXES, background=reindexed)
        assert found["modelled"].isnull().sum() == 2
    with pytest.raises(UsageError, match="Units of the observations: 'ppx' is no unit of mole"):
        model.timeseries(FLUXES, observed=model.observations.assign(units="ppx"))
    with pytest.raises(UsageError, match="No footprints"):
        model.timeseries(FLUXES, time_range=("2024-01-01", "2024-01-02"))


def test_a_background_keeps_its_own_units(model, tmp_path):
    table = pd.DataFrame({"time": ["2023-07-15", "2023-07-16"], "value": [412.5, 412.5]})
    ppm = model.background(table, field_units="ppm")
    ppb = model.background(table, field_units="ppm", units="ppb")

    def found(given, units):
        return model.timeseries(FLUXES, background=given, units=units)["background"].values

    # The recipe for columns: what is computed from the table is in the table's unit.
    np.testing.assert_allclose(found(0.5 * ppm["weight"] * ppm["background"], "ppb"), 206_250.0)
    np.testing.assert_allclose(found(ppm["weight"] * ppm["background"] + 2.0, "ppb"), 414_500.0)
    np.testing.assert_allclose(found(ppb["background"], "ppm"), 412.5)
    # A series of an earlier time series.
    array = model.timeseries(FLUXES, background=ppm, units="ppb")["background"]
    np.testing.assert_allclose(found(array, "ppm"), 412.5)
    # A file keeps no units beside the table, but a column.
    ppb.to_csv(tmp_path / "background.csv")
    again = pd.read_csv(tmp_path / "background.csv", index_col=0)
    with pytest.raises(UsageError, match=r"has no units, .*assign\(units='ppb'\)"):
        found(again, "ppm")
    mixed = again.assign(units=["ppb", "ppb", "ppm"])
    mixed.loc[mixed["units"] == "ppm", "background"] = 412.5
    np.testing.assert_allclose(found(mixed, "ppm"), 412.5)
    with pytest.raises(UsageError, match="Units of the background: 'ppx' is no unit of mole"):
        found(again.assign(units="ppx"), "ppm")
    with pytest.raises(UsageError, match="background has more than one value for"):
        found(pd.concat([ppm, ppm])["background"], "ppm")


def test_words_among_values_are_named(model):
    index = model.footprints["default"].select().labels
    words = model.observations.astype({"value": object})
    words.loc[words.index[1], "value"] = "NA"
    with pytest.raises(UsageError, match=r"observations' column value holds 'NA' for .* NaN, as"):
        model.timeseries(FLUXES, observed=words)
    background = pd.Series(["412", *["n.d."] * (len(index) - 1)], index=index)
    with pytest.raises(UsageError, match=r"The background holds 'n.d.' for .* which is not a"):
        model.timeseries(FLUXES, background=background)


def test_numbers_that_stand_for_missing_values_are_missing(model):
    index = model.footprints["default"].select().labels
    observed = model.observations.copy()
    observed.iloc[0, observed.columns.get_loc("value")] = -9999.0
    with pytest.warns(
        UserWarning, match="1 of 3 numbers of the observations' column value"
    ) as told:
        found = model.timeseries(FLUXES, observed=observed)
    assert [each.filename for each in told] == [__file__]
    assert found["observed"].isnull().sum() == 1
    background = pd.Series([412.0, 1e20, -999.9], index=index)
    with pytest.warns(UserWarning, match=r"2 of 3 numbers of the background .* such as 1e\+20"):
        found = model.timeseries(FLUXES, background=background)
    assert found["modelled"].isnull().sum() == 2


def test_a_data_set_gives_each_flux_the_bounds_of_its_times(model):
    expected = model.timeseries({"fuel": FLUXES["fuel"] * np.arange(12.0)[:, None, None]})
    starts = FLUXES["fuel"]["time"].values
    ends = starts + np.timedelta64(1, "h")
    field = (FLUXES["fuel"] * np.arange(12.0)[:, None, None]).assign_coords(
        time=("time", ends, {"bounds": "time_bnds"})
    )
    bounds = (("time", "nv"), np.stack([starts, ends], axis=1))
    data = xr.Dataset({"fuel": field.assign_attrs(units="umol m-2 s-1"), "time_bnds": bounds})
    found = model.timeseries(data)
    np.testing.assert_allclose(found["enhancement"], expected["enhancement"], rtol=1e-12)


def test_absurd_units_are_told_of(model):
    index = model.footprints["default"].select().labels
    none = model.observations["value"] * np.nan
    with pytest.warns(UserWarning, match=r"background values have no .* 412500 is more") as told:
        model.timeseries(FLUXES, background=pd.Series(412_500.0, index=index), observed=none)
    with pytest.warns(UserWarning, match="observed values have no units") as more:
        model.timeseries(FLUXES, observed=model.observations["value"] * 1000)
    assert [each.filename for each in (*told, *more)] == [__file__] * 2
    with pytest.warns(UserWarning, match="background is about 412.5 ppb and the measurements are "
                      "about 420500 ppb") as told:  # fmt: skip
        model.timeseries(FLUXES, background=pd.Series(412.5, index=index), units="ppb")
    assert [each.filename for each in told] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for background in (412.5, 0.0, pd.Series(412.5, index=index)):
            model.timeseries(FLUXES, background=background)
        ppb = pd.Series(412_500.0, index=index)
        ppb.attrs["units"] = "ppb"
        series = model.timeseries(FLUXES, background=ppb)
        given = model.observations["value"].where(lambda v: v > 1000, lambda v: 1000 * v)
        given.attrs["units"] = "ppb"
        observed = model.timeseries(FLUXES, observed=given)["observed"]
    np.testing.assert_allclose(series["background"], 412.5)
    assert observed.values.tolist() == [419.5, 420.5, 421.0]


def test_simulations_without_results_are_counted_in_one_sentence(model, tmp_path, caplog):
    copy_of = tmp_path / "case"
    shutil.copytree(model.project, copy_of)
    with (copy_of / "receptors.csv").open("a") as file:
        file.write("2023-07-15 20:00,-111.85,40.77,30,low,420,,ppm\n")
    more = stilt.Model(copy_of)
    more.register_pending()
    table = pd.DataFrame({"time": ["2023-07-15", "2023-07-16"], "value": [412.5, 412.5]})
    for answer, lack in (
        (lambda **chosen: more.timeseries(FLUXES, **chosen)["receptor"], "footprint 'default'"),
        (lambda **chosen: more.uncertainty(FLUXES["static"], **chosen)["receptor"], "particles"),
        (lambda **chosen: more.background(table, field_units="ppm", **chosen), "particles, nor"),
    ):
        caplog.clear()
        assert len(answer()) == 3
        (said,) = [
            r.getMessage() for r in caplog.records if "simulations have no" in r.getMessage()
        ]
        assert said.startswith(f"1 of 4 simulations have no {lack}")
        assert "demo_202307152000_-111.85_40.77_30 for example" in said
        assert "stilt explain" in said
        caplog.clear()
        assert len(answer(location_ids="high")) == 1
        assert "simulations have no" not in caplog.text


def test_what_an_export_leaves_out_is_said(model, tmp_path, caplog):
    copy_of = tmp_path / "case"
    shutil.copytree(model.project, copy_of)
    lacking = stilt.Model(copy_of)
    gone = lacking.footprints["default"].paths()[0]
    gone.unlink()
    assert len(lacking.export(tmp_path / "out", "ct-lagrange")) == 2
    (said,) = [r.getMessage() for r in caplog.records if "are not exported" in r.getMessage()]
    assert said.startswith("1 of 3 simulations have no footprint 'default'")


def test_a_selection_takes_places_by_their_label_too(model):
    low = model.timeseries(FLUXES, location_ids="low")
    assert low["site"].values.tolist() == ["low", "low"]
    by_id = model.timeseries(FLUXES, location_ids={"-111.85_40.77_30"})
    xr.testing.assert_identical(low, by_id)
    assert len(model.simulations.ids(location_ids={"high", "-111.85_40.77_30"})) == 3
    assert model.footprints["default"].missing(location_ids="low") == []
    with pytest.raises(UsageError, match="the place 'roof': known are high, low"):
        model.timeseries(FLUXES, location_ids="roof")
    with pytest.raises(UsageError, match="No receptor is at the place 'hihg': did you mean 'high'"):
        model.simulations.ids(location_ids=["low", "hihg"])
    with pytest.raises(UsageError, match="did you mean 'high'"):
        model.simulations.ids(location_ids="HIGH")
    with pytest.raises(UsageError, match=r"did you mean '-111\.85_40\.77_30'"):
        model.simulations.ids(location_ids="-111.85_40.77_3")
    with pytest.raises(UsageError, match="the place '101': known are high, low"):
        model.simulations.ids(location_ids=101)


def test_of_several_footprints_one_is_named_by_the_argument_that_there_is(model, monkeypatch):
    monkeypatch.setattr(FootprintCollections, "names", lambda self: ["default", "fine"])
    with pytest.raises(UsageError, match="name=: the choices are default, fine"):
        model.timeseries(FLUXES)
    assert model.timeseries(FLUXES, name="default").sizes["receptor"] == 3


def test_what_a_flux_leaves_out_is_said(model):
    half = FLUXES["static"].where(FLUXES["static"]["lon"] > -111.9)
    with pytest.warns(UserWarning, match="'west' covers less than nine tenths"):
        series = model.timeseries({"west": half})
    assert (series["outside_share"] > 0.1).any()


def test_a_dataset_of_sectors_and_a_picture(model, tmp_path):
    pytest.importorskip("matplotlib").use("agg")
    from stilt.plotting import plot_timeseries

    sectors = xr.Dataset({"fuel": FLUXES["static"], "gee": -FLUXES["static"]})
    sectors["gee"].attrs["units"] = "umol m-2 s-1"
    series = model.timeseries(sectors, background=415.0)
    np.testing.assert_allclose(series["total"], 0.0, atol=1e-12)
    figure = plot_timeseries(series, site="low", title="Tower")
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == ["fuel", "gee", "background", "modelled", "observed"]
    figure.savefig(tmp_path / "series.png")


def lines_of(figure) -> dict[str, list[float]]:
    """Values of the labelled lines of the upper axes."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    return {
        label: list(handle.get_ydata())
        for handle, label in zip(handles, labels, strict=True)
        if hasattr(handle, "get_ydata") and label != "observed"
    }


@pytest.fixture
def plot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from stilt.plotting import plot_timeseries

    yield plot_timeseries
    matplotlib.pyplot.close("all")


def test_a_picture_of_several_places_has_a_line_for_each(model, plot):
    series = model.timeseries(FLUXES, background=415.0)
    expected = {
        f"{name}, {height} m": series["modelled"].values[series["site"].values == name].tolist()
        for name, height in (("high", 100), ("low", 30))
    }
    assert lines_of(plot(series)) == expected
    by_site = model.timeseries(FLUXES, background=415.0, site="site")
    drawn = lines_of(plot(by_site))
    assert drawn == {name.partition(",")[0]: line for name, line in expected.items()}
    assert plot(by_site).axes[0].get_ylabel() == "modelled, ppm"
    same_site = series.assign_coords(site=("receptor", ["tower"] * 3))
    assert list(lines_of(plot(same_site, site="tower"))) == ["30 m", "100 m"]


@pytest.mark.parametrize("by", [None, "site", "location"])
def test_a_picture_of_a_site_is_of_it_alone(model, plot, by):
    series = model.timeseries(FLUXES, background=415.0, site=by)
    name = series["site"].values[-1] if by else "low"
    figure = plot(series, site=str(name))
    assert len(lines_of(figure)["modelled"]) == (1 if "100" in str(name) else 2)
    assert len(figure.axes) == 2
    with pytest.raises(UsageError, match=r"no site 'nowhere': there are .*(high, low|-111\.85)"):
        plot(series, site="nowhere")


def test_something_that_moves_is_one_line(model, plot):
    one = model.timeseries(FLUXES, background=415.0).isel(receptor=[0] * 20)
    moving = one.assign_coords(
        time=("receptor", pd.date_range("2023-07-15", periods=20, freq="min")),
        location=("receptor", [f"at{number}" for number in range(20)]),
    )
    assert len(lines_of(plot(moving))["modelled"]) == 20


def repeated(model, times, location=None):
    """A series of one receptor at other times."""
    one = model.timeseries(FLUXES, background=415.0).isel(receptor=[0] * len(times))
    places = location or ["here"] * len(times)
    return one.assign_coords(time=("receptor", times), location=("receptor", places))


def test_nothing_is_drawn_across_nights(model, plot):
    afternoons = [
        day + pd.Timedelta(hours=hour)
        for day in pd.date_range("2023-07-15", periods=3)
        for hour in (18, 19, 20)
    ]
    alone = pd.Timestamp("2023-07-19 19:00")
    series = repeated(model, pd.DatetimeIndex([*afternoons, alone]))
    figure = plot(series)
    line = np.array(lines_of(figure)["modelled"])
    assert np.flatnonzero(np.isnan(line)).tolist() == [3, 7, 11]
    assert np.isfinite(line).sum() == 10
    filled = next(one for one in figure.axes[0].collections if one.get_label() == "static")
    # Three afternoons, and an hour that has no width.
    assert len(filled.get_paths()) == 4
    modelled = next(one for one in figure.axes[0].lines if one.get_label() == "modelled")
    assert modelled.get_markevery() == [12]
    both = [*afternoons, *(each + pd.Timedelta("1min") for each in afternoons)]
    names = ["here"] * 9 + ["there"] * 9
    two = repeated(model, pd.DatetimeIndex(both), names)
    two = two.assign_coords(altitude=("receptor", [30.0] * 9 + [60.0] * 9))
    for values in lines_of(plot(two)).values():
        assert np.flatnonzero(np.isnan(values)).tolist() == [3, 7]


def test_the_legend_says_what_the_dots_of_many_soundings_are(model, plot):
    times = pd.DatetimeIndex(["2023-07-15 20:00"] * 20)
    series = repeated(model, times, [f"at{number}" for number in range(20)])
    series = series.assign_coords(longitude=("receptor", np.linspace(-112.0, -111.0, 20)))
    labels = plot(series).axes[0].get_legend_handles_labels()[1]
    assert labels == ["modelled", "observed"]


def test_two_measurements_of_a_site_at_one_time_are_told_apart_by_location(model):
    series = model.timeseries(FLUXES)
    same = series.assign_coords(site=("receptor", ["tower"] * 3))
    with pytest.raises(UsageError, match=r"'tower' at 2023-07-15 18:37.*30 m, 100 m.*'location'"):
        by_site(same, "site")
    assert by_site(same, "location").sizes == {"site": 2, "time": 2, "component": 3}


def test_observations_of_a_user_are_used_or_refused(model):
    first = str(model.receptors[0].id)
    series = model.timeseries(FLUXES, observed=pd.Series([419.0], index=[first]))
    assert series["observed"].dropna("receptor")["receptor"].values.tolist() == [f"demo_{first}"]
    assert float(series["observed"].sum()) == 419.0
    ppb = model.timeseries(FLUXES, observed=pd.Series([1900.0], index=[first]), units="ppb")
    assert float(ppb["observed"].sum()) == 1900.0
    for given in ([1.0, 2.0, 3.0], np.ones(3), list(range(3))):
        with pytest.raises(UsageError, match=f"Series of values by receptor id .*{first}|example"):
            model.timeseries(FLUXES, observed=given)
    with pytest.raises(UsageError, match="None of the 3 rows of observed= is of a receptor"):
        model.timeseries(FLUXES, observed=pd.Series([1.0, 2.0, 3.0]))
    with pytest.raises(UsageError, match=r"no column 'value'.*it has co2"):
        model.timeseries(FLUXES, observed=pd.DataFrame({"co2": [1.0]}, index=[first]))


def test_what_is_no_flux_or_no_background_is_one_sentence(model):
    with pytest.raises(UsageError, match="not a str; a file is opened with"):
        model.timeseries("flux.nc")
    with pytest.raises(UsageError, match=r"'a': .*not a str; a file is opened with"):
        model.timeseries({"a": "flux.nc"})
    for given in (FLUXES["static"], "bg.nc", [1.0], pd.DataFrame({"value": [1.0]})):
        with pytest.raises(UsageError, match=r"for a field .* background=model\.background\("):
            model.timeseries(FLUXES, background=given)


@pytest.fixture
def copy_of(model, tmp_path):
    root = tmp_path / "case"
    shutil.copytree(model.project, root)
    return root


def test_measurements_without_units_are_refused(copy_of):
    table = TOWER.replace(",ppm", ",").replace(",ppb", ",")
    (copy_of / "receptors.csv").write_text(table)
    model = stilt.Model(copy_of)
    with pytest.raises(UsageError, match=r"has no units.*assign\(units="):
        model.timeseries(FLUXES)
    said = model.timeseries(FLUXES, observed=model.observations.assign(units="ppb"))
    np.testing.assert_allclose(sorted(said["observed"].values), [0.4195, 0.4205, 421.0])


def test_kernels_that_no_footprint_uses_are_told_of(copy_of):
    model = stilt.Model(copy_of)
    ids = [str(each.id) for each in model.receptors]
    kernels = pd.DataFrame({"receptor": ids, "pressure_hpa": 800.0, "kernel": 1.0})
    table = pd.DataFrame({"receptor": ids, "value": 420.0, "units": "ppm"})
    model.files.observations.write("tccon", table, kernels)
    with pytest.warns(UserWarning, match=r"(?s)'default' is not weighted.*observations/tccon-kern"):
        model.timeseries(FLUXES)
    weighted = model.config.with_changes(
        footprints={
            "default": {
                "grid": GRID,
                "transforms": [
                    {"kind": "averaging_kernel", "table": "observations/tccon-kernels.parquet"}
                ],
            }
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stilt.Model(copy_of, config=weighted).timeseries(FLUXES)


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_a_background_of_a_part_of_the_column_is_told_of(model, weight):
    labels = model.timeseries(FLUXES)["receptor"].values
    table = pd.DataFrame({"background": 415.0, "weight": weight}, index=labels)
    table.attrs["units"] = "ppm"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.timeseries(FLUXES, background=table)
        model.timeseries(FLUXES, background=table["weight"] * table["background"] + 290.0)
    assert [str(each.message).count("30% of demo_") for each in said] == [1] * (weight < 1.0)
    assert all(each.filename == __file__ for each in said)

"""Backgrounds of a run, with particles on disk and with their ends alone."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import stilt
from stilt.answers.ends import transforms_of
from stilt.errors import FootprintError, UsageError

GRID = {"xmin": -113, "xmax": -111, "ymin": 40, "ymax": 41.5, "xres": 0.1, "yres": 0.1}


def field() -> xr.DataArray:
    times = pd.date_range("2023-07-15", periods=9, freq="3h")
    pressure, lat, lon = np.arange(100.0, 1001, 100), np.arange(35.0, 46), np.arange(-118.0, -105)
    t, p, y, x = np.meshgrid(np.arange(9.0), pressure, lat, lon, indexing="ij")
    return xr.DataArray(
        1.9e-6 + 1e-9 * (x + 111) + 2e-9 * (y - 40) + 1e-10 * (p - 800) + 3e-9 * t,
        dims=("time", "pressure", "lat", "lon"),
        coords={"time": times, "pressure": ("pressure", pressure, {"units": "hPa"}),
                "lat": lat, "lon": lon},
        attrs={"units": "mol mol-1"}, name="ch4",
    )  # fmt: skip


def run(root, weather, **changes):
    met = {"directory": str(weather), "file_format": "%Y%m%d_%H", "file_tres": "6h"}
    receptors = [
        stilt.PointReceptor("2023-07-15 18:00", -111.85, 40.77, 30.0),
        stilt.ColumnReceptor("2023-07-15 19:00", -111.85, 40.77, 0.0, 2000.0),
    ]
    config = stilt.ModelConfig(
        mets={"demo": met}, footprints={"default": {"grid": GRID}}, n_hours=-2, numpar=30, seed=1,
        **changes,
    )  # fmt: skip
    model = stilt.Model(root, receptors=receptors, config=config)
    stilt.push_simulations(model, model.register_pending())
    return model


@pytest.fixture(scope="module")
def model(tmp_path_factory, weather):
    return run(tmp_path_factory.mktemp("kept") / "case", weather)


def test_the_background_of_a_linear_field_is_that_at_the_mean_end(model):
    found = model.background(field(), units="ppb")
    ends = model.ends()
    for sim_id, row in found.iterrows():
        mine = ends.loc[sim_id]
        hours = (mine["datetime"] - pd.Timestamp("2023-07-15")) / pd.Timedelta("1h")
        by_hand = (
            1900 + (mine["long"] + 111) + 2 * (mine["lati"] - 40) + 0.1 * (mine["pres"] - 800)
            + 3 * hours / 3
        )  # fmt: skip
        assert row["background"] == pytest.approx(by_hand.mean(), abs=1e-6)
        assert row["background_std"] == pytest.approx(by_hand.std(ddof=0), rel=1e-6)
    np.testing.assert_allclose(found["age_h"], 2.0)
    assert found["left"].tolist() == [0.0, 0.0]
    assert found["time"].tolist() == [each.time for each in model.receptors]
    assert found.attrs["units"] == "ppb"


def test_a_background_of_more_than_all_air_is_refused(model):
    with pytest.raises(UsageError, match=r"is 412 1, which is more than 1 mol mol-1.*field_units="):
        model.background((field() * 0 + 412.0).assign_attrs(units="1"))


def test_ends_are_kept_where_particles_are_not(model, tmp_path, weather):
    without = run(tmp_path / "case", weather, trajectories=False)
    assert without.trajectories.paths() == []
    pd.testing.assert_frame_equal(without.background(field()), model.background(field()))
    sim_id = without.trajectories.registered({})[0]
    size = without.files.layout.ends(sim_id).stat().st_size
    assert size < 20_000


def test_without_either_it_says_what_to_do(tmp_path, weather):
    neither = run(tmp_path / "case", weather, trajectories=False, ends=False)
    with pytest.raises(UsageError, match="set trajectories or ends"):
        neither.background(field())


def test_footprints_that_weight_differently_must_be_named(model):
    two = model.config.with_changes(
        footprints={
            "a": {"grid": GRID},
            "b": {"grid": GRID, "transforms": [{"kind": "pressure_weighting"}]},
        }
    )
    again = stilt.Model(model.project, config=two)
    with pytest.raises(UsageError, match="weights="):
        again.background(field())
    plain, weighted = (again.background(field(), weights=name) for name in "ab")
    assert plain["weight"].tolist() == [1.0, 1.0]
    assert weighted["weight"].iloc[1] == pytest.approx(0.21, abs=0.02)
    # A column's particles count with their air: more of the lower ones.
    assert weighted["background"].iloc[1] > plain["background"].iloc[1]


def test_a_selection_and_a_curtain(model):
    table = pd.DataFrame({"time": ["2023-07-15", "2023-07-16"], "value": [1900.0, 1924.0]})
    found = model.background(
        table, field_units="ppb", time_range=("2023-07-15 19:00", "2023-07-16")
    )
    assert len(found) == 1
    assert found["background"].iloc[0] == pytest.approx(1.917)


def test_ends_on_a_map(model, tmp_path):
    pytest.importorskip("matplotlib").use("agg")
    from stilt.plotting import map_ends

    ends = model.ends()
    ax = map_ends(ends, model.receptors, outlines=False)
    assert ax.collections[0].get_offsets().shape == (60, 2)
    # All have the same age, which would be one colour.
    np.testing.assert_allclose(ax.collections[0].get_array(), ends["zagl"])
    aged = ends.assign(age_h=np.linspace(1.0, 2.0, len(ends)))
    ax = map_ends(aged, outlines=False)
    np.testing.assert_allclose(ax.collections[0].get_array(), aged["age_h"])
    with pytest.raises(UsageError, match="no column 'co2'"):
        map_ends(ends, color_by="co2")


def test_outputs_in_a_store_answer_alike(model, tmp_path, weather):
    flux = field().isel(time=0, pressure=0, drop=True) * 0 + 1.0
    flux.attrs["units"] = "umol m-2 s-1"
    expected = model.timeseries(flux, background=model.background(field()), molar_mass_g=16.0)
    for keeps in (True, False):
        stored = run(
            tmp_path / f"case{keeps}", weather, trajectories=keeps, output={"layout": "store"}
        )
        found = stored.timeseries(flux, background=stored.background(field()))
        np.testing.assert_allclose(found["modelled"], expected["modelled"], rtol=1e-6)


def test_a_curtain_needs_units(model):
    table = pd.DataFrame({"time": ["2023-07-15", "2023-07-16"], "value": [1900.0, 1900.0]})
    with pytest.raises(UsageError, match="curtain has no units: say field_units="):
        model.background(table)
    found = model.background(table, field_units="ppb")
    np.testing.assert_allclose(found["background"], 1.9)


def test_values_beyond_a_field_s_times_are_told_of_once(model):
    table = pd.DataFrame({"time": ["2023-06-01", "2023-07-10"], "value": [410.0, 412.0]})
    with pytest.warns(UserWarning, match="outside the field") as told:
        found = model.background(table, field_units="ppm")
    np.testing.assert_allclose(found["background"], 412.0)
    assert [each.filename for each in told] == [__file__]


def test_simulations_without_a_kernel_are_left_out_and_counted(model, monkeypatch, caplog):
    """As in the time series: their footprints could not be made either."""
    everything = model.background(field())
    first, second = everything.index

    def of(owner, settings, receptor):
        if str(receptor.id) in first:
            raise FootprintError(f"table.nc has no kernel of {receptor.id}")
        return transforms_of(owner, settings, receptor)

    monkeypatch.setattr("stilt.answers.background.transforms_of", of)
    caplog.clear()
    pd.testing.assert_frame_equal(model.background(field()), everything.loc[[second]])
    (said,) = caplog.messages
    assert said.startswith(f"1 of 2 simulations have no kernel for the transforms, {first} for")
    with pytest.raises(FootprintError, match="has no kernel of"):
        model.background(field(), time_range=(model.receptors[0].time,) * 2)

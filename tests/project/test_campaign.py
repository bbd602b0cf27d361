"""A campaign as one lazy xarray object, the same from files and from the store."""

import numpy as np
import pandas as pd
import pytest
import stilt_fakes as fakes
import xarray as xr
from inline_backend import Inline

import stilt
from stilt.errors import UsageError, WeatherWarning
from stilt.execution import run_batch
from stilt.project import campaign_footprints, campaign_particles

LAYOUTS = {"files": {}, "store": {"output": {"layout": "store"}}}


@pytest.fixture(params=list(LAYOUTS))
def campaign(request, tmp_path, faked):
    """Five receptors, one of them empty, with labels."""
    receptors = [
        one.with_labels({"site": f"s{number % 2}", "n": number})
        for number, one in enumerate(fakes.receptors(5))
    ]
    config = fakes.config(**LAYOUTS[request.param])
    model = stilt.Model(tmp_path / "case", receptors=receptors, config=config)
    ids = model.register_pending(scene_id="one")
    fakes.wish(faked, "empty", ids[3])
    run_batch(str(model.output_root), ids)
    model.index.fold()
    return model


@pytest.fixture
def reads(monkeypatch):
    """Which receptors are read, in order."""
    seen = []
    for kind in (campaign_footprints.FootprintReader, campaign_particles.ParticleReader):
        real = kind.cells

        def counted(self, number, real=real):
            seen.append(number)
            return real(self, number)

        monkeypatch.setattr(kind, "cells", counted)
    return seen


def test_nothing_is_read_before_it_is_asked_for(campaign, reads):
    foot = campaign.footprints["default"].open()
    particles = campaign.trajectories.open()
    assert foot.dims == ("receptor", "hours_back", "lat", "lon")
    assert foot.shape == (5, 2, 6, 6)
    assert foot.nbytes > 0
    repr(foot), repr(particles)
    assert reads == []
    ids = campaign.simulations.keys()
    foot.sel(receptor=ids[2]).load()
    assert 2 in reads


def test_it_holds_every_footprint_in_its_place(campaign):
    foot = campaign.footprints["default"].open()
    assert foot["receptor"].values.tolist() == campaign.simulations.keys()
    assert foot["hours_back"].values.tolist() == [1, 2]
    for one in campaign.footprints["default"].load():
        mine = foot.sel(receptor=f"fake_{one.receptor.id}")
        for stamp in one.data["time"].values:
            hours = int((one.receptor.time.to_datetime64() - stamp) / np.timedelta64(1, "h"))
            if one.is_empty:
                continue
            expected = one.data.sel(time=stamp).values
            np.testing.assert_array_equal(mine.sel(hours_back=hours).values, expected)
        assert float(mine.sum()) == pytest.approx(one.total, rel=1e-6)
        assert mine.dtype == foot.dtype


def test_it_selects_sums_and_draws_like_any_array(campaign):
    foot = campaign.footprints["default"].open()
    whole = foot.load().copy()
    lazily = campaign.footprints["default"].open()
    part = lazily.isel(receptor=[4, 0, 0], lat=slice(None, None, -1), lon=[3, 1], hours_back=1)
    np.testing.assert_array_equal(part.values, whole.values[[4, 0, 0], 1][:, ::-1][:, :, [3, 1]])
    mean = lazily.mean("receptor").sum("hours_back")
    xr.testing.assert_allclose(
        mean.drop_vars("crs"), campaign.footprints["default"].mean().drop_vars("crs"), rtol=1e-6
    )
    assert lazily.sel(lat=40.8, lon=-112.0, method="nearest").shape == (5, 2)
    assert lazily[0, 0].plot() is not None


def test_receptors_have_coordinates_of_time_place_scene_and_labels(campaign):
    foot = campaign.footprints["default"].open()
    assert foot["site"].values.tolist() == ["s0", "s1", "s0", "s1", "s0"]
    assert foot["n"].values.tolist() == [0, 1, 2, 3, 4]
    assert set(foot["scene_id"].values) == {"one"}
    assert foot["receptor_longitude"].values.tolist() == [-111.85] * 5
    assert foot["receptor_altitude"].attrs["units"] == "m"
    assert foot.attrs["units"] == "ppm m2 s umol-1"
    assert foot["crs"].attrs["grid_mapping_name"] == "latitude_longitude"
    late = foot.where(foot["receptor_time"] > np.datetime64("2023-01-01T00:15"), drop=True)
    assert late.sizes["receptor"] == 3
    assert foot.groupby("site").mean().sizes["site"] == 2


def test_along_time_hours_stand_where_they_begin(campaign):
    foot = campaign.footprints["default"].open(along="time")
    stamps = pd.DatetimeIndex(foot["time"].values)
    assert stamps.equals(pd.date_range(stamps[0], stamps[-1], freq="h"))
    for one in campaign.footprints["default"].load():
        mine = foot.sel(receptor=f"fake_{one.receptor.id}").sum(("lat", "lon")).to_series()
        expected = one.data.sum(("lat", "lon")).to_series()
        expected.index = expected.index.floor("h")
        np.testing.assert_allclose(mine[mine > 0], expected[expected > 0], rtol=1e-6)
    with pytest.raises(UsageError, match="along is"):
        campaign.footprints["default"].open(along="date")


def test_a_selection_opens_and_an_empty_one_says_so(campaign):
    part = campaign.footprints["default"].open(time_range=("2023-01-01 00:10", "2023-01-01 00:20"))
    assert part.sizes["receptor"] == 2
    assert campaign.footprints["default"].open(state="complete").sizes["receptor"] == 5
    with pytest.raises(UsageError, match="None of the 5 results"):
        campaign.footprints["default"].open(time_range=("2024-01-01", "2024-01-02"))
    with pytest.raises(UsageError, match="Unknown scene 'another': known are one"):
        campaign.footprints["default"].open(scene_id="another")


def test_particles_are_variables_by_particle_and_minute(campaign):
    opened = campaign.trajectories.open()
    assert opened["zagl"].dims == ("receptor", "particle", "minutes_back")
    for one in campaign.trajectories.load():
        mine = opened.sel(receptor=f"fake_{one.receptor.id}")
        rows = one.particles
        at = {
            "particle": xr.DataArray(rows["indx"].to_numpy(), dims="row"),
            "minutes_back": xr.DataArray(-rows["time"].to_numpy(), dims="row"),
        }
        for name in ("long", "zagl", "foot"):
            found = mine[name].sel(at).values
            np.testing.assert_array_equal(found, rows[name].to_numpy().astype(np.float32))
        assert int(mine["zagl"].notnull().sum()) == len(rows)


def test_outputs_of_another_configuration_are_left_out(campaign, caplog):
    grid = {**fakes.GRID, "xres": 1.0}
    config = fakes.config(
        footprints={"default": {"grid": grid}}, output=campaign.config.output.model_dump()
    )
    changed = stilt.Model(campaign.project, receptors=campaign.receptors, config=config)
    run_batch(str(changed.output_root), changed.register_pending()[:2])
    changed.index.fold()
    foot = changed.footprints["default"].open()
    assert foot.sizes["receptor"] == 2
    assert foot.sizes["lon"] == 3
    assert "3 of 5 outputs are left out" in caplog.text
    assert float(foot.sum()) > 0


def test_forward_runs_count_hours_after(make_model):
    model = make_model(2, n_hours=2, **LAYOUTS["store"])
    with pytest.warns(WeatherWarning, match="followed forward in time"):
        model.run(executor=Inline())
    foot = model.footprints["default"].open()
    assert foot["hours_after"].values.tolist() == [0, 1, 2]
    for one in model.footprints["default"].load():
        total = float(foot.sel(receptor=f"fake_{one.receptor.id}").sum())
        assert total == pytest.approx(one.total, rel=1e-6)
    assert "minutes_after" in model.trajectories.open().dims


def test_without_dask_it_is_lazy_all_the_same(campaign, monkeypatch, reads):
    from stilt.project import campaign as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    foot = campaign.footprints["default"].open()
    assert foot.chunks is None
    assert reads == []
    foot.isel(receptor=slice(1, 3)).load()
    assert reads == [1, 2]


def test_hours_added_up_are_one_layer(make_model):
    summed = {"default": {"grid": fakes.GRID, "time_integrate": True}}
    model = make_model(2, footprints=summed, **LAYOUTS["store"])
    model.run(executor=Inline())
    foot = model.footprints["default"].open()
    assert foot["hours_back"].values.tolist() == [0]
    for number, one in enumerate(model.footprints["default"].load()):
        np.testing.assert_array_equal(foot[number, 0].values, one.data[0].values)

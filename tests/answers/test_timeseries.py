"""Time series of a project: components, background, observations."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import stilt
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
    assert (np.diff(series["time"].values) >= np.timedelta64(0)).all()


def test_units_backgrounds_and_sites(model):
    table = pd.DataFrame({"time": ["2023-07-15", "2023-07-16"], "value": [1.9, 1.9]})
    background = model.background(table, field_units="ppm", units="ppb")
    series = model.timeseries(FLUXES, background=background, units="ppb", site="site")
    assert series["modelled"].dims == ("site", "time")
    low = series.sel(site="low")
    ppm = model.timeseries(FLUXES, background=background, units="ppm", site="site").sel(site="low")
    np.testing.assert_allclose(low["modelled"], 1000 * ppm["modelled"])
    assert ppm["background"].values.tolist() == pytest.approx([1.9, 1.9])
    assert np.isnan(series["total"].sel(site="high").values).sum() == 1
    with pytest.raises(UsageError, match="no label 'tower'"):
        model.timeseries(FLUXES, site="tower")
    with pytest.raises(UsageError, match="no value for 2 of 3"):
        model.timeseries(FLUXES, background=background.iloc[:1])
    with pytest.raises(UsageError, match="Units of the observations: 'ppx' cannot be turned"):
        model.timeseries(FLUXES, observed=model.observations.assign(units="ppx"))
    with pytest.raises(UsageError, match="No footprints"):
        model.timeseries(FLUXES, time_range=("2024-01-01", "2024-01-02"))


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
    figure = plot_timeseries(series, title="Tower")
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == ["fuel", "gee", "background", "modelled", "observed"]
    figure.savefig(tmp_path / "series.png")
    by_site = model.timeseries(sectors, background=415.0, site="site")
    with pytest.raises(UsageError, match="there are high, low"):
        plot_timeseries(by_site)
    assert len(plot_timeseries(by_site, "low").axes) == 2

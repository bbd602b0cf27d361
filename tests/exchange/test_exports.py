"""Footprints in the layouts of OpenGHG and CarbonTracker-Lagrange."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.demo import write_demo_weather
from stilt.errors import UsageError
from stilt.exchange import openghg
from stilt.exchange.boundary import leaving
from stilt.exchange.releases import ReleaseRecord, weather_at_release

GRID = {"xmin": -113, "xmax": -111, "ymin": 40, "ymax": 41.6, "xres": 0.1, "yres": 0.1}


@pytest.fixture(scope="module")
def model(tmp_path_factory, weather):
    met = {"directory": str(weather), "file_format": "%Y%m%d_%H", "file_tres": "6h"}
    config = stilt.ModelConfig(
        mets={"demo": met}, footprints={"default": {"grid": GRID}}, n_hours=-6, numpar=50, seed=1
    )
    receptors = [
        stilt.PointReceptor(time, -111.85, 40.77, 30.0)
        for time in ("2023-07-15 18:00", "2023-07-15 19:00")
    ]
    root = tmp_path_factory.mktemp("export") / "case"
    model = stilt.Model(root, receptors=receptors, config=config)
    model.store_inputs()
    stilt.push_simulations(model, model.register_pending())
    return model


def test_openghg_files_hold_footprint_boundary_and_weather(model, tmp_path):
    (path,) = model.export(tmp_path, "openghg", site="WBB", domain="TEST", species="ch4")
    assert path.name == "WBB-30magl_STILT_demo_TEST_ch4_202307.nc"
    found = xr.open_dataset(path, decode_timedelta=False)
    assert found["srr"].dims == ("time", "latitude", "longitude")
    assert found["srr"].attrs["units"] == "(mol/mol)/(mol/m2/s)"
    assert found["srr"].attrs["loss_lifetime_hrs"] == "-9.0"
    for at, footprint in enumerate(model.footprints["default"].load()):
        np.testing.assert_allclose(
            found["srr"][at], footprint.data.sum("time"), rtol=1e-6, atol=1e-12
        )
    along = {"n": "longitude", "s": "longitude", "e": "latitude", "w": "latitude"}
    sides = sum(found[f"particle_locations_{side}"].sum(["height", along[side]]) for side in "nesw")
    np.testing.assert_allclose(sides, 1.0, rtol=1e-6)
    ages = found["mean_age_particles_w"].values
    assert 0 < ages.max() <= 6
    assert found["time"].attrs["label"] == "left"
    assert found["time"].attrs["period"] == "1 hour"
    assert found["release_height"].values.tolist() == [30.0, 30.0]
    # As the weather has them at the release, to what a minute of turbulence makes of them.
    assert found["air_pressure"].values == pytest.approx([85500, 85500], abs=1500)
    assert (found["wind_speed"] > 0.5).all()
    assert found.attrs["species"] == "ch4"
    assert found.attrs["domain"] == "TEST"


def test_co2_has_hours_back_and_the_rest(model, tmp_path):
    (path,) = model.export(tmp_path, "paris", site="WBB", domain="TEST", species="co2")
    found = xr.open_dataset(path, decode_timedelta=False)
    hours, rest = found["srr_time_resolved"], found["srr_residual"]
    assert hours.sizes["resolution"] == 24
    np.testing.assert_allclose(hours.sum("resolution") + rest, found["srr"], rtol=1e-5, atol=1e-9)
    first = model.footprints["default"].load()[0].data
    assert first["time"].values[-1] == np.datetime64("2023-07-15T17:00")
    # As many hours back as its hour begins before the measurement.
    np.testing.assert_allclose(hours[0, :, :, 1], first.isel(time=-1), rtol=1e-6)
    assert not hours[..., 0].any()


def test_carbontracker_lagrange_files(model, tmp_path):
    written = model.export(tmp_path, "ct-lagrange")
    assert written[0].name == "stilt2023x07x15x18x00x40.7700Nx111.8500Wx00030.nc"
    footprint = model.footprints["default"].load()[0]
    ends = model.ends().loc[model.trajectories.keys()[0]]
    with netCDF4.Dataset(written[0]) as file:
        np.testing.assert_allclose(file["foot1"][:], footprint.data, rtol=1e-6)
        days = file["foot1date"][:]
        start = pd.Timestamp("2000-01-01") + pd.Timedelta(days=float(days[0]))
        assert start.round("s") == pd.Timestamp(footprint.data["time"].values[0])
        names = [b"".join(row.compressed()).decode().strip("\0") for row in file["endptsnames"][:]]
        assert names == ["time", "index", "lat", "lon", "agl"]
        np.testing.assert_allclose(file["endpts"][:, 3], ends["long"], rtol=1e-6)
        np.testing.assert_allclose(file["endpts"][:, 0], -60 * ends["age_h"], rtol=1e-5)


def test_the_verb_and_its_mistakes(model, tmp_path):
    def run(*arguments):
        return CliRunner().invoke(cli, ["export", str(model.project), str(tmp_path), *arguments])

    told = run("--format", "openghg", "--site", "WBB", "--domain", "TEST", "--json")
    assert told.exit_code == 0, told.output
    assert len(json.loads(told.output)["result"]["files"]) == 1
    assert "site and a domain" in run("--format", "openghg").output
    assert "2 file(s)" in run("--format", "ct-lagrange").output
    with pytest.raises(UsageError, match="cannot be part"):
        model.export(tmp_path, "openghg", site="a/b", domain="TEST")
    with pytest.raises(UsageError, match="Unknown format"):
        model.export(tmp_path, "grib")


def test_a_file_is_of_one_meteorology_and_of_one_receptor(model, tmp_path):
    settings = model.config.model_dump() | {"realizations": 2}
    twice = stilt.Model(
        tmp_path / "case", receptors=list(model.receptors), config=stilt.ModelConfig(**settings)
    )
    with pytest.raises(UsageError, match=r"choose with --met .* one of demo, demor1"):
        twice.export(tmp_path, "ct-lagrange")
    columns = [
        stilt.ColumnReceptor("2023-07-15 18:00", -111.85, 40.77, bottom, 300.0 - bottom)
        for bottom in (0.0, 100.0)
    ]
    config = model.config.model_copy(update={"n_hours": -1})
    stacked = stilt.Model(tmp_path / "stacked", receptors=columns, config=config)
    stilt.push_simulations(stacked, stacked.register_pending())
    with pytest.raises(UsageError, match=r"have one file, stilt2023x07x15x18x00x.*choose one"):
        stacked.export(tmp_path / "out", "ct-lagrange")


def test_files_for_openghg_are_of_one_site_and_a_moving_platform_is_one(tmp_path, monkeypatch):
    from stilt.exchange import openghg

    nothing = xr.Dataset(coords={"time": ("time", np.array([], "datetime64[ns]"))})
    nothing.attrs["source"] = "stilt of a test"
    monkeypatch.setattr(openghg, "to_dataset", lambda *_: nothing)

    def records(*places, hours=(12, 12), **labels):
        return [
            SimpleNamespace(
                place=place,
                height_m=10.0,
                receptor=stilt.PointReceptor(f"2023-07-15 {hour}:00", *place, 10.0).with_labels(
                    {name: each[at] for name, each in labels.items() if each[at]}
                ),
            )
            for at, (place, hour) in enumerate(zip(places, hours, strict=True))
        ]

    names = openghg.ExportNames("WBB", "TEST", "ch4", "demo")
    here, there = (-112.0, 40.0), (-111.0, 41.0)
    told = r"2 places, such as -112, 40 .*--location"
    with pytest.raises(UsageError, match=told):
        openghg.write(records(here, there, here, there, hours=(1, 2, 3, 4)), names, tmp_path)
    # Nothing that moves is at two places at one time.
    with pytest.raises(UsageError, match=told):
        openghg.write(records(here, there), names, tmp_path)
    moving = {"hours": (12, 13)}
    assert len(openghg.write(records(here, there, **moving), names, tmp_path)) == 1
    with pytest.raises(UsageError, match=r"labels site RUR, WBB: export each on its own"):
        openghg.write(records(here, there, site=("WBB", "RUR"), **moving), names, tmp_path)
    for site in (("SHIP", "SHIP"), ("SHIP", "")):
        assert openghg.write(records(here, there, site=site, **moving), names, tmp_path)


@pytest.fixture(scope="module")
def two_sites(model, tmp_path_factory):
    """One receptor at WBB, off the hour, and one at RUR, computed."""
    config = model.config.model_copy(update={"n_hours": -1})
    receptors = [
        stilt.PointReceptor("2023-07-15 14:23", -111.85, 40.77, 30.0, labels={"site": "WBB"}),
        stilt.PointReceptor("2023-07-15 15:00", -112.6, 40.2, 10.0, labels={"site": "RUR"}),
    ]
    root = tmp_path_factory.mktemp("sites") / "case"
    found = stilt.Model(root, receptors=receptors, config=config)
    found.store_inputs()
    stilt.push_simulations(found, found.register_pending())
    return found


def test_a_site_is_chosen_by_its_label(two_sites, tmp_path):
    def files(**chosen):
        return [path.name for path in two_sites.export(tmp_path, "openghg", domain="T", **chosen)]

    assert files(site="WBB") == ["WBB-30magl_STILT_demo_T_inert_202307.nc"]
    assert files(site="RUR") == ["RUR-10magl_STILT_demo_T_inert_202307.nc"]
    # Places that are chosen may be given another name.
    assert files(site="UOU", location_ids="WBB") == ["UOU-30magl_STILT_demo_T_inert_202307.nc"]
    with pytest.raises(UsageError, match=r"label site 'UOU', but RUR, WBB: give one of these"):
        files(site="UOU")
    with pytest.raises(UsageError, match=r"labels site RUR, WBB: export each"):
        files(site="WBB", location_ids=["WBB", "RUR"])


def test_co2_at_several_minutes_of_the_hour_is_warned_of(model, two_sites, tmp_path, caplog):
    two_sites.export(tmp_path, "openghg", site="WBB", domain="T", species="co2")
    times = ["2023-07-15 14:00", "2023-07-15 15:00", "2023-07-15 16:23"]
    receptors = [stilt.PointReceptor(time, -111.85, 40.77, 30.0) for time in times]
    config = model.config.model_copy(update={"n_hours": -1})
    uneven = stilt.Model(tmp_path / "uneven", receptors=receptors, config=config)
    stilt.push_simulations(uneven, uneven.register_pending())
    uneven.export(tmp_path, "openghg", site="WBB", domain="T", species="ch4")
    assert not caplog.messages
    uneven.export(tmp_path, "openghg", site="WBB", domain="T", species="co2")
    (said,) = caplog.messages
    assert said.startswith("Receptors lie at 2 different minutes of the hour: OpenGHG aligns")


def test_soundings_of_one_second_are_refused_with_what_can_be_done(model, tmp_path):
    columns = [
        stilt.ColumnReceptor("2023-07-15 18:00:07", longitude, 40.77, 0.0, 300.0)
        for longitude in (-111.85, -111.8)
    ]
    config = model.config.model_copy(update={"n_hours": -1})
    scene = stilt.Model(tmp_path / "scene", receptors=columns, config=config)
    stilt.push_simulations(scene, scene.register_pending())
    with pytest.raises(UsageError) as told:
        scene.export(tmp_path, "openghg", site="TROPOMI", domain="T")
    assert "1 of 2 footprints of one inlet have the time of another, such as 20230715" in str(
        told.value
    )
    assert "--location (location_ids= in Python), or thin soundings" in str(told.value)
    one = scene.receptors[0].location_id
    (path,) = scene.export(tmp_path, "openghg", site="S5P", domain="T", location_ids=one)
    assert path.name == "S5P-column_STILT_demo_T_inert_202307.nc"
    assert scene.footprints["default"].export(tmp_path / "all.nc") == 2


def test_wind_at_the_release_comes_from_where_particles_went_by_hand():
    """A minute before the release the air was 600 m to the west and 600 m to the south."""
    receptor = stilt.PointReceptor("2023-07-15 18:00", -111.0, 60.0, 30.0)
    degree_per_m = 180.0 / np.pi / 6_371_000.0
    rows = pd.DataFrame(
        {
            "time": -1.0, "indx": [1, 2], "zagl": [20.0, 40.0], "pres": [900.0, 896.0],
            "long": -111.0 - np.array([500.0, 700.0]) * degree_per_m / 0.5,
            "lati": 60.0 - np.array([700.0, 500.0]) * degree_per_m,
            "temp": [280.0, 282.0], "mlht": [500.0, 700.0],
        }
    )  # fmt: skip
    found = weather_at_release(rows, receptor)
    assert found["wind_speed"] == pytest.approx(10 * np.sqrt(2))
    assert found["wind_from_direction"] == pytest.approx(225.0)
    assert found["air_temperature"] == 281.0
    assert found["atmosphere_boundary_layer_thickness"] == 600.0
    assert found["air_pressure"] == pytest.approx(89_800, rel=1e-3)


def test_influence_goes_to_the_hour_of_its_flux_by_hand():
    """At 18:30 the hours from 18:00, 17:00, 16:00 and 15:00 on are 1, 2, 3 and 4 back.

    Half of the influence from 17:30 on (1) is in the first, half of it and of that from 16:30 on
    (2) in the second, and so on; that from 18:30 of the day before on is more than 23 hours back.
    """
    times = ["2023-07-14 18:30", *(f"2023-07-15 {hour}:30" for hour in (15, 16, 17))]
    data = xr.DataArray(
        np.array([8.0, 4.0, 2.0, 1.0])[:, None, None], dims=("time", "lat", "lon"),
        coords={"time": pd.to_datetime(times), "lat": [40.0], "lon": [-111.0]},
    )  # fmt: skip
    receptor = stilt.PointReceptor("2023-07-15 18:30", -111.0, 40.0, 30.0)
    record = ReleaseRecord(receptor, SimpleNamespace(data=data), data, None, {})
    hours, residual = record.by_hours_back()
    assert hours[0, 0, :5].tolist() == [0.0, 0.5, 1.5, 3.0, 2.0]
    assert hours.sum() == 7.0
    assert residual.tolist() == [[8.0]]


def test_particles_leave_where_they_first_cross_and_those_that_stay_count_at_the_nearest_side():
    table = pd.DataFrame(
        {
            "time": [-60.0, -120.0, -180.0, -60.0, -120.0, -180.0],
            "indx": [1, 1, 1, 2, 2, 2],
            # The first crosses the western side, comes back and ends in the north.
            "long": [0.5, -0.3, 1.0, 1.0, 1.2, 1.7],
            "lati": [1.0, 1.1, 9.0, 1.0, 1.0, 1.0],
            "zagl": [100.0, 1600.0, 5000.0, 50.0, 60.0, 25_000.0],
        }
    )
    grid = stilt.Grid(xmin=0, xmax=2, ymin=0, ymax=2, xres=0.5, yres=0.5)
    cells = 0.25 + 0.5 * np.arange(4)
    found = leaving(table, pd.Series({1: 3.0, 2: 1.0}), grid, cells, cells)
    west, east = found.locations["w"], found.locations["e"]
    assert west[1, 2] == 0.75
    assert found.ages_h["w"][1, 2] == 2.0
    assert east[19, 1] + east[19, 2] == 0.25
    assert sum(each.sum() for each in found.locations.values()) == 1.0


@pytest.mark.parametrize(
    ("west", "edges"),
    [(178.0, (178.0, -178.0)), (-180.0, (-180.0, 180.0))],
    ids=["across the date line", "all around"],
)
def test_sides_of_a_grid_are_where_they_are_on_the_globe(west, edges):
    grid = stilt.Grid(xmin=edges[0], xmax=edges[1], ymin=0, ymax=2, xres=0.5, yres=0.5)
    count = round((edges[1] - edges[0]) % 360.0 or 360.0) * 2
    lon = (west + 0.25 + 0.5 * np.arange(count) + 180.0) % 360.0 - 180.0
    lat = 0.25 + 0.5 * np.arange(4)
    # The first leaves to the north past the date line, the second to the south before it.
    table = pd.DataFrame(
        {
            "time": [-60.0, -120.0, -60.0, -120.0], "indx": [1, 1, 2, 2],
            "long": [-179.8, -179.2, 179.2, 178.7], "lati": [1.0, 2.5, 1.0, -0.5],
            "zagl": [100.0, 100.0, 50.0, 60.0],
        }
    )  # fmt: skip
    found = leaving(table, pd.Series({1: 1.0, 2: 1.0}), grid, lon, lat)
    for side, place in (("n", -179.25), ("s", 178.75)):
        (cell,) = np.flatnonzero(found.locations[side][0])
        assert lon[cell] == pytest.approx(place)
    assert found.locations["n"].sum() == found.locations["s"].sum() == 0.5


def test_a_release_on_the_date_line_has_its_own_wind_and_place():
    receptor = stilt.PointReceptor("2023-07-15 18:00", 179.999, 0.0, 30.0)
    step = 600.0 * 180.0 / np.pi / 6_371_000.0
    rows = pd.DataFrame(
        {"time": -1.0, "indx": [1], "zagl": [20.0], "long": [179.999 + step - 360.0], "lati": [0.0]}
    )
    found = weather_at_release(rows, receptor)
    assert found["wind_speed"] == pytest.approx(10.0)
    assert found["wind_from_direction"] == pytest.approx(90.0)
    slanted = stilt.MultiPointReceptor(
        "2023-07-15 18:00", [179.9, -179.7], [10.0, 10.2], [100.0, 200.0]
    )
    record = ReleaseRecord(slanted, None, None, None, {})
    assert record.place == pytest.approx((-179.9, 10.1))


def test_exports_of_a_grid_across_the_date_line_go_from_west_to_east():
    grid = stilt.Grid(xmin=179, xmax=-179, ymin=0, ymax=2, xres=0.5, yres=0.5)
    lon, lat = np.array([-179.75, -179.25, 179.25, 179.75]), 0.25 + 0.5 * np.arange(4)
    data = xr.DataArray(
        np.broadcast_to(lon, (1, 4, 4)), dims=("time", "lat", "lon"),
        coords={"time": pd.to_datetime(["2023-07-15 17:00"]), "lat": lat, "lon": lon},
    )  # fmt: skip
    receptor = stilt.PointReceptor("2023-07-15 18:00", 180.0, 1.0, 30.0)
    rows = pd.DataFrame(
        {"time": [-1.0, -60.0], "indx": [1, 1], "zagl": [20.0, 20.0], "long": [180.0, 181.5 - 360],
         "lati": [1.0, 1.0]}
    )  # fmt: skip
    footprint = SimpleNamespace(data=data, grid=grid, receptor=receptor, name="default")
    record = ReleaseRecord.of(footprint, rows, ())
    assert record.data["lon"].values.tolist() == [179.25, 179.75, 180.25, 180.75]
    assert record.data.values[0, 0].tolist() == [179.25, 179.75, -179.75, -179.25]
    assert record.boundary.locations["e"].sum() == 1.0
    names = openghg.ExportNames("NZ", "SEA", "ch4", "hrrr")
    dataset = openghg.to_dataset([record], names)
    assert dataset["longitude"].values.tolist() == [179.25, 179.75, 180.25, 180.75]


def merged(path, flux, species):
    """What OpenGHG's own Python makes of an export and a flux, ppm."""
    python = os.environ.get("STILT_OPENGHG_PYTHON")
    if not python:
        pytest.skip("STILT_OPENGHG_PYTHON does not name a Python that has openghg")
    flux.to_netcdf(path.parent / "flux.nc")
    script = Path(__file__).with_name("openghg_merge.py")
    told = subprocess.run(
        [python, str(script), str(path), str(path.parent / "flux.nc"), species],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(told.stdout.splitlines()[-1])


def random_flux(model, times=None):
    data = model.footprints["default"].load()[0].data
    shape = data.shape[1:] if times is None else (len(times), *data.shape[1:])
    coords = {"lat": data["lat"].values, "lon": data["lon"].values}
    dims = ("lat", "lon")
    if times is not None:
        coords, dims = {"time": times, **coords}, ("time", *dims)
    return xr.DataArray(
        np.random.default_rng(0).gamma(1, 1, shape), dims=dims, coords=coords,
        attrs={"units": "umol m-2 s-1"}, name="flux",
    )  # fmt: skip


@pytest.mark.parity
def test_openghg_makes_our_enhancement_of_it(model, tmp_path):
    (path,) = model.export(tmp_path, "openghg", site="WBB", domain="TEST", species="ch4")
    flux = random_flux(model)
    theirs = merged(path, flux, "ch4")
    ours = model.footprints["default"].enhancement(flux)["enhancement_ppm"]
    np.testing.assert_allclose(theirs, ours, rtol=1e-4)


@pytest.mark.parity
def test_openghg_makes_our_enhancement_of_co2_hour_by_hour(tmp_path):
    """It finds the mean flux of a month only from a footprint of the month's first day on."""
    write_demo_weather(tmp_path / "met", first="2023-06-30T12:00", n_files=7)
    met = {"directory": str(tmp_path / "met"), "file_format": "%Y%m%d_%H", "file_tres": "6h"}
    config = stilt.ModelConfig(
        mets={"demo": met}, footprints={"default": {"grid": GRID}}, n_hours=-26, numpar=50, seed=1
    )
    receptors = [
        stilt.PointReceptor(f"2023-07-01 {hour}:00", -111.85, 40.77, 30.0) for hour in (20, 21, 22)
    ]
    model = stilt.Model(tmp_path / "case", receptors=receptors, config=config)
    stilt.push_simulations(model, model.register_pending())
    (path,) = model.export(tmp_path, "openghg", site="WBB", domain="TEST", species="co2")
    flux = random_flux(model, pd.date_range("2023-06-30", "2023-07-03", freq="h"))
    theirs = merged(path, flux, "co2")
    found = xr.open_dataset(path)
    july = flux.sel(time=slice("2023-07-01", None)).mean("time").values
    ours = [
        float(found["srr_residual"][at].values.ravel() @ july.ravel())
        + sum(
            float(
                (
                    found["srr_time_resolved"][at, :, :, back].values * flux.sel(time=when).values
                ).sum()
            )
            for back in range(24)
            for when in [receptor.time - pd.Timedelta(hours=back)]
        )
        for at, receptor in enumerate(receptors)
    ]
    np.testing.assert_allclose(theirs, ours, rtol=1e-4)
    # Of the whole enhancement that leaves the residual's own hours, a small part.
    whole = model.footprints["default"].enhancement(flux)["enhancement_ppm"]
    np.testing.assert_allclose(theirs, whole, rtol=0.1)


@pytest.mark.parity
@pytest.mark.parametrize("minute", [0, 37])
def test_openghg_makes_our_enhancement_of_co2_at_any_minute_of_the_hour(tmp_path, minute):
    write_demo_weather(tmp_path / "met", first="2023-07-01T00:00", n_files=4)
    met = {"directory": str(tmp_path / "met"), "file_format": "%Y%m%d_%H", "file_tres": "6h"}
    config = stilt.ModelConfig(
        mets={"demo": met}, footprints={"default": {"grid": GRID}}, n_hours=-8, numpar=50, seed=1
    )
    times = [f"2023-07-01 {hour}:{minute:02d}" for hour in (14, 15, 16)]
    receptors = [stilt.PointReceptor(time, -111.85, 40.77, 30.0) for time in times]
    model = stilt.Model(tmp_path / "case", receptors=receptors, config=config)
    stilt.push_simulations(model, model.register_pending())
    (path,) = model.export(tmp_path, "openghg", site="WBB", domain="TEST", species="co2")
    flux = random_flux(model, pd.date_range("2023-06-30", "2023-07-03", freq="h"))
    ours = model.timeseries({"flux": flux})["total"].values
    np.testing.assert_allclose(merged(path, flux, "co2"), ours, rtol=1e-4)

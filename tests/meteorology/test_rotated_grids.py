"""Grids about a rotated pole: places and winds are those of the rotation, transport that of a plain
grid, because nothing in it knows where the pole is.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pyproj import CRS, Transformer

import stilt
from benchmarks.weather_files.cf_datasets import cf_dataset, cf_on_map, mapping_of
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.config import MetConfig, ModelConfig
from stilt.errors import MeteorologyError
from stilt.meteorology import to_arl
from stilt.meteorology.archive import list_met
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats import AUTO, format_of, read_analysis
from stilt.meteorology.formats.axes import AxisError
from stilt.meteorology.formats.map_fit import rotated_map
from stilt.meteorology.formats.wrf_grid import wrf_horizontal
from stilt.meteorology.grids import EARTH_RADIUS_M, latlon_grid
from stilt.meteorology.rotated_grid import about_other_pole, rotated_grid
from stilt.meteorology.subgrid import cropped_grid
from stilt.transport import release_of, run_transport

PLAIN = latlon_grid(-11.0, -6.0, 0.22, 0.2, 41, 35, levels=(), vertical_flag=0)
GRIDS = {
    "europe": rotated_grid(PLAIN, pole_lat=39.25, pole_lon=-162.0),
    "arctic": rotated_grid(PLAIN, pole_lat=-3.4, pole_lon=159.5, north_pole_grid_lon=3.0),
    "south": rotated_grid(PLAIN, pole_lat=60.0, pole_lon=-65.0, north_pole_grid_lon=180.0),
    "date line": rotated_grid(PLAIN, pole_lat=30.0, pole_lon=5.0),
}
HOURS = np.arange(
    np.datetime64("2023-07-15T14:00", "m"), np.datetime64("2023-07-15T21:00", "m"),
    np.timedelta64(1, "h"),
)  # fmt: skip


@pytest.fixture(params=list(GRIDS))
def grid(request):
    return GRIDS[request.param]


def nodes(grid):
    return np.meshgrid(np.arange(grid.nx, dtype=float), np.arange(grid.ny, dtype=float))


def test_places_are_those_of_pyproj(grid):
    crs = CRS.from_cf(mapping_of(grid))
    to_degrees = Transformer.from_crs(crs, crs.source_crs, always_xy=True)
    x, y = nodes(grid)
    lon, lat = grid.to_lonlat(x, y)
    lon_there, lat_there = to_degrees.transform(*grid.own_lonlat(x, y))
    np.testing.assert_allclose(lat, lat_there, atol=1e-9)
    turns = np.mod(lon - lon_there + 180.0, 360.0) - 180.0
    np.testing.assert_allclose(turns * np.cos(np.radians(lat)), 0.0, atol=1e-9)
    back_x, back_y = grid.to_xy(lon + 360.0, lat)
    np.testing.assert_allclose(back_x, x, atol=1e-8)
    np.testing.assert_allclose(back_y, y, atol=1e-8)
    assert grid.contains(lon, lat)[1:-1, 1:-1].all()


def test_north_is_where_the_latitude_grows(grid):
    x, y = nodes(grid)
    lon, lat = grid.to_lonlat(x, y)
    angle = grid.wind_rotation_rad(lon, lat)
    dx, dy = grid.spacing_m()
    away_x, away_y = grid.to_xy(lon, lat + 1e-4)
    east, north = (away_x - x) * dx, (away_y - y) * dy
    length = np.hypot(east, north)
    np.testing.assert_allclose(east / length, -np.sin(angle), atol=1e-4)
    np.testing.assert_allclose(north / length, np.cos(angle), atol=1e-4)
    np.testing.assert_allclose(length, EARTH_RADIUS_M * np.radians(1e-4), rtol=1e-4)


def test_a_device_puts_places_where_numpy_does(grid):
    def places(x, y, grid):
        return grid.unwrapped_lonlat(x, y, jnp)

    x, y = nodes(grid)
    with jax.enable_x64(True):
        found = jax.jit(places, static_argnames="grid")(jnp.asarray(x), jnp.asarray(y), grid=grid)
    for mine, wanted in zip(found, grid.unwrapped_lonlat(x, y), strict=True):
        np.testing.assert_allclose(mine, wanted, atol=1e-9)


def test_about_the_north_pole_it_is_a_plain_grid():
    grid = rotated_grid(LATLON, pole_lat=90.0, pole_lon=180.0)
    lon, lat = LATLON.to_lonlat(*nodes(LATLON))
    for mine, plain in zip(grid.to_xy(lon, lat), LATLON.to_xy(lon, lat), strict=True):
        np.testing.assert_allclose(mine, plain, atol=1e-9)
    np.testing.assert_allclose(grid.wind_rotation_rad(lon, lat), 0.0, atol=1e-12)
    np.testing.assert_array_equal(grid.spacing_m(), LATLON.spacing_m())


def test_a_crop_keeps_its_nodes_where_they_were(grid):
    columns, rows = np.arange(5, 20), np.arange(8, 30)
    cropped = cropped_grid(grid, columns, rows, None)
    lon, lat = cropped.to_lonlat(*nodes(cropped))
    x, y = grid.to_xy(lon, lat)
    np.testing.assert_allclose(x, np.broadcast_to(columns, x.shape), atol=1e-8)
    np.testing.assert_allclose(y, np.broadcast_to(rows[:, None], y.shape), atol=1e-8)


def test_it_is_found_from_its_nodes(grid):
    lon, lat = grid.to_lonlat(*nodes(grid))
    found = rotated_map(lon.astype(np.float32), lat.astype(np.float32), "TEST")
    x, y = found.to_xy(lon, lat)
    np.testing.assert_allclose(x, np.broadcast_to(np.arange(grid.nx), x.shape), atol=2e-4)
    np.testing.assert_allclose(y, np.broadcast_to(np.arange(grid.ny)[:, None], y.shape), atol=2e-4)
    turn = found.wind_rotation_rad(lon, lat) - grid.wind_rotation_rad(lon, lat)
    np.testing.assert_allclose(np.cos(turn), 1.0, atol=1e-9)
    with pytest.raises(AxisError, match="neither at even longitudes"):
        rotated_map(lon + 0.01 * lat**2, lat, "TEST")


def test_wrf_domains_about_a_rotated_pole_are_found_from_their_nodes(grid):
    lon, lat = grid.to_lonlat(*nodes(grid))
    found = wrf_horizontal(
        {"MAP_PROJ": 6, "POLE_LAT": 40.0}, lon.astype(np.float32), lat.astype(np.float32), "WRF1"
    )
    x, y = found.grid.to_xy(lon, lat)
    np.testing.assert_allclose(x, np.broadcast_to(np.arange(grid.nx), x.shape), atol=2e-4)
    np.testing.assert_allclose(y, np.broadcast_to(np.arange(grid.ny)[:, None], y.shape), atol=2e-4)
    assert found.grid.source == "WRF1"


@pytest.fixture(scope="module")
def analyses():
    """The demo's atmosphere on a plain grid and pressure levels."""
    made = [on_pressures(on_grid(truth(hour), LATLON), np.array(PRESSURES_HPA)) for hour in HOURS]
    for raw in made:
        del raw.upper["PRES"]
    return made


TURNED = rotated_grid(LATLON, pole_lat=35.0, pole_lon=-170.0, north_pole_grid_lon=20.0)


def turned(analyses):
    """The same fields and winds along the grid, somewhere else on the Earth."""
    levels = {"levels": analyses[0].grid.levels, "vertical_flag": 2}
    grid = replace(TURNED, **levels)
    return [replace(raw, grid=grid) for raw in analyses]


@pytest.fixture(scope="module")
def files(tmp_path_factory, analyses):
    folder = tmp_path_factory.mktemp("weather")
    moved = turned(analyses)
    datasets = {
        "plain": cf_dataset(analyses),
        "rotated": cf_on_map(moved),
        "earthward": cf_on_map(moved, earthward=True, nodes=True),
        "nodes": cf_on_map(moved, mapping=False, nodes=True),
    }
    for name, data in datasets.items():
        (folder / name).mkdir()
        data.to_netcdf(folder / name / "weather.nc")
    return folder


def select(folder, form="cf"):
    return MetCatalogue(MetConfig(directory=folder, format=form)).select(HOURS[0], HOURS[-1])


@pytest.mark.parametrize("name", ["rotated", "earthward", "nodes"])
def test_fields_and_winds_are_read_as_they_were_written(files, analyses, name):
    ref = select(files / name, AUTO)[0]
    assert ref.grid.kind == "rotated"
    lon, lat = TURNED.to_lonlat(*nodes(TURNED))
    x, y = ref.grid.to_xy(lon, lat)
    np.testing.assert_allclose(x, np.broadcast_to(np.arange(41), x.shape), atol=2e-4)
    np.testing.assert_allclose(y, np.broadcast_to(np.arange(29)[:, None], y.shape), atol=2e-4)
    read = read_analysis(ref)
    for field in ("UWND", "VWND", "TEMP"):
        np.testing.assert_allclose(read.upper[field], analyses[0].upper[field], atol=1e-4)
    for field in ("U10M", "V10M", "PRSS"):
        np.testing.assert_allclose(read.surface[field], analyses[0].surface[field], atol=1e-4)


def run(folder, tmp_path, lon, lat, **settings):
    """Particles from a place; those of one number have the same random numbers anywhere."""
    settings = {"numpar": 100, "hnf_plume": False, "n_hours": -5, **settings}
    config = ModelConfig(mets={"any": {"directory": folder, "format": "cf"}}, **settings)
    time = "2023-07-15 20:00" if config.n_hours < 0 else "2023-07-15 15:00"
    receptor = stilt.PointReceptor(time=time, longitude=lon, latitude=lat, altitude=50)
    release = replace(release_of(receptor, "any", config), key=7)
    (table,) = run_transport([release], select(folder), config, cache_dir=tmp_path / "prepared")
    assert len(table) == config.numpar * abs(config.n_hours) * 60
    return table


PLACE = -111.85, 40.77
POLE = TURNED.grid_north_pole_lat, TURNED.grid_north_pole_lon, TURNED.north_pole_grid_lon


@pytest.mark.parametrize("settings", [{}, {"n_hours": 5}, {"kdef": 1, "kblt": 2}])
def test_air_goes_where_it_goes_on_a_plain_grid(files, tmp_path, settings):
    """The same random numbers move the same particles over the same cells."""
    there = about_other_pole(*PLACE, POLE[0], POLE[2], POLE[1])
    plain = run(files / "plain", tmp_path, *PLACE, **settings)
    moved = run(files / "rotated", tmp_path, *map(float, there), **settings)
    own_lon, own_lat = about_other_pole(moved["long"], moved["lati"], *POLE)
    east = np.mod(own_lon - plain["long"] + 180.0, 360.0) - 180.0
    away = np.hypot(east * np.cos(np.radians(own_lat)), own_lat - plain["lati"])
    # A place is rounded to single precision, and turbulence makes more of it for a few.
    assert np.median(away) < 1e-4
    assert away.quantile(0.9) < 1e-2
    assert moved["foot"].sum() == pytest.approx(plain["foot"].sum(), rel=1e-3)


def test_a_mean_trajectory_returns_to_where_it_began(files, tmp_path):
    there = tuple(map(float, about_other_pole(*PLACE, POLE[0], POLE[2], POLE[1])))
    mean = {"numpar": 1, "nturb": 1}
    end = run(files / "rotated", tmp_path, *there, n_hours=-5, **mean).iloc[-1]
    config = ModelConfig(
        mets={"any": {"directory": "unused", "format": "cf"}}, n_hours=5, hnf_plume=False, **mean
    )
    receptor = stilt.PointReceptor(
        time="2023-07-15 15:00", longitude=end["long"], latitude=end["lati"], altitude=end["zagl"]
    )
    (back,) = run_transport(
        [release_of(receptor, "back", config)], select(files / "rotated"), config,
        cache_dir=tmp_path / "prepared",
    )  # fmt: skip
    last = back.iloc[-1]
    assert last["long"] == pytest.approx(there[0], abs=2e-3)
    assert last["lati"] == pytest.approx(there[1], abs=2e-3)
    assert abs(end["long"] - there[0]) > 0.05


def test_it_is_sampled_listed_and_checked_like_other_weather(files, analyses):
    lon, lat = (float(each) for each in TURNED.to_lonlat(20.0, 14.0))
    met = MetConfig(directory=files / "earthward", format="cf")
    point = {"time": str(HOURS[0]), "longitude": lon, "latitude": lat}
    found = stilt.sample_meteorology(met, point)
    angle = float(TURNED.wind_rotation_rad(lon, lat))
    along_x = found["eastward_wind"] * np.cos(angle) - found["northward_wind"] * np.sin(angle)
    level = int(np.argmin(np.abs(found["air_pressure"].values.ravel() - 500.0)))
    wanted = analyses[0].upper["UWND"][PRESSURES_HPA.index(500), 14, 20]
    assert float(along_x.values.ravel()[level]) == pytest.approx(wanted, abs=0.5)
    (stream,) = list_met(met).streams
    assert stream.grid.kind == "rotated"
    assert len(stream.times) == len(HOURS)


def test_an_arl_header_cannot_describe_it(files, tmp_path):
    with pytest.raises(MeteorologyError, match="about a rotated pole, which an ARL header cannot"):
        to_arl(MetConfig(directory=files / "rotated", format="cf"), tmp_path / "arl")
    assert not list((tmp_path / "arl").glob("*"))


def test_a_mapping_without_its_pole_is_one_sentence(tmp_path, analyses):
    data = cf_on_map(turned(analyses[:2]))
    del data["crs"].attrs["grid_north_pole_latitude"]
    (tmp_path / "met").mkdir()
    data.to_netcdf(tmp_path / "met" / "weather.nc")
    with pytest.raises(MeteorologyError, match="has no 'grid_north_pole_latitude'"):
        select(tmp_path / "met")


def test_auto_knows_it(files):
    assert format_of(str(files / "rotated" / "weather.nc")) == "cf"

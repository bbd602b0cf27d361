"""Grids put points where independent map projections put them."""

from __future__ import annotations

import pickle

import numpy as np
import pyproj
import pytest

from stilt.meteorology.grids import EARTH_RADIUS_M, latlon_grid

CONFORMAL = {
    "lambert": "+proj=lcc +lat_1=38.5 +lat_0=38.5 +lon_0=-97.5",
    "polar": "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=-105",
    "south polar": "+proj=stere +lat_0=-90 +lat_ts=-60 +lon_0=20",
    "mercator": "+proj=merc +lat_ts=20 +lon_0=179",
}


@pytest.fixture(params=list(CONFORMAL))
def projected(request, grid_of):
    proj = pyproj.Proj(f"{CONFORMAL[request.param]} +R={EARTH_RADIUS_M}")
    return grid_of(request.param, nx=84, ny=72), proj


def random_points(grid, n=400):
    rng = np.random.default_rng(1)
    return rng.uniform(0, grid.nx - 1, n), rng.uniform(0, grid.ny - 1, n)


def test_conformal_grids_agree_with_pyproj(projected):
    grid, proj = projected
    x, y = random_points(grid)
    lon, lat = grid.to_lonlat(x, y)
    east, north = proj(lon, lat)
    east0, north0 = proj(grid.sync_lon, grid.sync_lat)
    size = 1000.0 * grid.size_km
    assert np.allclose((east - east0) / size, x - (grid.sync_x - 1), atol=1e-6)
    assert np.allclose((north - north0) / size, y - (grid.sync_y - 1), atol=1e-6)


def test_cell_sizes_agree_with_the_map_scale_of_pyproj(projected):
    grid, proj = projected
    i, j = np.meshgrid(np.arange(grid.nx), np.arange(grid.ny))
    factors = proj.get_factors(*grid.to_lonlat(i, j))
    dx, dy = grid.spacing_m()
    assert dx.shape == (grid.ny, grid.nx)
    assert np.allclose(dx, 1000 * grid.size_km / factors.meridional_scale, rtol=1e-6)
    assert np.allclose(dx, dy)


def test_wind_rotation_is_the_convergence_of_meridians(projected):
    grid, proj = projected
    lon, lat = grid.to_lonlat(*random_points(grid))
    angle = np.degrees(grid.wind_rotation_rad(lon, lat))
    difference = angle - proj.get_factors(lon, lat).meridian_convergence
    assert np.allclose(np.mod(difference + 180.0, 360.0), 180.0)


@pytest.mark.parametrize("kind", ["latlon", "lambert", "polar", "south polar", "mercator"])
def test_rotated_winds_point_the_way_a_parcel_moves(grid_of, kind):
    grid = grid_of(kind)
    x, y = 7.3, 9.1
    lon, lat = grid.to_lonlat(x, y)
    u, v, seconds = 3.0, 4.0, 1.0
    dx, dy = (size[9, 7] for size in grid.spacing_m())
    lon2, lat2 = grid.to_lonlat(x + u * seconds / dx, y + v * seconds / dy)
    east = np.radians(lon2 - lon) * np.cos(np.radians(lat)) * EARTH_RADIUS_M
    north = np.radians(lat2 - lat) * EARTH_RADIUS_M
    a = grid.wind_rotation_rad(lon, lat)
    u_east, v_north = u * np.cos(a) + v * np.sin(a), -u * np.sin(a) + v * np.cos(a)
    assert np.isclose(np.arctan2(north, east), np.arctan2(v_north, u_east), atol=0.01)


@pytest.mark.parametrize(
    "kind", ["latlon", "global", "lambert", "polar", "south polar", "mercator"]
)
def test_indices_and_longitudes_are_each_others_inverse(grid_of, kind):
    grid = grid_of(kind)
    x, y = random_points(grid)
    back_x, back_y = grid.to_xy(*grid.to_lonlat(x, y))
    assert np.allclose(back_x, x)
    assert np.allclose(back_y, y)
    lon, _ = grid.to_lonlat(x, y)
    assert (lon >= -180).all()
    assert (lon < 180).all()
    shifted_x, _ = grid.to_xy(lon + 360.0, grid.to_lonlat(x, y)[1])
    assert np.allclose(shifted_x, x)


def test_first_node_is_zero_zero(grid_of):
    grid = grid_of("latlon")
    assert np.allclose(grid.to_xy(-102.0, 30.0), (0.0, 0.0))
    assert np.allclose(grid.to_xy(258.0, 30.5), (0.0, 1.0))


def test_polar_grid_holds_the_pole(grid_of):
    grid = grid_of("polar", nx=101, ny=101)
    x, y = grid.to_xy(0.0, 90.0)
    assert np.allclose(grid.to_xy(123.0, 90.0), (x, y))
    assert grid.contains(45.0, 90.0)
    assert np.isclose(grid.to_lonlat(x, y)[1], 90.0)
    assert np.isclose(grid.spacing_m()[0].max(), 50e3 * 2 / (1 + np.sin(np.radians(60))), rtol=1e-3)


def test_global_grid_is_cyclic_and_covers_everything(grid_of):
    grid = grid_of("global")
    assert grid.cyclic_x
    assert grid.global_y
    x, _ = grid.to_xy(np.array([-1e-13, 359.9, 360.0, -0.1]), 0.0)
    assert ((x >= 0) & (x < grid.nx)).all()
    assert grid.contains([0.0, 179.9, -180.0], [90.0, -90.0, 3.0]).all()
    assert grid.usable([0.1, 35.9], [0.1, 17.9]).all()
    dx, dy = grid.spacing_m()
    assert (dx > 0).all()
    quarter = EARTH_RADIUS_M * np.radians(10) * np.cos(np.radians(87.5))
    assert np.allclose(dx[[0, -1]], quarter)
    assert np.allclose(dy, EARTH_RADIUS_M * np.radians(10))


def test_a_band_round_the_globe_is_cyclic_but_not_global():
    grid = latlon_grid(0, -30, 1, 1, 360, 61, levels=(1000.0,), vertical_flag=2)
    assert grid.cyclic_x
    assert not grid.global_y
    assert not grid.contains(10.0, 45.0)
    assert grid.contains(359.9, 0.0)


def test_usable_leaves_hysplits_margin(grid_of):
    grid = grid_of("latlon")  # one-based: 2 <= floor(x) < nx - 2
    one_based = np.array([1.99, 2.0, grid.nx - 2.01, grid.nx - 2.0])
    assert grid.usable(one_based - 1, 5.0).tolist() == [False, True, True, False]


def test_points_beyond_the_edge_are_outside_on_either_side(grid_of):
    for kind in ("latlon", "lambert", "mercator", "polar"):
        grid = grid_of(kind)
        lon, lat = grid.to_lonlat([-0.5, grid.nx - 0.5, 3.0, 3.0], [3.0, 3.0, -0.5, grid.ny - 0.5])
        assert not grid.contains(lon, lat).any()
        assert grid.contains(*grid.to_lonlat(0.5, grid.ny - 1.5))


def test_keys_tell_grids_apart_and_survive_pickling(grid_of):
    grids = [grid_of(kind, flag) for kind in ("latlon", "lambert", "polar") for flag in (1, 2)]
    assert len({grid.key() for grid in grids}) == len(grids)
    for grid in grids:
        grid.spacing_m()
        copy = pickle.loads(pickle.dumps(grid))
        assert copy == grid
        assert copy.key() == grid.key()

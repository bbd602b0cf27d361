"""What must hold of any meteorological grid and any ARL file, over generated ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.grids import (
    EARTH_RADIUS_M,
    MetGrid,
    conformal_grid,
    latlon_grid,
    wrap_longitude,
)
from stilt.meteorology.records import RawAnalysis
from stilt.meteorology.writer import write_arl

LEVELS = {"levels": (0.9975, 0.95, 0.85), "vertical_flag": 1}

# The index record of a file needs this many nodes.
sizes = st.tuples(st.integers(14, 40), st.integers(14, 40))
hundredths = st.integers(10, 300).map(lambda n: n / 100)
longitudes = st.integers(-18_000, 17_999).map(lambda n: n / 100)


@st.composite
def latlon_grids(draw: st.DrawFn) -> MetGrid:
    nx, ny = draw(sizes)
    dlon, dlat = draw(hundredths), draw(hundredths)
    south = draw(st.integers(-90, int(90 - (ny - 1) * dlat)))
    return latlon_grid(draw(longitudes), float(south), dlon, dlat, nx, ny, **LEVELS)


@st.composite
def conformal_grids(draw: st.DrawFn) -> MetGrid:
    nx, ny = draw(sizes)
    kind = draw(st.sampled_from(["lambert", "north", "south", "mercator"]))
    spacing_km = draw(st.integers(1, 40))
    lon = draw(longitudes)
    lat = {
        "lambert": draw(st.integers(25, 60)),
        "north": draw(st.integers(50, 85)),
        "south": draw(st.integers(-85, -50)),
        "mercator": draw(st.integers(-30, 30)),
    }[kind]
    cone = {"lambert": draw(st.integers(30, 60)), "north": 90.0, "south": -90.0, "mercator": 0.0}
    options = {"ref_lat": {"north": 60.0, "south": -60.0, "mercator": 20.0}.get(kind)}
    options = {name: value for name, value in options.items() if value is not None}
    ref_lon = float(wrap_longitude(lon + draw(st.integers(-30, 30))))
    return conformal_grid(
        lon, float(lat), float(spacing_km), nx, ny,
        cone_lat=float(cone[kind]), ref_lon=ref_lon, **options, **LEVELS,
    )  # fmt: skip


grids = st.one_of(latlon_grids(), conformal_grids())


def interior(grid: MetGrid, shares: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Indices inside the grid for shares of its width and height."""
    x, y = np.array(shares).T
    return x * (grid.nx - 1), y * (grid.ny - 1)


shares = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8)


@given(grids, shares)
def test_indices_and_positions_are_inverse(grid: MetGrid, shares) -> None:
    x, y = interior(grid, shares)
    lon, lat = grid.to_lonlat(x, y)
    assert np.all((lon >= -180) & (lon < 180) & (np.abs(lat) <= 90))
    back = grid.to_xy(lon, lat)
    np.testing.assert_allclose(back[0], x, atol=1e-6)
    np.testing.assert_allclose(back[1], y, atol=1e-6)


@given(grids, shares, st.integers(-2, 2))
def test_whole_turns_change_no_position(grid: MetGrid, shares, turns: int) -> None:
    lon, lat = grid.to_lonlat(*interior(grid, shares))
    for one, other in zip(grid.to_xy(lon, lat), grid.to_xy(lon + 360 * turns, lat), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@given(grids, st.floats(0, 0.999), st.floats(0, 0.999))
def test_a_cell_is_as_wide_as_it_says(grid: MetGrid, across: float, up: float) -> None:
    column, row = int(across * (grid.nx - 1)), int(up * (grid.ny - 1))
    lon_deg, lat_deg = grid.to_lonlat([column, column + 0.01], [row, row])
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    haversine = (
        np.sin((lat[1] - lat[0]) / 2) ** 2
        + np.prod(np.cos(lat)) * np.sin((lon[1] - lon[0]) / 2) ** 2
    )
    distance_m = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(haversine))
    if abs(lat_deg[0]) < 89:
        np.testing.assert_allclose(distance_m / 0.01, grid.spacing_m()[0][row, column], rtol=2e-3)


@given(grids, grids)
def test_keys_tell_grids_apart(first: MetGrid, second: MetGrid) -> None:
    assert first.key() == replace(first).key()
    assert (first.key() == second.key()) == (first == second)


fields = arrays.arrays(
    np.float32,
    st.tuples(st.integers(14, 20), st.integers(14, 40)),
    elements=st.floats(-1e5, 1e5, width=32, allow_subnormal=False),
)


@settings(max_examples=40)
@given(
    fields,
    st.datetimes(datetime(1950, 1, 1), datetime(2039, 12, 31)),
    st.integers(0, 99),
)
def test_arl_round_trip_to_packing_error(field: np.ndarray, time, forecast_h: int) -> None:
    """Eight bits hold differences of -127 to 128 quanta, of which the largest decides the size.

    So a value is wrong by half a quantum, or by a whole one where a fall is larger than the byte
    holds. Each row begins with the sum of the differences down the first column, to which the
    rounding of single precision adds.
    """
    ny, nx = field.shape
    grid = latlon_grid(-112.0, 40.0, 0.5, 0.5, nx, ny, levels=(0.99,), vertical_flag=1)
    stamp = np.datetime64(time, "m")
    raw = RawAnalysis(stamp, grid, forecast_h, {"PRSS": field}, {"UWND": -field[None]})
    with TemporaryDirectory() as folder:
        (ref,) = read_index(write_arl(Path(folder) / "met", grid, [raw]))
        read = read_analysis(ref)
    assert (ref.time, ref.grid, ref.forecast_hour) == (stamp, grid, forecast_h)
    step = max(np.abs(np.diff(field.astype(float), axis=1)).max(),
               np.abs(np.diff(field[:, 0].astype(float))).max(), 1e-20)  # fmt: skip
    quantum = 2.0 ** (np.floor(np.log2(step)) + 1 - 7)
    bound = quantum * 1.001 + 4e-7 * np.abs(field).max() + 1e-20
    assert np.abs(read.surface["PRSS"].astype(float) - field).max() <= bound
    assert np.abs(read.upper["UWND"][0].astype(float) + field).max() <= bound


@settings(max_examples=20)
@given(grids, st.integers(0, 2**32 - 1))
def test_any_grid_survives_the_file(grid: MetGrid, seed: int) -> None:
    field = np.random.default_rng(seed).normal(size=(grid.ny, grid.nx)).astype(np.float32)
    raw = RawAnalysis(np.datetime64("2023-07-14T00:00", "m"), grid, 0, {"PRSS": field}, {})
    with TemporaryDirectory() as folder:
        (ref,) = read_index(write_arl(Path(folder) / "met", grid, [raw]))
    x, y = np.meshgrid(np.arange(grid.nx), np.arange(grid.ny))
    # The index record holds seven characters a number.
    for one, other in zip(ref.grid.to_lonlat(x, y), grid.to_lonlat(x, y), strict=True):
        gap = np.abs(wrap_longitude(one - other))
        assert gap.max() < 1e-3

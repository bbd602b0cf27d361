"""Footprints on other cells and times: sums are kept, what is left out is reported."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_footprints import random_walk

from stilt import Footprint, FootprintConfig, Grid, PointReceptor
from stilt.errors import UsageError

UTM = "+proj=utm +zone=12 +datum=WGS84"
BINS = pd.date_range("2023-07-15 14:00", "2023-07-15 18:00", freq="1h")
DEGREES = {"xmin": -113.0, "xmax": -111.0, "ymin": 39.8, "ymax": 41.4, "xres": 0.05, "yres": 0.04}
METRES = {**DEGREES, "xres": 4000, "yres": 5000, "projection": UTM}


def made(grid=None, hour: int = 18, lon: float = -112.0, seed: int = 0, **config) -> Footprint:
    particles = random_walk(seed, 200, 15, lon)
    particles["long"] = (particles["long"] + 180.0) % 360.0 - 180.0
    receptor = PointReceptor(f"2023-07-15 {hour:02d}:00:00", lon, 40.6, 5.0)
    return Footprint.calculate(particles, receptor, FootprintConfig(**(grid or DEGREES), **config))


def lattice(low_x, high_x, dx, low_y, high_y, dy, names=("lon", "lat")) -> xr.Dataset:
    x = np.arange(low_x + dx / 2, high_x + dx, dx)
    y = np.arange(low_y + dy / 2, high_y + dy, dy)
    return xr.Dataset(coords={names[0]: x, names[1]: y})


COVERING = {
    "the same": lattice(-113.0, -111.05, 0.05, 39.8, 41.36, 0.04),
    "coarser": lattice(-113.0, -111.2, 0.2, 39.8, 41.2, 0.16),
    "misaligned": lattice(-113.3, -110.7, 0.17, 39.51, 41.6, 0.23),
    "finer": lattice(-113.03, -111.0, 0.011, 39.79, 41.5, 0.013),
    "whole degrees": lattice(-114.0, -110.0, 1.0, 39.0, 42.0, 1.0),
    "0 to 360": lattice(246.0, 250.0, 0.3, 39.0, 42.0, 0.3),
}


@pytest.mark.parametrize("target", COVERING.values(), ids=COVERING)
def test_sum_is_kept_on_covering_targets(target: xr.Dataset) -> None:
    foot = made()
    frame = foot.aggregate(target, BINS)
    assert frame.to_numpy().sum() == pytest.approx(foot.total, rel=1e-9)
    assert frame.attrs["total"] == pytest.approx(foot.total)
    assert frame.attrs["outside_cells"] == pytest.approx(0.0, abs=1e-9 * foot.total)
    assert frame.attrs["outside_times"] == 0.0
    assert frame.shape == (target.sizes["lon"] * target.sizes["lat"], 4)
    assert frame.index.names == ["lon", "lat"]
    hours = foot.data.sum(["lat", "lon"]).values
    np.testing.assert_allclose(frame.sum().to_numpy(), hours, rtol=1e-9)


@pytest.mark.parametrize("size", [3000, 4000, 11_000, 30_000])
def test_sum_is_kept_in_one_projection(size: float) -> None:
    foot = made(METRES)
    x, y = foot.data["x"].values, foot.data["y"].values
    span = (x[0] - 7000, x[-1] + 7000, size, y[0] - 9000, y[-1] + 9000, size)
    frame = foot.aggregate(lattice(*span, names=("x", "y")), BINS)
    assert frame.to_numpy().sum() == pytest.approx(foot.total, rel=1e-9)
    assert frame.index.names == ["x", "y"]


def test_sum_is_kept_between_projections() -> None:
    foot = made(METRES)
    wide = lattice(-114.0, -110.0, 0.13, 39.0, 42.3, 0.11)
    frame = foot.aggregate(wide, BINS)
    assert frame.to_numpy().sum() == pytest.approx(foot.total, rel=1e-9)
    degrees = made()
    metres = lattice(2.0e5, 6.0e5, 7000, 4.3e6, 4.7e6, 9000, names=("x", "y"))
    there = degrees.aggregate(metres, BINS, projection=UTM)
    assert there.to_numpy().sum() == pytest.approx(degrees.total, rel=1e-9)
    carried = metres.assign_coords(crs=((), 0, {"crs_wkt": foot.data["crs"].attrs["crs_wkt"]}))
    pd.testing.assert_frame_equal(degrees.aggregate(carried, BINS), there)
    # The same particles, gridded in the other projection, agree on coarse cells.
    coarse = lattice(-113.0, -111.5, 0.5, 39.8, 41.0, 0.4)
    a = made(METRES, smooth_factor=0).aggregate(coarse, BINS).to_numpy()
    b = made(smooth_factor=0).aggregate(coarse, BINS).to_numpy()
    assert np.abs(a - b).sum() < 0.1 * b.sum()


def test_what_lies_outside_is_reported_not_folded_in() -> None:
    foot = made()
    part = lattice(-112.0, -111.5, 0.1, 40.0, 40.5, 0.1)
    frame = foot.aggregate(part, BINS[1:])
    inside = frame.to_numpy().sum()
    assert 0 < inside < 0.7 * foot.total
    lost = frame.attrs["outside_cells"] + frame.attrs["outside_times"]
    assert inside + lost == pytest.approx(foot.total)
    assert frame.attrs["outside_times"] == pytest.approx(float(foot.data[0].sum()))


def test_edges_of_bins_may_be_text_that_can_be_read_in_one_way_only() -> None:
    foot = made()
    target = COVERING["coarser"]
    text = [f"{edge:%Y-%m-%d %H:%M}" for edge in BINS]
    pd.testing.assert_frame_equal(foot.aggregate(target, text), foot.aggregate(target, BINS))
    with pytest.raises(UsageError, match=r"10\.07\.2023.*write it as YYYY-MM-DD"):
        foot.aggregate(target, ["10.07.2023 14:00", "10.07.2023 18:00"])


def test_rows_follow_the_target_and_missing_cells_stay_out() -> None:
    foot = made()
    target = xr.DataArray(
        np.ones((3, 4)),
        coords={"lat": [41.0, 40.6, 40.2], "lon": [-112.6, -112.2, -111.8, -111.4]},
        dims=("lat", "lon"),
    )
    full = foot.aggregate(target, BINS)
    assert list(full.index[:4]) == [(-112.6, 41.0), (-112.6, 40.6), (-112.6, 40.2), (-112.2, 41.0)]
    target[1, 2] = np.nan
    holed = foot.aggregate(target, BINS)
    assert (-111.8, 40.6) not in holed.index
    pd.testing.assert_frame_equal(holed, full.drop((-111.8, 40.6)))


def test_lists_of_centres() -> None:
    foot = made()
    grid = COVERING["coarser"]
    whole = foot.aggregate(grid, BINS)
    some = [(lon, lat) for lon, lat in whole.index[::-3]]
    frame = foot.aggregate(some, BINS, resolution=(0.2, 0.16))
    np.testing.assert_allclose(frame, whole.iloc[::-3], atol=1e-15)
    assert list(frame.index) == some
    pd.testing.assert_frame_equal(foot.aggregate(some, BINS), frame)
    one = foot.aggregate([(-112.025, 40.58)], BINS)
    cell = foot.data.sel(lon=-112.025, lat=40.58, method="nearest")
    np.testing.assert_allclose(one.to_numpy()[0], cell, rtol=1e-9)


def test_time_bins_are_closed_on_the_left_and_may_carry_a_zone() -> None:
    foot = made()
    edges = BINS.tz_localize("UTC").tz_convert("America/Denver")
    bins = pd.IntervalIndex.from_breaks(edges, closed="right")
    frame = foot.aggregate(COVERING["coarser"], bins)
    assert list(frame.columns) == list(BINS[:-1])
    np.testing.assert_allclose(
        frame.sum().to_numpy(), foot.data.sum(["lat", "lon"]).values, rtol=1e-9
    )
    day = foot.aggregate(COVERING["coarser"], ["2023-07-15", "2023-07-16"])
    np.testing.assert_allclose(day.iloc[:, 0], frame.sum(axis=1))


def test_across_the_dateline() -> None:
    grid = {**DEGREES, "xmin": 179.0, "xmax": 181.0}
    foot = made(grid, lon=180.0)
    for target in (
        lattice(178.0, 182.0, 0.3, 39.0, 42.0, 0.3),
        lattice(-182.0, -178.0, 0.3, 39.0, 42.0, 0.3),
        lattice(-180.0, 179.0, 1.0, 39.0, 42.0, 1.0),
    ):
        frame = foot.aggregate(target, BINS)
        assert frame.to_numpy().sum() == pytest.approx(foot.total, rel=1e-9)


def test_empty_footprint_or_target_gives_zeros() -> None:
    empty = made(lon=20.0)
    assert empty.is_empty
    assert (empty.aggregate(COVERING["coarser"], BINS) == 0).all().all()
    assert made().aggregate([], BINS).shape == (0, 4)


def test_faults_are_named() -> None:
    foot = made()
    with pytest.raises(UsageError, match="no coordinates lon and lat"):
        foot.aggregate(xr.Dataset(coords={"a": [1, 2]}), BINS)
    with pytest.raises(UsageError, match="The target grid's lat must rise or fall"):
        foot.aggregate(xr.Dataset(coords={"lon": [1, 2], "lat": [1, 3, 2]}), BINS)
    with pytest.raises(UsageError, match=r"\(x, y\) centres"):
        foot.aggregate([(1, 2, 3)], BINS)
    with pytest.raises(UsageError, match="resolution must be positive"):
        foot.aggregate([(1, 2)], BINS, resolution=0)
    with pytest.raises(UsageError, match="Time bins"):
        foot.aggregate(COVERING["coarser"], BINS[:1])
    with pytest.raises(UsageError, match="given by their edges, not by '6h'"):
        foot.aggregate(COVERING["coarser"], "6h")


@pytest.mark.parametrize("lon", [-112.0, 179.5])
def test_a_grid_of_the_configuration_is_a_target(lon: float) -> None:
    xmin, xmax = (-114, -110) if lon < 0 else (178, -178)
    bounds = {"xmin": xmin, "xmax": xmax, "ymin": 39, "ymax": 42}
    foot = made({**bounds, "xres": 0.05, "yres": 0.05}, lon=lon)
    grid = Grid(**bounds, xres=0.25, yres=0.5)
    frame = foot.aggregate(grid, BINS)
    assert frame.shape == (16 * 6, 4)
    assert frame.to_numpy().sum() == pytest.approx(foot.total, rel=1e-9)
    same = foot.aggregate(lattice(xmin, xmin + 3.75, 0.25, 39, 41.5, 0.5), BINS)
    np.testing.assert_allclose(frame.to_numpy(), same.to_numpy(), atol=1e-12)


def test_a_projected_grid_of_the_configuration_brings_its_projection() -> None:
    foot = made()
    wide = {**METRES, "xmin": -114, "xmax": -110, "ymin": 39, "ymax": 42}
    frame = foot.aggregate(Grid(**wide), BINS)
    assert frame.index.names == ["x", "y"]
    assert frame.to_numpy().sum() == pytest.approx(foot.total, rel=1e-6)

"""Footprints on disk."""

import json

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_footprints import random_walk

from stilt import (
    ColumnReceptor,
    Footprint,
    FootprintConfig,
    MultiPointReceptor,
    PointReceptor,
)
from stilt.errors import FootprintError, UsageError
from stilt.footprint.layers import Layers
from stilt.footprint.netcdf import read_layers

POINT = PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0)
SLANT = MultiPointReceptor("2023-07-15 18:00:00", [-112.0, -112.1], [40.6, 40.7], [5.0, 500.0])
DEGREES = {"xmin": -113, "xmax": -111, "ymin": 40, "ymax": 41, "xres": 0.1, "yres": 0.1}
LAMBERT = {
    **DEGREES,
    "xres": 4000,
    "yres": 4000,
    "projection": "+proj=lcc +lat_1=38.5 +lat_2=38.5 +lat_0=38.5 +lon_0=-97.5 +a=6371229",
}


def made(grid: dict, receptor=POINT, lon: float = -112.0, **config) -> Footprint:
    particles = random_walk(0, 90, 10, lon).assign(xhgt=5.0)
    return Footprint.calculate(particles, receptor, FootprintConfig(**grid, **config), "tower")


LIFETIME = [{"kind": "first_order_lifetime", "lifetime_hours": 4.0}]


@pytest.mark.parametrize(
    "foot",
    [
        made(DEGREES),
        made(LAMBERT, SLANT),
        made(DEGREES, time_integrate=True, smooth_factor=0.5, transforms=LIFETIME),
        made(DEGREES, lon=30.0),
        made({**DEGREES, "xmin": 178, "xmax": 182}, lon=179.99),
    ],
    ids=["degrees", "lambert", "integrated", "empty", "dateline"],
)
def test_round_trip(foot: Footprint, tmp_path) -> None:
    path = foot.to_netcdf(tmp_path / "deep" / "a_tower_foot.nc", attrs={"stilt_hash": "abc"})
    back = Footprint.from_netcdf(path)
    xr.testing.assert_identical(back.data, foot.data)
    assert (back.receptor, back.config, back.name) == (foot.receptor, foot.config, "tower")
    assert (back.is_empty, back.empty_reason) == (foot.is_empty, foot.empty_reason)
    assert back.time_range == foot.time_range
    assert xr.open_dataset(path).attrs["stilt_hash"] == "abc"


COLUMN = ColumnReceptor("2023-07-15 20:30:00", -112.05, 40.65, 0.0, 2000.0)
ACROSS = MultiPointReceptor("2023-07-15 18:00:00", [179.9, -179.7], [40.6, 40.7], [5.0, 500.0])
HIGH = PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 2000.0, altitude_ref="msl")


@pytest.mark.filterwarnings("ignore:In a future version of xarray")
@pytest.mark.parametrize(
    "options", [{}, {"join": "outer", "coords": "different", "compat": "equals"}], ids=str
)
def test_files_of_several_receptors_combine_as_they_are(options: dict, tmp_path) -> None:
    pytest.importorskip("dask", reason="needs: pip install 'stilt[dask]'")
    receptors = [POINT, COLUMN, HIGH, SLANT]
    feet = [made(DEGREES, receptor) for receptor in receptors]
    paths = [foot.to_netcdf(tmp_path / f"{number}.nc") for number, foot in enumerate(feet)]
    with xr.open_mfdataset(paths, combine="nested", concat_dim="receptor", **options) as data:
        assert data["receptor"].values.tolist() == [str(each.id) for each in receptors]
        for foot in feet:
            one = data["foot"].sel(receptor=str(foot.receptor.id)).dropna("time", how="all")
            np.testing.assert_array_equal(one["time"], foot.data["time"])
            np.testing.assert_array_equal(one, foot.data)
            assert one["receptor_time"].values == foot.receptor.time.to_datetime64()
        np.testing.assert_allclose(data["receptor_longitude"], [-112.0, -112.05, -112.0, -112.05])
        np.testing.assert_allclose(data["receptor_latitude"], [40.6, 40.65, 40.6, 40.65])
        np.testing.assert_allclose(data["receptor_altitude"], [5.0, 1000.0, 2000.0, 252.5])


@pytest.mark.filterwarnings("ignore:In a future version of xarray")
@pytest.mark.parametrize("time", ["2023-07-15 19:00:00", "2023-07-16 18:00:00"])
def test_files_joined_along_time_say_whose_each_hour_is(time: str, tmp_path) -> None:
    pytest.importorskip("dask", reason="needs: pip install 'stilt[dask]'")
    feet = [made(DEGREES, POINT), made(DEGREES, PointReceptor(time, -112.0, 40.6, 5.0))]
    paths = [foot.to_netcdf(tmp_path / f"{foot.receptor.id}.nc") for foot in feet]
    with xr.open_mfdataset(paths) as data:
        assert data.sizes["time"] == sum(foot.data.sizes["time"] for foot in feet)
        for foot in feet:
            own = data["foot"][(data["receptor"] == str(foot.receptor.id)).values]
            np.testing.assert_array_equal(own, foot.data)


@pytest.mark.filterwarnings("ignore:In a future version of xarray")
def test_files_of_the_same_hours_do_not_combine_unasked(tmp_path) -> None:
    pytest.importorskip("dask", reason="needs: pip install 'stilt[dask]'")
    feet = [made(DEGREES, POINT), made(DEGREES, SLANT)]
    paths = [foot.to_netcdf(tmp_path / f"{number}.nc") for number, foot in enumerate(feet)]
    with pytest.raises(ValueError, match="order the Dataset objects"):
        xr.open_mfdataset(paths)


def test_footprints_in_memory_combine_as_their_files_do(tmp_path) -> None:
    feet = [made(DEGREES, receptor) for receptor in (POINT, COLUMN)]
    options = {"dim": "receptor", "join": "outer", "coords": "different", "compat": "equals"}
    both = xr.concat([foot.data for foot in feet], **options)
    paths = [foot.to_netcdf(tmp_path / f"{number}.nc") for number, foot in enumerate(feet)]
    read = xr.concat([Footprint.from_netcdf(path).data for path in paths], **options)
    xr.testing.assert_identical(read, both)
    assert both["receptor"].values.tolist() == [str(POINT.id), str(COLUMN.id)]


def test_the_middle_of_points_across_the_dateline_lies_between_them() -> None:
    assert made(DEGREES, ACROSS).data["receptor_longitude"] == pytest.approx(-179.9)


def test_globals_describe_the_footprint(tmp_path) -> None:
    path = made(DEGREES, lon=30.0).to_netcdf(tmp_path / "foot.nc")
    with xr.open_dataset(path) as file:
        attrs = file.attrs
        assert file["foot"].attrs["units"] == "ppm m2 s umol-1"
        assert file["foot"].encoding["complevel"] == 4
        assert file["foot"].dtype == np.float64
    assert attrs["Conventions"] == "CF-1.8"
    assert json.loads(attrs["receptor"])["type"] == "PointReceptor"
    assert (attrs["is_empty"], attrs["empty_reason"]) == (1, "outside_domain")
    assert (attrs["xres"], attrs["time_integrate"], attrs["transforms"]) == (0.1, 0, "[]")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    foot = made(DEGREES)
    path = foot.to_netcdf(tmp_path / "foot.nc")
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        made(DEGREES, smooth_factor=0.0).to_netcdf(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["foot.nc"]


def test_damaged_and_missing_files(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        Footprint.from_netcdf(tmp_path / "none.nc")
    path = made(DEGREES).to_netcdf(tmp_path / "foot.nc")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(FootprintError, match="not a readable footprint"):
        Footprint.from_netcdf(path)
    for foreign, told in (
        (xr.Dataset({"a": 1}), "not a readable footprint"),
        (xr.Dataset({"foot": 1, "crs": 0}), "not a footprint file of a simulation"),
    ):
        foreign.to_netcdf(path)
        with pytest.raises(FootprintError, match=told):
            Footprint.from_netcdf(path)


def test_zeros_that_another_program_made_missing_are_zeros(tmp_path) -> None:
    foot = made(DEGREES)
    with xr.open_dataset(foot.to_netcdf(tmp_path / "ours.nc")) as ours:
        theirs = ours.load()
    theirs["foot"] = theirs["foot"].where(theirs["foot"] != 0.0)
    theirs["foot"].encoding = {"_FillValue": -9999.0}
    theirs.to_netcdf(tmp_path / "theirs.nc")
    back = Footprint.from_netcdf(tmp_path / "theirs.nc")
    np.testing.assert_array_equal(back.data.values, foot.data.values)
    assert back.data.attrs == foot.data.attrs
    layers = read_layers(tmp_path / "theirs.nc")
    np.testing.assert_array_equal(layers.values, Layers.of(foot).values)
    in_chunks = Footprint.from_netcdf(tmp_path / "theirs.nc", chunks={})
    np.testing.assert_array_equal(in_chunks.data.values, foot.data.values)


def test_empty_without_a_reason_is_called_legacy(tmp_path) -> None:
    path = made(DEGREES, lon=30.0).to_netcdf(tmp_path / "foot.nc", attrs={"empty_reason": ""})
    assert Footprint.from_netcdf(path).empty_reason == "legacy"


def test_reading_in_chunks_needs_dask(tmp_path, monkeypatch) -> None:
    path = made(DEGREES).to_netcdf(tmp_path / "foot.nc")
    monkeypatch.setattr("stilt.footprint.netcdf.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs dask"):
        Footprint.from_netcdf(path, chunks={})


def test_hours_without_influence_take_no_room_and_read_as_zero(tmp_path) -> None:
    fine = {
        **DEGREES,
        "xmin": -114,
        "xmax": -110,
        "ymin": 39,
        "ymax": 42,
        "xres": 0.01,
        "yres": 0.01,
    }
    path = made(fine).to_netcdf(tmp_path / "foot.nc")
    with netCDF4.Dataset(path) as file:
        values = file["foot"][:]
        assert not np.ma.is_masked(values)
        np.testing.assert_array_equal(values, made(fine).data)
        assert not hasattr(file["foot"], "_FillValue")
    assert path.stat().st_size < 0.05 * values.nbytes


@pytest.mark.parametrize("shape", [(1, 1), (63, 65), (64, 200), (129, 31)])
def test_any_pattern_of_zeros_is_kept(shape: tuple[int, int], tmp_path) -> None:
    rng = np.random.default_rng(0)
    y, x = shape
    grid = {"xmin": 0, "xmax": x * 0.1, "ymin": 0, "ymax": y * 0.1, "xres": 0.1, "yres": 0.1}
    foot = made(grid)
    values = np.zeros((5, *foot.data.shape[1:]))
    values[1] = rng.random(values.shape[1:])
    values[2, -1, -1] = 1.0
    values[3, 0, rng.integers(0, x)] = -1.0
    stamps = pd.date_range("2023-07-15", periods=5, freq="h").to_numpy("datetime64[ns]")
    foot.data = xr.DataArray(
        values,
        dims=foot.data.dims,
        coords={"time": stamps, **{d: foot.data[d] for d in foot.data.dims[1:]}},
    )
    back = Footprint.from_netcdf(foot.to_netcdf(tmp_path / "foot.nc"))
    np.testing.assert_array_equal(back.data, values)

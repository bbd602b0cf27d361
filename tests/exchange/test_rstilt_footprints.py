"""Footprint files of R-STILT as other programs leave them: turned, wrapped, in other units."""

import h5py
import numpy as np
import pandas as pd
import pyproj
import pytest
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.errors import UsageError
from stilt.exchange.rstilt_footprint import read_footprint

LON, LAT = -112 + 0.1 * (np.arange(6) + 0.5), 40 + 0.2 * (np.arange(4) + 0.5)
VALUES = np.random.default_rng(0).gamma(1.0, 0.01, (2, 4, 6))
RECEPTOR = stilt.PointReceptor("2023-07-15 18:00", -111.85, 40.77, 30.0)
START = pd.Timestamp("2023-07-15 16:00")


def write(path, lon=LON, lat=LAT, values=VALUES, time=None, units=None, fill=None):
    with h5py.File(path, "w") as file:
        file["lon"], file["lat"], file["foot"] = lon, lat, values
        file["time"] = START.timestamp() + 3600.0 * np.arange(2) if time is None else time
        file.attrs["crs"] = "+proj=longlat"
        if units:
            file["time"].attrs["units"] = units
        if fill is not None:
            file["foot"].attrs["_FillValue"] = np.array([fill])
    return path


def check(footprint, lon=LON):
    """All values lie where they belong."""
    data = footprint.data
    assert data["time"].values[0] == np.datetime64("2023-07-15T16:00")
    published = (lon + 180.0) % 360.0 - 180.0
    for column, longitude in enumerate(published):
        there = data.sel(lon=longitude, method="nearest", tolerance=1e-6).sel(
            lat=LAT, method="nearest", tolerance=1e-6
        )
        np.testing.assert_allclose(there.values, VALUES[:, :, column], rtol=1e-12)
    assert footprint.grid.xres == pytest.approx(0.1)
    assert footprint.total == pytest.approx(VALUES.sum())


@pytest.mark.parametrize(
    "turned",
    [
        {"lat": LAT[::-1], "values": VALUES[:, ::-1]},
        {"lon": LON[::-1], "values": VALUES[..., ::-1]},
    ],
)
def test_rows_and_columns_may_run_the_other_way(tmp_path, turned):
    check(read_footprint(write(tmp_path / "a", **turned), RECEPTOR, ""))


def test_longitudes_may_count_from_0(tmp_path):
    check(read_footprint(write(tmp_path / "a", lon=LON + 360.0), RECEPTOR, ""))


@pytest.mark.parametrize("wrapped", [False, True])
def test_grids_across_the_dateline_keep_their_places(tmp_path, wrapped):
    lon = LON + 291.7
    assert lon[0] < 180.0 < lon[-1]
    order = np.arange(lon.size)
    written = lon
    if wrapped:
        written = (lon + 180.0) % 360.0 - 180.0
        order = np.argsort(written)
    path = write(tmp_path / "a", lon=written[order], values=VALUES[..., order])
    footprint = read_footprint(path, RECEPTOR, "")
    check(footprint, lon)
    assert np.all(np.diff(footprint.data["lon"]) > 0)


UTM = "+proj=utm +zone=12 +datum=WGS84"


def write_on_map(path, *, said_by: str, unit: str = "m"):
    """Write a footprint on a UTM grid whose projection a variable or an attribute gives."""
    scale = {"m": 1.0, "km": 1e-3}[unit]
    with h5py.File(path, "w") as file:
        file["x"], file["y"] = scale * (4e5 + 4e3 * LON), scale * (4.4e6 + 8e3 * LAT)
        file["foot"], file["time"] = VALUES, START.timestamp() + 3600.0 * np.arange(2)
        file["x"].attrs["units"] = file["y"].attrs["units"] = unit
        if said_by == "crs":
            file.attrs["crs"] = UTM
        elif said_by:
            file[said_by] = np.int32(0)
            file[said_by].attrs.update(pyproj.CRS(UTM).to_cf())
            file["foot"].attrs["grid_mapping"] = said_by
    return path


@pytest.mark.parametrize("unit", ["m", "km"])
def test_the_projection_is_that_of_the_grid_mapping(tmp_path, unit):
    expected = read_footprint(write_on_map(tmp_path / "a", said_by="crs"), RECEPTOR, "")
    found = read_footprint(write_on_map(tmp_path / "b", said_by="utm", unit=unit), RECEPTOR, "")
    assert pyproj.CRS(found.grid.projection).equals(pyproj.CRS(UTM), ignore_axis_order=True)
    np.testing.assert_allclose(found.data.values, expected.data.values)
    np.testing.assert_allclose(found.data["x"], 4e5 + 4e3 * LON, rtol=1e-9)
    np.testing.assert_allclose(found.data["y"], 4.4e6 + 8e3 * LAT, rtol=1e-9)
    assert (found.grid.xres, found.grid.yres) == (400.0, 1600.0)
    with pytest.raises(UsageError, match="has x and y, and does not say of which projection"):
        read_footprint(write_on_map(tmp_path / "c", said_by=""), RECEPTOR, "")


def test_units_of_time_count(tmp_path):
    hours = np.arange(2.0) + 8.0
    path = write(tmp_path / "a", time=hours, units="hours since 2023-07-15 08:00:00")
    check(read_footprint(path, RECEPTOR, ""))
    path = write(tmp_path / "b", units="seconds since 1970-01-01 00:00:00Z")
    check(read_footprint(path, RECEPTOR, ""))


@pytest.mark.parametrize("fill", [-1.0, np.nan])
def test_fill_values_are_no_influence(tmp_path, fill):
    values = VALUES.copy()
    values[0, 1, 2] = fill
    found = read_footprint(write(tmp_path / "a", values=values, fill=fill), RECEPTOR, "")
    assert found.total == pytest.approx(VALUES.sum() - VALUES[0, 1, 2])
    with pytest.raises(UsageError, match="holds values that are no influence"):
        read_footprint(write(tmp_path / "b", values=values), RECEPTOR, "")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"lon": LON[:1], "values": VALUES[..., :1]}, "a single cell along x"),
        ({"lat": np.array([40.1, 40.3, 40.5, 41.7])}, "the cells along y are not evenly spaced"),
        ({"values": VALUES.T}, r"foot has the shape \(6, 4, 2\)"),
        ({"units": "fortnights since yesterday"}, "is not a footprint of R-STILT"),
    ],
)
def test_other_files_are_refused_in_a_sentence(tmp_path, change, sentence):
    with pytest.raises(UsageError, match=sentence):
        read_footprint(write(tmp_path / "a", **change), RECEPTOR, "")


def test_ids_in_powers_of_ten_are_read_and_other_names_told_of(tmp_path):
    by_id = tmp_path / "old" / "out" / "by-id"
    for name in ("202307151800_-111.85_40.77_1e+05", "202307151800_1e-04_40.77_30", "my_tower"):
        (by_id / name).mkdir(parents=True)
        write(by_id / name / f"{name}_foot.nc")
    told = CliRunner().invoke(cli, ["migrate", str(tmp_path / "old"), str(tmp_path / "new")])
    assert told.exit_code == 0, told.output
    assert "1 folder(s) with footprints are left out, such as my_tower" in told.output
    model = stilt.Model(tmp_path / "new")
    places = sorted(receptor.positions[0][::2] for receptor in model.receptors)
    assert places == [(-111.85, 100_000.0), (0.0001, 30.0)]

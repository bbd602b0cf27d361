"""The cells that are not zero, which a footprint file holds a second time in a group."""

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from small_footprints import random_walk

from stilt import Footprint, FootprintConfig, PointReceptor
from stilt.errors import FootprintError
from stilt.footprint.layers import Layers, runs_of
from stilt.footprint.netcdf import read_layers
from stilt.footprint.nonzero import nonzero_in
from stilt.hdf5 import open_hdf5, stored_chunks
from stilt.project.footprint_set import FootprintSet
from stilt.project.reading import Located

BINS = pd.date_range("2023-07-15 14:00", "2023-07-15 18:00", freq="1h")
TARGET = xr.Dataset(coords={"lon": np.arange(-113, -110.9, 0.3), "lat": np.arange(40, 41.5, 0.3)})


def made(lon: float = -112.0) -> Footprint:
    particles = random_walk(0, 150, 10, lon)
    config = FootprintConfig(xmin=-113, xmax=-111, ymin=40, ymax=41.2, xres=0.05, yres=0.05)
    return Footprint.calculate(
        particles, PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0), config
    )


def same(one: Layers, other: Layers) -> None:
    assert (one.receptor, one.grid, one.integrated) == (other.receptor, other.grid, False)
    for name in ("x", "y", "stamps", "starts", "lengths", "values"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def group_of(path) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    with open_hdf5(path) as file:
        return nonzero_in(file)


@pytest.mark.parametrize("lon", [-112.0, 20.0], ids=["influence", "empty"])
def test_it_holds_what_the_footprint_holds(lon: float, tmp_path) -> None:
    foot = made(lon)
    path = foot.to_netcdf(tmp_path / "foot.nc")
    assert group_of(path) is not None
    layers = read_layers(path)
    same(layers, Layers.of(foot))
    dense = np.zeros(foot.data.size)
    for start, length, first in zip(
        layers.starts, layers.lengths, layers.first_value[:-1], strict=True
    ):
        dense[start : start + length] = layers.values[first : first + length]
    np.testing.assert_array_equal(dense.reshape(foot.data.shape), foot.data)


def test_the_group_opens_anywhere_and_says_how_to_use_it(tmp_path) -> None:
    foot = made()
    path = foot.to_netcdf(tmp_path / "foot.nc")
    with xr.open_dataset(path, group="nonzero") as group, xr.open_dataset(path) as file:
        cells = np.concatenate(
            [np.arange(s, s + n) for s, n in zip(group["start"], group["length"], strict=True)]
        )
        np.testing.assert_array_equal(file["foot"].values.flat[cells], group["foot"])
        assert float(group["foot"].sum()) == pytest.approx(foot.total)
        assert group["foot"].attrs["units"] == file["foot"].attrs["units"]
        assert all(group[name].attrs["long_name"] for name in group)
        assert "truth" in group.attrs["comment"]


def changed_in_place(path, tmp_path):
    with netCDF4.Dataset(path, "a") as file:
        file["foot"][0, 3, 4] = 7.0
    return path


def changed_where_it_is_zero(path, tmp_path):
    """Into a chunk that was never written."""
    with netCDF4.Dataset(path, "a") as file:
        assert not np.any(file["foot"][-1])
        file["foot"][-1, -1, -1] = 7.0
    return path


def written_again_with_its_groups(path, tmp_path):
    tree = xr.open_datatree(path)
    tree["foot"] = tree["foot"] * 2.0
    tree.to_netcdf(tmp_path / "again.nc")
    tree.close()
    return tmp_path / "again.nc"


def written_again_by_xarray(path, tmp_path):
    with xr.open_dataset(path) as file:
        file.assign(foot=file["foot"] * 2.0).to_netcdf(tmp_path / "again.nc")
    return tmp_path / "again.nc"


def another_clock(path, tmp_path):
    with netCDF4.Dataset(path, "a") as file:
        file["time"][:] = file["time"][:] / 3600
        file["time"].units = "hours since 1970-01-01 00:00:00"
    return path


def classic(path, tmp_path):
    """As programs that know no NetCDF-4 have it."""
    with xr.open_dataset(path) as file:
        file.to_netcdf(tmp_path / "classic.nc", format="NETCDF3_64BIT")
    return tmp_path / "classic.nc"


@pytest.mark.parametrize(
    "change",
    [changed_in_place, changed_where_it_is_zero, written_again_with_its_groups,
     written_again_by_xarray, another_clock, classic],
)  # fmt: skip
def test_foot_is_believed_in_a_file_that_another_program_has_written(change, tmp_path) -> None:
    foot = made()
    if change is changed_where_it_is_zero:
        foot.data = foot.data.copy()
        foot.data[-1] = 0.0
    path = change(foot.to_netcdf(tmp_path / "foot.nc"), tmp_path)
    changed = Footprint.from_netcdf(path)
    if change not in (another_clock, classic):
        assert changed.total != foot.total
    same(read_layers(path), Layers.of(changed))
    one, other = (
        FootprintSet([Located(f"met_{foot.receptor.id}", path)]).jacobian(TARGET, BINS).matrix,
        changed.aggregate(TARGET, BINS).to_numpy().T.reshape(1, -1),
    )
    np.testing.assert_allclose(one.toarray(), other, rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("name", ["start", "length", "foot"])
def test_a_group_that_is_not_of_its_foot_is_ignored(name: str, tmp_path) -> None:
    foot = made()
    path = foot.to_netcdf(tmp_path / "foot.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["nonzero"][name][1] += 1
    assert group_of(path) is None
    same(read_layers(path), Layers.of(foot))


def test_damage_is_noticed(tmp_path) -> None:
    path = made().to_netcdf(tmp_path / "foot.nc")
    content = bytearray(path.read_bytes())
    with open_hdf5(path) as file:
        stored = max((bytes(chunk) for _, chunk in stored_chunks(file, "foot")), key=len)
    content[content.find(stored) + len(stored) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(FootprintError, match="not a readable footprint"):
        read_layers(path)
    path.write_bytes(content[:1000])
    with pytest.raises(FootprintError, match="not a readable footprint"):
        read_layers(path)
    with pytest.raises(FileNotFoundError):
        read_layers(tmp_path / "none.nc")


def test_runs_end_with_their_row() -> None:
    values = np.zeros((2, 3, 4))
    values[0, 1, 2:] = values[0, 2, :1] = values[1, 2, 3] = -1.0
    starts, lengths, found = runs_of(values)
    assert (list(starts), list(lengths)) == ([6, 8, 23], [2, 1, 1])
    assert list(found) == [-1.0] * 4

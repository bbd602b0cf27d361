"""The influence without zeros that a footprint file carries behind its NetCDF part."""

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stilt import Footprint, FootprintConfig, PointReceptor
from stilt.errors import FootprintError
from stilt.footprint.appendix import appended_layers
from stilt.footprint.files import FootprintFiles
from stilt.footprint.layers import Layers, runs_of
from stilt.footprint.netcdf import read_layers

BINS = pd.date_range("2023-07-15 14:00", "2023-07-15 18:00", freq="1h")
TARGET = xr.Dataset(coords={"lon": np.arange(-113, -110.9, 0.3), "lat": np.arange(40, 41.5, 0.3)})


def made(lon: float = -112.0) -> Footprint:
    rng = np.random.default_rng(0)
    moves = rng.normal(0, 0.01, (2, 150, 10)).cumsum(axis=1)
    particles = pd.DataFrame(
        {
            "time": -np.repeat(np.arange(1.0, 151), 10),
            "indx": np.tile(np.arange(1, 11), 150),
            "long": lon + moves[0].ravel(),
            "lati": 40.6 + moves[1].ravel(),
            "foot": rng.gamma(2.0, 1e-3, 1500),
        }
    )
    config = FootprintConfig(xmin=-113, xmax=-111, ymin=40, ymax=41.2, xres=0.05, yres=0.05)
    return Footprint.calculate(
        particles, PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0), config
    )


def same(one: Layers, other: Layers) -> None:
    assert (one.receptor, one.grid, one.integrated) == (other.receptor, other.grid, False)
    for name in ("x", "y", "stamps", "starts", "lengths", "values"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("lon", [-112.0, 20.0], ids=["influence", "empty"])
def test_it_holds_what_the_footprint_holds(lon: float, tmp_path) -> None:
    foot = made(lon)
    layers = appended_layers(foot.to_netcdf(tmp_path / "foot.nc"))
    same(layers, Layers.of(foot))
    dense = np.zeros(foot.data.size)
    for start, length, first in zip(
        layers.starts, layers.lengths, layers.first_value[:-1], strict=True
    ):
        dense[start : start + length] = layers.values[first : first + length]
    np.testing.assert_array_equal(dense.reshape(foot.data.shape), foot.data)


def test_a_program_that_writes_to_the_file_cuts_it_off(tmp_path) -> None:
    foot = made()
    path = foot.to_netcdf(tmp_path / "foot.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["foot"][0, 3, 4] = 7.0
    assert appended_layers(path) is None
    changed = Footprint.from_netcdf(path)
    assert float(changed.data[0, 3, 4]) == 7.0
    same(read_layers(path), Layers.of(changed))
    one, other = (
        FootprintFiles([path]).jacobian(TARGET, BINS).matrix,
        changed.aggregate(TARGET, BINS).to_numpy().T.reshape(1, -1),
    )
    np.testing.assert_allclose(one.toarray(), other, rtol=1e-12, atol=1e-18)


def test_damage_is_noticed(tmp_path) -> None:
    path = made().to_netcdf(tmp_path / "foot.nc")
    content = bytearray(path.read_bytes())
    content[-1500] ^= 1
    path.write_bytes(content)
    with pytest.raises(FootprintError, match="check sum"):
        read_layers(path)
    with pytest.raises(FileNotFoundError):
        read_layers(tmp_path / "none.nc")


def test_runs_end_with_their_row() -> None:
    values = np.zeros((2, 3, 4))
    values[0, 1, 2:] = values[0, 2, :1] = values[1, 2, 3] = -1.0
    starts, lengths, found = runs_of(values)
    assert (list(starts), list(lengths)) == ([6, 8, 23], [2, 1, 1])
    assert list(found) == [-1.0] * 4

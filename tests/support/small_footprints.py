"""Small footprints of random walks, and targets and fluxes for them."""

import numpy as np
import pandas as pd
import xarray as xr

from stilt import Footprint, FootprintConfig, PointReceptor

BINS = pd.date_range("2023-07-15 12:00", "2023-07-15 18:00", freq="2h")
GRID = {"xmin": -113.0, "xmax": -111.0, "ymin": 39.8, "ymax": 41.4, "xres": 0.05, "yres": 0.05}
UTM = {**GRID, "xres": 4000, "yres": 4000, "projection": "+proj=utm +zone=12 +datum=WGS84"}


def random_walk(seed: int, minutes: int, number: int, lon: float = -112.0) -> pd.DataFrame:
    """Return a table of so many particles that walk at random from a longitude and 40.6 N."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.01, (2, minutes, number)).cumsum(axis=1)
    return pd.DataFrame(
        {
            "time": -np.repeat(np.arange(1.0, minutes + 1), number),
            "indx": np.tile(np.arange(1, number + 1), minutes),
            "long": lon + moves[0].ravel(),
            "lati": 40.6 + moves[1].ravel(),
            "foot": rng.gamma(2.0, 1e-3, minutes * number),
        }
    )


def made(seed: int, hour: int = 18, grid: dict | None = None, lon: float = -112.0) -> Footprint:
    particles = random_walk(seed, 150, 12, lon)
    receptor = PointReceptor(f"2023-07-15 {hour:02d}:00:00", -112.0, 40.6, 5.0)
    return Footprint.calculate(particles, receptor, FootprintConfig(**(grid or GRID)))


FOOTPRINTS = [made(0, 18), made(1, 17), made(2, 16), made(3, 20), made(4, 18, lon=20.0)]


def target(size: float = 0.2, low: float = -113.0, high: float = -111.0) -> xr.Dataset:
    return xr.Dataset(
        coords={
            "lon": np.arange(low + size / 2, high, size),
            "lat": np.arange(39.8 + size / 2, 41.4, size),
        }
    )


def flux_of(values: np.ndarray, lon, lat, times=None, units="umol m-2 s-1") -> xr.DataArray:
    coords = {"lat": lat, "lon": lon}
    dims = ("lat", "lon")
    if times is not None:
        coords, dims = {"time": times, **coords}, ("time", *dims)
    return xr.DataArray(values, coords=coords, dims=dims, attrs={"units": units})

"""A matrix of many footprints costs much less than moving them one by one."""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from stilt import Footprint, FootprintConfig, PointReceptor
from stilt.footprint.jacobian import jacobian
from stilt.project.footprint_set import FootprintSet
from stilt.project.reading import Located

BINS = pd.date_range("2023-07-15 12:00", "2023-07-15 18:00", freq="1h")
BOUNDS = {"xmin": -113.0, "xmax": -111.0, "ymin": 39.8, "ymax": 41.4}


def made(seed: int, size: float) -> Footprint:
    rng = np.random.default_rng(seed)
    moves = rng.normal(0, 0.004, (2, 300, 20)).cumsum(axis=1)
    particles = pd.DataFrame(
        {
            "time": -np.repeat(np.arange(1.0, 301), 20),
            "indx": np.tile(np.arange(1, 21), 300),
            "long": -112.0 + moves[0].ravel(),
            "lati": 40.6 + moves[1].ravel(),
            "foot": rng.gamma(2.0, 1e-3, 6000),
        }
    )
    receptor = PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0)
    return Footprint.calculate(particles, receptor, FootprintConfig(**BOUNDS, xres=size, yres=size))


def cells() -> xr.Dataset:
    return xr.Dataset(
        coords={"lon": np.arange(-112.975, -111, 0.05), "lat": np.arange(39.825, 41.4, 0.05)}
    )


def fastest_s(work: Callable[[], object]) -> float:
    """Processor time of the fastest of three runs."""
    seconds = []
    for _ in range(3):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return min(seconds)


@pytest.mark.slow
def test_footprints_in_memory() -> None:
    footprints = [made(seed, 0.05) for seed in range(10)] * 20
    loop = fastest_s(lambda: [foot.aggregate(cells(), BINS) for foot in footprints])
    assert fastest_s(lambda: jacobian(footprints, cells(), BINS)) < loop / 4


@pytest.mark.slow
def test_footprints_in_files(tmp_path) -> None:
    made_ones = [made(seed, 0.01) for seed in range(10)]
    paths = [foot.to_netcdf(tmp_path / f"{n}.nc") for n, foot in enumerate(made_ones)] * 5
    names = [f"met_{foot.receptor.id}" for foot in made_ones] * 5
    loop = fastest_s(
        lambda: [Footprint.from_netcdf(path).aggregate(cells(), BINS) for path in paths]
    )
    files = FootprintSet([Located(*each) for each in zip(names, paths, strict=True)])
    assert fastest_s(lambda: files.jacobian(cells(), BINS)) < loop / 10

"""Times the Jacobian of many footprints against a loop over ``aggregate``.

Both read footprint files as a user does: hourly footprints of plumes that drift and widen for a
day, on the grid and with the numbers asked for.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from stilt import Footprint, FootprintConfig, PointReceptor
from stilt.footprint.jacobian import Jacobian
from stilt.project.footprint_set import FootprintSet
from stilt.project.reading import Located

RECEPTOR_TIME = pd.Timestamp("2023-07-15 18:00")
BINS = pd.date_range("2023-07-14 18:00", "2023-07-15 19:00", freq="1h")


def plume(seed: int, particles: int, hours: int) -> pd.DataFrame:
    """Particles carried by a steady wind that wanders, backward, one row a minute."""
    rng = np.random.default_rng(seed)
    minutes = 60 * hours
    wind = rng.uniform(-5e-4, 5e-4, (2, 1, 1))
    steps = wind + rng.normal(0.0, 8e-4, (2, minutes, particles))
    lon, lat = steps.cumsum(axis=1)
    count = minutes * particles
    near_ground = rng.random(count) < 0.4
    return pd.DataFrame(
        {
            "time": -np.repeat(np.arange(1.0, minutes + 1), particles),
            "indx": np.tile(np.arange(1, particles + 1), minutes),
            "long": -112.0 + lon.ravel(),
            "lati": 40.75 + lat.ravel(),
            "foot": np.where(near_ground, rng.gamma(2.0, 1e-3, count), 0.0),
        }
    )


def write_footprints(folder: Path, files: int, particles: int, hours: int) -> list[Path]:
    """Footprints on a 0.01 degree grid of 4 x 3.5 degrees; eight plumes under many names."""
    receptor = PointReceptor(RECEPTOR_TIME, -112.0, 40.75, 5.0)
    config = FootprintConfig(xmin=-114, xmax=-110, ymin=39, ymax=42.5, xres=0.01, yres=0.01)
    made = [
        Footprint.calculate(plume(seed, particles, hours), receptor, config)
        for seed in range(min(8, files))
    ]
    return [made[n % len(made)].to_netcdf(folder / f"m{n}_{receptor.id}.nc") for n in range(files)]


def target(size: float = 0.05) -> xr.Dataset:
    """Cells of one size over the same region."""
    return xr.Dataset(
        coords={
            "lon": np.arange(-114 + size / 2, -110, size),
            "lat": np.arange(39 + size / 2, 42.5, size),
        }
    )


def by_aggregate(paths: list[Path]) -> list[pd.DataFrame]:
    """One frame per footprint file."""
    return [Footprint.from_netcdf(path).aggregate(target(), BINS) for path in paths]


def by_jacobian(paths: list[Path]) -> Jacobian:
    """All files as one sparse matrix."""
    return FootprintSet([Located(path.stem, path) for path in paths]).jacobian(target(), BINS)


def main() -> None:
    """Print milliseconds per footprint, the ratio, and the memory of both sides."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jacobian", description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--particles", type=int, default=500)
    parser.add_argument("--hours", type=int, default=24)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_footprints(Path(folder), options.files, options.particles, options.hours)
        by_jacobian(paths[:2])
        started, cpu = time.perf_counter(), time.process_time()
        by_aggregate(paths)
        loop_s, loop_cpu_s = time.perf_counter() - started, time.process_time() - cpu
        started, cpu = time.perf_counter(), time.process_time()
        result = by_jacobian(paths)
        jacobian_s, jacobian_cpu_s = time.perf_counter() - started, time.process_time() - cpu
        del result
        tracemalloc.start()
        result = by_jacobian(paths)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    answer = result.matrix.data.nbytes + result.matrix.indices.nbytes
    each = 1e3 / len(paths)
    print(f"{len(paths)} footprints, {len(BINS) - 1} bins, {result.matrix.nnz} values")
    for what, wall_s, cpu_s in (
        ("loop over aggregate", loop_s, loop_cpu_s),
        ("jacobian", jacobian_s, jacobian_cpu_s),
    ):
        print(f"{what:20s}  {wall_s * each:8.2f} ms a footprint, {cpu_s * each:.2f} ms of a core")
    of_cores = loop_cpu_s / jacobian_cpu_s
    print(f"ratio                 {loop_s / jacobian_s:8.1f}, of cores {of_cores:.1f}")
    print(f"memory at its highest {peak / 1e6:8.1f} MB, of which the matrix {answer / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

"""Times what stands around a run: soundings into a project, and the time series of a campaign.

    python -m benchmarks.answers                     # bars: 60 s and 2 GB; 30 s
    python -m benchmarks.answers --only soundings --soundings 10000

Each number is that of a process of its own: reading and storing the soundings with a kernel of 20
levels each, registering and planning their simulations; and a time series of receptors that were
run in synthetic weather, with five sectors of hourly fluxes at 0.1 degree, beside a sum by hand.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import stilt
from benchmarks.processes import idle_warning
from stilt.demo import write_demo_weather
from stilt.observations import Soundings

LEVELS = 20
SECTORS = ("coal", "oil", "gas", "gee", "resp")
GRID = stilt.Grid(xmin=-114.5, xmax=-110.0, ymin=39.0, ymax=42.0, xres=0.1, yres=0.1)
LARGEST_RUN_PARTICLES = 100


def main() -> None:
    """Print the numbers."""
    options = _arguments()
    if warning := idle_warning():
        print(warning)
    with tempfile.TemporaryDirectory(prefix="answers_", dir=options.scratch) as scratch:
        folder = Path(scratch)
        write_demo_weather(folder / "met", first="2023-07-13T00:00", n_files=12)
        if options.only != "series":
            found = _alone(_soundings, folder, options.soundings)
            print(f"{options.soundings:,} soundings: {found}   <= 60 s, <= 2 GB")
        if options.only != "soundings":
            for layout in ("files", "store"):
                _alone(_run, folder, options.receptors, layout)
                found = _alone(_series, folder, layout)
                print(f"{options.receptors:,} receptors, five sectors, {layout}: {found}   <= 30 s")


def _alone(work: Callable[..., str], *arguments: Any) -> str:
    """Return what a function tells in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def _config(folder: Path, **settings: Any) -> stilt.ModelConfig:
    met = stilt.MetConfig(directory=folder / "met", file_format="%Y%m%d_%H", file_tres="6h")
    return stilt.ModelConfig(mets={"demo": met}, n_hours=-24, seed=1, **settings)


def _soundings(folder: Path, count: int) -> str:
    from stilt.execution.plan import plan_run

    rng = np.random.default_rng(0)
    seconds = pd.to_timedelta(np.sort(rng.integers(0, 86_400, count)), unit="s")
    table = pd.DataFrame(
        {
            "sounding_id": [f"s{number:07d}" for number in range(count)],
            "time": pd.Timestamp("2023-07-14") + seconds,
            "longitude": rng.uniform(-114.0, -110.5, count).round(5),
            "latitude": rng.uniform(39.5, 41.5, count).round(5),
            "value": 1900.0, "uncertainty": 2.0, "units": "ppb", "species": "ch4",
            "sensor": "benchmark", "good": True,
        }
    )  # fmt: skip
    profiles = {
        "ak_pressure_hpa": np.tile(np.linspace(850.0, 10.0, LEVELS), (count, 1)),
        "ak": np.linspace(1.1, 0.5, LEVELS) * rng.uniform(0.9, 1.1, (count, 1)),
    }
    transforms = [
        {"kind": "averaging_kernel", "table": "observations/benchmark-kernels.parquet"},
        {"kind": "pressure_weighting"},
    ]
    footprint = stilt.FootprintConfig(grid=GRID, transforms=transforms)
    config = _config(folder, numpar=500, footprints={"column": footprint})
    begin = time.perf_counter()
    model = stilt.Model(folder / "soundings", config=config)
    model.observe(Soundings(table, profiles), "benchmark")
    observed = time.perf_counter()
    ids = model.register_pending()
    registered = time.perf_counter()
    plan = plan_run(model.files, ids, 2)
    planned = time.perf_counter()
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return (
        f"stored in {observed - begin:.1f} s, {len(ids):,} registered in "
        f"{registered - observed:.1f} s, {len(plan.batches):,} batches planned in "
        f"{planned - registered:.1f} s; "
        f"{planned - begin:.1f} s and {peak_gb:.2f} GB together"
    )


def _run(folder: Path, count: int, layout: str) -> str:
    rng = np.random.default_rng(1)
    minutes = np.sort(rng.choice(24 * 60, count, replace=False))
    receptors = [
        stilt.PointReceptor(
            pd.Timestamp("2023-07-14 12:00") + pd.Timedelta(minutes=int(minute)), lon, lat, 30.0
        )
        for minute, lon, lat in zip(
            minutes, rng.uniform(-113, -111, count), rng.uniform(40, 41.5, count), strict=True
        )
    ]
    config = _config(
        folder, numpar=LARGEST_RUN_PARTICLES, footprints={"default": {"grid": GRID}},
        trajectories=False, output={"layout": layout},
    )  # fmt: skip
    model = stilt.Model(folder / layout, receptors=receptors, config=config)
    stilt.push_simulations(model, model.register_pending(), n_workers=2)
    return ""


def _series(folder: Path, layout: str) -> str:
    model = stilt.Model(folder / layout)
    rng = np.random.default_rng(2)
    coords = {
        "time": pd.date_range("2023-07-13", "2023-07-16", freq="h"),
        "lat": GRID.ymin + 0.05 + 0.1 * np.arange(30),
        "lon": GRID.xmin + 0.05 + 0.1 * np.arange(45),
    }
    shape = tuple(len(each) for each in coords.values())
    fluxes = {
        name: xr.DataArray(
            rng.normal(1.0, 1.0, shape), dims=tuple(coords), coords=coords,
            attrs={"units": "umol m-2 s-1"},
        )
        for name in SECTORS
    }  # fmt: skip
    begin = time.perf_counter()
    series = model.timeseries(fluxes)
    took = time.perf_counter() - begin
    first = series["receptor"].values[0]
    data = model.footprints["default"][str(first)].data
    # Each hour of a receptor between full hours takes its share of two hours of flux.
    hour = data["time"].dt.floor("h")
    later = ((data["time"] - hour) / np.timedelta64(1, "h")).values[:, None, None]
    flux = fluxes["gee"]
    of_hours = [flux.sel(time=hour + np.timedelta64(add, "h")).values for add in (0, 1)]
    by_hand = float((data * ((1.0 - later) * of_hours[0] + later * of_hours[1])).sum())
    apart = abs(float(series["enhancement"].sel(receptor=first, component="gee")) - by_hand)
    return f"{took:.1f} s, {apart / abs(by_hand):.1e} from a sum by hand"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.answers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--only", choices=["soundings", "series"], help="one of both")
    add("--soundings", type=int, default=100_000, help="to plan (100000)")
    add("--receptors", type=int, default=1_000, help="of the time series (1000)")
    add("--scratch", help="folder for some GB, on a local disk")
    return parser.parse_args()


if __name__ == "__main__":
    main()

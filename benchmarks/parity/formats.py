"""HYSPLIT on ARL files of ``to_arl`` beside the weather they were made from, which ours reads.

    python -m benchmarks.parity --hysplit-python ~/hysplit/bin/python --formats --out folder
    python -m benchmarks.parity --reference folder          # the comparison alone, again

With ``--formats`` one invented atmosphere, the demo's, is written as each kind of file that there
is a writer for. With ``--weather`` and ``--format`` it is weather of the user's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.parity.cases import SOURCE
from benchmarks.parity.hysplit import run_hysplit
from stilt.config import MetConfig
from stilt.meteorology import to_arl
from stilt.meteorology.grids import latlon_grid
from stilt.meteorology.records import RawAnalysis
from tests.support.era5_files import level_dataset, surface_dataset, write_era5
from tests.support.truth import PRESSURES_HPA, on_grid, on_pressures, truth

CASES = [
    {"name": "afternoon", "time": "2023-07-15 22:00", "lon": -111.85, "lat": 40.77, "alt": 30.0,
     "hours": -12},
    {"name": "aloft", "time": "2023-07-15 22:00", "lon": -112.1, "lat": 40.5, "alt": 1500.0,
     "hours": -12},
    {"name": "night", "time": "2023-07-15 12:00", "lon": -111.6, "lat": 41.0, "alt": 60.0,
     "hours": -10},
]  # fmt: skip
"""Receptors in the invented atmosphere."""

# Large enough for an index of one record, which the reader beside HYSPLIT asks for.
_GRID = latlon_grid(-114.5, 39.0, 0.08, 0.08, 63, 44, levels=(), vertical_flag=0)
_FIRST, _END = np.datetime64("2023-07-14T12:00", "m"), np.datetime64("2023-07-16T02:00", "m")
_HOURS_PER_FILE, _FILE_FORMAT = 24, "%Y%m%d_%H"
# Half levels, from the top down: hPa, and the share of the surface pressure.
_HALF_SIGMA = np.array(
    [0.03, 0.06, 0.1, 0.14, 0.18, 0.22, 0.27, 0.32, 0.37, 0.42, 0.47, 0.52, 0.57, 0.62, 0.67, 0.72,
     0.77, 0.81, 0.85, 0.885, 0.915, 0.94, 0.96, 0.975, 0.986, 0.994, 1.0]
)  # fmt: skip
_HALF_B = _HALF_SIGMA**1.6
_HALF_A_HPA = 1000.0 * (_HALF_SIGMA - _HALF_B)


@cache
def _atmosphere() -> tuple[RawAnalysis, ...]:
    times = np.arange(_FIRST, _END, np.timedelta64(1, "h"))
    return tuple(on_grid(truth(time), _GRID) for time in times)


def _without(raw: RawAnalysis, name: str) -> RawAnalysis:
    return replace(raw, upper={key: field for key, field in raw.upper.items() if key != name})


def era5_on_pressure_levels(folder: Path) -> None:
    """Write NetCDF files as the Climate Data Store gives them."""
    levels = np.array(PRESSURES_HPA, float)
    write_era5(folder, [_without(on_pressures(raw, levels), "PRES") for raw in _atmosphere()])


def era5_on_model_levels(folder: Path) -> None:
    """Write NetCDF files of hybrid levels, with their coefficients as GRIB files have them."""
    folder.mkdir(parents=True, exist_ok=True)
    a, b = (0.5 * (half[1:] + half[:-1])[::-1] for half in (_HALF_A_HPA, _HALF_B))
    analyses = []
    for raw in _atmosphere():
        pressure = a[:, None, None] + b[:, None, None] * raw.surface["PRSS"]
        analyses.append(_without(on_pressures(raw, pressure), "HGTS"))
    levels = level_dataset(analyses, "hybrid")
    numbers = np.arange(len(a), 0, -1)
    pv = np.concatenate([100.0 * _HALF_A_HPA, _HALF_B])
    levels = levels.assign_coords(hybrid=("hybrid", numbers, {"GRIB_pv": pv}))
    levels.to_netcdf(folder / "model-levels.nc")
    surface_dataset(analyses).to_netcdf(folder / "single-levels.nc")


WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "era5-pressure": ("era5", era5_on_pressure_levels),
    "era5-model": ("era5", era5_on_model_levels),
}
"""Format and writer of each kind of weather."""


def make_formats(
    root: Path, python: Path, seeds: Sequence[int], particles: int, only: Sequence[str] = ()
) -> None:
    """Write the invented atmosphere as each kind of file, and run HYSPLIT on its ARL files."""
    for name, (form, write) in WRITERS.items():
        if only and name not in only:
            continue
        source = root / name / "source"
        if not source.is_dir():
            write(source)
        convert_and_run(root / name, source, form, python, CASES, seeds, particles)


def convert_and_run(
    folder: Path,
    source: Path,
    form: str,
    python: Path,
    cases: list[dict],
    seeds: Sequence[int],
    particles: int,
) -> None:
    """Fill a folder of cases: ARL files made from weather of a format, and HYSPLIT's runs on them.

    Args:
        folder: of the weather's cases.
        source, form: the weather, and its format as in config.yaml.
        python: of an environment with pystilt.
        cases: receptors.
        seeds, particles: of HYSPLIT's ensembles.
    """
    met = folder / "met"
    to_arl(
        MetConfig(directory=source, format=form), met, hours_per_file=_HOURS_PER_FILE,
        file_format=_FILE_FORMAT,
    )  # fmt: skip
    note = {"directory": str(source.resolve()), "format": form}
    (folder / SOURCE).write_text(json.dumps(note))
    run_hysplit(python, folder, met, _FILE_FORMAT, f"{_HOURS_PER_FILE}h", cases, seeds, particles)

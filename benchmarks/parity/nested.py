"""HYSPLIT given a fine grid inside a coarse one, beside ours with the same two.

    python -m benchmarks.parity --hysplit-python ~/hysplit/bin/python --nested --out folder
    python -m benchmarks.parity --reference folder          # the comparison alone, again

The two grids differ in projection, levels, interval and in what they say: the coarse one has
stronger wind over other hills. So a particle that changed grids elsewhere, or at another height,
would soon be in another place.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.parity.hysplit import run_cases
from benchmarks.parity.invented import PRESSURE_HPA, SIGMA, Invention, write_weather
from stilt.meteorology.grids import conformal_grid, latlon_grid

NAME = "nested"
CASES = [
    {"name": "day30m", "time": "2023-07-10 22:00", "lon": -96.5, "lat": 38.9, "alt": 30.0,
     "hours": -12},
    {"name": "night60m", "time": "2023-07-11 09:00", "lon": -96.9, "lat": 39.2, "alt": 60.0,
     "hours": -12},
    {"name": "aloft1km", "time": "2023-07-10 22:00", "lon": -95.2, "lat": 39.9, "alt": 1000.0,
     "hours": -12},
    {"name": "comes50m", "time": "2023-07-10 23:00", "lon": -91.9, "lat": 40.6, "alt": 50.0,
     "hours": -12},
]  # fmt: skip
"""Three receptors inside the fine grid, which particles leave; one outside, whose come into it."""

_FINE = Invention(
    conformal_grid(-95.0, 40.0, 8.0, 61, 61, cone_lat=40.0, levels=SIGMA, vertical_flag=1)
)
_COARSE = Invention(
    latlon_grid(-107.0, 30.0, 0.5, 0.5, 50, 40, levels=PRESSURE_HPA, vertical_flag=2),
    upper=("UWND", "VWND", "WWND", "TEMP", "RELH", "HGTS"),
    terrain_m=(600.0, 150.0),
    wind_m_s=13.0,
)
_START, _HOURS = np.datetime64("2023-07-10T00:00"), 36
_HOURS_BETWEEN = {"fine": 1, "coarse": 3}


def make_nested(root: Path, python: Path, seeds: Sequence[int], particles: int) -> None:
    """Write the weather of both grids, a file each, and run HYSPLIT on them."""
    folder = root / NAME
    files = []
    for grid, invention in (("fine", _FINE), ("coarse", _COARSE)):
        files += write_weather(
            invention, folder / "met" / grid, _START, _HOURS, interval_h=_HOURS_BETWEEN[grid],
            hours_per_file=2 * _HOURS,
        )  # fmt: skip
    met = {"grids": [str(path.resolve()) for path in files]}
    run_cases(python, folder, met, CASES, seeds, particles)

"""Transport error of an enhancement, ours beside one made from HYSPLIT's own error runs.

    python -m benchmarks.parity.error_runs --hysplit-python ~/hysplit/bin/python
    python -m benchmarks.parity.error_runs --out folder     # again, with the runs kept there

Both programs follow the receptors of the stored weather ``basin``, a main run and an error run with
each of some seeds. The transport error is the root of the variance over particles of what a flux
adds in the error runs, less that in the main runs (Lin and Gerbig 2005,
doi:10.1029/2004GL021127). Ours is asked to be within 15 %, or among what HYSPLIT's seeds give.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks.parity.cases import Case, find_cases, reference_folder
from benchmarks.parity.checks import Bar, Check, verdict
from benchmarks.parity.hysplit import call_driver
from benchmarks.parity.ours import config_for
from stilt.execution.programs import stored_programs
from stilt.footprint.particle_flux import FluxAlongPaths
from stilt.receptors import PointReceptor
from stilt.transport import release_of, run_transport

ERRORS = {"siguverr": 2.0, "tluverr": 120.0, "zcoruverr": 500.0, "horcoruverr": 40.0}
"""Winds that are wrong by 2 m/s for two hours, 500 m and 40 km."""

CASES = ("day5m",)
HOURS = -12
PARTICLES = 1000
BAR = 0.15

_PLACES = ("time", "indx", "long", "lati", "foot")
_LON, _LAT = np.arange(-120.0, -105.0, 0.1), np.arange(36.0, 46.0, 0.1)
FLUX = xr.DataArray(
    10.0 * (_LAT[:, None] - 40.6 - 0.13 * (_LON + 113.3)),
    dims=("lat", "lon"),
    coords={"lat": _LAT, "lon": _LON},
    attrs={"units": "umol m-2 s-1"},
)
"""Zero along the way that the mean wind takes to ``day5m``, and growing across it: what particles
add then tells where they were, and less when they were near the ground."""


def run_hysplit(python: Path, case: Case, seeds: Sequence[int], out: Path) -> None:
    """Have HYSPLIT make the main and error runs of a case that ``out`` lacks.

    Raises:
        SystemExit: HYSPLIT's environment reports an error.
    """
    out.mkdir(parents=True, exist_ok=True)
    entry = {key: getattr(case, key) for key in ("name", "time", "lon", "lat", "alt", "hours")}
    met = {
        "directory": str((case.folder / "met").resolve()),
        "file_format": "%Y%m%d_%H",
        "file_tres": "6h",
    }
    job = {
        "met": met, "cases": [entry], "seeds": list(seeds), "particles": PARTICLES,
        "settings": {}, "errors": ERRORS,
    }  # fmt: skip
    call_driver(python, job, out)


def of_hysplit(case: Case, out: Path) -> pd.DataFrame:
    """Return mean and variances over particles by seed, from HYSPLIT's runs in a folder."""
    rows = {}
    for main in sorted(out.glob(f"{case.name}_s*_main.parquet")):
        error = main.with_name(main.name.replace("_main", "_error"))
        if error.exists():
            seed = int(main.stem.split("_s")[1].split("_")[0])
            names = {"age": "time", "particle": "indx", "lon": "long", "lat": "lati"}
            rows[seed] = [
                _added(case, pd.read_parquet(path).rename(columns=names)) for path in (main, error)
            ]
    return _table(rows)


def of_ours(case: Case, seeds: Sequence[int], cache: Path) -> pd.DataFrame:
    """Return mean and variances over particles by seed, from runs of ours."""
    rows = {}
    for seed in seeds:
        config = config_for(case, numpar=PARTICLES, seed=seed, varsiwant=_PLACES, **ERRORS)
        release = release_of(_receptor(case), str(case), config)
        rows[seed] = []
        for error_run in (False, True):
            (table,) = run_transport(
                [release], case.refs, config, cache_dir=cache, error_run=error_run,
                programs=stored_programs(cache),
            )  # fmt: skip
            if isinstance(table, Exception):
                raise table
            rows[seed].append(_added(case, table))
    return _table(rows)


def error_check(cases: Sequence[Case], seeds: Sequence[int], out: Path, cache: Path) -> Check:
    """Compare the transport errors, in ppm."""
    tables = {}
    for case in cases:
        theirs, mine = of_hysplit(case, out), of_ours(case, seeds, cache)
        low, high = theirs["error"].min(), theirs["error"].max()
        both = [np.sqrt(max(each["variance"].mean(), 0.0)) for each in (theirs, mine)]
        tables[str(case)] = {
            "mean HYSPLIT": theirs["mean"].mean(),
            "mean ours": mine["mean"].mean(),
            "error HYSPLIT": both[0],
            "lowest seed": low,
            "highest seed": high,
            "error ours": both[1],
            "off %": 100.0 * (both[1] / max(both[0], 1e-9) - 1.0),
            "seeds": len(theirs),
            "met": abs(both[1] - both[0]) <= BAR * both[0] or 0.0 < low <= both[1] <= high,
        }
    table = pd.DataFrame(tables).T
    worst = table["off %"].astype(float).abs().max()
    met = bool(table["met"].all())
    asked = f"transport error within {BAR:.0%}, or among what HYSPLIT's seeds give"
    return Check(
        "Transport error of an enhancement, ppm",
        table.astype({"met": bool}),
        [Bar(asked, f"{worst:.0f} % at worst", verdict(met))],
    )


def basin_cases(names: Sequence[str] = CASES) -> list[Case]:
    """The cases of ``basin`` that are compared, with runs of :data:`HOURS`; none where absent."""
    folder = reference_folder()
    if folder is None or not folder.is_dir():
        return []
    found = [case for case in find_cases(folder, ["basin"]) if case.name in names]
    return [replace(case, hours=HOURS) for case in found if (case.folder / "met").is_dir()]


def _receptor(case: Case) -> PointReceptor:
    return PointReceptor(case.time, case.lon, case.lat, case.alt)


def _added(case: Case, particles: pd.DataFrame) -> np.ndarray:
    """What the flux adds to each particle, ppm."""
    added = FluxAlongPaths.of(FLUX).per_particle(particles, _receptor(case))
    return added.reindex(range(1, PARTICLES + 1), fill_value=0.0).to_numpy()


def _table(rows: dict[int, list[np.ndarray]]) -> pd.DataFrame:
    """Mean of the main run, variance of the error run less the main run's, and its root."""
    found = pd.DataFrame(
        {
            seed: {"mean": main.mean(), "variance": error.var(ddof=1) - main.var(ddof=1)}
            for seed, (main, error) in rows.items()
        }
    ).T
    return found.assign(error=np.sqrt(found["variance"].clip(lower=0.0)))


def main() -> int:
    """Print the comparison; the exit code says whether the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hysplit-python", help="Python of an environment with pystilt")
    parser.add_argument("--out", help="folder for HYSPLIT's runs, kept")
    parser.add_argument("--cases", nargs="+", default=CASES, help="names of receptors (day5m)")
    parser.add_argument("--seeds", type=int, default=4, help="seeds of each program (4)")
    options = parser.parse_args()
    cases = basin_cases(options.cases)
    if not cases:
        print("The reference weather basin is not there: set STILT_REFERENCE.", file=sys.stderr)
        return 2
    seeds = range(1, options.seeds + 1)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(options.out or scratch)
        for case in cases:
            if options.hysplit_python:
                run_hysplit(Path(options.hysplit_python).absolute(), case, seeds, out)
            if of_hysplit(case, out).empty:
                print("No runs of HYSPLIT: give --hysplit-python to make some.", file=sys.stderr)
                return 2
        check = error_check(cases, seeds, out, Path(scratch) / "weather")
    print(check.title, check.table.to_string(), *check.bars, sep="\n")
    return int(any(bar.verdict == "MISS" for bar in check.bars))


if __name__ == "__main__":
    sys.exit(main())

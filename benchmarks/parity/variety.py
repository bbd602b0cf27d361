"""HYSPLIT beside ours on weather and settings of many kinds.

    python -m benchmarks.parity.variety --hysplit-python ~/hysplit/bin/python --out folder
    python -m benchmarks.parity.variety --out folder --only polar      # again, ours alone
    python -m benchmarks.parity.variety --out another --night --hysplit-python …   # before sunrise

Every scenario is a weather of :mod:`benchmarks.parity.invented`, settings, and a receptor or two.
Both programs give mean trajectories, and HYSPLIT a small cloud at whose places and times our
weather is compared with its columns.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.parity.cases import weather_of
from benchmarks.parity.checks import distance_km
from benchmarks.parity.scenario import Scenario
from benchmarks.parity.variety_scenarios import HERE, SCENARIOS
from stilt.config import ModelConfig
from stilt.config.run import PARTICLE_CODES
from stilt.execution.programs import stored_programs
from stilt.receptors import ColumnReceptor, MultiPointReceptor, PointReceptor
from stilt.transport import release_of, run_transport
from stilt.transport.sample import sample_weather

_DRIVER = Path(__file__).with_name("variety_driver.py")
_KINDS = {"point": PointReceptor, "column": ColumnReceptor, "multipoint": MultiPointReceptor}
_BOTH = tuple(code for code in PARTICLE_CODES if code != "zfx1")
_SAMPLED = ("mlht", "sigw", "tlgr", "dens", "pres", "temp", "zsfc", "shtf")


def run_hysplit(python: Path, scenarios: list[Scenario], root: Path) -> None:
    """Run what has no result yet."""
    jobs = []
    for scenario in scenarios:
        met = scenario.make_weather(root)
        for name, receptor, settings in scenario.runs(root):
            out = scenario.folder(root) / f"{name}.parquet"
            if out.exists() or out.with_suffix(".txt").exists():
                continue
            jobs.append(
                {
                    "out": str(out.resolve()),
                    "met": {
                        "directory": str(met.resolve()),
                        "file_format": "%Y%m%d_%H",
                        "file_tres": f"{scenario.hours_per_file}h",
                    },
                    "receptor": receptor,
                    "settings": {**_theirs(settings), "varsiwant": list(_BOTH)},
                }
            )
    if not jobs:
        return
    listing = root / f"jobs_{os.getpid()}.json"
    listing.write_text(json.dumps(jobs, indent=1))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run(
        [str(python), str(_DRIVER), str(listing.resolve())], cwd=root, env=environment, check=True
    )


def _theirs(settings: dict) -> dict:
    """Settings as pystilt knows them: ZISCALE counts there whenever it is given."""
    return {name: value for name, value in settings.items() if name != "zicontroltf"}


def config_of(settings: dict, **changes: object) -> ModelConfig:
    """Our configuration with a scenario's settings."""
    return ModelConfig(
        **{
            "mets": {"any": {"directory": "unused", "file_format": "%Y", "file_tres": "1h"}},
            "hnf_plume": False,
            "varsiwant": _BOTH,
            **{k: v for k, v in settings.items() if k != "krand"},
            **changes,
        }
    )


def compare(scenario: Scenario, root: Path) -> list[dict]:
    """One line a receptor: trajectories, columns along them, and weather at the cloud's places."""
    folder = scenario.folder(root)
    refs = weather_of(folder / "met")
    cache = folder / "prepared"
    out = []
    for name, receptor, settings in scenario.runs(root):
        path = folder / f"{name}.parquet"
        if not path.exists():
            said = path.with_suffix(".txt")
            out.append({"run": name, "note": said.read_text()[:300] if said.exists() else "-"})
            continue
        theirs = pd.read_parquet(path)
        made = dict(receptor)
        of_kind = _KINDS[made.pop("kind", "point")](**made)
        config = config_of(settings)
        line: dict = {"run": name}
        if name.startswith("mean"):
            release = release_of(of_kind, name, config)
            programs = stored_programs(cache)
            mine = run_transport([release], refs, config, cache_dir=cache, programs=programs)[0]
            if isinstance(mine, Exception):
                line["note"] = f"ours: {mine}"
            else:
                line |= _trajectories(theirs, mine)
        else:
            line |= _points(theirs, pd.Timestamp(of_kind.time), refs, config, cache)
        out.append(line)
    return out


def _trajectories(theirs: pd.DataFrame, mine: pd.DataFrame) -> dict:
    both = theirs.merge(mine, on=["time", "indx"], suffixes=("", "_ours"))
    both = both.sort_values(["indx", "time"], key=np.abs)
    line: dict = {"rows": len(theirs), "ours": len(mine)}
    worst, high = 0.0, 0.0
    for _, track in both.groupby("indx"):
        lon, lat = track["long"].to_numpy(float), track["lati"].to_numpy(float)
        path = np.append(1e-3, np.cumsum(distance_km(lon[:-1], lat[:-1], lon[1:], lat[1:])) + 1e-3)
        apart = distance_km(lon, lat, track["long_ours"], track["lati_ours"])
        share = 100.0 * np.maximum(apart - 0.02, 0.0) / path
        late = np.abs(track["time"].to_numpy()) >= min(60, np.abs(track["time"]).max() / 2)
        worst = max(worst, share[late].max())
        gap = (track["zagl_ours"] - track["zagl"]).abs()
        high = max(high, (gap / np.maximum(10.0, 0.02 * track["zagl"])).max())
    line |= {"path km": path[-1], "far %": worst, "high/bar": high}
    for code in _BOTH:
        if code in ("time", "indx", "long", "lati", "zagl") or code not in theirs:
            continue
        line |= _relative(code, both[code], both[f"{code}_ours"])
    return line


def _points(theirs: pd.DataFrame, start: pd.Timestamp, refs, config, cache: Path) -> dict:
    rows = theirs[theirs["time"].abs() > 10]
    rows = rows.sample(min(len(rows), 3000), random_state=0)
    where = pd.DataFrame(
        {
            "time": start + pd.to_timedelta(rows["time"], unit="min"),
            "long": rows["long"],
            "lati": rows["lati"],
            "zagl": rows["zagl"],
        }
    )
    mine = sample_weather(
        where, refs, config, cache_dir=cache, start=start.to_datetime64().astype("datetime64[m]")
    )
    line: dict = {"rows": len(theirs)}
    for code in _SAMPLED:
        line |= _relative(code, rows[code], mine[code])
    return line


def _relative(code: str, theirs: pd.Series, mine: pd.Series) -> dict:
    a, b = theirs.to_numpy(float), mine.to_numpy(float)
    known = np.isfinite(a) & np.isfinite(b)
    if not known.any():
        return {code: "none"}
    error = 100.0 * np.abs(b - a)[known] / np.maximum(np.abs(a[known]), 1e-9)
    error = np.where(np.abs(b - a)[known] < 1e-9, 0.0, error)
    return {code: (float(np.median(error)), float(np.quantile(error, 0.95)))}


def show(scenario: Scenario, lines: list[dict], threshold: float) -> None:
    """Print a scenario; of the columns only those that differ."""
    for line in lines:
        words = [f"{scenario.name:28s} {line['run']:7s}"]
        for name, value in line.items():
            if name == "run":
                continue
            if isinstance(value, tuple):
                if value[0] > threshold or value[1] > 5.0 * threshold:
                    words.append(f"{name}={value[0]:.2g}/{value[1]:.2g}")
            elif isinstance(value, float):
                words.append(f"{name}={value:.3g}")
            else:
                words.append(f"{name}={value}")
        print(" ".join(words), flush=True)


def main() -> int:
    """Run the scenarios that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity.variety")
    parser.add_argument("--hysplit-python", help="Python of an environment with pystilt")
    parser.add_argument("--out", required=True, help="folder for weather and results, kept")
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of scenarios' names")
    parser.add_argument("--threshold", type=float, default=1.0, help="median shown from, %% (1)")
    parser.add_argument("--night", action="store_true", help="those over America, before sunrise")
    parser.add_argument("--no-ours", action="store_true", help="run HYSPLIT alone")
    options = parser.parse_args()
    root = Path(options.out)
    root.mkdir(parents=True, exist_ok=True)
    chosen = [s for s in SCENARIOS if not options.only or s.name.startswith(tuple(options.only))]
    if options.night:
        chosen = [s.at_night() for s in chosen if s.receptors is HERE and s.hours < 0]
    if options.hysplit_python:
        for scenario in chosen:
            run_hysplit(Path(options.hysplit_python).absolute(), [scenario], root)
    if options.no_ours:
        return 0
    warnings.filterwarnings("ignore")
    for scenario in chosen:
        try:
            show(scenario, compare(scenario, root), options.threshold)
        except Exception as error:
            print(f"{scenario.name:28s} ours stopped: {type(error).__name__}: {error}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

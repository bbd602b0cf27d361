"""The same cases through our own transport, in the shape of HYSPLIT's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.parity.cases import Case, Ensemble, Total, cell_sums
from stilt.config import ModelConfig
from stilt.execution.programs import stored_programs
from stilt.receptors import PointReceptor
from stilt.transport import Release, release_of, run_transport
from stilt.transport.met_stream import by_grid
from stilt.transport.sample import sample_weather

POINT_COLUMNS = ("mlht", "sigw", "tlgr", "dens", "pres", "temp", "zsfc")
_NAMES = {"time": "age", "indx": "particle", "long": "lon", "lati": "lat"}


def config_for(case: Case, **changes: object) -> ModelConfig:
    """HYSPLIT's settings in STILT mode, which are our defaults."""
    settings = {
        "mets": {"any": {"directory": "unused", "file_format": "%Y", "file_tres": "1h"}},
        "n_hours": case.hours,
        "hnf_plume": False,
        "varsiwant": ("time", "indx", "long", "lati", "zagl", "foot", "samt"),
    }
    return ModelConfig(**{**settings, **changes})


def release(case: Case, config: ModelConfig) -> Release:
    """Release of a case's receptor."""
    receptor = PointReceptor(case.time, case.lon, case.lat, case.alt)
    return release_of(receptor, str(case), config)


def run(
    case: Case, releases: Sequence[Release], config: ModelConfig, cache: Path
) -> list[pd.DataFrame]:
    """Particles of releases in a case's weather, with the columns of HYSPLIT's files.

    Raises:
        Exception: whatever a release failed of.
    """
    programs = stored_programs(cache)
    tables = run_transport(releases, case.refs, config, cache_dir=cache, programs=programs)
    for table in tables:
        if isinstance(table, Exception):
            raise table
    return [table.rename(columns=_NAMES) for table in tables]


def mean_trajectory(case: Case, cache: Path) -> pd.DataFrame:
    """Our mean trajectory, a row a minute."""
    config = config_for(case, numpar=1, nturb=1)
    return run(case, [release(case, config)], config, cache)[0]


def ensembles(
    case: Case, seeds: Sequence[int], cache: Path, settings: Mapping[str, object] | None = None
) -> list[Ensemble]:
    """Run our ensembles, one a seed, with as many particles as HYSPLIT's and rows at its ages.

    Where HYSPLIT's ensembles differ in size ours take the same sizes in turn: the distance between
    two footprints depends on it.
    """
    ages = set(case.ensembles[0].particles["age"])
    counts = [ensemble.count for ensemble in case.ensembles]
    sized = [(seed, counts[index % len(counts)]) for index, seed in enumerate(seeds)]
    return [
        Ensemble(count, table[table["age"].isin(ages)], cell_sums(table))
        for count, table in _of_seeds(case, sized, cache, settings)
    ]


def totals(
    case: Case,
    count: int,
    seeds: Sequence[int],
    cache: Path,
    settings: Mapping[str, object] | None = None,
) -> list[Total]:
    """Run ensembles of ``count`` particles, one a seed, and return their footprint totals."""
    sized = [(seed, count) for seed in seeds]
    return [
        Total(count, float(table["foot"].to_numpy().sum(dtype=np.float64)) / count)
        for _, table in _of_seeds(case, sized, cache, settings)
    ]


def _of_seeds(
    case: Case,
    sized: Sequence[tuple[int, int]],
    cache: Path,
    settings: Mapping[str, object] | None,
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Number and table of particles for each seed and number."""
    for seed, count in sized:
        config = config_for(case, numpar=count, seed=seed, **(settings or {}))
        yield count, run(case, [release(case, config)], config, cache)[0]


def points(case: Case, rows: pd.DataFrame, cache: Path) -> pd.DataFrame:
    """Our weather and turbulence at HYSPLIT's own places and times, of the finest grid there."""
    where = pd.DataFrame(
        {
            "time": pd.Timestamp(case.time) + pd.to_timedelta(rows["age"], unit="min"),
            "long": rows["lon"],
            "lati": rows["lat"],
            "zagl": rows["zagl"],
        }
    )
    found: pd.DataFrame | None = None
    for refs in by_grid(case.refs):
        sampled = sample_weather(where, refs, config_for(case), cache_dir=cache)
        # What lies outside a grid is NaN.
        found = sampled if found is None else found.combine_first(sampled)
    return found


def minute_from_each(case: Case, track: pd.DataFrame, cache: Path) -> pd.DataFrame:
    """Where our mean wind takes each row of a track in the minute that follows it.

    Every row is a release of its own, so place and height are the track's all the time.
    """
    sign = 1 if case.hours > 0 else -1
    config = config_for(case, numpar=1, nturb=1, n_hours=sign)
    template = release(case, config)
    start = np.datetime64(case.time, "s")
    edge = np.timedelta64(3600 * sign, "s")
    times = [ref.time for ref in case.refs]
    first, last = min(times), max(times)
    releases, kept = [], []
    for number, row in enumerate(track.itertuples()):
        time = start + np.timedelta64(int(60 * row.age), "s")
        if not first <= min(time, time + edge) <= max(time, time + edge) <= last:
            continue
        kept.append(number)
        releases.append(
            replace(
                template,
                time=time,
                longitudes=np.array([row.lon], float),
                latitudes=np.array([row.lat], float),
                heights_m=np.array([row.zagl], float),
            )
        )
    out = []
    for number, table in zip(kept, run(case, releases, config, cache), strict=True):
        step = table.iloc[0]
        out.append((track["age"].iloc[number] + sign, step["lon"], step["lat"]))
    return pd.DataFrame(out, columns=["age", "lon", "lat"])

"""One invented atmosphere in every format, ours on each beside ours on the same as ARL has it.

    python -m benchmarks.parity.one_truth                    # all formats
    python -m benchmarks.parity.one_truth --only wrf gfs
    python -m benchmarks.parity.one_truth --particles 120000 # totals to half a per cent

The ARL side is what :func:`stilt.meteorology.to_arl` would write of the very analyses that the
writer of the format was given, without ARL's packing, so that what is left is the format: its
units, signs, staggering, levels and the packing of its own. Mean trajectories are without
turbulence, totals of ensembles of one seed.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import tempfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.parity import ours
from benchmarks.parity.cases import SOURCE, Case
from benchmarks.parity.checks import distance_km, path_km
from benchmarks.parity.format_writers import KINDS, Kind
from benchmarks.parity.formats import CASES
from stilt.config import MetConfig
from stilt.meteorology.archive import list_met
from stilt.meteorology.arl_conversion import arl_analysis, level_codes
from stilt.meteorology.formats import field_names
from stilt.meteorology.records import AnalysisRef, FileIndex, RawAnalysis

MEAN_BAR, TOTAL_BAR = 0.1, 1.0
"""What the particles' mean may differ by, % of the path, and footprint totals, %."""


_SETTLED_MINUTES = 60
_PORTION = 4000
"""Particles in memory at once, those of one seed."""


class ExactFormat:
    """Analyses as they are in memory, one a file, in single precision."""

    def recognises(self, path: str) -> bool:
        """Whether a file has the name that :func:`write_exact` gives."""
        return path.endswith(".analysis")

    def scan(self, path: str) -> FileIndex:
        """List the one analysis of a file."""
        raw = self._load(path)
        name = f"{__name__}.{type(self).__name__}"
        ref = AnalysisRef(
            path, raw.time, raw.forecast_hour, 0, 0, raw.grid, str(raw.time), format=name
        )
        return FileIndex((ref,))

    def read(self, ref: AnalysisRef, variables: Collection[str] | None = None) -> RawAnalysis:
        """Return the analysis of a file."""
        return self._load(ref.path)

    @staticmethod
    def _load(path: str) -> RawAnalysis:
        with open(path, "rb") as file:
            return pickle.load(file)


def write_exact(folder: Path, analyses: Iterable[RawAnalysis]) -> None:
    """Write analyses as ARL files would have them, unpacked."""
    folder.mkdir(parents=True, exist_ok=True)
    codes = None
    for raw in analyses:
        codes = codes or level_codes(raw)
        path = folder / f"{raw.time.astype('datetime64[h]')}.analysis"
        path.write_bytes(pickle.dumps(arl_analysis(raw, codes)))


def compared(
    name: str, kind: Kind, folder: Path, particles: int, seed: int, receptors: Sequence[dict]
) -> pd.DataFrame:
    """Run receptors on a format and on the ARL form of the same, a row for each.

    Args:
        name: of the kind of files.
        kind: of the files, which are written into a folder unless they are there.
        folder: for the weather of both.
        particles, seed: of every ensemble.
        receptors: name, time, lon, lat, alt and hours of each.
    """
    source, exact = folder / "source", folder / "exact"
    if not source.is_dir():
        kind.write(source, kind.analyses())
    theirs = {"directory": str(exact), "format": f"{__name__}.{ExactFormat.__name__}"}
    mine = {"directory": str(source), "format": kind.form}
    if not exact.is_dir():
        first = list_met(MetConfig(**mine)).streams[0].analyses[0]
        write_exact(exact, (_as_listed(raw, first) for raw in kind.analyses()))
    rows = []
    for each in receptors:
        cases = [_case(folder / side, met, each) for side, met in (("of", mine), ("arl", theirs))]
        with tempfile.TemporaryDirectory() as prepared:
            means = [ours.mean_trajectory(case, Path(prepared)) for case in cases]
            clouds = [_influences(case, Path(prepared), particles, seed) for case in cases]
        row = {**_means_apart(cases[0], *means), **_totals_apart(*clouds)}
        rows.append({"format": name, "receptor": each["name"], **row})
    return pd.DataFrame(rows)


def _as_listed(raw: RawAnalysis, first: AnalysisRef) -> RawAnalysis:
    """An analysis with the fields that a format carries, and its levels as the format lists them.

    The list decides the transport's own levels.
    """
    known = field_names(first)
    surface = {name: field for name, field in raw.surface.items() if name in known.surface}
    upper = {name: field for name, field in raw.upper.items() if name in known.upper}
    grid = replace(raw.grid, levels=first.grid.levels, vertical_flag=first.grid.vertical_flag)
    return replace(raw, grid=grid, surface=surface, upper=upper)


def _case(folder: Path, met: dict[str, str], receptor: dict) -> Case:
    folder.mkdir(exist_ok=True)
    (folder / SOURCE).write_text(json.dumps(met))
    return Case(folder.parent.name, folder, **receptor)


def _influences(case: Case, prepared: Path, count: int, seed: int) -> np.ndarray:
    """Return the whole influence of each of so many particles, computed in portions."""
    sums = []
    for first in range(0, count, _PORTION):
        config = ours.config_for(case, numpar=min(_PORTION, count - first), seed=seed + first)
        (table,) = ours.run(case, [ours.release(case, config)], config, prepared)
        sums.append(table.groupby("particle")["foot"].sum().to_numpy(float))
    return np.concatenate(sums)


def _means_apart(case: Case, mine: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, float]:
    """Distance of two mean trajectories, in % of the path so far, and in height."""
    both = theirs.merge(mine, on="age", suffixes=("", "_mine")).sort_values("age", key=np.abs)
    path = path_km(both["lon"], both["lat"], case)
    apart = distance_km(both["lon"], both["lat"], both["lon_mine"], both["lat_mine"])
    # The first minutes' paths are too short to be a share of.
    later = slice(min(_SETTLED_MINUTES, len(both) // 2), None)
    return {
        "path km": path[-1],
        "mean, worst %": float((100.0 * apart / path)[later].max()),
        "height, worst m": float((both["zagl_mine"] - both["zagl"]).abs().max()),
    }


def _totals_apart(mine: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """Difference of two footprint totals in %, and its standard error.

    Particles of one number have the same random numbers on both sides, but do not stay together:
    turbulence makes a metre of difference a kilometre.
    """
    known = theirs.mean()
    if not known:
        return {"total %": 0.0, "s.e. %": 0.0}
    apart = mine - theirs
    error = apart.std(ddof=1) / np.sqrt(len(apart))
    return {"total %": 100.0 * apart.mean() / known, "s.e. %": 100.0 * error / known}


def main() -> int:
    """Print a row for each format and receptor; 1 when a bar is missed, else 0."""
    options = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(options.out or scratch)
        tables = []
        for name, kind in KINDS.items():
            if options.only and name not in options.only:
                continue
            folder = root / name
            folder.mkdir(parents=True, exist_ok=True)
            tables.append(compared(name, kind, folder, options.particles, options.seed, CASES))
            print(tables[-1].to_string(header=len(tables) == 1, index=False), flush=True)
    table = pd.concat(tables)
    allowed = TOTAL_BAR + 2.0 * table["s.e. %"]
    missed = (table["mean, worst %"] > MEAN_BAR) | (table["total %"].abs() > allowed)
    print(
        f"{(~missed).sum()} of {len(table)} within {MEAN_BAR:g} % of the path and, "
        f"two standard errors allowed, {TOTAL_BAR:g} % of the total."
    )
    return int(missed.any())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.parity.one_truth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="*", default=[], help="kinds of files", choices=list(KINDS))
    parser.add_argument("--particles", type=int, default=4000, help="of each ensemble (4000)")
    parser.add_argument("--seed", type=int, default=1, help="of all ensembles (1)")
    parser.add_argument("--out", help="folder for the weather, kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Cases to compare: weather, receptors, and what HYSPLIT made of them.

A folder of cases has one sub-folder per weather with ``cases.json`` (receptors), ``met/`` (ARL
files, or a folder of them for each of several grids) and ``hysplit/``: ``CASE_mean.parquet`` (one
particle, no turbulence, every minute), ``CASE_sN_particles.parquet`` (the ensemble of seed N at
some ages) and ``CASE_sN_rawfoot.parquet`` (the sum of ``foot`` over particles and steps, per hour
and cell of 0.1 degree). Where the ARL files were made from weather of another format,
``source.json`` says of which, and ours reads that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from stilt.config import MetConfig
from stilt.meteorology.archive import list_met
from stilt.meteorology.arl import read_index
from stilt.meteorology.records import AnalysisRef

REFERENCE_VARIABLE = "STILT_REFERENCE"
SOURCE = "source.json"
"""File beside ARL files that were made from weather of another format, which ours reads."""

CELL_DEG = 0.1
FILE_RESOLUTION_DEG = 1e-4
FINER_CELLS_DEG = (0.01, 0.001)


@dataclass(frozen=True)
class Total:
    """Footprint total of one ensemble.

    Attributes:
        particles: in the ensemble.
        per_particle: total, ppm per (umol m-2 s-1).
    """

    particles: int
    per_particle: float


@dataclass(frozen=True)
class Ensemble:
    """Particles of one seed.

    Attributes:
        count: particles released.
        particles: rows at some ages: age (min), particle, lon, lat (degrees), zagl (m), samt
            (min), ...
        foot: sum of foot over particles and steps by cell (i, j) of 0.1 degree.
    """

    count: int
    particles: pd.DataFrame
    foot: pd.Series

    @cached_property
    def by_age(self) -> dict[object, pd.DataFrame]:
        """The particles of each age."""
        return dict(iter(self.particles.groupby("age")))

    @property
    def total(self) -> Total:
        """Of its footprint."""
        return Total(self.count, float(self.foot.sum() / self.count))

    def footprint(self, cell_deg: float = CELL_DEG) -> pd.Series:
        """Return the footprint by cell (i, j): the sum of foot of all steps at 0.1 degree.

        On finer cells it is the sum of the time in the influence layer (samt) over the kept rows,
        since HYSPLIT's steps are kept as sums over cells of 0.1 degree only, and the foot of its
        kept rows has the near-field correction in some runs and not in others.
        """
        if cell_deg == CELL_DEG:
            return self.foot
        return cell_sums(self.particles, cell_deg, of="samt")


@dataclass(frozen=True)
class Case:
    """One receptor in one weather, with HYSPLIT's results beside it."""

    weather: str
    folder: Path
    name: str
    time: str
    lon: float
    lat: float
    alt: float
    hours: int

    def __str__(self) -> str:
        return f"{self.weather} {self.name}"

    @cached_property
    def refs(self) -> list[AnalysisRef]:
        """Every analysis of the case's weather, by time: of the source of its ARL files, if any.

        Of several grids they are those of one after the other.
        """
        note = self.folder / SOURCE
        if note.exists():
            return list(list_met(MetConfig(**json.loads(note.read_text()))).streams[0].analyses)
        met = self.folder / "met"
        grids = sorted(path for path in met.iterdir() if path.is_dir())
        return [ref for grid in grids or [met] for ref in weather_of(grid)]

    @cached_property
    def mean(self) -> pd.DataFrame | None:
        """HYSPLIT's mean trajectory, a row a minute; None where it was not run."""
        path = self.folder / "hysplit" / f"{self.name}_mean.parquet"
        return pd.read_parquet(path).sort_values("age", key=np.abs) if path.exists() else None

    @cached_property
    def ensembles(self) -> list[Ensemble]:
        """HYSPLIT's ensembles, one a seed; empty where none was run."""
        out = []
        for path in sorted((self.folder / "hysplit").glob(f"{self.name}_s*_particles.parquet")):
            particles = pd.read_parquet(path)
            raw = pd.read_parquet(path.with_name(path.name.replace("particles", "rawfoot")))
            run = json.loads(
                path.with_name(path.name.replace("particles.parquet", "run.json")).read_text()
            )
            out.append(Ensemble(int(run["npar"]), particles, raw.groupby(["i", "j"])["foot"].sum()))
        return out


def weather_of(folder: Path) -> list[AnalysisRef]:
    """All analyses of all files in a folder, by time; of equal times the first file's."""
    refs: dict[np.datetime64, AnalysisRef] = {}
    for path in sorted(folder.iterdir()):
        for ref in read_index(path):
            refs.setdefault(ref.time, ref)
    return [refs[time] for time in sorted(refs)]


def reference_folder(given: str | None = None) -> Path | None:
    """The folder of cases: the one given, ``STILT_REFERENCE``, or ``../shared/reference``."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "reference"
    chosen = given or os.environ.get(REFERENCE_VARIABLE)
    if chosen:
        return Path(chosen)
    return beside if beside.is_dir() else None


def find_cases(root: Path, only: Sequence[str] = ()) -> list[Case]:
    """Cases under a folder; ``only`` names weathers or cases to keep."""
    found = []
    for listing in sorted(root.glob("*/cases.json")):
        if not (listing.parent / "hysplit").is_dir():
            continue
        for entry in json.loads(listing.read_text()):
            keys = ("name", "time", "lon", "lat", "alt", "hours")
            found.append(
                Case(listing.parent.name, listing.parent, **{key: entry[key] for key in keys})
            )
    return [case for case in found if not only or {case.weather, case.name} & set(only)]


def cell_sums(particles: pd.DataFrame, cell_deg: float = CELL_DEG, of: str = "foot") -> pd.Series:
    """Return the sum of a column by cell (i, j).

    On cells finer than 0.1 degree places are first rounded as HYSPLIT's files round them: else
    particles near a cell's edge would lie on its one side in one program, on the other in ours.
    """
    cells = {}
    for index, column in (("i", "lon"), ("j", "lat")):
        places = particles[column].to_numpy(np.float64)
        if cell_deg == CELL_DEG:
            cells[index] = np.floor(places / cell_deg).astype(int)
        else:
            steps = np.rint(places / FILE_RESOLUTION_DEG).astype(int)
            cells[index] = steps // round(cell_deg / FILE_RESOLUTION_DEG)
    return particles.assign(**cells).groupby(["i", "j"])[of].sum()


def write_cases(folder: Path, entries: Iterable[dict]) -> None:
    """Write ``cases.json`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cases.json").write_text(json.dumps(list(entries), indent=1))

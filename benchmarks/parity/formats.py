"""HYSPLIT on ARL files of ``to_arl`` beside the weather they were made from, which ours reads.

    python -m benchmarks.parity --hysplit-python ~/hysplit/bin/python --formats --out folder
    python -m benchmarks.parity --reference folder          # the comparison alone, again

With ``--formats`` one invented atmosphere, the demo's, is written as each kind of file that there
is a writer for, and as ARL files made from WRF (:data:`ARL_OF_WRF`), which both programs read as
they are. With ``--weather`` and ``--format`` it is weather of the user's own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.parity.cases import SOURCE
from benchmarks.parity.format_writers import KINDS, arl_of_wrf
from benchmarks.parity.hysplit import run_hysplit
from stilt.config import MetConfig
from stilt.meteorology import to_arl

CASES = [
    {"name": "afternoon", "time": "2023-07-15 22:00", "lon": -111.85, "lat": 40.77, "alt": 30.0,
     "hours": -12},
    {"name": "aloft", "time": "2023-07-15 22:00", "lon": -112.1, "lat": 40.5, "alt": 1500.0,
     "hours": -12},
    {"name": "night", "time": "2023-07-15 12:00", "lon": -111.6, "lat": 41.0, "alt": 60.0,
     "hours": -10},
]  # fmt: skip
"""Receptors in the invented atmosphere."""

ARL_OF_WRF = "arl-wrf"
"""ARL files of vertical flag 5 with staggered winds, as NOAA's arw2arl makes of WRF's output."""

_HOURS_PER_FILE, _FILE_FORMAT = 24, "%Y%m%d_%H"


def make_formats(
    root: Path, python: Path, seeds: Sequence[int], particles: int, only: Sequence[str] = ()
) -> None:
    """Write the invented atmosphere as each kind of file, and run HYSPLIT on its ARL files.

    Every kind has seeds of its own, as many as are given: several kinds make nearly the same ARL
    file, and with the same seeds HYSPLIT would give the same clouds again, counted as new ones.
    """
    for number, (name, kind) in enumerate(KINDS.items()):
        if (only and name not in only) or not kind.has_arl:
            continue
        source = root / name / "source"
        if not source.is_dir():
            kind.write(source, kind.analyses())
        own = [number * len(seeds) + seed for seed in seeds]
        convert_and_run(root / name, source, kind.form, python, CASES, own, particles)
    if not only or ARL_OF_WRF in only:
        folder = root / ARL_OF_WRF
        own = [len(KINDS) * len(seeds) + seed for seed in seeds]
        arl_of_wrf(folder / "met", _FILE_FORMAT, _HOURS_PER_FILE)
        _run(folder, python, CASES, own, particles)


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
    _run(folder, python, cases, seeds, particles)


def _run(
    folder: Path, python: Path, cases: list[dict], seeds: Sequence[int], particles: int
) -> None:
    met, hours = folder / "met", f"{_HOURS_PER_FILE}h"
    run_hysplit(python, folder, met, _FILE_FORMAT, hours, cases, seeds, particles)

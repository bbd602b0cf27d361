"""Footprint totals of further HYSPLIT ensembles, for cases whose stored ones are too few to tell.

Of 1,500 particles that start 2 km above ground a few reach it within a day, and the mean of three
seeds is uncertain by a third. A total is one number, so those of many more seeds are kept here, in
``hysplit_totals.csv``: made by the real HYSPLIT (``--further-totals`` of the command), none left
out for what it gave. They count for the very same weather, receptor and hours only.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.parity.cases import Case, Total
from benchmarks.parity.hysplit import call_driver
from stilt.meteorology.fingerprint import fingerprint

FILE = Path(__file__).with_name("hysplit_totals.csv")
_FIRST_SEED = 401


def further_totals(case: Case, file: Path = FILE) -> list[Total]:
    """HYSPLIT's totals of a case beyond those of its stored ensembles."""
    return [Total(int(row["particles"]), float(row["total"])) for row in _rows(case, file)]


def make_further_totals(
    cases: list[Case], python: Path, met: dict[str, str], count: int, particles: int
) -> None:
    """Run further seeds of HYSPLIT for each case, one a core, and add their totals to the file.

    Args:
        cases: of one weather.
        python: of an environment with pystilt.
        met: the entry of that weather for pystilt: file_format and file_tres.
        count: seeds of each case; they follow the highest in the file.
        particles: in each ensemble.

    Raises:
        SystemExit: HYSPLIT's environment reports an error; its own words are passed on.
    """
    jobs = []
    for case in cases:
        first = max([_FIRST_SEED - 1, *(int(row["seed"]) for row in _rows(case, FILE))]) + 1
        jobs += [(case, seed) for seed in range(first, first + count)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        totals = pool.map(lambda job: _total(*job, python, met, particles), jobs)
        for (case, seed), total in zip(jobs, totals, strict=True):
            add_total(case, seed, Total(particles, total))
            print(f"HYSPLIT {case} seed {seed}: {total:.6f}", flush=True)


def _total(case: Case, seed: int, python: Path, met: dict[str, str], particles: int) -> float:
    with tempfile.TemporaryDirectory(prefix="parity_") as folder:
        job = {
            "met": {"directory": str((case.folder / "met").resolve()), **met},
            "cases": [_entry(case)],
            "seeds": [seed],
            "particles": particles,
            "settings": {},
            "totals_only": True,
        }
        call_driver(python, job, Path(folder))
        return float(json.loads((Path(folder) / f"{case.name}_s{seed}_total.json").read_text()))


def _entry(case: Case) -> dict[str, object]:
    keys = ("name", "time", "lon", "lat", "alt", "hours")
    return {key: getattr(case, key) for key in keys}


def _identity(case: Case) -> dict[str, str]:
    """Columns of the file that say which case a row belongs to."""
    return {"weather": fingerprint(case.refs), **{k: str(v) for k, v in _entry(case).items()}}


def _rows(case: Case, file: Path) -> Iterator[dict[str, str]]:
    if not file.exists():
        return
    with file.open(newline="") as text:
        rows = [row for row in csv.DictReader(text) if row["name"] == case.name]
    if rows:
        mine = _identity(case)
        yield from (row for row in rows if all(row[key] == mine[key] for key in mine))


def add_total(case: Case, seed: int, total: Total, file: Path = FILE) -> None:
    """Append HYSPLIT's total of a case and seed to the file."""
    row = {
        **_identity(case),
        "seed": seed,
        "particles": total.particles,
        "total": f"{total.per_particle:.9g}",
    }
    begins = not file.exists()
    with file.open("a", newline="") as text:
        writer = csv.DictWriter(text, list(row), lineterminator="\n")
        if begins:
            writer.writeheader()
        writer.writerow(row)

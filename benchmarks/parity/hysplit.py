"""Reference runs made now: HYSPLIT in an environment of its own, on any weather and receptors."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.parity.cases import write_cases
from stilt.receptors import PointReceptor, read_receptors

_DRIVER = Path(__file__).with_name("hysplit_driver.py")


def receptors_as_cases(path: Path, hours: int) -> list[dict]:
    """Cases from receptors.csv, or from a cases.json of the shape the reference has."""
    if path.suffix == ".json":
        return json.loads(path.read_text())
    entries = []
    for receptor in read_receptors(path):
        if not isinstance(receptor, PointReceptor):
            raise SystemExit(f"{path}: only receptors at one point can be compared.")
        entries.append(
            {
                "name": str(receptor.id),
                "time": f"{receptor.time:%Y-%m-%d %H:%M}",
                "lon": receptor.longitude,
                "lat": receptor.latitude,
                "alt": receptor.altitude,
                "hours": hours,
            }
        )
    return entries


def run_hysplit(
    python: Path,
    folder: Path,
    weather: Path,
    file_format: str,
    file_tres: str,
    cases: list[dict],
    seeds: Sequence[int],
    particles: int,
    settings: dict | None = None,
) -> None:
    """Fill ``folder`` with a weather's cases, as :mod:`benchmarks.parity.cases` reads them.

    Raises:
        SystemExit: HYSPLIT's environment reports an error; its own words are passed on.
    """
    link = folder / "met"
    if not link.exists():
        folder.mkdir(parents=True, exist_ok=True)
        link.symlink_to(weather.resolve(), target_is_directory=True)
    met = {
        "directory": str(weather.resolve()),
        "file_format": file_format,
        "file_tres": file_tres,
    }
    run_cases(python, folder, met, cases, seeds, particles, settings)


def run_cases(
    python: Path,
    folder: Path,
    met: dict,
    cases: list[dict],
    seeds: Sequence[int],
    particles: int,
    settings: dict | None = None,
) -> None:
    """Have HYSPLIT's environment run cases on a weather that is in their folder already.

    Args:
        python, folder, cases, seeds, particles, settings: as :func:`run_hysplit` takes them.
        met: pystilt's own keywords, or ``grids``: a file for each of several grids.

    Raises:
        SystemExit: HYSPLIT's environment reports an error; its own words are passed on.
    """
    out = folder / "hysplit"
    out.mkdir(parents=True, exist_ok=True)
    write_cases(folder, cases)
    job = {
        "met": met,
        "cases": cases,
        "seeds": list(seeds),
        "particles": particles,
        "settings": settings or {},
    }
    call_driver(python, job, out)


def call_driver(python: Path, job: dict, out: Path) -> None:
    """Have HYSPLIT's environment do a job of ``hysplit_driver.py``, with its files in ``out``.

    Raises:
        SystemExit: it reports an error; its own words are passed on.
    """
    listing = out / "job.json"
    listing.write_text(json.dumps({**job, "out": str(out.resolve())}, indent=1))
    # Our own checkout must not be found there: both packages are called stilt.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(python), str(_DRIVER), str(listing.resolve())], cwd=out, env=environment, check=False
    )
    if done.returncode:
        raise SystemExit(f"No reference runs were made: {python} stopped with {done.returncode}.")

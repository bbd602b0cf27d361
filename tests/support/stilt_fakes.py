"""A project with transport and weather that cost nothing, also in worker processes.

The particles follow from the simulation's id alone, so that results can be compared byte by byte.
What a batch does while it computes is steered by files in a folder, which workers see as well.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd

import stilt
from stilt.errors import MeteorologyError, NoParticleOutputError
from stilt.meteorology.records import AnalysisRef

STEER = "STILT_FAKE_STEER"
DEVICE = "STILT_FAKE_DEVICE"


class _Hashable(SimpleNamespace):
    """An object with these attributes, equal to itself alone."""

    __hash__ = object.__hash__


_GRID = _Hashable(
    key=lambda: "fake",
    to_xy=lambda lon, lat: (lon, lat),
    usable=lambda x, y: np.ones_like(x, dtype=bool),
)
GRID = {"xmin": -113.0, "xmax": -110.0, "ymin": 39.0, "ymax": 42.0, "xres": 0.5, "yres": 0.5}


def config(**changes) -> stilt.ModelConfig:
    fields = {
        "mets": {"fake": {"directory": "met", "file_format": "%Y%m%d_%H", "file_tres": "1h"}},
        "footprints": {"default": {"grid": GRID}},
        "n_hours": -2,
        "numpar": 5,
        "hnf_plume": False,
        "seed": 1,
    }
    return stilt.ModelConfig(**{**fields, **changes})


def receptors(number: int, day: int = 1) -> list[stilt.PointReceptor]:
    times = pd.date_range(f"2023-01-{day:02d} 00:00", periods=number, freq="10min")
    return [stilt.PointReceptor(time, -111.85, 40.77, 5.0) for time in times]


def particles(sim_id: str, numpar: int, n_hours: int) -> pd.DataFrame:
    seed = int(hashlib.sha256(sim_id.encode()).hexdigest()[:8], 16)
    rng = np.random.default_rng(seed)
    minutes = np.repeat(np.arange(1, abs(n_hours) * 60 + 1, 10), numpar) * np.sign(n_hours)
    rows = len(minutes)
    columns = {
        "time": minutes.astype(float),
        "indx": np.tile(np.arange(1, numpar + 1, dtype=np.int32), rows // numpar),
        "long": -111.85 + rng.normal(0, 0.3, rows),
        "lati": 40.77 + rng.normal(0, 0.3, rows),
        "zagl": rng.uniform(5, 500, rows),
        "foot": rng.uniform(0, 0.01, rows),
    }
    for name in ("mlht", "pres", "dens", "samt", "sigw", "tlgr"):
        columns[name] = np.ones(rows)
    return pd.DataFrame(columns)


def run_transport(
    releases,
    refs,
    config,
    *,
    cache_dir,
    error_run=False,
    near_field=False,
    progress=None,
    programs=None,
):
    assert not near_field
    tables = []
    for release in releases:
        _steer(release.sim_id)
        table = particles(release.sim_id, config.numpar, config.n_hours)
        if "empty" in _wishes(release.sim_id):
            table["long"] += 50.0
        table["foot"] *= 0.5 if error_run else 1.0
        if ("fail-error" if error_run else "fail") in _wishes(release.sim_id):
            table = NoParticleOutputError("Nothing came out.", sim_id=release.sim_id)
        tables.append(table)
    if progress is not None:
        progress(1.0)
    return tables


def transport_rows(*arguments, at_ends=(), **options):
    """The same tables as rows, which have all columns."""
    del at_ends
    return [
        table
        if isinstance(table, NoParticleOutputError)
        else SimpleNamespace(table=table, at_ends={})
        for table in run_transport(*arguments, **options)
    ]


def select(self, start, end, reach=()):
    start, end = sorted(map(pd.Timestamp, (start, end)))
    folder = Path(os.environ.get(STEER, "/nowhere"))
    if (folder / "no-weather" / end.strftime("%d%H%M")).exists():
        raise MeteorologyError(f"No weather for {end}.")
    times = np.arange(np.datetime64(start, "h"), np.datetime64(end, "h") + np.timedelta64(2, "h"))
    return [
        AnalysisRef(
            f"met/{time}", time, forecast_hour=0, offset=0, nbytes=0, grid=_GRID, checksum="",
            content="fake",
        )
        for time in times
    ]  # fmt: skip


def assess(self, start, end):
    found = {"files": (), "absent": (), "passed_over": (), "error": None}
    try:
        refs = tuple(select(self, start, end))
        bracket = SimpleNamespace(refs=refs, missing=(), interval=np.timedelta64(1, "h"))
    except MeteorologyError as error:
        bracket = SimpleNamespace(refs=(), missing=(), interval=None)
        found["error"] = error
    return SimpleNamespace(**found, bracket=bracket)


def install() -> None:
    """Put the fakes in the place of weather and transport, in this process."""
    from stilt.meteorology import coverage, heights
    from stilt.meteorology.catalogue import MetCatalogue

    fake = ModuleType("stilt.transport")
    fake.release_of = lambda receptor, sim_id, config: SimpleNamespace(sim_id=sim_id)
    fake.run_transport = run_transport
    fake.transport_rows = transport_rows
    fake.table_of = lambda rows: rows.table
    fake.most_together = lambda config: 100
    fake.corrects_near_field = lambda config: False
    fake.what_computes = lambda: (os.environ.get(DEVICE, "cpu"), "0.10.2")
    fake.prepare_ahead = lambda releases, refs, config, *, cache_dir, enough: None
    sys.modules["stilt.transport"] = fake
    MetCatalogue.select = select
    MetCatalogue.assess = assess
    for module in (heights, coverage):
        module.check_heights = lambda receptors, *_: [None] * len(receptors)


def compute_order(order):
    """Compute an order in a worker process, with the fakes."""
    from stilt.execution.orders import compute_order as real

    install()
    return real(order)


def crew(project, plan):
    """Return the crew of this machine, with the fakes in its worker processes."""
    from stilt.execution import crews

    found = crews.crew_of_this_machine(project, plan)
    if isinstance(found, crews.ProcessCrew):
        found.function = compute_order
    return found


def wish(folder: Path, what: str, sim_id: str) -> None:
    """Have the fake transport do something: fail, fail-error, empty, kill, kill-once, or wait."""
    (folder / what).mkdir(parents=True, exist_ok=True)
    (folder / what / sim_id).touch()


def _wishes(sim_id: str) -> set[str]:
    folder = Path(os.environ.get(STEER, "/nowhere"))
    return {path.parent.name for path in folder.glob(f"*/{sim_id}")}


def _steer(sim_id: str) -> None:
    folder = Path(os.environ.get(STEER, "/nowhere"))
    if folder.is_dir():
        started = folder / "started"
        started.mkdir(exist_ok=True)
        with (started / f"{sim_id}.txt").open("a") as file:
            file.write(f"{os.getpid()}\n")
        if "duckdb" in sys.modules:
            (folder / "with-duckdb").mkdir(exist_ok=True)
            (folder / "with-duckdb" / str(os.getpid())).touch()
    wishes = _wishes(sim_id)
    if "kill-once" in wishes:
        (folder / "kill-once" / sim_id).unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if "kill" in wishes:
        os.kill(os.getpid(), signal.SIGKILL)
    if "interrupt" in wishes:
        raise KeyboardInterrupt
    if "wait" in wishes:
        time.sleep(60)
    if pause := os.environ.get("STILT_FAKE_PAUSE"):
        time.sleep(float(pause))


def starts(folder: Path) -> dict[str, int]:
    """How often each simulation went into the transport."""
    return {
        path.stem: len(path.read_text().splitlines()) for path in (folder / "started").glob("*.txt")
    }

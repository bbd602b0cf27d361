"""Times a store of very many simulations: register, status, incomplete, open, one by its id, SQL.

Bodies are made up, a few cells each, and written by the store's own writer; the index is rebuilt
from the shards. Seconds are of a core and on the wall.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import stilt
from benchmarks.processes import idle_warning
from benchmarks.setting import GRID
from stilt.execution.pieces import Piece, footprint_piece
from stilt.footprint import Footprint
from stilt.project.artifacts import Made
from stilt.project.keys import content_hash, receptor_key
from stilt.project.registration import receptor_json
from stilt.store import ShardWriter, shard_name

PLACES = 100
PER_SHARD = 5000


def main() -> None:
    """Make the store, and print what was asked of it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.store_million", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--simulations", type=int, default=1_000_000)
    parser.add_argument("--scratch", help="folder for some GB, on a local disk")
    options = parser.parse_args()
    if warning := idle_warning():
        print(warning)
    if options.scratch:
        Path(options.scratch).mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="million_", dir=options.scratch))
    try:
        _measure(root / "case", options.simulations)
    finally:
        shutil.rmtree(root)


def _measure(root: Path, number: int) -> None:
    write_project(root, number)
    model = stilt.Model(root)
    timed("register", "<= 90", model.register_pending)
    timed("write the shards", "", lambda: fill_store(model))
    timed("rebuild the index from them", "", model.rebuild)
    timed("register again", "", stilt.Model(root).register_pending)
    for _ in range(2):
        timed("status", "<= 1", lambda: _expect(stilt.Model(root).status()["completed"], number))
        timed("incomplete", "<= 3", stilt.Model(root).simulations.incomplete)
        timed("open", "<= 3", stilt.Model(root).footprints["default"].open)
    array = model.footprints["default"].open()
    _expect(array.sizes["receptor"], number)
    middle = str(array["receptor"].values[number // 2])
    footprints = stilt.Model(root).footprints["default"]
    timed("one footprint by its id", "<= 0.2", lambda: footprints[middle])
    timed("one of the open dataset", "", lambda: array.sel(receptor=middle).load())
    when = pd.Timestamp("2023-01-01") + pd.Timedelta(minutes=10 * (number // PLACES // 2))
    query = (
        f"SELECT DISTINCT sim_id FROM footprint_cells WHERE time BETWEEN '{when.floor('h')}' AND "
        f"'{when.ceil('h')}' AND lat BETWEEN 40.2 AND 40.4 AND lon BETWEEN -112.5 AND -112.2"
    )
    timed("who saw this area in that hour", "", lambda: model.index.sql(query))


def _expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise SystemExit(f"{found} simulations are complete instead of {wanted}.")


def write_project(root: Path, number: int) -> None:
    """Write config.yaml and receptors.csv: a hundred places every ten minutes."""
    weather = {"directory": str(root), "file_format": "%Y%m%d", "file_tres": "1d"}
    config = stilt.ModelConfig(
        mets={"made": weather}, footprints={"default": {"grid": GRID}}, n_hours=-24, numpar=10,
        trajectories=False, ends=False, output={"layout": "store"},
    )  # fmt: skip
    root.mkdir(parents=True)
    config.to_yaml(root / "config.yaml")
    at = np.arange(number)
    place = at % PLACES
    table = pd.DataFrame(
        {
            "time": pd.Timestamp("2023-01-01") + pd.to_timedelta(at // PLACES * 10, unit="min"),
            "longitude": np.round(-113 + 0.02 * place, 4),
            "latitude": np.round(40 + 0.01 * place, 4),
            "altitude": 5.0,
        }
    )
    table.to_csv(root / "receptors.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")


def fill_store(model: stilt.Model) -> None:
    """Write a small footprint for every receptor, near its place, as outputs of this project."""
    (met, expected), *_ = model.files.expectations.items()
    key = expected.footprints["default"]
    settings = model.config.footprints["default"]
    bodies: dict[str, tuple[pd.Timestamp, Piece]] = {}
    writer, writing = None, Path()
    folder = model.layout.store / "footprints" / "default"
    for number, receptor in enumerate(model.receptors):
        if number % PER_SHARD == 0:
            _publish(writer, writing)
            writing = folder / f".{number}.tmp"
            writer = None
        place = receptor.id.location
        if place not in bodies:
            footprint = Footprint.calculate(_particles(receptor), receptor, settings, "default")
            made = Made("", total=footprint.total, device="cpu", jax="0", version="0")
            bodies[place] = receptor.time, footprint_piece("", footprint, made, key)
        first, body = bodies[place]
        if writer is None:
            writer = ShardWriter(writing, body.kind, body.name, body.settings)
        times = body.table["time"].to_numpy() + (receptor.time - first).to_timedelta64()
        table = body.table.set_column(0, "time", [times.astype("datetime64[ms]")])
        stored = replace(
            body.stored,
            sim_id=f"{met}_{receptor.id}",
            receptor=receptor_json(receptor),
            hash=content_hash(key, receptor_key(receptor), ""),
        )
        writer.add(stored, table)
    _publish(writer, writing)


def _publish(writer: ShardWriter | None, path: Path) -> None:
    if writer is not None:
        writer.close()
        path.rename(path.with_name(shard_name("made", 0)))


def _particles(receptor: Any) -> pd.DataFrame:
    minutes = np.arange(1.0, 181.0, 30.0)
    return pd.DataFrame(
        {
            "time": -minutes,
            "indx": 1,
            "long": receptor.longitude - 1e-3 * minutes,
            "lati": receptor.latitude + 1e-3 * minutes,
            "foot": 1e-3,
        }
    )


def timed(what: str, bar: str, work: Callable[[], object]) -> None:
    """Print how long a piece of work takes."""
    core, wall = time.process_time(), time.perf_counter()
    work()
    core, wall = time.process_time() - core, time.perf_counter() - wall
    print(f"{what:34}{core:8.2f} s of a core{wall:8.2f} s   {bar}", flush=True)


if __name__ == "__main__":
    main()

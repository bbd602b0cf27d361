"""Compares a store with files: writing a footprint, its bytes, and a Jacobian and mean of many.

Footprints are those of a project with the layout `files` (1,000 particles, 0.01 degree and 24 hours
are what the bars speak of), or, without one, of plumes that drift and widen. As many as are asked
for are made of them, one after the other again and again: in the store each is written, as files
they are links, which favours files since they stay in the system's memory. Both sides take turns;
the shortest times count, and those of a core say more than others where the machine is not idle.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks.jacobian import write_footprints
from benchmarks.processes import idle_warning
from stilt import Footprint
from stilt.execution.pieces import Piece, footprint_piece
from stilt.project.artifacts import Made
from stilt.project.footprint_set import FootprintSet
from stilt.project.reading import Located
from stilt.receptors import receptor_of
from stilt.store import ShardWriter

MADE = Made("key.receptor.weather", total=1.0, met_files=("one", "two"), device="cpu", jax="0")
PER_SHARD = 64


def main() -> None:
    """Print what the two layouts take, their ratio, and the bar."""
    options = _arguments()
    if warning := idle_warning():
        print(warning)
    if options.scratch:
        Path(options.scratch).mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="store_", dir=options.scratch))
    try:
        bodies = _bodies(options, scratch)
        _compare_writing(bodies, scratch, options.repeats)
        _compare_reading(bodies, scratch, options)
    finally:
        shutil.rmtree(scratch)


def _compare_writing(bodies: Sequence[Path], scratch: Path, repeats: int) -> None:
    footprints = [Footprint.from_netcdf(path) for path in bodies]
    cells = np.mean([np.count_nonzero(each.data.values) for each in footprints])
    print(f"{len(bodies)} footprints of {cells:.0f} cells that are not zero, on average")

    def as_files() -> None:
        for number, footprint in enumerate(footprints):
            footprint.to_netcdf(scratch / f"{number}.nc")

    def as_shard() -> None:
        pieces = [footprint_piece(f"sim_{n}", f, MADE, "key") for n, f in enumerate(footprints)]
        _write_shard(scratch / "one.parquet", pieces)

    times = _in_turn({"files": as_files, "store": as_shard}, len(bodies), repeats)
    _line("writing, ms", times, "<= 0.20")
    sizes = {
        "files": [path.stat().st_size for path in scratch.glob("*.nc")],
        "store": [(scratch / "one.parquet").stat().st_size],
    }
    per = {side: sum(size) / len(bodies) / 1e3 for side, size in sizes.items()}
    ratio = per["store"] / per["files"]
    print(f"{'bytes, kB':24}{per['files']:10.0f}{per['store']:10.0f}{ratio:8.2f}   <= 0.50")


def _compare_reading(bodies: Sequence[Path], scratch: Path, options: argparse.Namespace) -> None:
    number = options.footprints
    sides: dict[str, FootprintSet] = {
        "files": FootprintSet([Located(p.stem, p) for p in _linked(bodies, scratch, number)]),
        "store": FootprintSet(_stored(bodies, scratch, number)),
    }
    grid = Footprint.from_netcdf(bodies[0])
    size = options.degrees
    target = xr.Dataset(
        coords={
            "lon": np.arange(grid.config.grid.xmin + size / 2, grid.config.grid.xmax, size),
            "lat": np.arange(grid.config.grid.ymin + size / 2, grid.config.grid.ymax, size),
        }
    )
    stamps = [Footprint.from_netcdf(path).data["time"].values for path in bodies]
    first, last = (f(f(each) for each in stamps if each.size) for f in (min, max))
    bins = pd.date_range(pd.Timestamp(first).floor("h"), pd.Timestamp(last).ceil("h"), freq="h")
    bins = bins.append(pd.DatetimeIndex([bins[-1] + pd.Timedelta(hours=1)]))

    # First, before memory that others have freed can be used again.
    with PeakMemory() as memory:
        answer = sides["store"].jacobian(target, bins).matrix
    answer_mb = (answer.data.nbytes + answer.indices.nbytes + answer.indptr.nbytes) / 1e6
    del answer
    beside_mb = memory.peak_mb - answer_mb
    print(f"memory: {answer_mb:.0f} MB of the matrix, and {beside_mb:.0f} MB beside it   <= 500")
    answers: dict[str, Any] = {}

    def jacobian(side: str) -> Callable[[], None]:
        def work() -> None:
            answers[side] = None
            answers[side] = sides[side].jacobian(target, bins).matrix

        return work

    times = _in_turn({side: jacobian(side) for side in sides}, number, options.long_repeats)
    _line(f"Jacobian of {number}, ms", times, "<= 0.20")
    one, other = (answers.pop(side) for side in ("files", "store"))
    wrong = abs(one - other).max() / abs(one).max()
    print(f"  largest difference {wrong:.1e} of the largest value")
    del one, other
    means = {side: sides[side].mean for side in sides}
    times = _in_turn(means, number, options.long_repeats)
    _line(f"mean of {number}, ms", times, "<= 0.20")


class PeakMemory:
    """Measures by how much this process grows, memory-mapped files left out."""

    def __enter__(self) -> PeakMemory:
        """Begin."""
        self._before, self.peak_mb = _anonymous_mb(), 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        done = False
        while not done:
            done = self._ended.wait(0.02)
            self.peak_mb = max(self.peak_mb, _anonymous_mb() - self._before)


def _anonymous_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1e3
    raise SystemExit("This needs Linux's /proc.")


def _in_turn(
    sides: dict[str, Callable[[], object]], number: int, repeats: int
) -> dict[str, tuple[float, float]]:
    """Return the shortest milliseconds for each footprint, of a core and on the wall."""
    cores: dict[str, list[float]] = {side: [] for side in sides}
    walls: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side, work in sides.items():
            core, wall = time.process_time(), time.perf_counter()
            work()
            cores[side].append(time.process_time() - core)
            walls[side].append(time.perf_counter() - wall)
    return {side: (1e3 * min(cores[side]) / number, 1e3 * min(walls[side]) / number)
            for side in sides}  # fmt: skip


def _line(what: str, times: dict[str, tuple[float, float]], bar: str) -> None:
    for at, of in enumerate(("of a core", "on the wall")):
        files, store = times["files"][at], times["store"][at]
        label = f"{what} {of}" if at == 0 else f"    {of}"
        print(f"{label:38}{files:10.2f}{store:10.2f}{store / files:8.3f}   {bar}", flush=True)


def _bodies(options: argparse.Namespace, scratch: Path) -> list[Path]:
    if options.project is None:
        folder = scratch / "bodies"
        folder.mkdir()
        return write_footprints(folder, min(options.bodies, 8), 1000, 24)
    pattern = f"simulations/by-id/*/*_{options.name}_foot.nc"
    found = list(islice(sorted(options.project.glob(pattern)), options.bodies))
    if not found:
        raise SystemExit(f"{options.project} has no footprint files named {options.name}.")
    return found


def _linked(bodies: Sequence[Path], scratch: Path, number: int) -> list[Path]:
    """Make links to copies of the bodies, named by simulations of as many meteorologies."""
    folder = scratch / "files"
    folder.mkdir()
    copies = [Path(shutil.copy(path, folder / f"body_{n}.nc")) for n, path in enumerate(bodies)]
    ids = [Footprint.from_netcdf(path).receptor.id for path in bodies]
    links = [folder / f"m{n}_{ids[n % len(ids)]}.nc" for n in range(number)]
    for n, link in enumerate(links):
        os.link(copies[n % len(copies)], link)
    return links


def _stored(bodies: Sequence[Path], scratch: Path, number: int) -> list[Located]:
    """Write as many footprints into shards as a batch has."""
    pieces = []
    for path in bodies:
        footprint = Footprint.from_netcdf(path)
        pieces.append(footprint_piece(f"met_{footprint.receptor.id}", footprint, MADE, "key"))
    located: list[Located] = []
    for first in range(0, number, PER_SHARD):
        path = scratch / "store" / f"{first:09d}.parquet"
        taken = [pieces[n % len(pieces)] for n in range(first, min(first + PER_SHARD, number))]
        # Names that differ within a shard; the receptor stays.
        named = [
            replace(piece, stored=replace(
                piece.stored, sim_id=f"m{n}_{receptor_of(piece.stored.sim_id)}"))
            for n, piece in enumerate(taken)
        ]  # fmt: skip
        _write_shard(path, named)
        located += [Located(piece.stored.sim_id, path, path.name) for piece in named]
    return located


def _write_shard(path: Path, pieces: Sequence[Piece]) -> None:
    first = pieces[0]
    writer = ShardWriter(path, first.kind, first.name, first.settings)
    for piece in pieces:
        writer.add(piece.stored, piece.table)
    writer.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.store",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--project", type=Path, help="one with the layout `files`; default: plumes")
    add("--name", default="default", help="of its footprints")
    add("--bodies", type=int, default=64, help="different footprints, at most (64)")
    add("--footprints", type=int, default=10_000, help="of the Jacobian and the mean (10000)")
    add("--degrees", type=float, default=0.05, help="cells of the Jacobian (0.05)")
    add("--repeats", type=int, default=5, help="of writing (5)")
    add("--long-repeats", type=int, default=2, help="of the Jacobian and the mean (2)")
    add("--scratch", help="folder for some GB, on a local disk")
    return parser.parse_args()


if __name__ == "__main__":
    main()

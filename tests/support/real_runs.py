"""Runs of the command line in processes of their own, real transport on the demo's weather."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pytest

import stilt
from stilt.demo import write_demo
from stilt.footprint import Footprint
from stilt.project.artifacts import made_of
from stilt.trajectories import Trajectories

Seen = TypeVar("Seen")

CONFIG = """\
mets:
  demo:
    directory: {met}
    file_format: "%Y%m%d_%H"
    file_tres: 6h
footprints:
  default:
    grid: {{xmin: -113, xmax: -111, ymin: 40, ymax: 41.5, xres: 0.1, yres: 0.1}}
n_hours: -1
numpar: {numpar}
seed: 1
"""

# Loaded machines take their time; a test that hangs is ended by pytest's own limit.
PATIENCE_S = 1200.0


@dataclass(frozen=True)
class Run:
    """A command that was started, and the file with what it prints."""

    process: subprocess.Popen[bytes]
    output: Path

    def goes_on(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def end(self) -> tuple[int, str]:
        """Wait for its end; returns its exit code and all that it printed."""
        code = self.process.wait(PATIENCE_S)
        return code, self.output.read_text()


class RealRuns:
    """Projects on the demo's weather, and `stilt` commands on them.

    Args:
        folder: for the weather, and for the cache of compiled code that all runs share.
    """

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.met = folder / "demo" / "met"
        write_demo(folder / "demo")
        self._folder = folder
        self._started: list[Run] = []

    def project(self, root: Path, number: int, numpar: int = 20) -> Path:
        """Write a project with receptors every ten minutes."""
        root.mkdir(parents=True)
        (root / "config.yaml").write_text(CONFIG.format(met=self.met, numpar=numpar))
        times = pd.date_range("2023-07-15 18:00", periods=number, freq="10min")
        rows = [f"{time:%Y-%m-%d %H:%M},-111.85,40.77,30\n" for time in times]
        (root / "receptors.csv").write_text("time,longitude,latitude,altitude\n" + "".join(rows))
        return root

    def start(self, *arguments: str | Path, prefix: Sequence[str] = (), **variables: str) -> Run:
        """Start a `stilt` command with further variables; `prefix` is a command that runs it."""
        path = os.pathsep.join(filter(None, sys.path))
        # A file, not a pipe: processes that the command leaves behind may hold it open.
        output = self._folder / f"{len(self._started)}.txt"
        ours = {"PYTHONPATH": path, "XDG_CACHE_HOME": str(self.cache)}
        with output.open("w") as file:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "stilt", *map(str, arguments)],
                env={**os.environ, **ours, **variables},
                stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._started.append(Run(process, output))
        return self._started[-1]

    def run(self, *arguments: str | Path, **options: Any) -> tuple[int, str]:
        """Run a command as :meth:`start` does; returns its exit code and all that it printed."""
        return self.start(*arguments, **options).end()

    def kill_all(self) -> None:
        """End what is still running: a test that fails must not slow down those after it."""
        for run in self._started:
            run.process.kill()
            run.process.wait()
        self._started.clear()


@pytest.fixture(scope="session")
def demo_weather(tmp_path_factory: pytest.TempPathFactory) -> RealRuns:
    """Weather and compiled code that all real runs share."""
    return RealRuns(tmp_path_factory.mktemp("real"))


@pytest.fixture
def real_runs(demo_weather: RealRuns) -> Iterator[RealRuns]:
    """Real runs; nothing of them is left at the end of a test."""
    yield demo_weather
    demo_weather.kill_all()


def wait_until(condition: Callable[[], Seen], patience_s: float = PATIENCE_S) -> Seen:
    """Look again and again until something holds, and return what was seen then."""
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def n_footprints(root: Path) -> int:
    """Footprints that a project has under their final names."""
    return len(list((root / "simulations" / "by-id").glob("*/[!.]*_foot.nc")))


def computing(root: Path) -> list[int]:
    """Processes that compute a batch of a project now."""
    pids = []
    for mark in (root / ".stilt" / "running").glob("[!.]*.json"):
        try:
            pids.append(int(json.loads(mark.read_text())["owner"].split("|")[1]))
        except (OSError, ValueError):
            continue
    return sorted(pids)


def kill(pid: int) -> None:
    """End a process without a word; it may have ended by itself."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def digests(model: stilt.Model) -> dict[str, str]:
    """The bytes of all particle columns and footprints, as one digest by simulation."""
    found = {}
    for sim_id in model.simulations.ids(state="complete"):
        particles = Trajectories.from_parquet(model.layout.trajectory(sim_id)).particles
        digest = hashlib.sha256()
        for name in particles:
            digest.update(name.encode() + particles[name].to_numpy().tobytes())
        foot = Footprint.from_netcdf(model.layout.footprint(sim_id, "default")).data
        digest.update(foot.to_numpy().tobytes())
        found[sim_id] = digest.hexdigest()
    return found


def check_everything(root: Path, number: int) -> stilt.Model:
    """Every simulation complete, none twice in the index, no half file; returns the model."""
    model = stilt.Model(root)
    status = model.status()
    assert (status["total"], status["completed"]) == (number, number)
    frame = model.simulations.to_frame()
    assert frame["sim_id"].is_unique
    assert set(frame["state"]) == {"complete"}
    pairs = model.index.sql("SELECT sim_id, name FROM footprints")
    assert len(pairs) == number
    assert pairs["sim_id"].is_unique
    for path in model.layout.by_id.rglob("*"):
        if path.suffix in (".parquet", ".nc") and not path.name.startswith("."):
            assert made_of(path) is not None
    assert len(model.trajectories.paths()) == number
    assert len(model.footprints["default"].paths()) == number
    return model

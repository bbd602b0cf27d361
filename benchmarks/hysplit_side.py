"""The other side: pystilt + HYSPLIT in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import measure

PYTHON_VARIABLE = "STILT_HYSPLIT_PYTHON"
_DRIVER = Path(__file__).with_name("hysplit_footprint.py")


@dataclass(frozen=True)
class TheirRun:
    """One run of a pystilt project.

    Attributes:
        receptors: simulations completed.
        seconds: wall time of the command, start-up included.
        idle_s: wall time of the same command when nothing is left to do: its start-up.
        peak_mb: by kind of process: coordinator, worker (Python), hysplit.
    """

    receptors: int
    seconds: float
    idle_s: float
    peak_mb: dict[str, float]

    def seconds_for(self, receptors: int) -> float:
        """Wall time of more receptors, start-up counted once."""
        return self.idle_s + (self.seconds - self.idle_s) * receptors / self.receptors


def run_project(
    python: Path, project: Path, receptors: int, n_workers: int, *, scaled: bool = True
) -> TheirRun:
    """Run a pystilt project through its command line.

    Args:
        python: Python of the environment that has pystilt.
        project: the project.
        receptors: how many it has.
        n_workers: receptors at once.
        scaled: run the finished project again, to know the start-up.

    Raises:
        SystemExit: it failed; its own words are passed on.
    """
    command = [str(python.with_name("stilt")), "run", str(project), "--cpus", str(n_workers)]

    def once() -> Any:
        return measure(command, environment=_environment(), kind_of=_kind, cwd=project)

    full = once()
    idle_s = once().seconds if scaled else 0.0
    return TheirRun(receptors, full.seconds, idle_s, full.peak_mb)


def footprints(python: Path, job: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Particles and the time of ``calc_footprint`` for some receptors, see the driver."""
    out.mkdir(parents=True)
    listing = out / "job.json"
    listing.write_text(json.dumps({**job, "out": str(out)}))
    done = subprocess.run(
        [str(python), str(_DRIVER), str(listing)], cwd=out, env=_environment(), check=False
    )
    if done.returncode:
        raise SystemExit(f"pystilt's footprints: {python} stopped with {done.returncode}.")
    answer: dict[str, Any] = json.loads((out / "answer.json").read_text())
    return answer


def _environment() -> dict[str, str]:
    # Our own checkout must not be found there: both packages are called stilt.
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}


def _kind(command_line: str) -> str:
    if "hycs" in command_line:
        return "hysplit"
    return "worker" if "python" in command_line else ""

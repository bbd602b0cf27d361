"""Our side: `stilt run` as a user calls it, and what its receipts say."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

from benchmarks.processes import measure
from stilt.project.layout import ProjectLayout
from stilt.project.receipts import read_receipts, receipt_files, seconds_by_part

_REPOSITORY = Path(__file__).resolve().parents[1]
_PERSONAL = (
    "HOME", "XDG_CACHE_HOME", "STILT_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR", "PREFECT_HOME",
    "PREFECT_API_URL", "PREFECT_PROFILE", "PYTHONDONTWRITEBYTECODE",
)  # fmt: skip


@dataclass(frozen=True)
class OurRun:
    """One run of a project.

    Attributes:
        receptors: simulations completed.
        seconds: wall time of the command, start-up included.
        core_s: time of a core that all its processes took.
        before_s: until the first batch began.
        batches_s: from there until the last batch ended.
        peak_mb: by kind of process: coordinator, worker, server.
        parts_s: seconds of all workers by part of the work.
    """

    receptors: int
    seconds: float
    core_s: float
    before_s: float
    batches_s: float
    peak_mb: dict[str, float] = field(default_factory=dict)
    parts_s: dict[str, float] = field(default_factory=dict)

    @property
    def after_s(self) -> float:
        """From the end of the last batch to the end of the command."""
        return self.seconds - self.before_s - self.batches_s

    @property
    def worker_peak_mb(self) -> float:
        """Peak memory of a process that computes: with one worker that is the coordinator."""
        return self.peak_mb.get("worker", self.peak_mb.get("coordinator", float("nan")))


def environment(home: Path, **more: str) -> dict[str, str]:
    """Variables of a user whose home is `home`, with no server and no cache but what is there."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name not in _PERSONAL}
    path = os.pathsep.join(filter(None, [str(_REPOSITORY), kept.get("PYTHONPATH", "")]))
    return {**kept, "HOME": str(home), "PYTHONPATH": path, **more}


def run_project(
    project: Path, n_workers: int, variables: Mapping[str, str], cores: Sequence[int] = ()
) -> OurRun:
    """Run all simulations of a project through the command line."""
    command = [sys.executable, "-m", "stilt", "run", str(project), "--n-workers", str(n_workers)]
    return _run(command, project, variables, cores)


def push_project(
    project: Path, n_workers: int, variables: Mapping[str, str], cores: Sequence[int] = ()
) -> OurRun:
    """Compute the same batches without Prefect."""
    program = (
        "import sys, stilt; model = stilt.Model(project=sys.argv[1]); "
        "stilt.push_simulations(model, model.pending(), n_workers=int(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(project), str(n_workers)]
    return _run(command, project, variables, cores)


def _run(
    command: list[str], project: Path, variables: Mapping[str, str], cores: Sequence[int]
) -> OurRun:
    measured = measure(
        command, environment=variables, kind_of=_kind, cwd=project.parent, cores=cores
    )
    layout = ProjectLayout(project)
    frame, _ = read_receipts([*receipt_files(layout.folded), *receipt_files(layout.receipts)])
    if not len(frame) or set(frame["state"]) != {"complete"}:
        raise SystemExit(f"{measured.output[-3000:]}\nNot every simulation of {project} completed.")
    first = frame["started_at"].min().tz_localize(UTC).timestamp()
    last = frame["finished_at"].max().tz_localize(UTC).timestamp()
    return OurRun(
        receptors=len(frame),
        seconds=measured.seconds,
        core_s=measured.core_s,
        before_s=first - measured.began,
        batches_s=last - first,
        peak_mb=measured.peak_mb,
        parts_s=seconds_by_part(frame["parts"].dropna()),
    )


def _kind(command_line: str) -> str:
    if "server_process" in command_line:
        return "server"
    if "resource_tracker" in command_line or "python" not in command_line:
        return ""
    return "worker"

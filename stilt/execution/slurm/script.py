"""The batch script of a job array, and what its tasks ask for when the user does not say."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stilt.config import ModelConfig
    from stilt.execution.slurm.options import SlurmOptions

# docs/pages/performance.md: 0.4 to 1.1 us a particle-minute and core, 0.2 s a footprint and its
# file, 10 s for importing and compiling. Nodes differ, and a task that runs out of time costs a
# batch.
_PARTICLE_MINUTE_S = 1.2e-6
_FILES_S = 0.5
_START_S = 120.0
_MARGIN = 3.0
_SHORTEST_MIN = 15
# A worker takes 1.0 GB on weather of the usual size.
_WORKER_MB = 2048


def seconds_needed(config: ModelConfig, n_simulations: int, n_processes: int) -> float:
    """Return how long a task may take for its share of the simulations, with a wide margin.

    Args:
        config: particles, hours and outputs of a simulation.
        n_simulations: of the whole array.
        n_processes: that share them.
    """
    runs = 2 if config.error_run else 1
    moved = config.numpar * abs(config.n_hours) * 60 * _PARTICLE_MINUTE_S
    files = _FILES_S * (len(config.footprints) + 1)
    share = math.ceil(n_simulations / n_processes)
    return _START_S + _MARGIN * share * runs * (moved + files)


def memory_mb(config: ModelConfig, n_processes: int) -> int:
    """Return the memory that a task needs, in MB.

    Args:
        config: the particles of a receptor, which are in memory together.
        n_processes: of the task.
    """
    rows = abs(config.n_hours) * 60 * config.numpar * (len(config.varsiwant) + 2) * 8
    return n_processes * (_WORKER_MB + math.ceil(3 * rows / 2**20))


def array_script(
    options: SlurmOptions,
    *,
    folder: Path,
    name: str,
    n_tasks: int,
    seconds: float,
    memory: int,
) -> str:
    """Return the text of the batch script.

    Args:
        options: of the backend; `time` and any option on memory overrule what is estimated here.
        folder: of the submission, which the tasks work through.
        name: of the job, when the options name none.
        n_tasks: of the array.
        seconds: that a task may take.
        memory: MB of a task.
    """
    at_once = f"%{options.array_parallelism}" if options.array_parallelism else ""
    given = dict(options.sbatch)
    asked: dict[str, str | bool] = {
        "job-name": options.job_name or f"stilt-{name}",
        "array": f"0-{n_tasks - 1}{at_once}",
        "output": str(folder / "logs" / "%A_%a.log"),
        "open-mode": "append",
        "cpus-per-task": str(options.cpus_per_task),
        "requeue": True,
    }
    if not given.keys() & {"time", "t"}:
        asked["time"] = _clock(seconds)
    if not given.keys() & {"mem", "mem-per-cpu", "mem-per-gpu", "exclusive"}:
        asked["mem"] = f"{memory}M"
    if "no-requeue" in given:
        del asked["requeue"]
    command = (sys.executable, "-m", "stilt", "array-worker", str(folder))
    lines = [
        "#!/bin/bash",
        *_directives({**asked, **given}.items()),
        *options.setup,
        # In place of the shell, so that SLURM's signals reach the worker.
        f"exec {shlex.join(command)} --cpus {options.cpus_per_task}",
    ]
    return "\n".join(lines) + "\n"


def _directives(options: Iterable[tuple[str, str | bool]]) -> list[str]:
    lines = []
    for name, value in options:
        dashes = "-" if len(name) == 1 else "--"
        if value is True:
            lines.append(f"#SBATCH {dashes}{name}")
        else:
            joint = " " if len(name) == 1 else "="
            lines.append(f"#SBATCH {dashes}{name}{joint}{_quoted(str(value))}")
    return lines


def _quoted(value: str) -> str:
    # sbatch reads the line itself and knows double quotes only.
    return f'"{value}"' if any(letter.isspace() for letter in value) else value


def _clock(seconds: float) -> str:
    """Return minutes as SLURM takes them, in steps of a quarter of an hour."""
    minutes = max(_SHORTEST_MIN, 15 * math.ceil(seconds / 60 / 15))
    days, minutes = divmod(minutes, 1440)
    hours, minutes = divmod(minutes, 60)
    return f"{days}-{hours:02d}:{minutes:02d}:00"

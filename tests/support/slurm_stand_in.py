"""A queue with SLURM's commands, for machines without SLURM: job arrays run here at once.

The file itself is a program that is called by the names sbatch, squeue, scancel, scontrol and
sacct; what it knows lies in the folder of those names. The tests in tests/slurm have a real SLURM.
"""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

NAMES = ("sbatch", "squeue", "scancel", "scontrol", "sacct")
# In a process group of its own; how it ended is a file. Nothing begins while "hold" is there.
RUNNER = (
    'while [ -e "$4" ]; do sleep 0.1; done; bash "$1" >> "$2" 2>&1 < /dev/null; echo $? > "$3.code"'
)


def install(folder: Path) -> Path:
    """Make the commands in a folder, to be put first on the PATH."""
    folder.mkdir(parents=True)
    for name in NAMES:
        path = folder / name
        path.write_text(f'#!/bin/bash\nexec {sys.executable} {__file__} {name} "$@"\n')
        path.chmod(0o755)
    (folder / "jobs").mkdir()
    return folder


def _jobs() -> Path:
    for place in os.environ["PATH"].split(os.pathsep):
        if (Path(place) / "jobs").is_dir() and (Path(place) / "sbatch").exists():
            return Path(place) / "jobs"
    raise SystemExit("no queue")


def _array(job: str) -> list[Path]:
    return sorted(_jobs().glob(f"{job}_*.pid"))


def _state(pid_file: Path) -> str:
    stem = pid_file.with_suffix("")
    if stem.with_suffix(".cancelled").exists():
        return "CANCELLED"
    code = stem.with_suffix(".code")
    if code.exists():
        return "COMPLETED" if code.read_text().strip() == "0" else "FAILED"
    stat = Path(f"/proc/{pid_file.read_text()}/stat")
    alive = stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    return "RUNNING" if alive else "FAILED"


def sbatch(*arguments: str) -> str:
    text = Path(arguments[-1]).read_text()
    if "--partition=none" in text:
        raise SystemExit("sbatch: error: invalid partition specified: none")
    first, last = re.search(r"--array=(\d+)-(\d+)", text).groups()
    output = re.search(r"--output=(\S+)", text)[1]
    job = str(1 + len({path.name.split("_")[0] for path in _jobs().glob("*.pid")}))
    for task in range(int(first), int(last) + 1):
        stem = _jobs() / f"{job}_{task}"
        log = output.replace("%A", job).replace("%a", str(task))
        process = subprocess.Popen(
            ["bash", "-c", RUNNER, "task", arguments[-1], log, stem, _jobs() / "hold"],
            env={**os.environ, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_JOB_ID": job},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stem.with_suffix(".pid").write_text(str(process.pid))
    return job


def squeue(*arguments: str) -> str:
    lines = []
    for path in sorted(_jobs().glob("*.pid")):
        job, task = path.stem.split("_")
        if _state(path) == "RUNNING":
            lines.append(f"{job}|{task}|RUNNING|here|None")
    return "\n".join(lines)


def scancel(*arguments: str) -> str:
    job, _, task = arguments[-1].partition("_")
    for path in _array(job):
        if (not task or path.stem.endswith(f"_{task}")) and _state(path) == "RUNNING":
            path.with_suffix(".cancelled").touch()
            with suppress(ProcessLookupError):
                os.killpg(int(path.read_text()), signal.SIGTERM)
    return ""


def scontrol(*arguments: str) -> str:
    return "\n".join(
        f"JobId=1{task} ArrayJobId={job} ArrayTaskId={task} JobState={_state(path)} BatchHost=here"
        for path in _array(arguments[-1])
        for job, task in [path.stem.split("_")]
    )


def sacct(*arguments: str) -> str:
    raise SystemExit("Slurm accounting storage is disabled")


if __name__ == "__main__":
    print(
        {each.__name__: each for each in (sbatch, squeue, scancel, scontrol, sacct)}[sys.argv[1]](
            *sys.argv[2:]
        )
    )

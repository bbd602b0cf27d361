"""SLURM through dask-jobqueue: its real cluster class, with a queue of our own for SLURM's."""

import sys
from pathlib import Path

import pytest
from written import outputs

from flows import simulate

# Takes a job script as `sbatch` does, and runs it here at once; the job is its process.
SBATCH = """\
#!/bin/bash
cp "${@: -1}" "$0.$$.sh"
setsid bash "$0.$$.sh" >> "$0.log" 2>&1 < /dev/null &
echo "Submitted batch job $!"
"""
SCANCEL = """\
#!/bin/bash
for job in "$@"; do kill -- "-$job" 2>/dev/null; done
exit 0
"""

EXECUTION = """\
execution:
  backend: dask
  n_workers: 2
  cluster: dask_jobqueue.SLURMCluster
  cluster_options:
    queue: normal
    account: tracers
    cores: 1
    processes: 1
    memory: 2GB
    walltime: "00:20:00"
    interface: lo
    python: {python}
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `sbatch` and `scancel`, first on the path; holds the scripts of all jobs."""
    folder = tmp_path / "queue"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="jobs are told apart by Linux's setsid")
def test_jobs_of_a_slurm_cluster_compute_a_project(api: str, queue: Path, new_project) -> None:
    local, root = new_project("local"), new_project("slurm")
    simulate(local)
    with (root / "config.yaml").open("a") as file:
        file.write(EXECUTION.format(python=sys.executable))
    assert simulate(root)["complete"] == 3
    assert outputs(root) == outputs(local)
    scripts = [path.read_text() for path in queue.glob("sbatch.*.sh")]
    assert len(scripts) == 2
    for script in scripts:
        assert "#SBATCH -p normal" in script
        assert "#SBATCH -A tracers" in script
        assert "#SBATCH -t 00:20:00" in script
        assert "distributed.cli.dask_worker" in script

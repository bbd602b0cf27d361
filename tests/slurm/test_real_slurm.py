"""A campaign through a real SLURM: tasks killed, cancelled and out of time, and all complete."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from commands import stilt, worker
from slurm_cluster import NODES, URGENT, SlurmCluster
from written import outputs

from stilt import Model

pytestmark = pytest.mark.slow

EXECUTION = "execution: {backend: slurm, n_workers: %d, poll_interval: 1, time: 2, mem: 3G}\n"
HEADER = "time,longitude,latitude,altitude\n"


def campaign(new_project, name: str, number: int, numpar: int, n_workers: int) -> Path:
    rows = (
        f"2023-07-15 {12 + i % 8:02d}:00,{-112.3 + 0.01 * (i // 8):.2f},40.7,30\n"
        for i in range(number)
    )
    root: Path = new_project(name, HEADER + "".join(rows))
    config = root / "config.yaml"
    text = config.read_text().replace("numpar: 20", f"numpar: {numpar}")
    config.write_text(text.replace("n_hours: -1", "n_hours: -12") + EXECUTION % n_workers)
    return root


def follow_in_background(root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stilt", "submit", str(root), "--wait"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def until_running(slurm: SlurmCluster, number: int) -> list[tuple[str, str]]:
    deadline = time.monotonic() + 60
    while len(running := slurm.running()) < number:
        assert time.monotonic() < deadline
        time.sleep(0.3)
    return running


def computed(root: Path) -> Counter[str]:
    """How often each simulation was computed to its end, by the files that receipts tell of.

    A batch that is taken up again tells of what it finds once more.
    """
    layout = Model(root).files.layout
    paths = [*layout.receipts.glob("*.parquet"), *layout.folded.glob("*.parquet")]
    ended = pd.concat([pd.read_parquet(path) for path in paths])
    made = ended.loc[ended["state"] == "complete", ["sim_id", "trajectory_mtime_us"]]
    return Counter(made.drop_duplicates()["sim_id"])


def test_a_campaign_survives_what_happens_to_its_tasks(slurm: SlurmCluster, new_project) -> None:
    root = campaign(new_project, "campaign", 400, 100, 8)
    follower = follow_in_background(root)
    running = until_running(slurm, 8)
    assert slurm.nodes() == set(NODES)
    job = running[0][0]
    slurm.run("scontrol", "update", f"JobId={job}_6", "TimeLimit=1")
    time.sleep(8)
    os.kill(slurm.process(job, "5"), signal.SIGKILL)
    slurm.run("scancel", f"{job}_2")
    said, _ = follower.communicate(timeout=500)
    assert follower.returncode == 0, said
    assert "completed=400" in said
    assert "were left undone (" in said
    counts = computed(root)
    assert len(counts) == 400
    # Only a batch whose task was killed may have been under way twice.
    assert max(counts.values()) == 1
    layout = Model(root).files.layout
    assert not list(layout.slurm.iterdir())
    assert not slurm.running()


def test_the_same_bytes_whoever_computes(slurm: SlurmCluster, api: str, new_project) -> None:
    def made(name: str, *arguments: object) -> Path:
        root = campaign(new_project, name, 12, 50, 2)
        ended = stilt("run", root, *arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return root

    inline = made("inline", "--backend", "local", "--n-workers", 1)
    expected = outputs(inline)
    assert len(expected) == 24
    assert outputs(made("local", "--backend", "local", "--n-workers", 2)) == expected
    assert outputs(made("dask", "--backend", "dask", "--n-workers", 2)) == expected
    assert outputs(made("slurm", "--backend", "slurm", "--n-workers", 3, "--wait")) == expected
    assert stilt("deploy").returncode == 0
    with worker("stilt", inline.parent), worker("stilt", inline.parent):
        assert outputs(made("prefect", "--backend", "prefect", "--wait")) == expected


def test_a_project_on_a_url(slurm: SlurmCluster, new_project, tmp_path, monkeypatch) -> None:
    root = campaign(new_project, "far", 12, 50, 2)
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "first"))
    url = f"file://{shutil.copytree(root, tmp_path / 'bucket' / 'far')}"
    ended = stilt("submit", url, "--wait")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "second"))
    assert Model(url).status()["completed"] == 12


def test_tasks_with_several_cores(slurm: SlurmCluster, new_project) -> None:
    root = campaign(new_project, "wide", 24, 50, 2)
    config = root / "config.yaml"
    config.write_text(config.read_text().replace("mem: 3G", "mem: 6G, cpus_per_task: 3"))
    follower = follow_in_background(root)
    until_running(slurm, 2)
    said, _ = follower.communicate(timeout=300)
    assert (follower.returncode, "completed=24" in said) == (0, True), said


def test_ctrl_c_cancels_the_array_and_cleans_up_when_it_has_left(slurm, new_project) -> None:
    root = campaign(new_project, "stopped", 200, 200, 4)
    follower = follow_in_background(root)
    until_running(slurm, 4)
    time.sleep(5)
    follower.send_signal(signal.SIGINT)
    said, _ = follower.communicate(timeout=120)
    assert follower.returncode == 3, said
    assert not slurm.running()
    layout = Model(root).files.layout
    assert not list(layout.slurm.iterdir())
    assert not list(layout.planned.iterdir())
    counts = Model(root).status()
    assert counts["completed"] + counts["pending"] == 200


def test_an_array_outlives_its_follower(slurm: SlurmCluster, new_project) -> None:
    root = campaign(new_project, "orphan", 160, 100, 4)
    follower = follow_in_background(root)
    until_running(slurm, 4)
    follower.kill()
    follower.communicate()
    again = follow_in_background(root)
    said, _ = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert "of this project is in the queue" in said
    assert set(computed(root).values()) == {1}


def test_preempted_tasks_are_submitted_again(slurm: SlurmCluster, new_project) -> None:
    root = campaign(new_project, "preempted", 160, 100, 4)
    urgent = root / "urgent.sh"
    follower = follow_in_background(root)
    until_running(slurm, 4)
    time.sleep(5)
    (node,) = slurm.nodes()
    urgent.write_text(URGENT.format(node=node))
    slurm.run("sbatch", str(urgent))
    said, _ = follower.communicate(timeout=300)
    assert follower.returncode == 0, said
    assert "(PREEMPTED 4); they are submitted again" in said
    counts = computed(root)
    assert (len(counts), max(counts.values())) == (160, 1)


JOBQUEUE = """\
execution:
  backend: dask
  n_workers: 3
  cluster: dask_jobqueue.SLURMCluster
  cluster_options:
    cores: 1
    processes: 1
    memory: 2GB
    walltime: "00:10:00"
    interface: lo
    python: {python}
    worker_extra_args: ["--lifetime", "14s", "--lifetime-stagger", "3s"]
  adapt: {{minimum: 3, maximum: 3}}
"""


def test_workers_of_dask_jobqueue_may_end_in_the_middle(slurm, api, new_project) -> None:
    pytest.importorskip("dask_jobqueue")
    root = campaign(new_project, "jobqueue", 320, 200, 1)
    config = root / "config.yaml"
    text = config.read_text().replace(EXECUTION % 1, JOBQUEUE.format(python=sys.executable))
    config.write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "stilt", "run", str(root)],
        cwd=root.parent,  # where the jobs' logs are written
        capture_output=True, text=True, timeout=550, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert Model(root).status()["completed"] == 320
    # More workers than the cluster has at a time.
    jobs = slurm.run("scontrol", "-o", "show", "jobs").count("JobName=dask-worker")
    assert jobs > 3

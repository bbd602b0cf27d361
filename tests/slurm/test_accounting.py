"""How tasks ended, as a real `sacct` tells it."""

import time
from pathlib import Path

import pytest
from slurm_cluster import URGENT, SlurmCluster

from stilt import slurm_queue

pytestmark = pytest.mark.slow

# Four tasks fill a node. Task 2 is cancelled and task 3 preempted; the last one runs out of time.
SCRIPT = """\
#!/bin/bash
#SBATCH --array=0-4 --time=1 --output=/dev/null --no-requeue
case $SLURM_ARRAY_TASK_ID in
    0) exit 0 ;;
    1) exit 1 ;;
    *) sleep 600 ;;
esac
"""
STATES = {0: "COMPLETED", 1: "FAILED", 2: "CANCELLED", 3: "PREEMPTED", 4: "TIMEOUT"}


def submitted(slurm: SlurmCluster, script: Path, text: str) -> str:
    script.write_text(text)
    return slurm_queue.submit(script)


def until_left(job: str) -> None:
    deadline = time.monotonic() + 180
    while slurm_queue.queued_tasks(job):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def until_accounted(job: str, number: int) -> dict[int, str]:
    """Accounting hears of an end some seconds after the controller."""
    deadline = time.monotonic() + 60
    while True:
        found = slurm_queue.ended_tasks(job)
        if len(found) == number or time.monotonic() > deadline:
            return {task.number: task.state for task in found.values()}
        time.sleep(0.5)


def on_node(job: str, task: int) -> str:
    deadline = time.monotonic() + 60
    while True:
        found = {each.number: each for each in slurm_queue.queued_tasks(job)}
        if task in found and found[task].state == "RUNNING":
            return found[task].node
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_accounting_knows_how_every_task_ended(accounted, tmp_path, monkeypatch) -> None:
    job = submitted(accounted, tmp_path / "array.sh", SCRIPT)
    # The last one is on the other node, and is not preempted with it.
    alone = on_node(job, 3)
    assert on_node(job, 4) != alone
    accounted.run("scancel", f"{job}_2")
    submitted(accounted, tmp_path / "urgent.sh", URGENT.format(node=alone))
    until_left(job)
    # At once the controller knows.
    now = {task.number: task.state for task in slurm_queue.ended_tasks(job).values()}
    assert now == STATES
    # Later it has forgotten.
    monkeypatch.setattr(slurm_queue, "_known_to_controller", lambda job: [])
    assert until_accounted(job, len(STATES)) == STATES

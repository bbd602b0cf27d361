"""A run that is watched: status and a notebook's questions every 100 ms never fail nor delay it."""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from real_runs import check_everything, computing, wait_until

NUMBER = 32
ROUNDS = 3

# What a notebook cell in a loop asks. It ends with the number of its answers when it is told to.
WATCH = """
import sys, time
from pathlib import Path
import stilt
root, stop = sys.argv[1], Path(sys.argv[2])
answers, seen = 0, 0
while not stop.exists():
    begun = time.monotonic()
    model = stilt.Model(root)
    counts = model.status()
    parts = ("completed", "running", "pending", "failed")
    assert counts["total"] == sum(counts[part] for part in parts), counts
    assert counts["completed"] >= seen, (counts, seen)
    seen = counts["completed"]
    simulations = model.simulations
    assert len(simulations.ids(state="complete")) >= seen
    assert len(simulations.to_frame()) == counts["total"]
    assert len(simulations.incomplete()) <= counts["total"] - seen
    model.index.sql("SELECT name, sum(total) FROM footprints GROUP BY name")
    answers += 1
    time.sleep(max(0.0, 0.1 - (time.monotonic() - begun)))
print(answers)
"""


@dataclass
class Watcher:
    """A process that asks about a project again and again."""

    process: subprocess.Popen
    stop: os.PathLike

    def end(self) -> int:
        """Tell it to end; returns how many rounds of questions were answered."""
        self.stop.touch()
        answer, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        return int(answer)


@pytest.fixture
def watch(tmp_path):
    """Start watchers; none is left at the end of a test."""
    started = []

    def start(root):
        stop = tmp_path / f"stop-{len(started)}"
        process = subprocess.Popen(
            [sys.executable, "-c", WATCH, str(root), str(stop)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return Watcher(process, stop)

    yield start
    for process in started:
        process.kill()
        process.wait()


def cost(real_runs, root, watcher_of):
    """CPU and wall seconds of a whole run, from the first batch on watched."""
    run = real_runs.start("run", root, "--n-workers", "2")
    wait_until(lambda: bool(computing(root)))
    begun = time.monotonic()
    watcher = watcher_of() if watcher_of else None
    _, status, usage = os.wait4(run.process.pid, 0)
    wall_s = time.monotonic() - begun
    assert os.waitstatus_to_exitcode(status) == 0, run.output.read_text()
    answers = watcher.end() if watcher else 0
    check_everything(root, NUMBER)
    return usage.ru_utime + usage.ru_stime, wall_s, answers


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_questions_every_100_ms_never_fail_and_cost_the_run_nothing(real_runs, watch, tmp_path):
    """Compared with a run beside which the same questions are asked about another project.

    The questions themselves need processor time, on a machine with as many workers as cores the
    workers' own; the other project takes as much of it, but shares no lock and no file.
    """
    other = real_runs.project(tmp_path / "other", NUMBER, numpar=200)
    cost(real_runs, other, None)
    found = {"alone": [], "beside": [], "watched": []}
    for number in range(ROUNDS):
        for kind in found:
            root = real_runs.project(tmp_path / f"{kind}-{number}", NUMBER, numpar=200)
            asked = {"alone": None, "beside": other, "watched": root}[kind]
            found[kind].append(cost(real_runs, root, asked and (lambda it=asked: watch(it))))
    for kind, costs in found.items():
        print(kind, *(f"cpu {cpu:.1f} s wall {wall:.1f} s asked {n}" for cpu, wall, n in costs))
    cpu = {kind: statistics.median(c for c, _, _ in costs) for kind, costs in found.items()}
    assert all(answers > 0 for _, _, answers in found["watched"])
    assert cpu["watched"] < 1.1 * cpu["beside"]

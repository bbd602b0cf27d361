"""`stilt run` with two workers and real transport, its processes killed at random moments.

A moment is drawn from a fixed seed as a number of footprints that are there, so that it lies
inside the run on any machine, with some fraction of a second added. Moments of the coordinator
before the first footprint (imports, registration, the start of server and workers) are times.
"""

import os
import random
import subprocess
import time

import pytest
from real_runs import check_everything, computing, digests, kill, n_footprints, wait_until

from flows.api import prefect_api

NUMBER = 24


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Prefect server as a user may have one; runs without it start one of their own."""
    with prefect_api(tmp_path_factory.mktemp("prefect")) as url:
        yield {"PREFECT_API_URL": url}


@pytest.fixture(scope="module")
def undisturbed(demo_weather, tmp_path_factory):
    """Digests of a run in which nothing was killed; it also leaves compiled code for all."""
    root = demo_weather.project(tmp_path_factory.mktemp("undisturbed") / "case", NUMBER)
    code, text = demo_weather.run("run", root, "--n-workers", "2")
    assert code == 0, text
    return digests(check_everything(root, NUMBER))


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("moment", range(20))
def test_a_worker_killed_at_a_random_moment(real_runs, tmp_path, undisturbed, server, moment):
    variables = server if moment % 4 else {}
    chance = random.Random(moment)
    footprints, delay_s = chance.randrange(NUMBER - 4), chance.uniform(0.0, 0.3)
    root = real_runs.project(tmp_path / "case", NUMBER)
    run = real_runs.start("run", root, "--n-workers", "2", **variables)
    seen = wait_until(lambda: n_footprints(root) >= footprints and computing(root))
    time.sleep(delay_s)
    # Between two batches, and after the last, nobody computes: then one that did is killed.
    victim = chance.choice(computing(root) or seen)
    assert victim != run.process.pid
    kill(victim)
    code, text = run.end()
    assert code == 0, text
    assert digests(check_everything(root, NUMBER)) == undisturbed


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("moment", range(20))
def test_a_coordinator_killed_at_a_random_moment(real_runs, tmp_path, undisturbed, server, moment):
    variables = server if moment % 2 else {}
    chance = random.Random(100 + moment)
    root = real_runs.project(tmp_path / "case", NUMBER)
    run = real_runs.start("run", root, "--n-workers", "2", **variables)
    if moment % 4 == 0:
        latest = time.monotonic() + chance.uniform(0.3, 8.0)
        wait_until(lambda: time.monotonic() > latest or n_footprints(root) > 0)
    else:
        footprints = chance.randrange(NUMBER)
        wait_until(lambda: n_footprints(root) >= footprints and bool(computing(root)))
        time.sleep(chance.uniform(0.0, 0.3))
    assert run.goes_on()
    left = children(run.process.pid)
    run.process.kill()
    run.process.wait()
    # Its workers and its server must not live on: they would hold memory, cores and a port.
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in left), 60.0)
    code, text = real_runs.run("run", root, "--n-workers", "2", **variables)
    assert code == 0, text
    assert digests(check_everything(root, NUMBER)) == undisturbed

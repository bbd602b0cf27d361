import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from distributed.scheduler import NoValidWorkerError
from written import outputs

from flows import simulate
from stilt.errors import SimulationError, UsageError
from stilt.execution.backend import get_executor
from stilt.model import Model
from stilt.project.holders import Share
from stilt.project.inputs import Project
from stilt.project.owners import pid_of
from stilt.project.remote import RemoteOutputs

EXECUTION = "execution:\n  backend: dask\n  n_workers: 2\n"


def on_dask(root: Path, text: str = EXECUTION) -> Path:
    with (root / "config.yaml").open("a") as file:
        file.write(text)
    return root


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bytes_as_one_process(api: str, new_project) -> None:
    local, dask = new_project("local"), on_dask(new_project("dask"))
    simulate(local)
    running = dask / ".stilt" / "running"
    owners: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            for mark in running.glob("[!.]*.json"):
                try:
                    owners.add(json.loads(mark.read_text())["owner"])
                except (OSError, ValueError):
                    continue

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    counts = simulate(dask)
    done.set()
    watcher.join()
    assert counts["complete"] == 3
    assert outputs(dask) == outputs(local)
    pids = {pid_of(owner) for owner in owners}
    assert len(pids) == 2, "two worker processes"
    assert os.getpid() not in pids


@pytest.mark.slow
def test_a_killed_dask_worker_costs_only_a_retry(api: str, new_project) -> None:
    root = on_dask(new_project("killed"))
    running = root / ".stilt" / "running"

    def kill_the_first_worker() -> None:
        while not (marks := list(running.glob("[!.]*.json"))):
            time.sleep(0.02)
        os.kill(pid_of(json.loads(marks[0].read_text())["owner"]), signal.SIGKILL)

    killer = threading.Thread(target=kill_the_first_worker, daemon=True)
    killer.start()
    counts = simulate(root)
    killer.join(timeout=1)
    assert not killer.is_alive()
    assert counts == {"total": 3, "complete": 3, "failed": 0, "unfinished": 0}


@pytest.mark.slow
def test_dask_workers_publish_at_a_url_and_only_the_coordinator_has_an_index(
    api: str, new_project, tmp_path: Path
) -> None:
    local, dask = new_project("local"), on_dask(new_project("dask"))
    simulate(local)
    url = f"file://{tmp_path}/store"
    assert simulate(dask, output_dir=url)["complete"] == 3
    assert outputs(tmp_path / "store") == outputs(local)
    assert len(RemoteOutputs(url).files()) == 3
    assert not list((tmp_path / "store").rglob("*.duckdb"))
    assert Model(project=dask, output_dir=url).status()["completed"] == 3


@pytest.mark.slow
def test_a_cluster_that_is_there_already_is_used_by_its_address(
    api: str, new_project, tmp_path: Path
) -> None:
    address = tmp_path / "scheduler.json"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    commands = (
        ["scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(address)],
        ["worker", "--scheduler-file", str(address), "--nthreads", "2", "--no-dashboard"],
    )
    started = []
    try:
        for command in commands:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "distributed.cli.dask_" + command[0], *command[1:]],
                    env=environment, cwd=tmp_path,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )
            )  # fmt: skip
        while not address.exists():
            time.sleep(0.1)
        found = json.loads(address.read_text())["address"]
        text = f"execution:\n  backend: dask\n  address: {found}\n"
        root = on_dask(new_project("address"), text)
        assert simulate(root)["complete"] == 3
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def test_a_backend_brings_the_crew_that_its_config_names(new_project) -> None:
    model = Model(project=on_dask(new_project("named")))
    share = Share(model.register_pending())
    dask = get_executor(model.config.execution)
    assert NoValidWorkerError in dask.crew(model.files, dask.plan(model.files, share)).lost
    local = get_executor({"backend": "local", "n_workers": 2})
    assert BrokenProcessPool in local.crew(model.files, local.plan(model.files, share)).lost


def test_a_run_without_workers_ends_with_a_sentence_and_stays_pending(
    api: str, new_project, caplog, monkeypatch
) -> None:
    monkeypatch.setattr("stilt.execution.awaited_workers.SAID_AFTER_S", 1.0)
    monkeypatch.setattr("stilt.execution.awaited_workers.ASKED_EVERY_S", 0.5)
    text = f"{EXECUTION}  cluster_options: {{n_workers: 0}}\n  no_workers_timeout: 3 s\n"
    root = on_dask(new_project("nobody"), text)
    with pytest.raises(SimulationError, match=r"No Dask worker has been connected for 3 s .*again"):
        simulate(root)
    assert "the run waits up to 3 s for one" in caplog.text
    counts = Model(project=root).status()
    assert (counts["pending"], counts["failed"]) == (3, 0)


@pytest.mark.slow
def test_workers_that_all_leave_end_the_run_and_another_run_goes_on(
    api: str, new_project, monkeypatch
) -> None:
    monkeypatch.setattr("stilt.execution.awaited_workers.ASKED_EVERY_S", 0.5)
    text = f"{EXECUTION}  no_workers_timeout: 3\n  cluster_options: {{lifetime: 1 ms}}\n"
    root = on_dask(new_project("leaving"), text)
    with pytest.raises(SimulationError, match="No Dask worker has been connected for 3 s"):
        simulate(root)
    assert Model(project=root).status()["failed"] == 0
    config = root / "config.yaml"
    config.write_text(config.read_text().replace("lifetime: 1 ms", "n_workers: 1"))
    assert simulate(root)["complete"] == 3


@pytest.mark.slow
def test_a_scheduler_that_goes_away_ends_the_run_with_a_sentence(
    api: str, new_project, tmp_path: Path, monkeypatch
) -> None:
    address = tmp_path / "scheduler.json"
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard",
         "--scheduler-file", str(address)],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not address.exists():
            time.sleep(0.1)
        found = json.loads(address.read_text())["address"]
        text = f"execution:\n  backend: dask\n  address: {found}\n"
        root = on_dask(new_project("scheduler"), text)
        threading.Timer(15.0, scheduler.kill).start()
        with pytest.raises(SimulationError, match="connection to the Dask scheduler was lost"):
            simulate(root)
    finally:
        scheduler.kill()
        scheduler.wait()
    assert Model(project=root).status()["pending"] == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"adress": "tcp://x:1"}, "no option 'adress' .*did you mean 'address'"),
        ({"address": "tcp://x:1", "cluster": "a.B"}, "not both .*remove address or cluster"),
        ({"cluster_options": 3}, "cluster_options must be a mapping"),
        ({"no_workers_timeout": "soon"}, "'soon', which is not a length of time"),
        ({"no_workers_timeout": -1}, "'-1', which is not a length of time"),
    ],
)
def test_wrong_options_are_one_sentence(options, sentence) -> None:
    with pytest.raises(UsageError, match=sentence):
        get_executor({"backend": "dask", **options})


def test_without_dask_the_error_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'stilt\[dask\]'"):
        get_executor({"backend": "dask"}).start(Project("/nowhere"), ["x"])


@pytest.mark.parametrize(
    "options", [{"address": "tcp://10.1.2.3:8786"}, {"cluster": "dask_jobqueue.SLURMCluster"}]
)
def test_workers_elsewhere_need_a_server_that_they_can_reach(options, monkeypatch) -> None:
    monkeypatch.setattr("flows.dask_backend.user_api_url", lambda: None)
    with pytest.raises(UsageError, match="set PREFECT_API_URL"):
        get_executor({"backend": "dask", **options}).start(Project("/nowhere"), ["x"])

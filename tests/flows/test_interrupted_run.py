import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from prefect_api_helpers import flow_run_of

from stilt.model import Model

# Long enough for Ctrl-C to come while both workers compute.
RECEPTORS = "time,longitude,latitude,altitude\n" + "".join(
    f"2023-07-15 {hour}:00,-111.8{n},40.77,30\n" for hour in (18, 19, 20) for n in range(8)
)
GOING = {"Running", "Pending"}
MARK = "STILT_TEST_OF"
LINUX = sys.platform == "linux"


def interrupt(root: Path, signum: signal.Signals, url: str | None) -> None:
    """Run a project with two workers and interrupt it while both compute."""
    config = (root / "config.yaml").read_text()
    (root / "config.yaml").write_text(config.replace("numpar: 20", "numpar: 8000"))
    path = os.pathsep.join(filter(None, sys.path))
    variables = {**os.environ, "PYTHONPATH": path, MARK: str(root)}
    variables.pop("PREFECT_API_URL", None)
    if url is not None:
        variables["PREFECT_API_URL"] = url
    else:
        variables["PREFECT_HOME"] = str(root.parent / "no-profile-here")
    run = subprocess.Popen(
        [sys.executable, "-m", "stilt", "run", root, "--n-workers", "2"],
        env=variables, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    running: Path = root / ".stilt" / "running"
    while len(list(running.glob("[!.]*.json"))) < 2:
        assert run.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.1)
    if LINUX:
        assert len(processes_of(root)) >= (3 if url else 4), "two workers, and a server"
    time.sleep(2)  # Prefect hears of the task runs
    run.send_signal(signum)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 3, errors
    assert not LINUX or not processes_of(root)
    assert "run the same command again" in errors
    counts = Model(project=root).status()
    assert counts["total"] == counts["completed"] + counts["pending"]
    assert counts["pending"]


def processes_of(root: Path) -> list[int]:
    """The run of a project and all that it started, whoever their parent is now."""
    mark = f"{MARK}={root}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_running_and_no_hole(api: str, new_project) -> None:
    root = new_project("interrupted", RECEPTORS)
    interrupt(root, signal.SIGINT, api)
    shown, tasks, _ = flow_run_of(root)
    assert shown.state_name not in ("Completed", "Running")
    assert tasks
    assert not {task.state_name for task in tasks} & GOING


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_takes_its_private_server_along(
    new_project, signum: signal.Signals
) -> None:
    root = new_project("alone", RECEPTORS)
    interrupt(root, signum, None)
    home = root / ".stilt" / "prefect"
    assert not list(home.glob("server-*.json"))
    with closing(sqlite3.connect(home / "prefect.db")) as database:
        runs = database.execute("SELECT state_name FROM flow_run").fetchall()
        tasks = database.execute("SELECT state_name FROM task_run").fetchall()
    assert len(runs) == 1
    assert runs[0][0] not in ("Completed", "Running")
    assert tasks
    assert not {state for (state,) in tasks} & GOING

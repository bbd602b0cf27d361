import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prefect_api_helpers import flow_run_of

from stilt.model import Model

# Long enough for Ctrl-C to come while both workers compute.
RECEPTORS = "time,longitude,latitude,altitude\n" + "".join(
    f"2023-07-15 {hour}:00,-111.8{n},40.77,30\n" for hour in (18, 19, 20) for n in range(8)
)


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_running_and_no_hole(api: str, new_project) -> None:
    root = new_project("interrupted", RECEPTORS)
    config = (root / "config.yaml").read_text()
    (root / "config.yaml").write_text(config.replace("numpar: 20", "numpar: 8000"))
    path = os.pathsep.join(filter(None, sys.path))
    run = subprocess.Popen(
        [sys.executable, "-m", "stilt", "run", root, "--n-workers", "2"],
        env={**os.environ, "PYTHONPATH": path, "PREFECT_API_URL": api},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    running: Path = root / ".stilt" / "running"
    while len(list(running.glob("[!.]*.json"))) < 2:
        assert run.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.1)
    time.sleep(2)  # Prefect hears of the task runs
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 3, errors
    assert "run the same command again" in errors
    shown, tasks, _ = flow_run_of(root)
    assert shown.state_name not in ("Completed", "Running")
    assert tasks
    assert not {task.state_name for task in tasks} & {"Running", "Pending"}
    counts = Model(project=root).status()
    assert counts["total"] == counts["completed"] + counts["pending"]
    assert counts["pending"]

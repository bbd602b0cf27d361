import asyncio
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from prefect_api_helpers import flow_run_of

from flows import footprints, maintain, prepare_meteorology, simulate
from stilt import Model
from stilt.errors import MeteorologyError
from stilt.execution import SimulationsFailedError
from stilt.execution.plan import Roles
from stilt.project.owners import pid_of

LATE = "2023-08-30 18:00,-111.85,40.77,30\n"


def trajectories(root: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in root.glob("simulations/by-id/*/*_traj.parquet")
    }


@pytest.fixture
def complete(api: str, new_project) -> Path:
    """A project run inline from a notebook cell, that is, beside a running event loop."""
    root = new_project("complete")

    async def cell():
        return simulate(root)

    counts = asyncio.run(cell())
    assert counts == {"total": 3, "complete": 3, "failed": 0, "unfinished": 0}
    return root


def test_a_notebook_run_is_shown_in_prefect(complete: Path) -> None:
    run, tasks, artifacts = flow_run_of(complete)
    assert run.state_name == "Completed"
    assert run.state.message == "3 of 3 simulations complete"
    assert run.name == "complete"
    ids = Model(project=complete).simulations.ids()
    assert sorted(task.name for task in tasks) == ids
    assert {task.state.message for task in tasks} == {"1 of 1 simulations complete"}
    assert {"project:complete", "met:demo"} <= set(run.tags)
    assert float(artifacts["complete-progress"].data) == 100.0
    assert "| complete | 3 |" in artifacts["complete-summary"].data
    assert "complete-failures" not in artifacts


def test_a_second_run_computes_nothing(complete: Path) -> None:
    before = trajectories(complete)
    assert simulate(str(complete))["total"] == 0
    assert trajectories(complete) == before


def test_footprints_are_remade_without_moving_a_particle(complete: Path) -> None:
    stamps = {p: p.stat().st_mtime_ns for p in complete.glob("simulations/by-id/*/*.parquet")}
    config = complete / "config.yaml"
    config.write_text(config.read_text().replace("xres: 0.1", "xres: 0.2"))
    assert footprints(complete)["complete"] == 3
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    first = Model(project=complete).footprints["default"].load()[0]
    assert first.data.sizes["lon"] == 10


def test_maintain_rebuilds_a_lost_index(complete: Path) -> None:
    for part in (complete / ".stilt").glob("index.duckdb*"):
        part.unlink()
    counts = maintain(complete)
    assert (counts["total"], counts["completed"], counts["freed"]) == (3, 3, 0)


def test_simulations_without_weather_fail_the_run_and_only_they(api: str, new_project) -> None:
    root = new_project("holes")
    with (root / "receptors.csv").open("a") as file:
        file.write(LATE)
    with pytest.raises(SimulationsFailedError, match="3 of 4 simulations complete, 1 failed"):
        simulate(root, mets=["demo"])
    run, tasks, artifacts = flow_run_of(root)
    assert run.state_name == "Failed"
    assert "1 failed" in run.state.message
    assert sorted(task.state_name for task in tasks) == ["Completed"] * 3 + ["Failed"]
    (red,) = (task for task in tasks if task.state_name == "Failed")
    assert red.state.message.startswith("0 of 1 simulations complete, 1 failed (M")
    assert "met:demo" in run.tags
    (row,) = json.loads(artifacts["holes-failures"].data)
    assert row["reason"] in ("MISSING_MET_FILES", "MET_COVERAGE")
    assert "20230830" in row["sim_id"]
    assert len(trajectories(root)) == 3


def test_missing_weather_is_named_by_prepare_meteorology(api: str, new_project) -> None:
    root = new_project("prepare", "time,lon,lat,zagl\n2023-07-15 18:00,-111.85,40.77,30\n" + LATE)
    with pytest.raises(MeteorologyError, match="1 of 2 simulations lack weather"):
        prepare_meteorology(root)
    assert list((root / ".stilt" / "weather").glob("20230715*"))


def test_a_process_with_helpers_gives_the_same_bytes(
    complete: Path, new_project, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a GPU: one process follows the particles, two make the files.
    monkeypatch.setattr(Roles, "of", lambda n_workers, device: Roles(1, n_workers - 1))
    root = new_project("helped")
    assert simulate(root, n_workers=3)["complete"] == 3
    assert trajectories(root) == trajectories(complete)


def test_a_pool_with_a_killed_worker_gives_the_same_bytes(complete: Path, new_project) -> None:
    root = new_project("pool")
    running = root / ".stilt" / "running"

    def kill_the_first_worker() -> None:
        while not (marks := list(running.glob("[!.]*.json"))):
            time.sleep(0.02)
        os.kill(pid_of(json.loads(marks[0].read_text())["owner"]), signal.SIGKILL)

    killer = threading.Thread(target=kill_the_first_worker, daemon=True)
    killer.start()
    counts = simulate(root, n_workers=2)
    killer.join(timeout=1)
    assert not killer.is_alive()
    assert counts["complete"] == 3
    assert trajectories(root) == trajectories(complete)
    run, tasks, _ = flow_run_of(root)
    assert run.state_name == "Completed"
    states = sorted(task.state_name for task in tasks)
    # A batch whose result was lost with the pool is begun again, and finds its files.
    assert states.count("Completed") >= 3
    assert set(states) <= {"Completed", "Crashed"}

"""Workers compile and import before their flow run begins, and outlive nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from flows.crew import workers_getting_ready
from stilt.execution import plan_run
from stilt.execution.programs import stored_programs
from stilt.model import Model


def programs() -> list[Path]:
    folder = stored_programs(None)._folder
    assert folder is not None
    return list(folder.glob("*.program"))


def processes_of(pool) -> list:
    return list(pool.runner._executor._processes.values())


def test_workers_compile_before_they_are_given_a_batch(
    new_project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "cache"))
    model = Model(project=new_project("early"))
    plan = plan_run(model.files, model.register_pending(), 2)
    with workers_getting_ready(model.files, plan) as pool:
        assert pool is not None
        workers = processes_of(pool)
        deadline = time.monotonic() + 120
        while not programs() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert len(programs()) == 1
        assert len(workers) == 2
        assert all(worker.is_alive() for worker in workers)
    assert not any(worker.is_alive() for worker in workers)
    assert not list(model.layout.running.glob("*.json"))


def test_one_worker_is_this_process(new_project) -> None:
    model = Model(project=new_project("alone"))
    plan = plan_run(model.files, model.register_pending(), 1)
    with workers_getting_ready(model.files, plan) as pool:
        assert pool is None


def test_a_run_goes_on_when_a_worker_dies_while_it_gets_ready(
    new_project, monkeypatch: pytest.MonkeyPatch
) -> None:
    import flows.crew

    monkeypatch.setattr(flows.crew, "get_worker_ready", die)
    model = Model(project=new_project("dying"))
    model.register_pending()
    from flows.backends import LocalBackend

    model.run(executor=LocalBackend(n_workers=2))
    counts = model.status()
    assert counts["completed"] == counts["total"]


def die(order) -> None:
    """End this worker."""
    import os

    os._exit(3)

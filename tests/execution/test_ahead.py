"""A process that gets ready for a run beside the one that computes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from stilt.execution import ahead, plan_run
from stilt.execution.orders import work_orders
from stilt.execution.places import Folders
from stilt.model import Model

PATIENCE_S = 120


@pytest.fixture
def model(new_project, monkeypatch, tmp_path):
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "cache"))
    return Model(project=new_project("case"))


@pytest.fixture
def order(model):
    plan = plan_run(model.files, model.register_pending()[:1], 1)
    (made,) = work_orders(model.files, plan, plan.batches, Folders.of(model.files))
    return made


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def programs(folder):
    return {path: path.stat().st_ino for path in folder.rglob("*.program")}


def test_it_leaves_weather_and_the_program_to_the_run(model, order, tmp_path):
    process = ahead.ProcessAhead()
    process.get_ready(order)
    until(lambda: process._process.poll() is not None)
    process.end()
    assert process._process.returncode == 0
    made = programs(tmp_path / "cache")
    assert made
    model.run()
    assert programs(tmp_path / "cache") == made, "compiled again"
    assert model.status()["failed"] == 0


def test_it_ends_when_told():
    process = ahead.ProcessAhead()
    process.end()
    assert process._process.returncode is not None


def test_orders_to_one_that_has_died_are_harmless(order):
    process = ahead.ProcessAhead()
    process._process.kill()
    process._process.wait()
    process.get_ready(order)
    process.end()


def test_it_ends_with_its_parent_that_is_killed():
    program = (
        "from stilt.execution.ahead import ProcessAhead; import time; "
        "print(ProcessAhead()._process.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # It may stay a zombie where no other process takes note of its end.
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"

    until(gone)


def test_weather_that_a_class_of_the_users_own_reads_is_left_to_the_run(model):
    assert ahead.reads_alike(model.files)
    ((name, met),) = model.config.mets.items()
    mets = {name: met.model_copy(update={"format": "mine.weather.Format"})}
    own = SimpleNamespace(config=model.config.model_copy(update={"mets": mets}))
    assert not ahead.reads_alike(own)


def test_a_run_needs_no_such_process(model, order, monkeypatch):
    monkeypatch.setattr(ahead, "available_cores", lambda: 1)
    with ahead.process_ahead() as process:
        assert process is None
    monkeypatch.setattr(ahead, "available_cores", lambda: 2)

    def refused(*_, **__):
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(ahead.subprocess, "Popen", refused)
    with ahead.process_ahead() as process:
        assert process is None
